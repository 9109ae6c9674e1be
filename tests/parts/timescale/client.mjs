// One client's connection: collects its messages into units of work, runs them on the shared session, sends the answer.

import {
  MessageReader,
  PROTOCOL,
  authenticationOk,
  backendKey,
  closeStatement,
  commandComplete,
  copyInResponse,
  cstring,
  error,
  message,
  parameterStatus,
  query,
  readyForQuery,
  split,
  startupParameters,
  sync,
  text,
} from './wire.mjs';

const COPY_IN = /^\s*copy\b[^;]*\bfrom\s+stdin\b/i;
const DEALLOCATE = /^\s*deallocate\s+(?:prepare\s+)?(?:"([^"]+)"|(\w+))\s*;?\s*$/i;
const CHANGES_SETTINGS = /\b(set|reset|set_config|discard)\b/i;
const LISTENS = /^\s*(un)?listen\s+"?([\w*]+)"?/i;
const LEADING_COMMENTS = /^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/;
const WASM_IS_DEAD = /unreachable|RuntimeError|ExitStatus/;

export class Client {
  static #all = new Set();
  static #count = 0;

  /** Whether the connection is open. */
  connected = true;
  /** What makes a session this client's own; `Session.become` reads it and keeps it up to date. */
  identity = { user: 'postgres', role: null, settings: [] };

  #socket;
  #session;
  #number = ++Client.#count;
  #reader = new MessageReader();
  #started = false;
  #work = Promise.resolve(); // units of work run one after the other
  #batch = []; // messages of the extended protocol since the last Sync or Flush
  #copy = null; // messages of a running COPY FROM STDIN
  #status = 'I'; // transaction status: Idle, in Transaction, in Error; F after a Flush, whose end is still to come
  #statements = new Set();
  #channels = new Set();
  #told = {}; // reported settings as the client knows them
  #settingsChanged = false;
  #beginning = []; // the settings that the client asked for when it connected

