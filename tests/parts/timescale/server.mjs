// A TimescaleDB for tests: `node --liftoff-only server.mjs --port PORT [--data DIR] [--wait-ms 10000]`.
// Listens on 127.0.0.1 once the database is open; ends in order on SIGTERM. Accepts any user and password.

import net from 'node:net';
import { parseArgs } from 'node:util';
import { Client } from './client.mjs';
import { Session } from './session.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    data: { type: 'string' },
    'wait-ms': { type: 'string', default: '10000' },
  },
});

const session = await Session.open(values.data, Number(values['wait-ms']));
const server = net.createServer((socket) => new Client(socket, session));
server.listen(Number(values.port), '127.0.0.1');

process.on('SIGTERM', async () => {
  server.close();
  await session.close();
  process.exit(0);
});
