/** Is what the screen shows still true? Link first, then the stages of the pipeline behind the server. */
import type { Limits, Marks } from "./protocol";

export const LINK_STALE_MS = 2500;
export const LAG_STALE_MS = 3000;

export type Stage = "readings" | "ingest" | "rules" | "book";
export type Freshness =
  | { readonly kind: "live" }
  | { readonly kind: "waiting" }
  | { readonly kind: "link"; readonly age: number }
  | { readonly kind: "lag"; readonly age: number }
  | { readonly kind: "pipeline"; readonly stage: Stage; readonly age: number };

export interface LinkFacts {
  /** This machine's monotonic ms: now, and when the last frame came (0: none yet). */
  readonly now: number;
  readonly lastFrame: number;
  /** How much later than the fastest frame of this connection the last one came, ms. */
  readonly lag: number;
  /** The server's time, estimated, ms UTC. */
  readonly serverNow: number;
  readonly ready: boolean;
  readonly marks: Marks;
  readonly limits: Limits;
}

export function freshness(facts: LinkFacts): Freshness {
  if (facts.lastFrame === 0) return { kind: "waiting" };
  const silent = facts.now - facts.lastFrame;
  if (silent > LINK_STALE_MS) return { kind: "link", age: silent };
  if (facts.lag > LAG_STALE_MS) return { kind: "lag", age: facts.lag };
  if (!facts.ready) return { kind: "waiting" };
  let worst: Freshness = { kind: "live" };
  let excess = 0;
  for (const stage of ["book", "readings", "rules", "ingest"] as const) {
    const limit = stage === "ingest" ? facts.limits.beatStale : facts.limits.pipelineStale;
    const age = facts.serverNow - facts.marks[stage];
    if (age > limit && age - limit > excess) {
      excess = age - limit;
      worst = { kind: "pipeline", stage, age };
    }
  }
  return worst;
}

/** What is seen may be acted upon. */
export function isLive(state: Freshness): boolean {
  return state.kind === "live";
}
