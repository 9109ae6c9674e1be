/** What is selected: alarm or point, its numbers, its trend and what to do. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { AlarmDetail } from "../core/api";
import { formatAge, formatLimit, formatMoment, formatValue, plainName } from "../core/format";
import { type Columns, worse, worstSince } from "../core/series";
import { type Alarm, isReturned, shownLevel, shownTier, type Tag, wantsAcknowledgement } from "../core/types";
import { say, t } from "../i18n";
import { alarmList, alarmsVersion, api, clock, selection, store, tagsByNumber, valuesVersion } from "../state";
import { AckButton } from "./ack-button";
import { NowValue, StateWord } from "./alarm-row";
import { GuidancePane } from "./guidance";
import { Icon, TierSymbol } from "./icons";
import { TrendPane } from "./trend";
import { alarmTitle, FIRST_BAD, levelMark, levelName, placePath, qualityName, tagTitle } from "./words";

export function Detail(): JSX.Element {
  void alarmsVersion.value;
  const chosen = selection.value;
  const last = useRef<Alarm | null>(null);
  if (chosen.kind === "alarm") {
    const alarm = store.alarms.get(chosen.id) ?? (last.current?.id === chosen.id ? last.current : null);
    last.current = alarm;
    if (alarm) return <AlarmDetailPane key={alarm.id} alarm={alarm} gone={!store.alarms.has(alarm.id)} />;
  }
  if (chosen.kind === "tag") {
    const tag = tagsByNumber.value.get(chosen.number);
    if (tag) return <TagDetailPane key={tag.number} tag={tag} />;
  }
  const words = t.value;
  return (
    <aside class="panel detail">
      <div class="empty">
        <Icon name="pipeline" size={40} />
        <b>{words.detailNothing}</b>
        <span>{words.detailNothingHint}</span>
      </div>
    </aside>
  );
}

function Fact(props: { name: string; children: JSX.Element | string; note?: string }): JSX.Element {
  return (
    <div class="fact">
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
      <small>{props.note ?? ""}</small>
    </div>
  );
}

/** What other kinds judge is no reading: a mean, a slope, the minutes that are left. */
const JUDGE_READINGS: ReadonlySet<string> = new Set(["limits", "limits_by_state"]);

function AlarmDetailPane(props: { alarm: Alarm; gone: boolean }): JSX.Element {
  const { alarm, gone } = props;
  const words = t.value;
  const detail = useSignal<AlarmDetail | null>(null);
  const comment = useRef<HTMLInputElement>(null);
  const seen = useSignal<number | null>(null);
  useEffect(() => {
    seen.value = null;
  }, [alarm.episode]);
  useEffect(() => {
    let current = true;
    api.alarm(alarm.id).then(
      (loaded) => {
        if (current) detail.value = loaded;
      },
      () => {
        if (current) detail.value = null;
      },
    );
    return () => {
      current = false;
    };
  }, [alarm.id, alarm.episode]);
  const tag = tagsByNumber.value.get(alarm.tag);
  /** An alarm says its worst value when it changes; between two changes the trend knows more. */
  const look = (columns: Columns): void => {
    if (JUDGE_READINGS.has(alarm.kind)) seen.value = worse(alarm.side, seen.peek(), worstSince(columns, alarm.onset, alarm.side));
  };
  const tier = shownTier(alarm);
  const mark = levelMark(shownLevel(alarm));
  return (
    <aside class={`panel detail t${tier}`} data-test="detail">
      <header class="detail-head">
        <TierSymbol tier={tier} size={44} hollow={isReturned(alarm)} calm={gone} />
        <div>
          <h2>{alarmTitle(alarm)}</h2>
          <p>
            <span class="tag-name">{plainName(alarm.subject)}</span>
            {placePath(alarm).map((name) => (
              <span key={name}>{name}</span>
            ))}
          </p>
        </div>
        <StateWord alarm={alarm} gone={gone} />
      </header>
      {say(alarm.text) !== alarmTitle(alarm) && <p class="sentence">{say(alarm.text)}</p>}
      <dl class="facts">
        <Fact name={words.now} note={levelName(alarm)}>
          <NowValue alarm={alarm} />
        </Fact>
        <Fact name={words.limit} note={mark}>
          <span class="number">{alarm.limit === null ? "—" : formatLimit(alarm.limit)}</span>
        </Fact>
        <Fact name={words.peak}>
          <span class="number" data-test="worst">
            {formatValue(worse(alarm.side, alarm.peakValue, seen.value))} <small>{alarm.unit}</small>
          </span>
        </Fact>
        <Fact name={words.since} note={formatAge(clock.value - alarm.raised)}>
          <span class="number">{formatMoment(alarm.raised, clock.value)}</span>
        </Fact>
        <Fact name={words.acknowledgedBy} note={plainName(alarm.acknowledgedBy)}>
          <span class="number">{alarm.acknowledged ? formatMoment(alarm.acknowledged, clock.value) : words.notYet}</span>
        </Fact>
      </dl>
      {!gone && wantsAcknowledgement(alarm) ? (
        <div class="ack-form">
          <input ref={comment} placeholder={words.ackComment} aria-label={words.ackComment} maxLength={500} />
          <AckButton alarm={alarm} comment={() => comment.current?.value ?? ""} wide />
        </div>
      ) : (
        alarm.comment && <p class="comment">{plainName(alarm.comment)}</p>
      )}
      {tag && <TrendPane tag={tag} alarm={alarm} onData={look} />}
      <GuidancePane guidance={detail.value?.guidance} raised={alarm.raised} open={wantsAcknowledgement(alarm)} />
    </aside>
  );
}

function TagDetailPane(props: { tag: Tag }): JSX.Element {
  void valuesVersion.value;
  const { tag } = props;
  const words = t.value;
  const value = store.values.valueOf(tag.number);
  const quality = store.values.qualityOf(tag.number);
  const at = store.values.timeOf(tag.number);
  const alarm = alarmList.value.find((candidate) => candidate.tag === tag.number);
  const names = ["low_low", "low", "high", "high_high"];
  return (
    <aside class="panel detail" data-test="detail">
      <header class="detail-head">
        {alarm && <TierSymbol tier={shownTier(alarm)} size={44} hollow={isReturned(alarm)} />}
        <div>
          <h2>{tagTitle(tag)}</h2>
          <p>
            <span class="tag-name">{plainName(tag.name)}</span>
          </p>
        </div>
        {alarm && <StateWord alarm={alarm} />}
      </header>
      <dl class="facts">
        <Fact name={words.now} note={qualityName(quality)}>
          <span class={quality >= FIRST_BAD ? "value number no-value" : "value number"}>
            {formatValue(value)} <small>{tag.unit}</small>
          </span>
        </Fact>
        {tag.limits.map((limit, index) =>
          limit === null ? null : (
            <Fact key={index} name={levelMark(names[index] as string)}>
              <span class="number">{formatLimit(limit)}</span>
            </Fact>
          ),
        )}
        <Fact name={words.colReadingAge}>
          <span class="number">{at ? formatAge(clock.value - at) : "—"}</span>
        </Fact>
      </dl>
      <TrendPane tag={tag} alarm={alarm ?? null} />
    </aside>
  );
}
