// The waveform of a whole recording, at a resolution that fits a page: fetched once, then only what is new.

import { signed } from './pass.js';

// Pixels that are kept. When there are more, each two become one.
const MOST = 4096;
const HEADER = 24;
// The shortest time between two requests.
const REST = 500;
const REST_AFTER_ERROR = 5000;

/** Pairs of the lowest and the highest sample (-128 to 127) of each pixel, from the start. Calls `changed` with news. */
export class Waveform {
  constructor(status, changed) {
    this.status = status;
    this.changed = changed;
    this.reset();
    status.addEventListener('status', () => this.fetchMore());
    status.addEventListener('replaced', () => this.reset());
    this.fetchMore();
  }

  reset() {
    const { frames } = this.status.value;
    this.abort?.abort();
    this.perPixel = 256;
    while (frames / this.perPixel > MOST / 2) this.perPixel *= 2;
    this.pairs = new Int8Array(2 * MOST);
    this.pixels = 0;
    this.loudest = 1; // of all numbers, 128 at most
    this.frames = 0; // up to where it is known
    this.isWhole = false; // that the last, partial pixel is there
    this.isFetching = false;
  }

  /** Where a pixel is, in seconds from the start. */
  get secondsPerPixel() {
    return this.perPixel / this.status.value.pcm.rate;
  }

  async fetchMore() {
    const { frames, pcm, waveform } = this.status.value;
    const isNew = this.status.isGrowing ? frames - this.frames >= this.perPixel : !this.isWhole;
    if (this.isFetching || !isNew) return;
    this.isFetching = true;
    this.abort = new AbortController();
    const { signal } = this.abort;
    const start = (this.frames / pcm.rate).toFixed(9);
    let pause = REST;
    try {
      const url = `${waveform.dat}?samples_per_pixel=${this.perPixel}&bits=8&start=${start}`;
      const response = await fetch(signed(url), { signal, cache: 'no-cache' });
      if (!response.ok) throw new Error(String(response.status));
      await this.take(response);
    } catch {
      pause = REST_AFTER_ERROR;
    }
    setTimeout(() => {
      if (signal.aborted) return;
      this.isFetching = false;
      this.fetchMore();
    }, pause);
  }

  /** Takes pixels as they arrive: the first time, the server may just be computing them. */
  async take(response) {
    const isWhole = response.headers.get('Tailcast-State') === 'finished';
    const reader = response.body.getReader();
    let rest = new Uint8Array(0);
    let toSkip = HEADER;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const bytes = new Uint8Array(rest.length + value.length);
      bytes.set(rest);
      bytes.set(value, rest.length);
      const from = Math.min(toSkip, bytes.length);
      toSkip -= from;
      const end = bytes.length - ((bytes.length - from) % 2);
      this.append(new Int8Array(bytes.buffer, from, end - from));
      rest = bytes.slice(end);
      this.changed();
    }
    this.isWhole = isWhole;
    this.fit();
    this.changed();
  }

  append(pairs) {
    const needed = 2 * this.pixels + pairs.length;
    if (needed > this.pairs.length) {
      const more = new Int8Array(2 * needed);
      more.set(this.pairs);
      this.pairs = more;
    }
    this.pairs.set(pairs, 2 * this.pixels);
    this.loudest = pairs.reduce((loudest, value) => Math.max(loudest, Math.abs(value)), this.loudest);
    this.pixels += pairs.length / 2;
    this.frames = this.pixels * this.perPixel;
  }

  /** Makes two pixels one, as often as it takes. An odd one at the end is fetched again, with its neighbour to be. */
  fit() {
    while (this.pixels > MOST) {
      const { pairs } = this;
      this.pixels = Math.floor(this.pixels / 2);
      this.perPixel *= 2;
      for (let i = 0; i < this.pixels; i += 1) {
        pairs[2 * i] = Math.min(pairs[4 * i], pairs[4 * i + 2]);
        pairs[2 * i + 1] = Math.max(pairs[4 * i + 1], pairs[4 * i + 3]);
      }
      this.frames = this.pixels * this.perPixel;
      this.isWhole = false;
    }
  }

  /** The lowest and the highest sample from second `from` to second `to`; null where nothing is known. */
  range(from, to) {
    const first = Math.floor(from / this.secondsPerPixel);
    const last = Math.min(Math.max(first + 1, Math.ceil(to / this.secondsPerPixel)), this.pixels);
    if (first >= last) return null;
    let [low, high] = [127, -128];
    for (let i = first; i < last; i += 1) {
      low = Math.min(low, this.pairs[2 * i]);
      high = Math.max(high, this.pairs[2 * i + 1]);
    }
    return [low, high];
  }
}
