/** Symbols as inline SVG: emoji and warning glyphs are tofu on many control-room machines. */
import type { JSX } from "preact";
import type { Tier } from "../core/types";

const SHAPES: Record<Tier, JSX.Element> = {
  1: <rect x="3" y="3" width="26" height="26" rx="2" />,
  2: <path d="M16 2.5 30.5 28.5H1.5Z" />,
  3: <path d="M1.5 3.5H30.5L16 29.5Z" />,
  4: <path d="M16 1.5 30.5 16 16 30.5 1.5 16Z" />,
};
const DIGIT_Y: Record<Tier, number> = { 1: 16.5, 2: 19.5, 3: 12.5, 4: 16.5 };

/** Shape, colour, dark outline and digit of a tier; hollow when the alarm has returned. */
export function TierSymbol(props: { tier: Tier; size?: number; hollow?: boolean; calm?: boolean }): JSX.Element {
  const { tier, size = 26, hollow = false, calm = false } = props;
  const name = `tier-symbol t${tier}${hollow ? " hollow" : ""}${calm ? " calm" : ""}`;
  return (
    <svg class={name} width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      {SHAPES[tier]}
      <text x="16" y={DIGIT_Y[tier]} text-anchor="middle" dominant-baseline="central">
        {tier}
      </text>
    </svg>
  );
}

const PATHS = {
  speaker: "M3 9v6h4l5 4V5L7 9H3zm12.5-1a5 5 0 0 1 0 8M17.5 5a9 9 0 0 1 0 14",
  muted: "M3 9v6h4l5 4V5L7 9H3zm12 0 6 6m0-6-6 6",
  link: "M9.5 14.5 14.5 9.5M8 11l-2.5 2.5a3.5 3.5 0 0 0 5 5L13 16m3-3 2.5-2.5a3.5 3.5 0 0 0-5-5L11 8",
  broken: "M8 11l-2.5 2.5a3.5 3.5 0 0 0 5 5L13 16m3-3 2.5-2.5a3.5 3.5 0 0 0-5-5L11 8M4 4l16 16",
  pipeline: "M3 12h4l2.5-7 4 14 2.5-7h5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3m0 14v3M2 12h3m14 0h3M5 5l2 2m10 10 2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  check: "M4.5 12.5 10 18 20 6.5",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 4v5.5l3.5 2",
  wrench: "M14 6.5a4.5 4.5 0 0 1 5.8-3L17 6.3l.7 2.7 2.7.7 2.8-2.8a4.5 4.5 0 0 1-6.4 5.3L8.6 20.4a2.3 2.3 0 0 1-3.2-3.2L13.6 9a4.5 4.5 0 0 1 .4-2.5z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm5 12 5 5",
  user: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c.5-4 3.7-6.5 8-6.5s7.5 2.5 8 6.5",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  close: "M5 5l14 14M19 5 5 19",
  exit: "M14 4H5v16h9M10 12h11m-4-4 4 4-4 4",
  pause: "M8 5v14M16 5v14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon(props: { name: IconName; size?: number }): JSX.Element {
  const size = props.size ?? 18;
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[props.name]} />
    </svg>
  );
}

/** The product's mark: a reading that leaves its band. */
export function Mark(props: { size?: number }): JSX.Element {
  const size = props.size ?? 26;
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path d="M2 18h7l3.5-10 5 16 3.5-11 1.5 5H30" />
    </svg>
  );
}
