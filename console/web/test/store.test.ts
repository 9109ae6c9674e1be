import { describe, expect, it } from "vitest";
import type { DeltaFrame, SnapFrame } from "../src/core/protocol";
import { type AlarmChange, Store } from "../src/core/store";

const MARKS = { readings: 1, ingest: 1, rules: 1, book: 1 };

function snap(seq: number, ids: string[], more: Partial<SnapFrame> = {}): SnapFrame {
  return {
    k: "snap",
    epoch: "e",
    seq,
    now: 1000,
    wm: MARKS,
    registry: 1,
    a: ids.map((id) => ({ id, episode: `ep-${id}`, revision: 1, state: "unacknowledged" })),
    s: { i: [1, 2], v: [1.5, null], q: [0, 131], t: [100, 200] },
    ready: true,
    ...more,
  };
}

function delta(seq: number, more: Partial<DeltaFrame> = {}): DeltaFrame {
  return { k: "d", epoch: "e", seq, now: 2000, ...more };
}

describe("store", () => {
  it("replaces everything with a snapshot", () => {
    const store = new Store();
    store.snapshot(snap(5, ["a", "b"]));
    store.snapshot(snap(9, ["c"], { s: { i: [3], v: [7], q: [0], t: [0] } }));
    expect([...store.alarms.keys()]).toEqual(["c"]);
    expect(store.values.valueOf(1)).toBeNaN();
    expect(store.values.valueOf(3)).toBe(7);
  });

  it("fills what the server leaves out", () => {
    const store = new Store();
    store.snapshot(snap(1, ["a"]));
    expect(store.alarms.get("a")).toMatchObject({ tier: 0, value: null, text: ["", ""], place: [] });
  });

  it("applies deltas in turn and refuses any other", () => {
    const store = new Store();
    store.snapshot(snap(5, ["a"]));
    expect(store.delta(delta(6, { x: ["a"] }))).toBe("applied");
    expect(store.alarms.size).toBe(0);
    expect(store.delta(delta(8))).toBe("gap");
    expect(store.delta(delta(6))).toBe("gap");
    expect(store.delta({ ...delta(7), epoch: "other" })).toBe("gap");
    expect(store.seq).toBe(6);
  });

  it("knows from a beat that it missed a frame", () => {
    const store = new Store();
    store.snapshot(snap(5, []));
    expect(store.beat({ k: "hb", epoch: "e", seq: 5, now: 1, wm: MARKS })).toBe("applied");
    expect(store.beat({ k: "hb", epoch: "e", seq: 6, now: 1, wm: MARKS })).toBe("gap");
  });

  it("keeps values, qualities and times by tag", () => {
    const store = new Store();
    store.snapshot(snap(1, []));
    expect([store.values.valueOf(1), store.values.qualityOf(1), store.values.timeOf(1)]).toEqual([1.5, 0, 900]);
    expect([store.values.qualityOf(2), store.values.timeOf(2)]).toEqual([131, 800]);
    expect([store.values.qualityOf(9), store.values.timeOf(9)]).toEqual([-1, 0]);
    const many = Array.from({ length: 5000 }, (_, n) => n + 10);
    store.delta(delta(2, { s: { i: many, v: many, q: many.map(() => 0), t: many.map(() => 0) } }));
    expect(store.values.valueOf(5009)).toBe(5009);
    expect(store.values.valueOf(1)).toBe(1.5);
  });

  it("says what happened to each alarm, also over a snapshot", () => {
    const changes: AlarmChange[] = [];
    const store = new Store((change) => changes.push(change));
    store.snapshot(snap(1, ["a", "b"]));
    changes.length = 0;
    store.snapshot(snap(4, ["b"]));
    expect(changes.map(({ before, after }) => [before?.id, after?.id])).toEqual([
      ["b", "b"],
      ["a", undefined],
    ]);
  });
});
