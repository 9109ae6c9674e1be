import { beforeEach, describe, expect, it } from "vitest";
import { CONNECT_TIMEOUT_MS, Connection, OTHER_VERSION, SESSION_ENDED, SILENT_CLOSE_MS, type SocketLike } from "../src/core/connection";
import type { Frame, ToServer } from "../src/core/protocol";
import { Store } from "../src/core/store";

const MARKS = { readings: 1, ingest: 1, rules: 1, book: 1 };
const SERVER_START = 1_700_000_000_000;

class Socket implements SocketLike {
  sent: ToServer[] = [];
  closed = false;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  send(text: string): void {
    this.sent.push(JSON.parse(text) as ToServer);
  }
  close(): void {
    this.closed = true;
  }
  say(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

/** Time that only moves when told to, with the timers in it. */
class World {
  time = 0;
  sockets: Socket[] = [];
  timers = new Map<number, { at: number; work: () => void }>();
  changes = 0;
  loggedOut = 0;
  outdated = 0;
  store = new Store();
  private handles = 0;
  connection = new Connection(
    this.store,
    {
      open: () => {
        const socket = new Socket();
        this.sockets.push(socket);
        return socket;
      },
      now: () => this.time,
      random: () => 0.5,
      setTimeout: (work, ms) => {
        this.timers.set(++this.handles, { at: this.time + ms, work });
        return this.handles;
      },
      clearTimeout: (handle) => this.timers.delete(handle),
    },
    { changed: () => this.changes++, loggedOut: () => this.loggedOut++, outdated: () => this.outdated++ },
    () => ({ fps: 60, sound: "on" }),
  );

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].work();
    }
    this.time = end;
  }

  get socket(): Socket {
    return this.sockets[this.sockets.length - 1] as Socket;
  }

  get serverTime(): number {
    return SERVER_START + this.time;
  }

  snap(seq: number, epoch = "e"): void {
    const now = this.serverTime;
    this.socket.say({ k: "snap", epoch, seq, now, wm: MARKS, registry: 1, a: [], s: null, ready: true });
  }

  beat(seq: number, late = 0): void {
    this.socket.say({ k: "hb", epoch: "e", seq, now: this.serverTime - late, wm: MARKS });
  }

  connect(): void {
    this.socket.onopen?.(undefined as never);
    const limits = { pipelineStale: 2500, beatStale: 12000 };
    this.socket.say({ k: "hello", v: 1, epoch: "e", now: this.serverTime, hb: 500, limits });
    this.snap(3);
  }
}

describe("connection", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.connection.start();
  });

  it("greets, takes the snapshot, and acknowledges every second", () => {
    world.connect();
    expect(world.connection.synced).toBe(true);
    world.pass(2100);
    expect(world.socket.sent.map((message) => message.k)).toEqual(["hello", "ack", "ack", "ack"]);
    expect(world.socket.sent[1]).toEqual({ k: "ack", seq: 3, fps: 60, snd: "on" });
  });

  it("asks for a snapshot after a gap, once, and is not in step until it comes", () => {
    world.connect();
    world.socket.say({ k: "d", epoch: "e", seq: 5, now: world.serverTime });
    expect(world.connection.synced).toBe(false);
    world.socket.say({ k: "d", epoch: "e", seq: 6, now: world.serverTime });
    expect(world.socket.sent.filter((message) => message.k === "resync")).toHaveLength(1);
    world.snap(6);
    expect(world.connection.synced).toBe(true);
  });

  it("comes back after a loss, later each time, with a little chance in it", () => {
    const waits: number[] = [];
    for (let n = 0; n < 6; n++) {
      const before = world.time;
      const sockets = world.sockets.length;
      world.socket.onclose?.({ code: 1006 });
      while (world.sockets.length === sockets) world.pass(50);
      waits.push(world.time - before);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
  });

  it("gives a connection five seconds to bring a snapshot", () => {
    world.pass(CONNECT_TIMEOUT_MS + 600);
    expect(world.sockets).toHaveLength(2);
    expect(world.sockets[0]?.closed).toBe(true);
  });

  it("closes a connection that has fallen silent and makes another", () => {
    world.connect();
    world.pass(SILENT_CLOSE_MS + 2000);
    expect(world.sockets[0]?.closed).toBe(true);
    expect(world.sockets).toHaveLength(2);
    world.connect();
    expect(world.connection.synced).toBe(true);
  });

  it("stops when the session has ended", () => {
    world.connect();
    world.socket.onclose?.({ code: SESSION_ENDED });
    expect(world.loggedOut).toBe(1);
    world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
  });

  it("stops when the server speaks another version", () => {
    world.connect();
    world.socket.onclose?.({ code: OTHER_VERSION });
    expect(world.outdated).toBe(1);
    world.pass(60_000);
    expect(world.sockets).toHaveLength(1);
  });

  it("knows the server's time and how far frames lag", () => {
    world.connect();
    world.pass(1000);
    world.beat(3);
    expect(world.connection.serverNow).toBe(world.serverTime);
    expect(world.connection.lag).toBe(0);
    world.pass(1000);
    world.beat(3, 4000);
    expect(world.connection.lag).toBe(4000);
    expect(world.connection.serverNow).toBe(world.serverTime);
  });

  it("ignores what an old socket still says", () => {
    world.connect();
    const old = world.socket;
    const hear = old.onmessage;
    old.onclose?.({ code: 1006 });
    world.pass(1000);
    hear?.({ data: JSON.stringify({ k: "snap", epoch: "old", seq: 99, now: 1, wm: MARKS, registry: 1, a: [], s: null, ready: true }) });
    expect(world.store.epoch).toBe("e");
    expect(world.connection.synced).toBe(false);
  });
});
