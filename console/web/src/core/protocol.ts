/** The frames of the WebSocket, version 1. */
import type { WireAlarm } from "./types";

export const VERSION = 1;

export interface Marks {
  readonly readings: number;
  readonly ingest: number;
  readonly rules: number;
  readonly book: number;
}

export interface Limits {
  readonly pipelineStale: number;
  readonly beatStale: number;
}

/** Latest values in columns: tag number, value, quality, age in ms before the frame's `now`. */
export interface Values {
  readonly i: readonly number[];
  readonly v: readonly (number | null)[];
  readonly q: readonly number[];
  readonly t: readonly number[];
}

export interface HelloFrame {
  readonly k: "hello";
  readonly v: number;
  readonly epoch: string;
  readonly now: number;
  readonly hb: number;
  readonly limits: Limits;
}

export interface SnapFrame {
  readonly k: "snap";
  readonly epoch: string;
  readonly seq: number;
  readonly now: number;
  readonly wm: Marks;
  readonly registry: number;
  readonly a: readonly WireAlarm[];
  readonly s: Values | null;
  readonly ready: boolean;
}

export interface DeltaFrame {
  readonly k: "d";
  readonly epoch: string;
  readonly seq: number;
  readonly now: number;
  readonly registry?: number;
  readonly s?: Values;
  readonly a?: readonly WireAlarm[];
  readonly x?: readonly string[];
}

export interface BeatFrame {
  readonly k: "hb";
  readonly epoch: string;
  readonly seq: number;
  readonly now: number;
  readonly wm: Marks;
}

export type Frame = HelloFrame | SnapFrame | DeltaFrame | BeatFrame;

export type ToServer =
  | { k: "hello"; v: number; sub: "desk" | "alarms" }
  | { k: "ack"; seq: number; fps: number; snd: string }
  | { k: "resync" }
  | { k: "sub"; sub: "desk" | "alarms" };
