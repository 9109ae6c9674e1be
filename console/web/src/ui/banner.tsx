/** On every page, of fixed height: counts per tier, the three most urgent unacknowledged alarms, the sound. */
import type { JSX } from "preact";
import { formatAge, formatValue } from "../core/format";
import { countByTier } from "../core/order";
import { type Alarm, isReturned, shownTier, type Tier, wantsAcknowledgement } from "../core/types";
import { t } from "../i18n";
import { go } from "../router";
import { alarmList, clock, horn, ready, selection, silence, siren, sound } from "../state";
import { AckButton } from "./ack-button";
import { Icon, TierSymbol } from "./icons";
import { alarmTitle, levelName, tierName } from "./words";

const TIERS = [1, 2, 3, 4] as const;

function TierTile(props: { tier: Tier; open: number; total: number }): JSX.Element {
  const { tier, open, total } = props;
  const words = t.value;
  const mood = open > 0 ? "open" : total > 0 ? "standing" : "calm";
  return (
    <div class={`tile t${tier} ${mood}`} title={words.tierTile(tier, open, total)} data-test={`tile-${tier}`}>
      <TierSymbol tier={tier} size={38} calm={total === 0} />
      <div class="tile-numbers">
        <b class="tile-open">{open}</b>
        <span class="tile-words">
          <span>{words.unacknowledgedShort}</span>
          <span>{words.ofTotal(total)}</span>
        </span>
      </div>
      <span class="tile-name">{tierName(tier)}</span>
    </div>
  );
}

function TopAlarm(props: { alarm: Alarm }): JSX.Element {
  const { alarm } = props;
  const tier = shownTier(alarm);
  return (
    <article class={`top-alarm t${tier}`} data-test="top-alarm">
      <TierSymbol tier={tier} size={30} hollow={isReturned(alarm)} />
      <button
        type="button"
        class="top-alarm-text"
        onClick={() => {
          go("/");
          selection.value = { kind: "alarm", id: alarm.id };
        }}
      >
        <b>{alarmTitle(alarm)}</b>
        <span>
          <em>{levelName(alarm)}</em>
          {alarm.value !== null && (
            <span class="value number">
              {formatValue(alarm.value)} {alarm.unit}
            </span>
          )}
          <span class="number">{formatAge(clock.value - alarm.raised)}</span>
        </span>
      </button>
      <AckButton alarm={alarm} short />
    </article>
  );
}

function SoundControl(): JSX.Element {
  const words = t.value;
  const state = sound.value;
  if (state === "blocked") {
    return (
      <button type="button" class="sound blocked" data-test="sound" onClick={() => horn.unblock()}>
        <Icon name="muted" size={22} />
        <span>{words.soundBlocked}</span>
      </button>
    );
  }
  const names = { quiet: words.soundOn, sounding: words.soundSounding, silenced: words.soundSilenced };
  return (
    <div class={`sound ${state}`} data-test="sound">
      <Icon name={state === "silenced" ? "muted" : "speaker"} size={22} />
      <span>
        <b>{names[state]}</b>
        {state === "silenced" && <small>{words.soundRearm}</small>}
      </span>
      {state === "sounding" && (
        <button type="button" class="button" title="M" onClick={silence}>
          {words.soundSilence}
        </button>
      )}
      {state === "quiet" && siren.tier === null && (
        <button type="button" class="button quiet" onClick={() => horn.test()}>
          {words.soundTest}
        </button>
      )}
    </div>
  );
}

export function Banner(): JSX.Element {
  const words = t.value;
  const alarms = alarmList.value;
  const counts = countByTier(alarms);
  const top: Alarm[] = [];
  for (const alarm of alarms) {
    if (wantsAcknowledgement(alarm)) top.push(alarm);
    if (top.length === 3) break;
  }
  return (
    <section class="banner">
      <div class="tiles">
        {TIERS.map((tier) => (
          <TierTile key={tier} tier={tier} open={counts[tier].unacknowledged} total={counts[tier].total} />
        ))}
      </div>
      <div class="top-alarms" aria-label={words.topUnacknowledged} aria-live="polite">
        {top.map((alarm) => (
          <TopAlarm key={alarm.id} alarm={alarm} />
        ))}
        {top.length === 0 && (
          <p class="all-clear">
            {ready.value ? (
              <>
                <Icon name="check" size={22} />
                {words.noUnacknowledged}
              </>
            ) : (
              words.waitingTitle
            )}
          </p>
        )}
      </div>
      <SoundControl />
    </section>
  );
}
