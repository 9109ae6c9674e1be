/** The state of the page: the store and connection of `core/`, as signals that are bumped once per animation frame. */
import { computed, effect, signal } from "@preact/signals";
import { Api, ApiFailure, type Me } from "./core/api";
import { Connection, type SocketLike } from "./core/connection";
import { type Freshness, freshness, isLive } from "./core/freshness";
import { ordered } from "./core/order";
import { Siren, type SoundState, soundState } from "./core/siren";
import { Store } from "./core/store";
import { type Alarm, EMPTY_REGISTRY, type Registry, type Tag, wantsAcknowledgement } from "./core/types";
import { language, t } from "./i18n";
import { Horn } from "./horn";

export type Session = { kind: "unknown" } | { kind: "out"; ended: boolean } | { kind: "in"; me: Me };
export type Selection = { kind: "none" } | { kind: "alarm"; id: string } | { kind: "tag"; number: number };
export interface Notice {
  readonly id: number;
  readonly kind: "warning" | "error";
  readonly text: string;
}

export const api = new Api((input, init) => fetch(input, init));
export const siren = new Siren();
export const horn = new Horn();
export const store = new Store(({ before, after }) => siren.observe(before, after));

export const session = signal<Session>({ kind: "unknown" });
export const registry = signal<Registry>(EMPTY_REGISTRY);
export const selection = signal<Selection>({ kind: "none" });
export const notices = signal<readonly Notice[]>([]);
export const pending = signal<ReadonlySet<string>>(new Set());
export const sound = signal<SoundState>("blocked");
export const fresh = signal<Freshness>({ kind: "waiting" });
export const synced = signal(false);
/** The alarm list is complete: the server has read the log to its end, and this page has its snapshot. */
export const ready = signal(false);
/** ms UTC by the server's clock, four times a second. */
export const clock = signal(Date.now());
export const alarmsVersion = signal(0);
export const valuesVersion = signal(0);

export const alarmList = computed<readonly Alarm[]>(() => {
  void alarmsVersion.value;
  return ordered(store.alarms.values());
});
export const tagsByNumber = computed(() => new Map(registry.value.tags.map((tag): [number, Tag] => [tag.number, tag])));
/** What is shown is true and may be acted upon. */
export const live = computed(() => synced.value && isLive(fresh.value));
export const mayAcknowledge = computed(
  () => session.value.kind === "in" && session.value.me.permissions.includes("acknowledge"),
);

/** No reading for longer than the point may be silent. `now` by the server's clock, ms. */
export function isSilent(tag: Tag, now: number): boolean {
  const at = store.values.timeOf(tag.number);
  return at === 0 || now - at > tag.stale * 1000;
}

const HOUR = 3_600_000;
let frames = 0;
let fps = 0;
let fpsSince = performance.now();
let drawn = { alarms: -1, values: -1 };
let loadingRegistry = 0;

