/** What happened, newest first: a plain table of transitions. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Journal, JournalEntry } from "../core/api";
import { formatClock, formatDate, formatLimit, formatValue, plainName } from "../core/format";
import type { Tier } from "../core/types";
import { say, t } from "../i18n";
import type { Dictionary } from "../i18n/en";
import { alarmsVersion, api } from "../state";
import { TierSymbol } from "./icons";
import { levelMark } from "./words";

type Plain = { [K in keyof Dictionary]: Dictionary[K] extends string ? K : never }[keyof Dictionary];
const CHANGES: Record<string, Plain> = {
  raise: "changeRaise",
  rise: "changeRise",
  fall: "changeFall",
  return: "changeReturn",
  reraise: "changeReraise",
  acknowledge: "changeAcknowledge",
  unconfirmed: "changeUnconfirmed",
  confirmed: "changeConfirmed",
  close: "changeClose",
  retire: "changeRetire",
};

export function JournalPage(): JSX.Element {
  const words = t.value;
  const journal = useSignal<Journal | null>(null);
  const failed = useSignal(false);
  const version = alarmsVersion.value;
  useEffect(() => {
    let current = true;
    const timer = window.setTimeout(() => {
      api.journal().then(
        (loaded) => {
          if (!current) return;
          journal.value = loaded;
          failed.value = false;
        },
        () => {
          if (current) failed.value = true;
        },
      );
    }, journal.peek() ? 500 : 0);
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [version]);
  const rows = journal.value?.transitions ?? [];
  return (
    <main class="page">
      <section class="panel journal">
        <header class="panel-head">
          <h2>{words.journal}</h2>
          <span class="count number">{rows.length}</span>
          <span class="muted">{failed.value ? words.journalFailed : journal.value?.source === "memory" ? words.journalMemory : ""}</span>
        </header>
        <div class="journal-scroll">
          <table>
            <thead>
              <tr>
                <th>{words.journalTime}</th>
                <th>{words.journalChange}</th>
                <th />
                <th>{words.colAlarm}</th>
                <th>{words.colTag}</th>
                <th class="right">{words.colReading}</th>
                <th>{words.colLimit}</th>
                <th>{words.journalBy}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((entry) => (
                <JournalRow key={`${entry.alarm.episode}/${entry.alarm.revision}`} entry={entry} />
              ))}
            </tbody>
          </table>
          {rows.length === 0 && <p class="empty">{words.journalEmpty}</p>}
        </div>
      </section>
    </main>
  );
}

function JournalRow(props: { entry: JournalEntry }): JSX.Element {
  const { alarm, change, at_ns, actor } = props.entry;
  const at = at_ns / 1e6;
  const tier = Math.min(4, Math.max(1, alarm.tier || alarm.peak_tier)) as Tier;
  const key = CHANGES[change];
  const mark = levelMark(alarm.tier > 0 ? alarm.level_name : alarm.peak_level_name);
  return (
    <tr>
      <td class="number">
        <span class="muted">{formatDate(at)}</span> {formatClock(at)}
      </td>
      <td>{key ? t.value[key] : change}</td>
      <td>
        <TierSymbol tier={tier} size={20} hollow={change === "return"} calm={change === "acknowledge"} />
      </td>
      <td>{say([alarm.text?.zh ?? "", alarm.text?.en ?? ""])}</td>
      <td class="tag-name">{plainName(alarm.subject)}</td>
      <td class="number right">
        {alarm.value == null ? "—" : `${formatValue(alarm.value)} ${alarm.unit ?? ""}`}
      </td>
      <td class="number">{alarm.limit == null ? "" : `${mark} ${formatLimit(alarm.limit)}`}</td>
      <td>{plainName(actor ?? "")}</td>
    </tr>
  );
}
