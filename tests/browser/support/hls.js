// hls.js in somebody's page, on another origin: how most browsers play HLS.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

import { openElement } from './element.js';

const HLS = readFileSync(createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js'));

/** `url` is the address of a page with an `<audio>` and hls.js. */
export async function startHlsPage() {
  const server = createServer((request, response) => {
    const isScript = request.url === '/hls.js';
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8' });
    response.end(isScript ? HLS : HTML);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const HTML = `<!doctype html>
<html lang="en"><title>Somebody's page</title><link rel="icon" href="data:,">
<audio controls></audio><script src="/hls.js"></script>`;

/** Opens a page of `startHlsPage`, in which hls.js is set up as it is by itself, but for `config`. */
export async function openHls(page, hlsPage, config = {}) {
  const element = await openElement(page, hlsPage.url);
  await page.evaluate(setUp, config);
  return new HlsPlayer(page, element);
}

class HlsPlayer {
  constructor(page, element) {
    this.page = page;
    this.element = element;
  }

  /** Has it load a playlist. */
  load(src) {
    return this.page.evaluate((src) => window.hls.loadSource(src), src);
  }

  /** Plays as soon as there is something to play, and waits until it does. */
  async play() {
    // What `play` gives comes about never, if there is nothing to play.
    await this.page.evaluate(() => void document.querySelector('audio').play());
    const isPlaying = (audio) =>
      audio.noted.some(({ type }) => type === 'playing') || window.failures.find(({ fatal }) => fatal);
    const failure = await this.element.waitFor(isPlaying);
    if (failure !== true) throw new Error(`hls.js gave up: ${JSON.stringify(failure)}`);
  }

  /**
   * `time`, `duration`, `ended`, `paused`, `error`, `buffered` of the element; of hls.js `latency`, `target` (the latency it means to have), `live`,
   * `first` (the number of the playlist's first segment), `level` and `levels` (the names of variants).
   */
  state() {
    return this.page.evaluate(state);
  }

  /** What it asked for since it was opened: `{ url, status, at, took }`, `status` where the browser tells. */
  requests() {
    return this.page.evaluate(() => window.asked);
  }

  /** What hls.js called an error: `{ type, details, fatal, at, time, status, text }`. */
  failures() {
    return this.page.evaluate(() => window.failures);
  }

  /** Waits until `fn`, which is given the state, gives something true. */
  waitFor(fn, { timeout } = {}, ...args) {
    return this.page.waitFor(`(...args) => (${fn})((${state})(), ...args)`, { timeout }, ...args);
  }

  /** Goes to the live edge, as a button of a page would. */
  async seekToEdge() {
    await this.page.evaluate(() => void (document.querySelector('audio').currentTime = window.hls.liveSyncPosition));
    await this.element.waitFor((audio) => !audio.seeking);
  }
}

// What follows runs in the page.

function setUp(config) {
  const { Hls } = window;
  const audio = document.querySelector('audio');
  const now = () => performance.now() / 1000;
  window.asked = [];
  const note = ({ name, responseStatus, startTime, duration }) =>
    window.asked.push({ url: name, status: responseStatus, at: startTime / 1000, took: duration / 1000 });
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: 'resource' });
  window.failures = [];
  const hls = new Hls(config);
  hls.on(Hls.Events.ERROR, (_, { type, details, fatal, error, response }) => {
    const [at, time, status, text] = [now(), audio.currentTime, response?.code, error?.message];
    window.failures.push({ type, details, fatal, at, time, status, text });
  });
  hls.attachMedia(audio);
  window.hls = hls;
}

function state() {
  const { hls } = window;
  const { currentTime: time, duration, ended, paused, error, buffered } = document.querySelector('audio');
  const nameOf = (level) => level && [level.url].flat()[0].split('/').at(-2);
  const details = hls.latestLevelDetails;
  return {
    time,
    duration,
    ended,
    paused,
    error: error?.message,
    buffered: Array.from(buffered, (_, n) => [buffered.start(n), buffered.end(n)]),
    latency: hls.latency,
    target: hls.targetLatency,
    live: details?.live,
    first: details?.fragments[0]?.sn,
    level: nameOf(hls.levels[hls.currentLevel]),
    levels: hls.levels.map(nameOf),
  };
}
