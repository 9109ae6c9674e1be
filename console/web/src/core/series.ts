/** The columns of a trend: what the server sent, with gaps as gaps, going on with what the stream brings. */
import type { Trend } from "./api";

const FIRST_BAD = 128;

export interface Columns {
  /** Seconds, as the chart wants them. */
  readonly t: number[];
  readonly lo: (number | null)[];
  readonly hi: (number | null)[];
  readonly v: (number | null)[];
  readonly q: number[];
}

export function emptyColumns(): Columns {
  return { t: [], lo: [], hi: [], v: [], q: [] };
}

/** The longest step that is still no gap, ms: three periods of the point, and three usual steps of the data. */
export function longestStep(times: readonly number[], period: number): number {
  const steps: number[] = [];
  for (let n = 1; n < times.length; n++) steps.push((times[n] as number) - (times[n - 1] as number));
  steps.sort((a, b) => a - b);
  return Math.max(3000 * period, 3 * (steps[steps.length >> 1] ?? 0));
}

function push(columns: Columns, at: number, lo: number | null, hi: number | null, v: number | null, q: number): void {
  columns.t.push(at / 1000);
  columns.lo.push(lo);
  columns.hi.push(hi);
  columns.v.push(v);
  columns.q.push(q);
}

/** Where data is missing an empty point interrupts the line; a bad value is no value. */
export function columnsOf(trend: Trend, period: number): Columns {
  const columns = emptyColumns();
  const longest = longestStep(trend.t, period);
  let before = Number.NEGATIVE_INFINITY;
  for (let n = 0; n < trend.t.length; n++) {
    const at = trend.t[n] as number;
    const quality = trend.q[n] as number;
    if (at - before > longest && n > 0) push(columns, (at + before) / 2, null, null, null, 0);
    before = at;
    const v = trend.v[n] ?? null;
    push(columns, at, trend.lo[n] ?? v, trend.hi[n] ?? v, quality >= FIRST_BAD ? null : v, quality);
  }
  return columns;
}

/** One live value more, times in ms; false when it is not newer than the last. */
export function append(columns: Columns, at: number, value: number, quality: number, period: number): boolean {
  const last = columns.t.length ? (columns.t[columns.t.length - 1] as number) * 1000 : Number.NEGATIVE_INFINITY;
  if (at <= last) return false;
  if (columns.t.length && at - last > 3000 * period) push(columns, (at + last) / 2, null, null, null, 0);
  const number = Number.isFinite(value) && quality < FIRST_BAD ? value : null;
  push(columns, at, number, number, number, quality);
  return true;
}

/** Forget what lies before `from` (ms), a few at a time. */
export function trim(columns: Columns, from: number): void {
  let gone = 0;
  while (gone < columns.t.length && (columns.t[gone] as number) * 1000 < from) gone++;
  if (gone < 50) return;
  for (const column of [columns.t, columns.lo, columns.hi, columns.v, columns.q]) column.splice(0, gone);
}

/** The worse of two values on a side of the range, whichever are there. */
export function worse(side: string, one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return side === "low" ? Math.min(one, other) : Math.max(one, other);
}

/** The worst value since `from` (ms), null when there is none; bad data is no value. */
export function worstSince(columns: Columns, from: number, side: string): number | null {
  const bounds = side === "low" ? columns.lo : columns.hi;
  let found: number | null = null;
  for (let n = columns.t.length - 1; n >= 0 && (columns.t[n] as number) * 1000 >= from; n--) {
    if ((columns.q[n] as number) < FIRST_BAD) found = worse(side, found, bounds[n] ?? null);
  }
  return found;
}

export interface BadSpan {
  readonly from: number;
  readonly to: number;
}

/** Stretches of bad quality, in seconds. */
export function badSpans(columns: Columns): BadSpan[] {
  const spans: BadSpan[] = [];
  let from: number | null = null;
  for (let n = 0; n < columns.t.length; n++) {
    const bad = (columns.q[n] as number) >= FIRST_BAD;
    const at = columns.t[n] as number;
    if (bad && from === null) from = at;
    if (!bad && from !== null) {
      spans.push({ from, to: at });
      from = null;
    }
  }
  if (from !== null) spans.push({ from, to: columns.t[columns.t.length - 1] as number });
  return spans;
}
