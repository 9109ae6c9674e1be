/** The HTTP side: sessions, registry, trends, one alarm whole, commands. */
import type { Registry } from "./types";

export interface Me {
  readonly name: string;
  readonly role: string;
  readonly permissions: readonly string[];
  readonly csrf: string;
}

export interface Trend {
  readonly tag: string;
  readonly start: number;
  readonly end: number;
  readonly live_from: number;
  readonly missing: "history_off" | "history_down" | null;
  readonly t: readonly number[];
  readonly lo: readonly (number | null)[];
  readonly hi: readonly (number | null)[];
  readonly v: readonly (number | null)[];
  readonly q: readonly number[];
}

export interface ServerText {
  readonly zh?: string;
  readonly en?: string;
}

/** The parts of the complete alarm that the list does not carry. */
export interface AlarmDetail {
  readonly episode: string;
  readonly revision: number;
  readonly guidance?: {
    readonly cause?: ServerText;
    readonly consequence?: ServerText;
    readonly action?: ServerText;
    readonly response_s?: number;
  };
}

/** A transition as the log has it: times in ns, fields with their default value left out. */
export interface JournalEntry {
  readonly change: string;
  readonly at_ns: number;
  readonly actor?: string;
  readonly alarm: {
    readonly id: string;
    readonly episode: string;
    readonly revision: number;
    readonly subject: string;
    readonly tier: number;
    readonly peak_tier: number;
    readonly level_name: string;
    readonly peak_level_name: string;
    readonly value?: number | null;
    readonly limit?: number | null;
    readonly unit?: string;
    readonly text?: ServerText;
  };
}

export interface Journal {
  readonly source: "history" | "memory";
  readonly transitions: readonly JournalEntry[];
}

export interface CommandResult {
  readonly command: string;
  readonly outcome: "applied" | "repeated" | "stale" | "unknown" | "refused" | null;
  readonly zh: string;
  readonly en: string;
}

/** What the server refused, in both languages; status 0: it could not be reached. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly zh: string,
    readonly en: string,
  ) {
    super(en);
  }
}

const UNREACHABLE = new ApiFailure(0, "unreachable", "无法连接服务器", "the server cannot be reached");

export class Api {
  csrf = "";

  constructor(private readonly fetch: typeof globalThis.fetch) {}

  private async call(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json" };
    if (method !== "GET") headers["x-csrf"] = this.csrf || "log-in";
    if (body !== undefined) headers["content-type"] = "application/json";
    const request: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) request.body = JSON.stringify(body);
    try {
      return await this.fetch(path, request);
    } catch {
      throw UNREACHABLE;
    }
  }

  private async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.call(method, path, body);
    if (!response.ok) throw await failure(response);
    return (await response.json()) as T;
  }

  async me(): Promise<Me> {
    return this.remember(await this.json<Me>("GET", "/api/me"));
  }

  async logIn(name: string, password: string): Promise<Me> {
    return this.remember(await this.json<Me>("POST", "/api/login", { name, password }));
  }

  async logOut(): Promise<void> {
    await this.call("POST", "/api/logout");
    this.csrf = "";
  }

  private remember(me: Me): Me {
    this.csrf = me.csrf;
    return me;
  }

  registry(): Promise<Registry> {
    return this.json("GET", "/api/tags");
  }

  trend(tag: string, from: number, to: number): Promise<Trend> {
    const query = `from=${Math.round(from)}&to=${Math.round(to)}`;
    return this.json("GET", `/api/tags/${encodeURIComponent(tag)}/trend?${query}`);
  }

  journal(): Promise<Journal> {
    return this.json("GET", "/api/journal?limit=200");
  }

  alarm(id: string): Promise<AlarmDetail> {
    return this.json("GET", `/api/alarms/${encodeURIComponent(id)}`);
  }

  /** The answer of the alarm book, whatever it is; `outcome` null when none came in time. */
  async acknowledge(
    alarm: { id: string; episode: string; revision: number },
    comment: string,
    command: string,
  ): Promise<CommandResult> {
    const body = { episode: alarm.episode, revision: alarm.revision, comment, command_id: command };
    const response = await this.call("POST", `/api/alarms/${encodeURIComponent(alarm.id)}/acknowledge`, body);
    return result(response);
  }

  async command(id: string): Promise<CommandResult> {
    return result(await this.call("GET", `/api/commands/${encodeURIComponent(id)}`));
  }
}

async function result(response: Response): Promise<CommandResult> {
  const body: unknown = await response.json().catch(() => ({}));
  if (typeof body === "object" && body !== null && "outcome" in body) return body as CommandResult;
  throw failureOf(response.status, body);
}

async function failure(response: Response): Promise<ApiFailure> {
  return failureOf(response.status, await response.json().catch(() => ({})));
}

function failureOf(status: number, body: unknown): ApiFailure {
  const { error, zh, en } = body as { error?: string; zh?: string; en?: string };
  return new ApiFailure(status, error ?? "error", zh ?? `错误 ${status}`, en ?? `error ${status}`);
}
