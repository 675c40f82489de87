// What stands between a browser and the server, and may fail as networks do.

import { connect, createServer } from 'node:net';

/** Passes connections on to a server. `url` is as the server's. */
export async function startRelay(server) {
  const open = new Set();
  const relay = createServer((near) => {
    const { hostname, port } = new URL(server.url('/'));
    const far = connect(port, hostname);
    near.pipe(far).pipe(near);
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on('error', () => other.destroy()).on('close', () => open.delete(one));
    }
  });
  await new Promise((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${relay.address().port}`;
  return {
    url: (path) => origin + path,
    /** Has the connections that there are go silent, without their end; others may be opened. */
    silence() {
      for (const socket of open) socket.unpipe().pause();
    },
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}
