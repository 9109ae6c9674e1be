/** The drawing of a trend on uPlot's canvas; colours come from the style sheet. */
import uPlot from "uplot";
import { formatClock, formatDate, formatLimit, formatValue } from "../core/format";
import { badSpans, type Columns } from "../core/series";
import { type Alarm, shownTier, type Tag } from "../core/types";
import { levelMark } from "./words";

const LEVELS = ["low_low", "low", "high", "high_high"];

interface Colours {
  readonly line: string;
  readonly band: string;
  readonly edge: string;
  readonly grid: string;
  readonly text: string;
  readonly limit: string;
  readonly hatch: string;
  readonly zone: string;
  readonly halo: string;
}

function coloursOf(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    line: read("--trend-line"),
    band: read("--trend-band"),
    edge: read("--trend-edge"),
    grid: read("--trend-grid"),
    text: read("--text-2"),
    limit: read("--trend-limit"),
    hatch: read("--trend-hatch"),
    zone: read("--trend-zone"),
    halo: read("--surface"),
  };
}

/** The range of the value axis: all data and all limits, with a little room. */
export function valueRange(low: number | null, high: number | null, limits: readonly (number | null)[]): [number, number] {
  const known = [low, high, ...limits].filter((value): value is number => value !== null && Number.isFinite(value));
  if (known.length === 0) return [0, 1];
  const bottom = Math.min(...known);
  const top = Math.max(...known);
  const room = (top - bottom || Math.abs(top) || 1) * 0.08;
  return [bottom >= 0 && bottom - room < 0 ? 0 : bottom - room, top + room];
}

function drawZones(plot: uPlot, tag: Tag, colours: Colours): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colours.zone;
  const [, low, high] = tag.limits;
  if (high !== null) {
    const y = Math.max(bbox.top, Math.min(bbox.top + bbox.height, plot.valToPos(high, "y", true)));
    ctx.fillRect(bbox.left, bbox.top, bbox.width, y - bbox.top);
  }
  if (low !== null) {
    const y = Math.max(bbox.top, Math.min(bbox.top + bbox.height, plot.valToPos(low, "y", true)));
    ctx.fillRect(bbox.left, y, bbox.width, bbox.top + bbox.height - y);
  }
  ctx.restore();
}

function drawLimits(plot: uPlot, tag: Tag, colours: Colours): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `600 ${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textBaseline = "bottom";
  ctx.textAlign = "right";
  tag.limits.forEach((limit, index) => {
    if (limit === null) return;
    const y = Math.round(plot.valToPos(limit, "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    const outer = index === 0 || index === 3;
    ctx.strokeStyle = colours.limit;
    ctx.lineWidth = (outer ? 1.6 : 1) * ratio;
    ctx.setLineDash(outer ? [] : [6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const label = `${levelMark(LEVELS[index] as string)} ${formatLimit(limit)}`;
    ctx.setLineDash([]);
    ctx.lineWidth = 4 * ratio;
    ctx.strokeStyle = colours.halo;
    ctx.strokeText(label, bbox.left + bbox.width - 4 * ratio, y - 2 * ratio);
    ctx.fillStyle = colours.limit;
    ctx.fillText(label, bbox.left + bbox.width - 4 * ratio, y - 2 * ratio);
  });
  ctx.restore();
}

function drawBad(plot: uPlot, columns: Columns, colours: Colours): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colours.hatch;
  ctx.lineWidth = ratio;
  for (const { from, to } of badSpans(columns)) {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, Math.max(left + 3 * ratio, plot.valToPos(to, "x", true)));
    if (right <= left) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, bbox.top, right - left, bbox.height);
    ctx.clip();
    ctx.beginPath();
    for (let x = left - bbox.height; x < right; x += 7 * ratio) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
    ctx.restore();
  }
  ctx.restore();
}

function timeLabels(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map((at) => {
    const clockText = formatClock(at * 1000);
    if (step >= 86_400) return formatDate(at * 1000).slice(5);
    return step >= 60 ? clockText.slice(0, 5) : clockText;
  });
}

/** A bar along the bottom while the alarm lasts, and a line where it began. */
function drawAlarm(plot: uPlot, alarm: Alarm, element: HTMLElement, colours: Colours): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const right = bbox.left + bbox.width;
  const position = (at: number): number => Math.min(right, Math.max(bbox.left, plot.valToPos(at / 1000, "x", true)));
  const from = position(alarm.onset || alarm.raised);
  const to = alarm.returned ? position(alarm.returned) : right;
  const height = 5 * ratio;
  ctx.save();
  ctx.fillStyle = getComputedStyle(element).getPropertyValue(`--t${shownTier(alarm)}`).trim();
  ctx.fillRect(from, bbox.top + bbox.height - height, to - from, height);
  if (from > bbox.left) {
    ctx.strokeStyle = colours.limit;
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(from, bbox.top);
    ctx.lineTo(from, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

export interface ChartSource {
  readonly tag: Tag;
  columns(): Columns;
  alarm(): Alarm | null;
  /** Hears what the cursor points at. */
  say(text: string): void;
}

export function chartOf(element: HTMLElement, source: ChartSource): uPlot {
  const { tag } = source;
  const colours = coloursOf(element);
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis: uPlot.Axis = {
    stroke: colours.text,
    font,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { stroke: colours.grid, width: 1, size: 4 },
  };
  const options: uPlot.Options = {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [10, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: true }, y: { range: (_, low, high) => valueRange(low, high, tag.limits) } },
    axes: [
      { ...axis, size: 26, space: 70, values: timeLabels },
      { ...axis, size: 50, space: 36, values: (_, splits) => splits.map((value) => formatLimit(value)) },
    ],
    series: [
      {},
      { stroke: colours.edge, width: 1, points: { show: false } },
      { stroke: colours.edge, width: 1, points: { show: false } },
      { stroke: colours.line, width: 1.6, points: { show: false } },
    ],
    bands: [{ series: [2, 1], fill: colours.band }],
    hooks: {
      drawClear: [(plot) => drawZones(plot, tag, colours)],
      draw: [
        (plot) => {
          drawBad(plot, source.columns(), colours);
          drawLimits(plot, tag, colours);
          const alarm = source.alarm();
          if (alarm) drawAlarm(plot, alarm, element, colours);
        },
      ],
      setCursor: [
        (plot) => {
          const index = plot.cursor.idx;
          const { t: times, v } = source.columns();
          const at = index === null || index === undefined ? undefined : times[index];
          source.say(at === undefined ? "" : `${formatClock(at * 1000)}  ${formatValue(v[index as number])} ${tag.unit}`);
        },
      ],
    },
  };
  const { t, lo, hi, v } = source.columns();
  return new uPlot(options, [t, lo, hi, v], element);
}
