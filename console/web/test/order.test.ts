import { describe, expect, it } from "vitest";
import { countByTier, ordered, rowsOf } from "../src/core/order";
import { type Alarm, type AlarmState, alarmOf, isReturned, isUnacknowledged, shownLevel, shownTier } from "../src/core/types";

/** A small generator with a seed: the same alarms in every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const STATES: AlarmState[] = ["unacknowledged", "acknowledged", "returned_unacknowledged", "latched_unacknowledged"];

function alarms(count: number, seed = 1): Alarm[] {
  const roll = dice(seed);
  return Array.from({ length: count }, (_, n) => {
    const state = STATES[Math.floor(roll() * STATES.length)] as AlarmState;
    const tier = 1 + Math.floor(roll() * 4);
    return alarmOf({
      id: `a-${n}`,
      episode: "e",
      revision: 1,
      state,
      tier: state === "returned_unacknowledged" ? 0 : tier,
      peakTier: tier,
      raised: Math.floor(roll() * 50) * 1000,
    });
  });
}

describe("order of the alarm list", () => {
  it("is tier, then unacknowledged, returned, acknowledged, then newest, for 10 000 alarms", () => {
    const list = ordered(alarms(10_000));
    const rank = (alarm: Alarm): number => (isUnacknowledged(alarm) ? 0 : isReturned(alarm) ? 1 : 2);
    for (let n = 1; n < list.length; n++) {
      const [a, b] = [list[n - 1] as Alarm, list[n] as Alarm];
      const key = (alarm: Alarm): number => (shownTier(alarm) * 4 + rank(alarm)) * 1e9 - alarm.raised;
      expect(key(a)).toBeLessThanOrEqual(key(b));
    }
  });

  it("does not depend on the order of arrival", () => {
    const some = alarms(500, 2);
    expect(ordered([...some].reverse())).toEqual(ordered(some));
  });

  it("counts per tier", () => {
    const some = alarms(1000, 3);
    const counts = countByTier(some);
    for (const tier of [1, 2, 3, 4] as const) {
      const of = some.filter((alarm) => shownTier(alarm) === tier);
      expect(counts[tier].total).toBe(of.length);
      expect(counts[tier].unacknowledged).toBe(of.filter((alarm) => alarm.state !== "acknowledged").length);
    }
  });
});

describe("rows while somebody points at them", () => {
  const list = ordered(alarms(20, 4));
  const ids = list.map((alarm) => alarm.id);

  it("follow the order when nobody does", () => {
    expect(rowsOf(list, null)).toEqual({ ids, waiting: 0 });
  });

  it("stay, with gone ones in place and new ones counted", () => {
    const held = ids.slice(2);
    const now = list.filter((alarm) => alarm.id !== held[3]);
    expect(rowsOf(now, held)).toEqual({ ids: held, waiting: 2 });
  });
});

describe("a returned alarm", () => {
  it("is spoken of by the worst it had", () => {
    const common = { id: "a", episode: "e", revision: 3, peakTier: 2, peakLevelName: "high_high" };
    const active = alarmOf({ ...common, state: "unacknowledged", tier: 3, levelName: "high" });
    const returned = alarmOf({ ...common, state: "returned_unacknowledged", tier: 0, levelName: "normal" });
    expect([shownLevel(active), shownTier(active)]).toEqual(["high", 3]);
    expect([shownLevel(returned), shownTier(returned)]).toEqual(["high_high", 2]);
  });
});
