// Recorders: they append the demo's piece (src/demo/piece.rs), whose clock says what is heard when.

import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { freePort, stop } from './process.js';
import { startListening } from './server.js';

export const RATE = 48_000;
const FRAME_BYTES = 4;
/** How often a recorder writes, as a sound card's buffer would have it. */
const PERIOD = 50;
/** The demo's recording is ten minutes old when it starts. */
const PIECE_LENGTH = '9:00';

let piece;

/** Nine minutes of the piece as s16le stereo at 48 kHz, had from the demo once in a run. */
export function thePiece() {
  piece ??= fetchPiece();
  return piece;
}

async function fetchPiece() {
  const address = `127.0.0.1:${await freePort()}`;
  const demo = await startListening(['demo'], address);
  try {
    const answer = await fetch(`http://${address}/audio/demo.wav?pos=0&duration=${PIECE_LENGTH}`);
    return soundOf(Buffer.from(await answer.arrayBuffer()));
  } finally {
    await stop(demo, 'SIGINT');
  }
}

/** The bytes of a WAV's `data` chunk. */
function soundOf(wav) {
  let at = 12;
  while (wav.toString('latin1', at, at + 4) !== 'data') {
    at += 8 + wav.readUInt32LE(at + 4);
    if (at >= wav.length) throw new Error('a WAV without sound');
  }
  return wav.subarray(at + 8, at + 8 + wav.readUInt32LE(at + 4));
}

/**
 * A recording of `seconds` that has ended; `rule` is a line of its sidecar, `cover` whether it has one. At another `rate` it
 * takes another time, and tells a wrong one.
 */
export async function finished(server, name, seconds, { started, rule, cover, rate } = {}) {
  await writeFile(pathOf(server, name, 'pcm'), (await thePiece()).subarray(0, bytesIn(seconds)));
  if (cover) await drawCover(server);
  await writeSidecar(server, name, { ended: true, started, rule, cover, rate });
}

/**
 * A recording that is `headStart` seconds old and grows in real time from now on, until `end` or `pause`.
 * Its title is its name unless one is given; if it is told when it `started`, that stays so to its end.
 */
export async function record(server, name, { headStart = 120, title, started, cover } = {}) {
  const sound = await thePiece();
  if (cover) await drawCover(server);
  await writeSidecar(server, name, { title, started, cover });
  const described = { title, started, cover };
  const recorder = new Recorder(server, name, described, sound, await open(pathOf(server, name, 'pcm'), 'w'));
  await recorder.begin(headStart);
  return recorder;
}

/** A picture of one pixel, with so much behind it that a header with it takes more than one page of Ogg. */
async function drawCover(server) {
  const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  await writeFile(pathOf(server, 'cover', 'png'), Buffer.concat([Buffer.from(pixel, 'base64'), Buffer.alloc(60_000, 7)]));
}

class Recorder {
  #server;
  #name;
  #described;
  #sound;
  #file;
  #written = 0;
  #startedAt;
  #timer;
  #writing = Promise.resolve();

  constructor(server, name, described, sound, file) {
    Object.assign(this, { name });
    this.#server = server;
    this.#name = name;
    this.#described = described;
    this.#sound = sound;
    this.#file = file;
  }

  async begin(headStart) {
    await this.#writeUntil(headStart);
    this.resume();
  }

  /** Seconds that are in the file. */
  get edge() {
    return this.#written / FRAME_BYTES / RATE;
  }

  /** Goes on after `pause`, from where it was: what was played meanwhile is not missing, it comes later. */
  resume() {
    this.#startedAt = performance.now() - this.edge * 1000;
    this.#timer = setInterval(() => {
      const due = (performance.now() - this.#startedAt) / 1000;
      this.#writing = this.#writing.then(() => this.#writeUntil(due));
    }, PERIOD);
  }

  /** Stands still, without a word. */
  async pause() {
    clearInterval(this.#timer);
    await this.#writing;
  }

  /** Gives it another title, and another start: now. */
  async describe(title) {
    this.#described = { ...this.#described, title };
    await writeSidecar(this.#server, this.#name, { ...this.#described, started: undefined });
  }

  /**
   * Stops and says so in the sidecar, which puts its start right as well unless that was told. Gives the length in seconds.
   */
  async end() {
    await this.stop();
    await writeSidecar(this.#server, this.#name, { ...this.#described, ended: true });
    return this.edge;
  }

  /** Stops without saying so. */
  async stop() {
    await this.pause();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #writeUntil(seconds) {
    const due = Math.min(bytesIn(seconds), this.#sound.length);
    if (due <= this.#written) return;
    const bytes = this.#sound.subarray(this.#written, due);
    this.#written = due;
    await this.#file.write(bytes);
  }
}

const bytesIn = (seconds) => Math.floor(seconds * RATE) * FRAME_BYTES;

const pathOf = (server, name, extension) => join(server.root, `${name}.${extension}`);

async function writeSidecar(server, name, { title = name, ended, started = new Date().toISOString(), rule, cover, rate }) {
  const lines = [`pcm = "s16le:${rate ?? RATE}:2"`, `title = ${JSON.stringify(title)}`, `started = "${started}"`];
  if (ended) lines.push('ended = true');
  if (rule) lines.push(rule);
  if (cover) lines.push("cover = 'cover.png'");
  await writeFile(pathOf(server, name, 'toml'), `${lines.join('\n')}\n`);
}
