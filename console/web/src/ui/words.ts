/** Names of levels, states and qualities in the present language. */
import type { Alarm, Tag } from "../core/types";
import { shownLevel, shownTier } from "../core/types";
import { say, t } from "../i18n";
import type { Dictionary } from "../i18n/en";
import { LEVEL_TITLES } from "../i18n/levels";
import { plainName } from "../core/format";

export const FIRST_UNCERTAIN = 64;
export const FIRST_BAD = 128;

type Plain = { [K in keyof Dictionary]: Dictionary[K] extends string ? K : never }[keyof Dictionary];

const QUALITIES: Record<number, Plain> = {
  [-1]: "qualityNever",
  0: "qualityGood",
  1: "qualityMaintenance",
  64: "qualityUncertain",
  65: "qualityOverRange",
  66: "qualityUnderRange",
  67: "qualityFunctionCheck",
  68: "qualityStale",
  128: "qualityBad",
  129: "qualitySensorFailure",
  130: "qualityNoCommunication",
  131: "qualityNoValue",
  132: "qualityConfiguration",
  133: "qualityOutOfService",
};

export function qualityName(quality: number): string {
  const words = t.value;
  return words[QUALITIES[quality] ?? (quality >= FIRST_BAD ? "qualityBad" : quality >= FIRST_UNCERTAIN ? "qualityUncertain" : "qualityGood")];
}

const LEVELS: Record<string, Plain> = {
  high_high: "levelHighHigh",
  high: "levelHigh",
  low: "levelLow",
  low_low: "levelLowLow",
  stale: "ruleStale",
  quality: "ruleQuality",
};
const LEVEL_MARKS: Record<string, Plain> = {
  high_high: "markHighHigh",
  high: "markHigh",
  low: "markLow",
  low_low: "markLowLow",
};

export function levelName(alarm: Alarm): string {
  const level = shownLevel(alarm);
  const key = LEVELS[level] ?? LEVELS[alarm.rule];
  if (key) return t.value[key];
  const title = LEVEL_TITLES[level];
  return title ? say(title) : plainName(level);
}

/** HH, H, L, LL; empty for conditions that are not a limit. */
export function levelMark(level: string): string {
  const key = LEVEL_MARKS[level];
  return key ? t.value[key] : "";
}

export function className(alarm: Alarm): string {
  const words = t.value;
  switch (alarm.alarmClass) {
    case "instrument":
      return words.classInstrument;
    case "communication":
      return words.classCommunication;
    case "system":
      return words.classSystem;
    default:
      return "";
  }
}

export function stateName(alarm: Alarm): string {
  const words = t.value;
  switch (alarm.state) {
    case "unacknowledged":
    case "latched_unacknowledged":
      return words.stateUnacknowledged;
    case "acknowledged":
    case "latched_acknowledged":
      return words.stateAcknowledged;
    case "returned_unacknowledged":
      return words.stateReturned;
    case "shelved":
      return words.stateShelved;
    case "suppressed_by_design":
      return words.stateSuppressed;
    case "out_of_service":
      return words.stateOutOfService;
    case "normal":
      return words.stateNormal;
  }
}

export function tierName(tier: number): string {
  const words = t.value;
  return [words.tier1, words.tier2, words.tier3, words.tier4][tier - 1] ?? "";
}

/** What it is, as a title: the point's title, else the alarm's text. */
export function alarmTitle(alarm: Alarm): string {
  return say(alarm.title) || say(alarm.text) || plainName(alarm.subject);
}

/** The innermost place first. */
export function placePath(alarm: Alarm): string[] {
  return [...alarm.place].reverse().map(say);
}

export function spoken(alarm: Alarm): string {
  return `${tierName(shownTier(alarm))}, ${alarmTitle(alarm)}, ${levelName(alarm)}, ${stateName(alarm)}`;
}

export function tagTitle(tag: Tag): string {
  return say(tag.title) || plainName(tag.name);
}
