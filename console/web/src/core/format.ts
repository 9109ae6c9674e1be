/** Numbers and times as people read them. Local time exists only here. */

/** About four significant digits, without an exponent; an em dash for no value. */
export function formatValue(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits).replace("-", "−");
}

/** A limit without needless zeros. */
export function formatLimit(value: number | null): string {
  return value === null ? "" : String(Number.parseFloat(value.toPrecision(6))).replace("-", "−");
}

function pad(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** 0:42, 12:05, 3:04:10, 2d 04h */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  if (days > 0) return `${days}d ${pad(hours % 24)}h`;
  if (hours > 0) return `${hours}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
  return `${minutes}:${pad(seconds % 60)}`;
}

export function formatClock(ms: number): string {
  const at = new Date(ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

export function formatDate(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** The time of day; with the date before it when that is not today's. */
export function formatMoment(ms: number, now: number): string {
  const date = formatDate(ms);
  return date === formatDate(now) ? formatClock(ms) : `${date.slice(5)} ${formatClock(ms)}`;
}

/** Invisible and direction-changing characters in names from outside would let one tag pose as another. */
export function plainName(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "\u00b7");
}
