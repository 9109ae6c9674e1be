/** The vocabulary of the screen. Times are ms since 1970 UTC, 0 when it has not happened. */

/** [zh, en] */
export type Bilingual = readonly [string, string];
export type Tier = 1 | 2 | 3 | 4;
export type AlarmState =
  | "normal"
  | "unacknowledged"
  | "acknowledged"
  | "returned_unacknowledged"
  | "latched_unacknowledged"
  | "latched_acknowledged"
  | "shelved"
  | "suppressed_by_design"
  | "out_of_service";
export type AlarmClass = "process" | "instrument" | "communication" | "system";

export interface Alarm {
  readonly id: string;
  readonly episode: string;
  readonly revision: number;
  readonly rule: string;
  readonly kind: string;
  readonly subject: string;
  readonly side: string;
  readonly alarmClass: AlarmClass;
  readonly state: AlarmState;
  readonly levelName: string;
  readonly tier: number;
  readonly peakTier: number;
  readonly peakLevelName: string;
  readonly tag: number;
  readonly value: number | null;
  readonly peakValue: number | null;
  readonly limit: number | null;
  readonly unit: string;
  readonly quality: number;
  readonly gas: string;
  readonly onset: number;
  readonly raised: number;
  readonly changed: number;
  readonly returned: number;
  readonly acknowledged: number;
  readonly acknowledgedBy: string;
  readonly comment: string;
  readonly unconfirmed: boolean;
  readonly doubtful: boolean;
  readonly text: Bilingual;
  readonly title: Bilingual;
  readonly enterprise: string;
  readonly place: readonly Bilingual[];
}

/** What an alarm has when the server left a field out. */
const ABSENT: Alarm = {
  id: "",
  episode: "",
  revision: 0,
  rule: "",
  kind: "",
  subject: "",
  side: "",
  alarmClass: "process",
  state: "unacknowledged",
  levelName: "",
  tier: 0,
  peakTier: 0,
  peakLevelName: "",
  tag: 0,
  value: null,
  peakValue: null,
  limit: null,
  unit: "",
  quality: 0,
  gas: "",
  onset: 0,
  raised: 0,
  changed: 0,
  returned: 0,
  acknowledged: 0,
  acknowledgedBy: "",
  comment: "",
  unconfirmed: false,
  doubtful: false,
  text: ["", ""],
  title: ["", ""],
  enterprise: "",
  place: [],
};

export type WireAlarm = Partial<Alarm> & Pick<Alarm, "id" | "episode" | "revision" | "state">;

export function alarmOf(wire: WireAlarm): Alarm {
  return { ...ABSENT, ...wire };
}

/** The tier an alarm is ranked and drawn by: a returned one keeps the worst it had. */
export function shownTier(alarm: Alarm): Tier {
  const tier = alarm.tier || alarm.peakTier || 4;
  return (tier < 1 ? 1 : tier > 4 ? 4 : tier) as Tier;
}

/** The level to speak of: the one of now, the worst it had when it has returned. */
export function shownLevel(alarm: Alarm): string {
  return alarm.tier > 0 ? alarm.levelName : alarm.peakLevelName;
}

export function isUnacknowledged(alarm: Alarm): boolean {
  return alarm.state === "unacknowledged" || alarm.state === "latched_unacknowledged";
}

export function isReturned(alarm: Alarm): boolean {
  return alarm.state === "returned_unacknowledged";
}

/** Somebody still has to acknowledge it. */
export function wantsAcknowledgement(alarm: Alarm): boolean {
  return isUnacknowledged(alarm) || isReturned(alarm);
}

export interface Tag {
  readonly number: number;
  readonly name: string;
  readonly title: Bilingual;
  readonly enterprise: string;
  readonly hazardSource: string;
  readonly equipment: string;
  readonly measure: string;
  readonly unit: string;
  readonly rangeLow: number | null;
  readonly rangeHigh: number | null;
  readonly resolution: number | null;
  /** Seconds between readings, and after how many it counts as silent. */
  readonly period: number;
  readonly stale: number;
  /** low-low, low, high, high-high */
  readonly limits: readonly [number | null, number | null, number | null, number | null];
}

export interface Place {
  readonly id: string;
  readonly name: Bilingual;
  readonly parent: string;
}

export interface Registry {
  readonly revision: number;
  readonly made: number;
  readonly parks: readonly Place[];
  readonly enterprises: readonly Place[];
  readonly hazardSources: readonly Place[];
  readonly equipment: readonly Place[];
  readonly tags: readonly Tag[];
}

export const EMPTY_REGISTRY: Registry = {
  revision: 0,
  made: 0,
  parks: [],
  enterprises: [],
  hazardSources: [],
  equipment: [],
  tags: [],
};
