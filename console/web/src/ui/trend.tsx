/** The trend of a point: bounds and last value, its limits as labelled lines, gaps as gaps, bad data hatched. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { append, type Columns, columnsOf, emptyColumns, trim } from "../core/series";
import type { Alarm, Tag } from "../core/types";
import { language, t } from "../i18n";
import { api, clock, fresh, RANGES, store, valuesVersion } from "../state";
import { theme } from "../theme";
import { chartOf } from "./chart";

type RangeKey = (typeof RANGES)[number]["key"];

export function TrendPane(props: { tag: Tag; alarm: Alarm | null; onData?: (columns: Columns) => void }): JSX.Element {
  const { tag } = props;
  const words = t.value;
  const range = useSignal<RangeKey>("range10m");
  const state = useSignal<"loading" | "ready" | "failed">("loading");
  const missing = useSignal<"history_off" | "history_down" | null>(null);
  const readout = useSignal("");
  const empty = useSignal(true);
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const data = useRef(emptyColumns());
  const loaded = useRef(0);
  const latest = useRef<Alarm | null>(null);
  latest.current = props.alarm;
  const tell = useRef(props.onData);
  tell.current = props.onData;
  const span = RANGES.find((candidate) => candidate.key === range.value)?.ms ?? RANGES[0].ms;

  function draw(): void {
    const { t: times, lo, hi, v } = data.current;
    empty.value = times.length === 0;
    tell.current?.(data.current);
    const now = clock.peek() / 1000;
    chart.current?.batch(() => {
      chart.current?.setData([times, lo, hi, v], false);
      chart.current?.setScale("x", { min: now - span / 1000, max: now });
    });
  }

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const plot = chartOf(element, {
      tag,
      columns: () => data.current,
      alarm: () => latest.current,
      say: (text) => (readout.value = text),
    });
    chart.current = plot;
    draw();
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: element.clientHeight }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [tag, theme.value, language.value, span]);

  useEffect(() => {
    let current = true;
    if (loaded.current !== span) {
      state.value = "loading";
      data.current = emptyColumns();
      draw();
    }
    loaded.current = span;
    const now = clock.peek();
    api.trend(tag.name, now - span, now + 5000).then(
      (trend) => {
        if (!current) return;
        data.current = columnsOf(trend, tag.period);
        missing.value = span > RANGES[0].ms ? trend.missing : null;
        state.value = "ready";
        draw();
      },
      () => {
        if (current) state.value = "failed";
      },
    );
    return () => {
      current = false;
    };
  }, [tag, span, props.alarm?.episode, props.alarm?.revision]);

  useSignalEffect(() => {
    void valuesVersion.value;
    if (state.peek() !== "ready") return;
    const at = store.values.timeOf(tag.number);
    if (!at) return;
    if (append(data.current, at, store.values.valueOf(tag.number), store.values.qualityOf(tag.number), tag.period)) {
      trim(data.current, clock.peek() - span);
      draw();
    }
  });
  useSignalEffect(() => {
    if (Math.floor(clock.value / 1000) !== Math.floor((clock.value - 250) / 1000) && fresh.peek().kind === "live") draw();
  });

  const note = state.value === "failed" ? words.trendFailed : missing.value === "history_off" ? words.trendHistoryOff : missing.value === "history_down" ? words.trendHistoryDown : "";
  return (
    <section class="trend">
      <header class="sub-head">
        <h3>{words.trend}</h3>
        <span class="readout number">{readout.value}</span>
        <span class="spacer" />
        <div class="segments small" role="group">
          {RANGES.map(({ key }) => (
            <button key={key} type="button" aria-pressed={range.value === key} onClick={() => (range.value = key)}>
              {words[key]}
            </button>
          ))}
        </div>
      </header>
      <div class="trend-box">
        <div ref={box} class="trend-chart" data-test="trend" />
        {state.value === "loading" && <p class="trend-note">{words.trendLoading}</p>}
        {state.value === "ready" && empty.value && <p class="trend-note">{words.trendEmpty}</p>}
      </div>
      <p class="trend-foot">{note}</p>
    </section>
  );
}
