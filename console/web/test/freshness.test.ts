import { describe, expect, it } from "vitest";
import { freshness, type LinkFacts } from "../src/core/freshness";

const T = 1_700_000_000_000;
const GOOD: LinkFacts = {
  now: 10_000,
  lastFrame: 9_900,
  lag: 0,
  serverNow: T,
  ready: true,
  marks: { readings: T - 500, ingest: T - 4000, rules: T - 900, book: T - 900 },
  limits: { pipelineStale: 2500, beatStale: 12_000 },
};

describe("freshness", () => {
  it("is live when link and all stages speak", () => {
    expect(freshness(GOOD)).toEqual({ kind: "live" });
  });
  it("waits before the first frame and before the alarms are read", () => {
    expect(freshness({ ...GOOD, lastFrame: 0 }).kind).toBe("waiting");
    expect(freshness({ ...GOOD, ready: false }).kind).toBe("waiting");
  });
  it("sees a silent link after 2.5 s, before anything else", () => {
    expect(freshness({ ...GOOD, lastFrame: 7_501 }).kind).toBe("live");
    expect(freshness({ ...GOOD, lastFrame: 7_499, ready: false })).toEqual({ kind: "link", age: 2501 });
  });
  it("sees frames that come late", () => {
    expect(freshness({ ...GOOD, lag: 3001 })).toEqual({ kind: "lag", age: 3001 });
  });
  it("names the stage that is furthest over its limit", () => {
    const marks = { ...GOOD.marks, readings: T - 3000, book: T - 9000 };
    expect(freshness({ ...GOOD, marks })).toEqual({ kind: "pipeline", stage: "book", age: 9000 });
    const ingest = { ...GOOD.marks, ingest: T - 12_001 };
    expect(freshness({ ...GOOD, marks: ingest })).toEqual({ kind: "pipeline", stage: "ingest", age: 12_001 });
  });
});