const connection = new Connection(
  store,
  {
    open: () => new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`) as SocketLike,
    now: () => performance.now(),
    random: () => Math.random(),
    setTimeout: (work, ms) => window.setTimeout(work, ms),
    clearTimeout: (handle) => window.clearTimeout(handle),
  },
  {
    changed: look,
    loggedOut: () => {
      session.value = { kind: "out", ended: true };
    },
    outdated: () => window.setTimeout(() => location.reload(), 2000),
  },
  () => ({ fps, sound: sound.value === "blocked" ? "blocked" : "on" }),
);

/** Bring the signals up to what the store and the clock say; cheap, and called at every frame and four times a second. */
function look(): void {
  synced.value = connection.synced;
  ready.value = store.ready;
  const next = freshness({
    now: performance.now(),
    lastFrame: connection.lastFrame,
    lag: connection.lag,
    serverNow: connection.serverNow,
    ready: store.ready,
    marks: store.marks,
    limits: store.limits,
  });
  if (next.kind !== fresh.value.kind || "age" in next) fresh.value = next;
}

function everyAnimationFrame(): void {
  frames++;
  const now = performance.now();
  if (now - fpsSince >= 1000) {
    fps = (frames * 1000) / (now - fpsSince);
    frames = 0;
    fpsSince = now;
  }
  if (drawn.alarms !== store.alarmsVersion) alarmsVersion.value = store.alarmsVersion;
  if (drawn.values !== store.valuesVersion) valuesVersion.value = store.valuesVersion;
  drawn = { alarms: store.alarmsVersion, values: store.valuesVersion };
  if (store.registry !== registry.value.revision) void loadRegistry(store.registry);
  requestAnimationFrame(everyAnimationFrame);
}

async function loadRegistry(revision: number): Promise<void> {
  if (loadingRegistry === revision || session.value.kind !== "in") return;
  loadingRegistry = revision;
  try {
    registry.value = await api.registry();
  } catch {
    window.setTimeout(() => {
      loadingRegistry = 0;
    }, 2000);
  }
}

function everyQuarterSecond(): void {
  const server = connection.serverNow;
  clock.value = server > 0 ? server : Date.now();
  look();
  sound.value = soundState(siren, horn.audible);
  horn.play(sound.value === "sounding" ? siren.tier : null, !live.value && session.value.kind === "in");
  document.documentElement.dataset["flash"] = String(Math.floor(Date.now() / 500) % 2);
}

/** Begin: find out who is logged in, then follow the server for as long as somebody is. */
export async function startState(): Promise<void> {
  window.setInterval(everyQuarterSecond, 250);
  requestAnimationFrame(everyAnimationFrame);
  effect(() => {
    if (session.value.kind === "in") connection.start();
    else connection.stop();
  });
  try {
    session.value = { kind: "in", me: await api.me() };
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 401) session.value = { kind: "out", ended: false };
    else window.setTimeout(() => void retryMe(), 1000);
  }
}

async function retryMe(): Promise<void> {
  try {
    session.value = { kind: "in", me: await api.me() };
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 401) session.value = { kind: "out", ended: false };
    else window.setTimeout(() => void retryMe(), 1000);
  }
}

export function logOut(): void {
  void api.logOut().finally(() => {
    session.value = { kind: "out", ended: false };
  });
}

let noticeCount = 0;

export function notify(kind: Notice["kind"], text: string): void {
  const notice = { id: ++noticeCount, kind, text };
  notices.value = [...notices.value.slice(-3), notice];
  window.setTimeout(() => dismiss(notice.id), 15_000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Ask for acknowledgement of exactly what was seen. Shown as acknowledged only when the server's stream says so. */
export async function acknowledge(alarm: Alarm, comment = ""): Promise<void> {
  if (!live.value || !mayAcknowledge.value || pending.value.has(alarm.id) || !wantsAcknowledgement(alarm)) return;
  setPending(alarm.id, true);
  const what = alarm.subject;
  const command = `c-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  try {
    let result = await api.acknowledge(alarm, comment, command);
    if (result.outcome === null) {
      notify("warning", t.value.ackWaiting(what));
      result = await askAgain(command);
    }
    if (result.outcome === "stale") notify("warning", t.value.ackStale(what));
    else if (result.outcome === null) notify("error", t.value.ackNoAnswer(what));
    else if (result.outcome === "refused" || result.outcome === "unknown")
      notify("warning", t.value.ackRefused(what, language.value === "zh" ? result.zh : result.en));
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 401) session.value = { kind: "out", ended: true };
    else if (error instanceof ApiFailure)
      notify("error", t.value.ackRefused(what, language.value === "zh" ? error.zh : error.en));
    else throw error;
  } finally {
    setPending(alarm.id, false);
  }
}

async function askAgain(command: string): ReturnType<typeof api.command> {
  let result = await api.command(command);
  for (let tries = 0; tries < 20 && result.outcome === null; tries++) {
    await new Promise((resolve) => window.setTimeout(resolve, 1000));
    result = await api.command(command);
  }
  return result;
}

function setPending(id: string, on: boolean): void {
  const next = new Set(pending.value);
  if (on) next.add(id);
  else next.delete(id);
  pending.value = next;
}

export function silence(): void {
  siren.silence();
  sound.value = soundState(siren, horn.audible);
}

export const RANGES = [
  { key: "range10m", ms: HOUR / 6 },
  { key: "range1h", ms: HOUR },
  { key: "range8h", ms: 8 * HOUR },
  { key: "range24h", ms: 24 * HOUR },
  { key: "range7d", ms: 168 * HOUR },
] as const;
