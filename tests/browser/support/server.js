// The real server as a process.

import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';

import { freePort, remove, start, stop, temporaryFolder, until } from './process.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** The program under test: `TAILCAST`, seen from the repository's root, else the release build. */
export const program = resolve(repository, process.env.TAILCAST ?? 'target/release/tailcast');

/** `tailcast serve` on a folder and a port of its own, with more `options` of the command line. */
export async function serve({ growthTimeout = 10, log = 'warn', options = [] } = {}) {
  const server = new Server(temporaryFolder('root'), await freePort(), growthTimeout, log, options);
  await server.start();
  return server;
}

class Server {
  #child;
  #growthTimeout;
  #log;
  #options;

  constructor(root, port, growthTimeout, log, options) {
    this.root = root;
    this.address = `127.0.0.1:${port}`;
    this.#growthTimeout = growthTimeout;
    this.#log = log;
    this.#options = options;
  }

  /** Also again after `kill`, on the same address. */
  async start() {
    const timeout = String(this.#growthTimeout);
    this.#child = await startListening(
      ['serve', '--root', this.root, '--growth-timeout', timeout, '--log', this.#log, ...this.#options],
      this.address,
    );
  }

  url(path) {
    return `http://${this.address}${path}`;
  }

  /** SIGKILL: as if the power went. */
  async kill() {
    await stop(this.#child, 'SIGKILL');
  }

  /** What it has written to its log. */
  get said() {
    return this.#child.said;
  }

  /** Ends it in order and removes its folder. */
  async stop() {
    await stop(this.#child);
    remove(this.root);
  }
}

/** Runs the program until it answers on `address`. */
export async function startListening(args, address) {
  await access(program).catch(() => {
    throw new Error(`${program} is not there: build it (cargo build --release) or name it in TAILCAST`);
  });
  const child = start(program, [...args, '--listen', address]);
  await until(`${program} answers`, () => answers(`http://${address}/healthz`), { child });
  return child;
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
