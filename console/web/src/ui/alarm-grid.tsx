/** The alarm list: ordered, virtual, and still while somebody points at it. */
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { rowsOf } from "../core/order";
import { type Alarm, wantsAcknowledgement } from "../core/types";
import { t } from "../i18n";
import { alarmList, ready, selection, store } from "../state";
import { AlarmRow, ROW_HEIGHT } from "./alarm-row";
import { Icon } from "./icons";
import { VirtualList } from "./virtual-list";

/** A pointer that rests this long points at nothing any more. */
const HOLD_MS = 10_000;

interface Held {
  readonly ids: readonly string[];
  readonly known: ReadonlyMap<string, Alarm>;
}

function haystack(alarm: Alarm): string {
  return [alarm.subject, alarm.gas, ...alarm.text, ...alarm.title, ...alarm.place.flat()].join(" ").toLowerCase();
}

export function AlarmGrid(): JSX.Element {
  const words = t.value;
  const filter = useSignal("");
  const onlyOpen = useSignal(false);
  const held = useSignal<Held | null>(null);
  const focus = useSignal(-1);
  const timer = useRef(0);

  const shown = useComputed(() => {
    const needles = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    return alarmList.value.filter(
      (alarm) =>
        (!onlyOpen.value || wantsAcknowledgement(alarm)) &&
        (needles.length === 0 || needles.every((needle) => haystack(alarm).includes(needle))),
    );
  });
  const rows = rowsOf(shown.value, held.value?.ids ?? null);

  function hold(): void {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(release, HOLD_MS);
    if (held.value || shown.value.length === 0) return;
    const ids = shown.value.map((alarm) => alarm.id);
    held.value = { ids, known: new Map(shown.value.map((alarm) => [alarm.id, alarm])) };
  }
  /** Only real movement holds the rows: a list that slides under a resting pointer does not. */
  function point(event: PointerEvent): void {
    if (event.movementX !== 0 || event.movementY !== 0) hold();
  }
  function release(): void {
    window.clearTimeout(timer.current);
    held.value = null;
  }
  useEffect(() => () => window.clearTimeout(timer.current), []);

  function select(index: number): void {
    const id = rows.ids[index];
    if (id === undefined) return;
    focus.value = index;
    selection.value = { kind: "alarm", id };
  }
  function onKey(event: KeyboardEvent): void {
    const chosen = selection.value;
    const here = chosen.kind === "alarm" ? rows.ids.indexOf(chosen.id) : -1;
    const page = 10;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.ids.length, End: rows.ids.length }[
      event.key
    ];
    if (step === undefined) return;
    event.preventDefault();
    hold();
    select(Math.max(0, Math.min(rows.ids.length - 1, here + step)));
  }

  const chosen = selection.value;
  const selected = chosen.kind === "alarm" ? chosen.id : "";
  return (
    <section class="panel alarms" aria-label={words.alarms}>
      <header class="panel-head">
        <h2>{words.alarms}</h2>
        <span class="count number" data-test="alarm-count">
          {words.alarmCount(shown.value.length, store.alarms.size)}
        </span>
        <button
          type="button"
          class={rows.waiting > 0 ? "new-strip" : "new-strip none"}
          data-test="new-strip"
          onClick={release}
          tabIndex={rows.waiting > 0 ? 0 : -1}
        >
          <Icon name="pause" size={14} />
          <b>{words.newAlarms(rows.waiting)}</b>
          <span>{words.newAlarmsHint}</span>
        </button>
        <span class="spacer" />
        <div class="segments" role="group">
          <button type="button" aria-pressed={!onlyOpen.value} onClick={() => (onlyOpen.value = false)}>
            {words.allStates}
          </button>
          <button type="button" aria-pressed={onlyOpen.value} onClick={() => (onlyOpen.value = true)}>
            {words.onlyOpen}
          </button>
        </div>
        <label class="search">
          <Icon name="search" size={16} />
          <input
            id="alarm-filter"
            type="search"
            placeholder={words.alarmFilter}
            aria-label={words.alarmFilter}
            value={filter.value}
            onInput={(event) => {
              release();
              filter.value = event.currentTarget.value;
            }}
          />
        </label>
      </header>
      <div class="alarm-row column-heads" aria-hidden="true">
        <span />
        <span>{words.colAlarm}</span>
        <span>{words.colWhere}</span>
        <span class="right">{words.colValue}</span>
        <span>{words.colLimit}</span>
        <span>{words.colState}</span>
        <span>{words.colSince}</span>
        <span class="right">{words.colAge}</span>
        <span>{words.colAcknowledged}</span>
      </div>
      <div class="hold" onPointerMove={point} onPointerDown={hold} onPointerLeave={release}>
        <VirtualList
          count={rows.ids.length}
          row={ROW_HEIGHT}
          label={words.alarms}
          role="listbox"
          focus={focus.value}
          activeId={selected ? `row-${selected}` : ""}
          onKeyDown={onKey}
          onBlur={release}
          empty={<EmptyAlarms filtered={store.alarms.size > 0} />}
        >
          {(index) => {
            const id = rows.ids[index] as string;
            const alarm = store.alarms.get(id);
            const shownAlarm = alarm ?? held.value?.known.get(id);
            if (!shownAlarm) return null;
            return (
              <AlarmRow
                key={id}
                alarm={shownAlarm}
                gone={!alarm}
                selected={id === selected}
                onSelect={() => select(index)}
              />
            );
          }}
        </VirtualList>
      </div>
    </section>
  );
}

function EmptyAlarms(props: { filtered: boolean }): JSX.Element {
  const words = t.value;
  if (!ready.value) return <p class="empty">{words.waitingTitle}</p>;
  if (props.filtered) return <p class="empty">{words.noAlarmMatches}</p>;
  return (
    <div class="empty">
      <Icon name="check" size={40} />
      <b>{words.noAlarms}</b>
      <span>{words.noAlarmsHint}</span>
    </div>
  );
}
