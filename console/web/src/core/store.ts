/** What the screen knows, from frames alone. A snapshot replaces everything; a delta applies only in its turn. */
import type { BeatFrame, DeltaFrame, Limits, Marks, SnapFrame, Values } from "./protocol";
import { type Alarm, alarmOf } from "./types";

export type Applied = "applied" | "gap";

export interface AlarmChange {
  readonly before: Alarm | undefined;
  readonly after: Alarm | undefined;
}

export class TagValues {
  private readonly index = new Map<number, number>();
  private value = new Float64Array(256);
  private quality = new Int16Array(256);
  private at = new Float64Array(256);

  get size(): number {
    return this.index.size;
  }

  clear(): void {
    this.index.clear();
  }

  apply(values: Values, now: number): void {
    for (let n = 0; n < values.i.length; n++) {
      const row = this.row(values.i[n] as number);
      const value = values.v[n];
      this.value[row] = value ?? Number.NaN;
      this.quality[row] = values.q[n] as number;
      this.at[row] = now - (values.t[n] as number);
    }
  }

  private row(tag: number): number {
    const known = this.index.get(tag);
    if (known !== undefined) return known;
    const row = this.index.size;
    if (row >= this.value.length) this.grow();
    this.index.set(tag, row);
    return row;
  }

  private grow(): void {
    const size = this.value.length * 2;
    const [value, quality, at] = [new Float64Array(size), new Int16Array(size), new Float64Array(size)];
    value.set(this.value);
    quality.set(this.quality);
    at.set(this.at);
    [this.value, this.quality, this.at] = [value, quality, at];
  }

  /** NaN when there is no value. */
  valueOf(tag: number): number {
    const row = this.index.get(tag);
    return row === undefined ? Number.NaN : (this.value[row] as number);
  }

  /** -1 when nothing was ever heard of the tag. */
  qualityOf(tag: number): number {
    const row = this.index.get(tag);
    return row === undefined ? -1 : (this.quality[row] as number);
  }

  /** ms UTC, 0 when nothing was ever heard of the tag. */
  timeOf(tag: number): number {
    const row = this.index.get(tag);
    return row === undefined ? 0 : (this.at[row] as number);
  }
}

export class Store {
  readonly alarms = new Map<string, Alarm>();
  readonly values = new TagValues();
  epoch = "";
  seq = 0;
  /** The server has read the alarms to their end, and this screen has a snapshot of them. */
  ready = false;
  registry = 0;
  marks: Marks = { readings: 0, ingest: 0, rules: 0, book: 0 };
  limits: Limits = { pipelineStale: 2500, beatStale: 12000 };
  /** Count up whenever something of that kind changed. */
  alarmsVersion = 0;
  valuesVersion = 0;

  constructor(private readonly onAlarm: (change: AlarmChange) => void = () => {}) {}

  snapshot(frame: SnapFrame): void {
    const before = new Map(this.alarms);
    this.alarms.clear();
    this.values.clear();
    this.epoch = frame.epoch;
    this.seq = frame.seq;
    this.marks = frame.wm;
    this.registry = frame.registry;
    this.ready = frame.ready;
    for (const wire of frame.a) {
      const after = alarmOf(wire);
      this.alarms.set(after.id, after);
      this.onAlarm({ before: before.get(after.id), after });
      before.delete(after.id);
    }
    for (const gone of before.values()) this.onAlarm({ before: gone, after: undefined });
    if (frame.s) this.values.apply(frame.s, frame.now);
    this.alarmsVersion++;
    this.valuesVersion++;
  }

  delta(frame: DeltaFrame): Applied {
    if (frame.epoch !== this.epoch || frame.seq !== this.seq + 1) return "gap";
    this.seq = frame.seq;
    if (frame.registry !== undefined) this.registry = frame.registry;
    if (frame.s) {
      this.values.apply(frame.s, frame.now);
      this.valuesVersion++;
    }
    for (const wire of frame.a ?? []) {
      const after = alarmOf(wire);
      const before = this.alarms.get(after.id);
      this.alarms.set(after.id, after);
      this.onAlarm({ before, after });
    }
    for (const id of frame.x ?? []) {
      const before = this.alarms.get(id);
      if (this.alarms.delete(id)) this.onAlarm({ before, after: undefined });
    }
    if (frame.a?.length || frame.x?.length) this.alarmsVersion++;
    return "applied";
  }

  beat(frame: BeatFrame): Applied {
    if (frame.epoch !== this.epoch || frame.seq !== this.seq) return "gap";
    this.marks = frame.wm;
    return "applied";
  }
}
