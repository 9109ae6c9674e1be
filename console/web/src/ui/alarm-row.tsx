import type { JSX } from "preact";
import { formatAge, formatLimit, formatMoment, formatValue, plainName } from "../core/format";
import { type Alarm, isReturned, isUnacknowledged, shownLevel, shownTier, wantsAcknowledgement } from "../core/types";
import { t } from "../i18n";
import { clock, isSilent, store, tagsByNumber, valuesVersion } from "../state";
import { AckButton } from "./ack-button";
import { Icon, type IconName, TierSymbol } from "./icons";
import { alarmTitle, className, FIRST_BAD, levelMark, levelName, placePath, qualityName, spoken, stateName } from "./words";

export const ROW_HEIGHT = 48;

const STATE_ICONS: Partial<Record<Alarm["state"], IconName>> = {
  acknowledged: "check",
  latched_acknowledged: "check",
  shelved: "clock",
  suppressed_by_design: "pause",
  out_of_service: "wrench",
};

/** The reading of now where there is one, else what the alarm was raised with. An alarm may judge something else than the
 *  reading (minutes that are left, a slope), so each number has its own unit. */
export function NowValue(props: { alarm: Alarm }): JSX.Element {
  void valuesVersion.value;
  const { alarm } = props;
  const quality = alarm.tag > 0 ? store.values.qualityOf(alarm.tag) : -1;
  const tag = tagsByNumber.value.get(alarm.tag);
  if (tag && quality >= 0 && quality < FIRST_BAD && isSilent(tag, clock.value)) {
    return (
      <span class="value number silent">
        {formatValue(store.values.valueOf(alarm.tag))} <small>{tag.unit}</small>
      </span>
    );
  }
  if (quality >= FIRST_BAD || (quality < 0 && alarm.value === null)) {
    return <span class="value no-value">{quality >= FIRST_BAD ? qualityName(quality) : "—"}</span>;
  }
  const live = tag !== undefined && quality >= 0;
  return (
    <span class="value number">
      {formatValue(live ? store.values.valueOf(alarm.tag) : alarm.value)} <small>{live ? tag.unit : alarm.unit}</small>
    </span>
  );
}

export function StateWord(props: { alarm: Alarm; gone?: boolean }): JSX.Element {
  const { alarm, gone } = props;
  const words = t.value;
  const icon = STATE_ICONS[alarm.state];
  if (gone) return <span class="state-word gone">{words.stateGone}</span>;
  return (
    <span class={`state-word ${alarm.state}`}>
      {icon && <Icon name={icon} size={15} />}
      {isUnacknowledged(alarm) && <i class="new-mark">{words.stateNew}</i>}
      {stateName(alarm)}
    </span>
  );
}

function Acknowledged(props: { alarm: Alarm }): JSX.Element {
  const { alarm } = props;
  if (!alarm.acknowledged) return <span />;
  return (
    <span class="acked" title={alarm.comment ? plainName(alarm.comment) : ""}>
      <span>{plainName(alarm.acknowledgedBy)}</span>
      <small class="number">{formatMoment(alarm.acknowledged, clock.value)}</small>
    </span>
  );
}

export function AlarmRow(props: { alarm: Alarm; gone: boolean; selected: boolean; onSelect: () => void }): JSX.Element {
  const { alarm, gone, selected } = props;
  const words = t.value;
  const tier = shownTier(alarm);
  const [innermost = "", ...outer] = placePath(alarm);
  const kind = className(alarm);
  const mark = levelMark(shownLevel(alarm));
  return (
    <div
      id={`row-${alarm.id}`}
      class={`alarm-row t${tier} ${gone ? "gone" : alarm.state}${selected ? " selected" : ""}`}
      role="option"
      aria-selected={selected}
      aria-label={spoken(alarm)}
      data-test="alarm-row"
      data-alarm={alarm.id}
      onClick={props.onSelect}
    >
      <span class="cell-symbol">
        <TierSymbol tier={tier} size={30} hollow={isReturned(alarm)} calm={gone} />
      </span>
      <span class="two-lines">
        <b>{alarmTitle(alarm)}</b>
        <small>
          <span class="tag-name">{plainName(alarm.subject)}</span>
          {kind && <span class="kind">{kind}</span>}
          {alarm.unconfirmed && <span class="kind">{words.unconfirmed}</span>}
          {alarm.doubtful && <span class="kind">{words.doubtfulTime}</span>}
        </small>
      </span>
      <span class="two-lines where">
        <span>{innermost}</span>
        <small>{outer.join(" / ")}</small>
      </span>
      <span class="right">
        <NowValue alarm={alarm} />
      </span>
      <span class="two-lines limit">
        {mark && alarm.limit !== null ? (
          <>
            <span class="number">
              <i class="level-mark">{mark}</i> {formatLimit(alarm.limit)}
            </span>
            <small>{levelName(alarm)}</small>
          </>
        ) : (
          <span>{levelName(alarm)}</span>
        )}
      </span>
      <StateWord alarm={alarm} gone={gone} />
      <span class="number">{formatMoment(alarm.raised, clock.value)}</span>
      <span class="number right age">{formatAge(clock.value - alarm.raised)}</span>
      <span class="cell-ack">
        {!gone && wantsAcknowledgement(alarm) ? <AckButton alarm={alarm} /> : <Acknowledged alarm={alarm} />}
      </span>
    </div>
  );
}
