/** Stale never looks live: a black dashed strip across the top, and the whole page marked so that values are struck. */
import { effect } from "@preact/signals";
import type { JSX } from "preact";
import { formatAge } from "../core/format";
import type { Freshness } from "../core/freshness";
import { t } from "../i18n";
import { fresh, live, session, synced } from "../state";
import { Icon } from "./icons";

effect(() => {
  const stale = session.value.kind === "in" && !live.value;
  document.documentElement.dataset["stale"] = stale ? (fresh.value.kind === "waiting" ? "waiting" : "yes") : "no";
});

function message(state: Freshness): string {
  const words = t.value;
  switch (state.kind) {
    case "link":
      return words.staleLink(formatAge(state.age));
    case "lag":
      return words.staleLag(formatAge(state.age));
    case "pipeline": {
      const say = {
        book: words.staleBook,
        readings: words.staleReadings,
        rules: words.staleRules,
        ingest: words.staleIngest,
      }[state.stage];
      return say(formatAge(state.age));
    }
    default:
      return words.resyncing;
  }
}

export function StaleBanner(): JSX.Element | null {
  const state = fresh.value;
  if (state.kind === "waiting") return null;
  if (state.kind === "live") {
    return synced.value ? null : <div class="resync">{t.value.resyncing}</div>;
  }
  return (
    <div class="stale" role="alert" data-test="stale">
      <Icon name="broken" size={26} />
      <b class="number">{message(state)}</b>
      <span>{t.value.staleHint}</span>
    </div>
  );
}
