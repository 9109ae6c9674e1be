// The PostgreSQL wire protocol, as far as the server needs it: cutting a stream into messages, reading and writing them.
// Pure: no sockets, no state but the bytes of an incomplete message. A message is {type, bytes, body}, where `type` is
// its letter, `bytes` the whole of it and `body` what follows type and length.

export const PROTOCOL = {
  cancel: 80877102,
  ssl: 80877103,
  gss: 80877104,
};

/** Cuts a stream into messages, whatever the chunks it arrives in. The first one (startup) has no type letter. */
export class MessageReader {
  #buffer = Buffer.alloc(0);

  push(chunk) {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
  }

  /** The next startup packet as {code, body}, or null while it is incomplete. */
  startup() {
    if (this.#buffer.length < 8) return null;
    const length = this.#buffer.readInt32BE(0);
    if (this.#buffer.length < length) return null;
    const packet = { code: this.#buffer.readInt32BE(4), body: this.#buffer.subarray(8, length) };
    this.#buffer = this.#buffer.subarray(length);
    return packet;
  }

  /** The next message, or null while it is incomplete. */
  next() {
    const message = first(this.#buffer);
    if (message) this.#buffer = this.#buffer.subarray(message.bytes.length);
    return message;
  }
}

function first(buffer) {
  if (buffer.length < 5) return null;
  const length = 1 + buffer.readInt32BE(1);
  if (buffer.length < length) return null;
  const bytes = buffer.subarray(0, length);
  return { type: String.fromCharCode(bytes[0]), bytes, body: bytes.subarray(5) };
}

/** All messages of a complete buffer. */
export function* split(buffer) {
  for (let rest = buffer, message; (message = first(rest)); rest = rest.subarray(message.bytes.length)) yield message;
}

/** The zero-terminated text at `offset` of a body, and the offset behind it. */
export function text(body, offset = 0) {
  const end = body.indexOf(0, offset);
  return { value: body.toString('utf8', offset, end), next: end + 1 };
}

/** Key/value pairs of a startup packet. */
export function startupParameters(body) {
  const words = body.toString('utf8').split('\0');
  const parameters = {};
  for (let i = 0; i + 1 < words.length && words[i]; i += 2) parameters[words[i]] = words[i + 1];
  return parameters;
}

export const cstring = (value) => Buffer.from(`${value}\0`);

/** A message from its type letter and the parts of its body (buffers). */
export function message(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  const bytes = Buffer.concat([head, body]);
  return { type, bytes, body: bytes.subarray(5) };
}

export const query = (sql) => message('Q', cstring(sql));
export const sync = () => message('S');
export const closeStatement = (name) => message('C', Buffer.from('S'), cstring(name));
export const readyForQuery = (status) => message('Z', Buffer.from(status));
export const commandComplete = (tag) => message('C', cstring(tag));
export const parameterStatus = (name, value) => message('S', cstring(name), cstring(value));
export const authenticationOk = () => message('R', Buffer.alloc(4));

export function backendKey(pid, secret) {
  const body = Buffer.alloc(8);
  body.writeInt32BE(pid, 0);
  body.writeInt32BE(secret, 4);
  return message('K', body);
}

export function copyInResponse(binary) {
  return message('G', Buffer.from([binary ? 1 : 0, 0, 0]));
}

export function error(sqlstate, explanation) {
  const fields = ['SERROR', 'VERROR', `C${sqlstate}`, `M${explanation}`].map(cstring);
  return message('E', ...fields, Buffer.from([0]));
}

/** What an error message says, on one line. */
export const errorText = (body) => body.toString('utf8').replaceAll('\0', ' ').trim();
