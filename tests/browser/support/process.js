// Programs that the tests start, ports they listen on, and waiting for what they do.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set();
const folders = new Set();

// However the run ends, no program and no folder outlives it.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) remove(folder);
});
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  process.once(signal, () => process.exit(code));
}

/** A program; its output to standard error is kept in `child.said`. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  running.add(child);
  child.said = '';
  child.stdout.resume();
  child.stderr.on('data', (text) => (child.said = (child.said + text).slice(-10_000)));
  child.gone = new Promise((resolve) => {
    child.on('error', (error) => (child.said += error.message) && resolve());
    child.on('exit', resolve);
  }).then(() => running.delete(child));
  return child;
}

/** Ends a program by a signal and waits until it is gone. */
export async function stop(child, signal = 'SIGTERM') {
  child.kill(signal);
  await child.gone;
}

/** A folder that is removed at the end of the run. */
export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `tailcast-${name}-`));
  folders.add(folder);
  return folder;
}

export function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  folders.delete(folder);
}

/** A port nobody listens on now. A server that is to come back on its port cannot have one of the system's choice. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until `condition` gives something, and gives that; `child` is the program that must be alive meanwhile. */
export async function until(what, condition, { timeout = 20_000, child } = {}) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (child && !running.has(child)) throw new Error(`it ended before ${what}: ${child.said}`);
    if (Date.now() > deadline) throw new Error(`it never came about that ${what}. ${child?.said ?? ''}`);
    await sleep(50);
  }
}
