/** The order of the alarm list: tier, then unacknowledged, returned unacknowledged, acknowledged, then the newest. */
import { type Alarm, isReturned, isUnacknowledged, shownTier } from "./types";

function stateRank(alarm: Alarm): number {
  return isUnacknowledged(alarm) ? 0 : isReturned(alarm) ? 1 : 2;
}

export function compareAlarms(a: Alarm, b: Alarm): number {
  return (
    shownTier(a) - shownTier(b) ||
    stateRank(a) - stateRank(b) ||
    b.raised - a.raised ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

export function ordered(alarms: Iterable<Alarm>): Alarm[] {
  return [...alarms].sort(compareAlarms);
}

export interface TierCount {
  readonly unacknowledged: number;
  readonly total: number;
}

export function countByTier(alarms: Iterable<Alarm>): Record<1 | 2 | 3 | 4, TierCount> {
  const counts = {
    1: { unacknowledged: 0, total: 0 },
    2: { unacknowledged: 0, total: 0 },
    3: { unacknowledged: 0, total: 0 },
    4: { unacknowledged: 0, total: 0 },
  };
  for (const alarm of alarms) {
    const count = counts[shownTier(alarm)];
    count.total++;
    if (isUnacknowledged(alarm) || isReturned(alarm)) count.unacknowledged++;
  }
  return counts;
}

/** The rows as drawn while somebody points at them: nobody's row moves, gone ones stay, new ones wait outside. */
export interface Rows {
  readonly ids: readonly string[];
  readonly waiting: number;
}

export function rowsOf(alarms: readonly Alarm[], frozen: readonly string[] | null): Rows {
  if (frozen === null) return { ids: alarms.map((alarm) => alarm.id), waiting: 0 };
  const known = new Set(frozen);
  let waiting = 0;
  for (const alarm of alarms) if (!known.has(alarm.id)) waiting++;
  return { ids: frozen, waiting };
}
