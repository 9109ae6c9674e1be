/** The WebSocket: connects, watches, resynchronises, and starts again; framework-free so that it is tested in Node. */
import { type Frame, type ToServer, VERSION } from "./protocol";
import type { Store } from "./store";

export const CONNECT_TIMEOUT_MS = 5000;
export const SILENT_CLOSE_MS = 15000;
export const ACK_EVERY_MS = 1000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000];
export const SESSION_ENDED = 4401;
export const OTHER_VERSION = 4426;

export interface SocketLike {
  send(text: string): void;
  close(): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface Surroundings {
  open(): SocketLike;
  /** Monotonic ms. */
  now(): number;
  random(): number;
  setTimeout(work: () => void, ms: number): number;
  clearTimeout(handle: number): void;
}

export interface Listener {
  /** Something was applied. */
  changed(): void;
  /** The session has ended: log in again. */
  loggedOut(): void;
  /** The server speaks another version of the protocol: this page is out of date. */
  outdated(): void;
}

export interface Condition {
  readonly fps: number;
  readonly sound: string;
}

/** `synced`: the last snapshot stands and every frame since was applied; only then may the screen be acted upon. */
export class Connection {
  lastFrame = 0;
  synced = false;
  private socket: SocketLike | null = null;
  /** This socket has brought a frame; until then the connect time-out watches it. */
  private heard = false;
  private failures = 0;
  private timer = 0;
  private connectTimer = 0;
  private ackTimer = 0;
  private stopped = true;
  private serverOffset = Number.POSITIVE_INFINITY;
  private lastOffset = 0;

  constructor(
    private readonly store: Store,
    private readonly around: Surroundings,
    private readonly listener: Listener,
    private readonly condition: () => Condition,
  ) {}

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.connect();
    this.ackTimer = this.around.setTimeout(() => this.everySecond(), ACK_EVERY_MS);
  }

  stop(): void {
    this.stopped = true;
    this.synced = false;
    this.around.clearTimeout(this.timer);
    this.around.clearTimeout(this.connectTimer);
    this.around.clearTimeout(this.ackTimer);
    this.drop();
  }

  /** ms by which the last frame came later than the fastest of this connection. */
  get lag(): number {
    return Number.isFinite(this.serverOffset) ? this.lastOffset - this.serverOffset : 0;
  }

  /** The server's clock, estimated, ms UTC; 0 before the first frame. */
  get serverNow(): number {
    return Number.isFinite(this.serverOffset) ? this.around.now() - this.serverOffset : 0;
  }

  private connect(): void {
    const socket = this.around.open();
    this.socket = socket;
    this.heard = false;
    this.connectTimer = this.around.setTimeout(() => this.lost(socket), CONNECT_TIMEOUT_MS);
    socket.onopen = () => this.send({ k: "hello", v: VERSION, sub: "desk" });
    socket.onmessage = (event) => {
      if (this.socket === socket) this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      if (event.code === SESSION_ENDED) {
        this.stop();
        this.listener.loggedOut();
      } else if (event.code === OTHER_VERSION) {
        this.stop();
        this.listener.outdated();
      } else {
        this.lost(socket);
      }
    };
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private lost(socket: SocketLike): void {
    if (this.socket !== socket) return;
    this.drop();
    this.around.clearTimeout(this.connectTimer);
    this.synced = false;
    this.listener.changed();
    if (this.stopped) return;
    const wait = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)] as number;
    this.failures++;
    this.timer = this.around.setTimeout(() => this.connect(), wait * (0.5 + this.around.random()));
  }

  private receive(data: unknown): void {
    if (typeof data !== "string") return;
    const frame = JSON.parse(data) as Frame;
    this.heard = true;
    this.lastFrame = this.around.now();
    this.lastOffset = this.lastFrame - frame.now;
    this.serverOffset = Math.min(this.serverOffset, this.lastOffset);
    switch (frame.k) {
      case "hello":
        this.store.limits = frame.limits;
        this.serverOffset = this.lastOffset;
        break;
      case "snap":
        this.around.clearTimeout(this.connectTimer);
        this.failures = 0;
        this.store.snapshot(frame);
        this.serverOffset = this.lastOffset;
        this.synced = true;
        this.acknowledge();
        break;
      default:
        this.follow(frame.k === "d" ? this.store.delta(frame) : this.store.beat(frame));
    }
    this.listener.changed();
  }

  private follow(applied: "applied" | "gap"): void {
    if (applied === "applied" || !this.synced) return;
    this.synced = false;
    this.send({ k: "resync" });
  }

  private everySecond(): void {
    this.ackTimer = this.around.setTimeout(() => this.everySecond(), ACK_EVERY_MS);
    const socket = this.socket;
    if (socket && this.heard && this.around.now() - this.lastFrame > SILENT_CLOSE_MS) {
      this.lost(socket);
    } else if (this.synced) {
      this.acknowledge();
    }
    this.listener.changed();
  }

  private acknowledge(): void {
    const { fps, sound } = this.condition();
    this.send({ k: "ack", seq: this.store.seq, fps: Math.round(fps), snd: sound });
  }

  private send(message: ToServer): void {
    try {
      this.socket?.send(JSON.stringify(message));
    } catch {
      // Not open (any more): `onclose` or the watchdog takes it from here.
    }
  }
}