  constructor(socket, session) {
    this.#socket = socket;
    this.#session = session;
    Client.#all.add(this);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#reader.push(chunk);
      this.#read();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.connected = false;
      this.#enqueue(() => this.#leave());
    });
  }

  #enqueue(work) {
    this.#work = this.#work.then(work).catch((failure) => {
      console.error(failure);
      if (WASM_IS_DEAD.test(String(failure))) process.exit(70);
      this.#socket.destroy();
    });
  }

  #send(...messages) {
    if (this.connected) this.#socket.write(Buffer.concat(messages.map((m) => m.bytes)));
  }

  #read() {
    while (!this.#started) {
      const packet = this.#reader.startup();
      if (!packet) return;
      this.#start(packet);
    }
    for (let m; (m = this.#reader.next()); ) this.#take(m);
  }

  #start({ code, body }) {
    if (code === PROTOCOL.ssl || code === PROTOCOL.gss) {
      this.#socket.write('N');
      return;
    }
    this.#started = true;
    if (code === PROTOCOL.cancel) {
      this.#socket.end(); // there is nothing to cancel in: a call into WebAssembly cannot be interrupted
      return;
    }
    const parameters = startupParameters(body);
    const settings = [...(parameters.options ?? '').matchAll(/(?:-c\s*|--)([\w.]+)=((?:\\.|\S)*)/g)];
    this.identity = {
      user: parameters.user ?? 'postgres',
      role: null,
      settings: settings.map(([, name, value]) => [name, value.replace(/\\(.)/g, '$1')]),
    };
    if (parameters.application_name) this.identity.settings.push(['application_name', parameters.application_name]);
    this.#beginning = this.identity.settings;
    this.#enqueue(() => this.#greet());
  }

  async #greet() {
    await this.#onSession(async () => {
      this.#told = await this.#session.reported();
      const told = Object.entries(this.#told).map(([name, value]) => parameterStatus(name, value ?? ''));
      this.#send(authenticationOk(), ...told, backendKey(process.pid, this.#number), readyForQuery('I'));
    });
    this.#session.release(this);
  }

  /** Sorts one message into the unit of work that it belongs to, and starts the unit once it is complete. */
  #take(m) {
    if (this.#copy) {
      this.#takeCopy(m);
    } else if (m.type === 'Q') {
      this.#takeQuery(m);
    } else if (m.type === 'X') {
      this.#socket.end();
    } else if (!'dcf'.includes(m.type)) {
      this.#batch.push(this.#rename(m));
      if (m.type !== 'S' && m.type !== 'H') return;
      const batch = this.#batch;
      this.#batch = [];
      this.#enqueue(() => this.#run(batch, { flush: m.type === 'H' }));
    }
  }

  #takeQuery(m) {
    const sql = text(m.body).value.replace(LEADING_COMMENTS, '');
    if (COPY_IN.test(sql)) {
      this.#copy = [m];
      const binary = /\bbinary\b/i.test(sql.slice(sql.search(/\bstdin\b/i)));
      this.#enqueue(() => this.#send(copyInResponse(binary)));
      return;
    }
    const deallocate = DEALLOCATE.exec(sql);
    if (deallocate) {
      this.#enqueue(() => this.#deallocate(deallocate[1] ?? deallocate[2], !deallocate[1]));
      return;
    }
    this.#notice(sql);
    this.#enqueue(() => this.#run([m]));
  }

  /** The client was told to go on at once; the whole of a COPY goes to the backend in one call at its end. */
  #takeCopy(m) {
    if (!'dcf'.includes(m.type)) return;
    this.#copy.push(m);
    if (m.type === 'd') return;
    const whole = this.#copy;
    this.#copy = null;
    this.#enqueue(() => this.#run(whole, { whole: true }));
  }

  /** Names of prepared statements are the session's, so each client's get a prefix. */
  #rename(m) {
    const own = (name) => name && `c${this.#number}_${name}`;
    if (m.type === 'P') {
      const name = text(m.body);
      this.#notice(text(m.body, name.next).value);
      if (name.value) this.#statements.add(name.value);
      return message('P', cstring(own(name.value)), m.body.subarray(name.next));
    }
    if (m.type === 'B') {
      const portal = text(m.body);
      const name = text(m.body, portal.next);
      return message('B', cstring(portal.value), cstring(own(name.value)), m.body.subarray(name.next));
    }
    if ((m.type === 'D' || m.type === 'C') && String.fromCharCode(m.body[0]) === 'S') {
      const name = text(m.body, 1).value;
      if (m.type === 'C') this.#statements.delete(name);
      return message(m.type, Buffer.from('S'), cstring(own(name)));
    }
    return m;
  }

  /** Keeps in mind what a statement changes beyond its own answer. */
  #notice(sql) {
    if (CHANGES_SETTINGS.test(sql)) this.#settingsChanged = true;
    const listens = LISTENS.exec(sql);
    if (!listens) return;
    const [, un, channel] = listens;
    if (!un) this.#channels.add(channel);
    else if (channel === '*') this.#channels.clear();
    else this.#channels.delete(channel);
  }

  /** `DEALLOCATE` in SQL would not know the prefix: close the statements by message, and answer as if it had run. */
  async #deallocate(name, unquoted) {
    const all = unquoted && /^all$/i.test(name);
    const names = all ? [...this.#statements] : [name];
    names.forEach((each) => this.#statements.delete(each));
    const closes = names.map((each) => closeStatement(`c${this.#number}_${each}`));
    await this.#run([...closes, sync()], {
      translate: (answer) =>
        answer.type === '3' ? [] : answer.type === 'Z' ? [commandComplete(all ? 'DEALLOCATE ALL' : 'DEALLOCATE'), answer] : [answer],
    });
  }

  /**
   * Runs one unit of work and sends its answer. `flush`: the unit ends without ReadyForQuery; `whole`: it goes over in
   * one call and the answer to COPY was given before; `translate` replaces a message of the answer by others.
   */
  async #run(messages, { flush = false, whole = false, translate = (answer) => [answer] } = {}) {
    const done = await this.#onSession(async () => {
      const bytes = whole ? await this.#session.exchangeWhole(messages) : await this.#session.exchange(messages);
      const answers = [];
      if (flush) this.#status = 'F';
      for (const answer of split(bytes)) {
        if (answer.type === 'Z') this.#status = String.fromCharCode(answer.body[0]);
        if (answer.type === 'A' && !this.#notify(answer)) continue;
        if (answer.type === 'G' && whole) continue;
        answers.push(...translate(answer));
      }
      if (this.#settingsChanged && 'IT'.includes(this.#status)) answers.splice(-1, 0, ...(await this.#changedSettings()));
      this.#send(...answers);
    });
    if (!done) {
      this.#send(error('55P03', 'test server: another connection holds the only session in a transaction'));
      if (!flush) this.#send(readyForQuery('I'));
    }
    if (this.#status === 'I') this.#session.release(this);
  }

  /** Passes a notification on to the other listeners; says whether this client listens too. */
  #notify(notification) {
    const channel = text(notification.body, 4).value;
    for (const other of Client.#all) if (other !== this && other.#channels.has(channel)) other.#send(notification);
    return this.#channels.has(channel);
  }

  async #changedSettings() {
    this.#settingsChanged = false;
    await this.#session.restore(this.#beginning);
    const now = await this.#session.reported();
    const changed = Object.entries(now).filter(([name, value]) => this.#told[name] !== value);
    this.#told = now;
    return changed.map(([name, value]) => parameterStatus(name, value));
  }

  /** Does `work` with the session in this client's hands and dress; false when the session could not be had. */
  async #onSession(work) {
    if (!(await this.#session.acquire(this))) return false;
    if (this.#status === 'I') await this.#session.become(this);
    await work();
    return true;
  }

  /** Rolls back what was left open and takes this client's statements out of the session. */
  async #leave() {
    Client.#all.delete(this);
    if (!(await this.#session.acquire(this))) return;
    const closes = [...this.#statements].map((name) => closeStatement(`c${this.#number}_${name}`));
    if (this.#status !== 'I') await this.#session.exchange([sync(), query('ROLLBACK')]);
    if (closes.length) await this.#session.exchange([...closes, sync()]);
    if (Client.#all.size === 0) await this.#session.wipe();
    this.#session.release(this);
  }
}
