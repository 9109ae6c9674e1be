import type { JSX } from "preact";
import type { Tag } from "../core/types";

export interface Span {
  readonly low: number;
  readonly high: number;
}

/** All limits with some room, within the measuring range; the range itself for a point without limits. */
export function spanOf(tag: Tag, value: number): Span {
  const bare = tag.limits.every((limit) => limit === null);
  if (bare && tag.rangeLow !== null && tag.rangeHigh !== null) return { low: tag.rangeLow, high: tag.rangeHigh };
  const known = tag.limits.filter((limit): limit is number => limit !== null);
  if (Number.isFinite(value)) known.push(value);
  const high = Math.max(...known, 0);
  const low = Math.min(...known, 0);
  const room = (high - low || 1) * 0.12;
  return { low: low < 0 ? low - room : low, high: high + room };
}

/** A moving pointer on a grey track; ticks are limits. Colour only when the point is in alarm. */
export function RangeBar(props: { tag: Tag; value: number; tier: number }): JSX.Element {
  const { tag, value, tier } = props;
  const span = spanOf(tag, value);
  const at = (number: number): string =>
    `${(Math.min(1, Math.max(0, (number - span.low) / (span.high - span.low || 1))) * 100).toFixed(2)}%`;
  const [lowLow, low, high, highHigh] = tag.limits;
  const from = low ?? lowLow;
  const to = high ?? highHigh;
  return (
    <span class="range-bar" aria-hidden="true">
      <span
        class="range-normal"
        style={{ left: from === null ? "0" : at(from), right: to === null ? "0" : `calc(100% - ${at(to)})` }}
      />
      {tag.limits.map((limit, index) =>
        limit === null ? null : (
          <span key={index} class={index === 0 || index === 3 ? "range-limit outer" : "range-limit"} style={{ left: at(limit) }} />
        ),
      )}
      {Number.isFinite(value) && <span class={tier ? `range-pointer t${tier}` : "range-pointer"} style={{ left: at(value) }} />}
    </span>
  );
}
