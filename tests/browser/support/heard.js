// What is heard of an `<audio>` element, not what it says: its samples, each with the place the element claims
// to be at meanwhile.

import { clockTimes } from './clock.js';

/** Frames that the page hands over at a time: so many that one that is kept from running for a moment loses none. */
const BLOCK = 8192;

/**
 * Starts to listen to an element, best before it plays. From then on what it plays goes through a script of ours, for
 * as long as the page is there.
 */
export async function listen(page, selector = 'audio') {
  const rate = await page.evaluate(attach, selector, BLOCK);
  return {
    /** Listens for so many seconds from now on, whether it plays or not. */
    async hear(seconds) {
      await this.start();
      await page.waitFor(hasTaken, { timeout: seconds * 1000 + 30_000 }, selector, Math.floor((seconds * rate) / BLOCK));
      return this.stop();
    },
    /** Listens from now on until `stop`, which gives what was heard: of the source that the element has then. */
    start: () => page.evaluate(take, selector),
    async stop() {
      // What is heard at this moment is in a block that is not full yet.
      const blocks = await page.evaluate(blocksTaken, selector);
      await page.waitFor(hasTaken, {}, selector, blocks + 1);
      return unpacked(await page.evaluate(handOut, selector), rate);
    },
  };
}

/**
 * A clock that runs as the sound does, in seconds, and is read by calling what this gives. On a machine that has too much
 * to do the sound device comes to its turn late, and whatever plays takes longer than it lasts.
 */
export async function soundClock(page) {
  await page.evaluate(() => {
    window.soundClock = new AudioContext();
    return window.soundClock.resume();
  });
  return () => page.evaluate(() => window.soundClock.currentTime);
}

/**
 * The times that the clock was heard to say: `{ at, said, claimed, ahead }` in seconds. At `at` seconds of what was heard
 * its tick began; `claimed` is the place where the element said it was then, `ahead` is `claimed - said`. `claim` turns
 * an element's `currentTime` into a place in the recording.
 */
export function clockHeard(heard, claim = (time) => time) {
  return clockTimes(heard.samples, heard.rate).map(({ at, minute, tens }) => {
    const said = minute * 60 + tens * 10;
    const claimed = claim(timeAt(heard, at));
    return { at, said, claimed, ahead: claimed - said };
  });
}

/** When the last sound is heard in what was heard, in seconds: the piece is never silent for long. */
export function lastSound({ samples, rate }) {
  return samples.findLastIndex((sample) => Math.abs(sample) > 0.001) / rate;
}

/**
 * The element's `currentTime` when a sample was heard. The script is called at moments that jitter, for samples that do
 * not: hence the median of what those nearby say.
 */
function timeAt({ places }, at) {
  const nearby = places.filter((place) => Math.abs(place.at - at) < 1).map(({ at, time }) => time - at);
  nearby.sort((a, b) => a - b);
  return at + nearby[nearby.length >> 1];
}

/** `samples` from -1 to 1, and `places`: at `at` seconds of them (a block's end) the element claimed to be at `time`. */
function unpacked({ sound, times }, rate) {
  const bytes = Buffer.from(sound, 'base64');
  const samples = Float32Array.from({ length: bytes.length / 2 }, (_, n) => bytes.readInt16LE(2 * n) / 32_767);
  return { rate, samples, places: times.map((time, n) => ({ at: ((n + 1) * BLOCK) / rate, time })) };
}

// What follows runs in the page.

/** Only one source can ever be made of an element, so it is kept in the window. Gives the rate. */
function attach(selector, block) {
  const element = document.querySelector(selector);
  window.ears ??= new Map();
  if (!window.ears.has(element)) {
    const context = new AudioContext();
    // Old, but unlike a worklet it needs no module, which a page's policy may forbid.
    const script = context.createScriptProcessor(block, 1, 1);
    const ear = { context, script, taken: undefined };
    script.onaudioprocess = ({ inputBuffer }) => {
      if (!ear.taken) return;
      ear.taken.times.push(element.currentTime);
      ear.taken.sources.push(element.currentSrc);
      ear.taken.sound.push(Int16Array.from(inputBuffer.getChannelData(0), (x) => Math.max(-1, Math.min(1, x)) * 32_767));
    };
    context.createMediaElementSource(element).connect(script).connect(context.destination);
    window.ears.set(element, ear);
  }
  const { context } = window.ears.get(element);
  return context.resume().then(() => context.sampleRate);
}

function take(selector) {
  window.ears.get(document.querySelector(selector)).taken = { sound: [], times: [], sources: [] };
}

function blocksTaken(selector) {
  return window.ears.get(document.querySelector(selector)).taken.times.length;
}

function hasTaken(selector, blocks) {
  return window.ears.get(document.querySelector(selector)).taken.times.length >= blocks;
}

function handOut(selector) {
  const ear = window.ears.get(document.querySelector(selector));
  const { sources } = ear.taken;
  const first = sources.findLastIndex((source) => source !== sources.at(-1)) + 1;
  const [sound, times] = [ear.taken.sound.slice(first), ear.taken.times.slice(first)];
  ear.taken = undefined;
  let bytes = '';
  for (const block of sound) bytes += String.fromCharCode(...new Uint8Array(block.buffer));
  return { sound: btoa(bytes), times };
}
