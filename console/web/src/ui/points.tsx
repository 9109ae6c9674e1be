/** Measuring points with value, quality and age; an analogue bar shows where the value stands between its limits. */
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { formatAge, formatValue, plainName } from "../core/format";
import { type Alarm, isReturned, isUnacknowledged, shownTier, type Tag } from "../core/types";
import { say, t } from "../i18n";
import { alarmList, clock, isSilent, registry, selection, store, valuesVersion } from "../state";
import { Icon, TierSymbol } from "./icons";
import { RangeBar } from "./range-bar";
import { VirtualList } from "./virtual-list";
import { FIRST_BAD, FIRST_UNCERTAIN, qualityName, tagTitle } from "./words";

const ROW_HEIGHT = 32;

export function Points(): JSX.Element {
  const words = t.value;
  const filter = useSignal("");
  const enterprise = useSignal("");
  const abnormal = useSignal(false);

  const worst = useComputed(() => {
    const found = new Map<number, Alarm>();
    for (const alarm of alarmList.value) if (alarm.tag > 0 && !found.has(alarm.tag)) found.set(alarm.tag, alarm);
    return found;
  });
  const places = useComputed(() => {
    const { enterprises, hazardSources, equipment } = registry.value;
    return new Map([...enterprises, ...hazardSources, ...equipment].map((place) => [place.id, place.name]));
  });
  const shown = useComputed(() => {
    const needles = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    return registry.value.tags.filter((tag) => {
      if (enterprise.value && tag.enterprise !== enterprise.value) return false;
      if (abnormal.value && !isAbnormal(tag)) return false;
      if (needles.length === 0) return true;
      const text = `${tag.name} ${tag.title.join(" ")} ${(places.value.get(tag.equipment) ?? []).join(" ")}`.toLowerCase();
      return needles.every((needle) => text.includes(needle));
    });
  });

  function isAbnormal(tag: Tag): boolean {
    void valuesVersion.value;
    return worst.value.has(tag.number) || store.values.qualityOf(tag.number) !== 0 || isSilent(tag, clock.peek());
  }

  const chosen = selection.value;
  const selected = chosen.kind === "tag" ? chosen.number : 0;
  return (
    <section class="panel points" aria-label={words.points}>
      <header class="panel-head">
        <h2>{words.points}</h2>
        <span class="count number">{words.pointCount(shown.value.length, registry.value.tags.length)}</span>
        <span class="spacer" />
        <div class="segments" role="group">
          <button type="button" aria-pressed={enterprise.value === ""} onClick={() => (enterprise.value = "")}>
            {words.allEnterprises}
          </button>
          {registry.value.enterprises.slice(0, 8).map((place) => (
            <button
              key={place.id}
              type="button"
              aria-pressed={enterprise.value === place.id}
              onClick={() => (enterprise.value = place.id)}
            >
              {say(place.name)}
            </button>
          ))}
        </div>
        <div class="segments" role="group">
          <button type="button" aria-pressed={abnormal.value} onClick={() => (abnormal.value = !abnormal.value)}>
            {words.onlyAbnormal}
          </button>
        </div>
        <label class="search">
          <Icon name="search" size={16} />
          <input
            type="search"
            placeholder={words.pointFilter}
            aria-label={words.pointFilter}
            value={filter.value}
            onInput={(event) => (filter.value = event.currentTarget.value)}
          />
        </label>
      </header>
      <div class="point-row column-heads" aria-hidden="true">
        <span />
        <span>{words.colTag}</span>
        <span>{words.colName}</span>
        <span>{words.colWhere}</span>
        <span>{words.colRange}</span>
        <span class="right">{words.colReading}</span>
        <span>{words.colQuality}</span>
        <span class="right">{words.colReadingAge}</span>
      </div>
      <VirtualList
        count={shown.value.length}
        row={ROW_HEIGHT}
        label={words.points}
        empty={<p class="empty">{registry.value.tags.length === 0 ? words.noRegistry : words.noPoints}</p>}
      >
        {(index) => {
          const tag = shown.value[index] as Tag;
          return (
            <PointRow
              key={tag.number}
              tag={tag}
              alarm={worst.value.get(tag.number)}
              where={[places.value.get(tag.hazardSource), places.value.get(tag.enterprise)]
                .filter((name) => name !== undefined)
                .map(say)
                .join(" / ")}
              selected={tag.number === selected}
            />
          );
        }}
      </VirtualList>
    </section>
  );
}

function PointRow(props: { tag: Tag; alarm: Alarm | undefined; where: string; selected: boolean }): JSX.Element {
  void valuesVersion.value;
  const { tag, alarm } = props;
  const now = clock.value;
  const quality = store.values.qualityOf(tag.number);
  const value = store.values.valueOf(tag.number);
  const at = store.values.timeOf(tag.number);
  const silent = isSilent(tag, now);
  const doubtful = silent || quality < 0 || quality >= FIRST_UNCERTAIN;
  const tier = alarm ? shownTier(alarm) : 0;
  const flashing = alarm !== undefined && isUnacknowledged(alarm);
  return (
    <button
      type="button"
      class={`point-row${props.selected ? " selected" : ""}${silent ? " silent" : ""}${flashing ? " unacknowledged" : ""}`}
      data-test="point-row"
      data-tag={tag.name}
      onClick={() => (selection.value = { kind: "tag", number: tag.number })}
    >
      <span class="cell-symbol">
        {alarm && <TierSymbol tier={shownTier(alarm)} size={20} hollow={isReturned(alarm)} />}
      </span>
      <span class="tag-name">{plainName(tag.name)}</span>
      <span class="ellipsis">{tagTitle(tag)}</span>
      <span class="ellipsis muted">{props.where}</span>
      <RangeBar tag={tag} value={doubtful ? Number.NaN : value} tier={tier} />
      <span class={quality >= FIRST_BAD || silent ? "value number right no-value" : "value number right"}>
        {formatValue(value)} <small>{tag.unit}</small>
      </span>
      <span class={doubtful ? "quality bad" : "quality"}>
        {silent && quality >= 0 && quality < FIRST_BAD ? t.value.qualitySilent : qualityName(quality)}
      </span>
      <span class={silent ? "number right age bad" : "number right age"}>{at ? formatAge(now - at) : "—"}</span>
    </button>
  );
}
