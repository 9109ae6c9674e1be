import { describe, expect, it } from "vitest";
import type { Trend } from "../src/core/api";
import { append, badSpans, columnsOf, emptyColumns, longestStep, trim, worse, worstSince } from "../src/core/series";

function trend(t: number[], v: (number | null)[], q = t.map(() => 0)): Trend {
  return { tag: "x", start: 0, end: 1, live_from: 0, missing: null, t, lo: v, hi: v, v, q };
}

describe("series", () => {
  it("shows a gap where data is missing", () => {
    const columns = columnsOf(trend([1000, 2000, 3000, 60_000, 61_000], [1, 2, 3, 4, 5]), 1);
    expect(columns.v).toEqual([1, 2, 3, null, 4, 5]);
    expect(columns.t).toEqual([...columns.t].sort((a, b) => a - b));
  });
  it("takes the step of the data for longer ranges", () => {
    expect(longestStep([0, 60_000, 120_000, 180_000], 1)).toBe(180_000);
    expect(columnsOf(trend([0, 60_000, 120_000], [1, 2, 3]), 1).v).toEqual([1, 2, 3]);
  });
  it("draws no line through bad values and marks where they are", () => {
    const columns = columnsOf(trend([1000, 2000, 3000, 4000], [1, 9, null, 2], [0, 130, 131, 0]), 1);
    expect(columns.v).toEqual([1, null, null, 2]);
    expect(badSpans(columns)).toEqual([{ from: 2, to: 4 }]);
  });
  it("goes on live, with gaps, and never backwards", () => {
    const columns = emptyColumns();
    expect(append(columns, 1000, 1, 0, 1)).toBe(true);
    expect(append(columns, 1000, 1, 0, 1)).toBe(false);
    expect(append(columns, 2000, Number.NaN, 131, 1)).toBe(true);
    expect(append(columns, 20_000, 3, 0, 1)).toBe(true);
    expect(columns.v).toEqual([1, null, null, 3]);
  });
  it("forgets the old, some at a time", () => {
    const columns = emptyColumns();
    for (let n = 0; n < 200; n++) append(columns, n * 1000, n, 0, 1);
    trim(columns, 20_000);
    expect(columns.t).toHaveLength(200);
    trim(columns, 100_000);
    expect(columns.t[0]).toBe(100);
    expect(new Set([columns.t, columns.lo, columns.hi, columns.v, columns.q].map((column) => column.length)).size).toBe(1);
  });
  it("knows the worst since an alarm began, on either side, without bad data", () => {
    const columns = columnsOf(trend([1000, 2000, 3000, 4000, 5000], [99, 20, 41, 500, 12], [0, 0, 0, 131, 0]), 1);
    expect(worstSince(columns, 2000, "high")).toBe(41);
    expect(worstSince(columns, 2000, "low")).toBe(12);
    expect(worstSince(columns, 6000, "high")).toBe(null);
    expect([worse("high", null, 3), worse("low", 2, null), worse("high", 2, 3), worse("low", 2, 3)]).toEqual([3, 2, 3, 2]);
  });
});
