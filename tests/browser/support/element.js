// A plain `<audio>` element in somebody's page, watched from outside.

/** Opens a page with one `<audio>` and notes what happens to it from now on. */
export async function openElement(page, url, selector = 'audio') {
  await page.goto(url);
  await page.evaluate(watch, selector);
  return new Element(page, selector);
}

class Element {
  constructor(page, selector) {
    this.page = page;
    this.selector = selector;
  }

  play() {
    return this.page.evaluate((selector) => document.querySelector(selector).play(), this.selector);
  }

  /** Goes to a time and waits until the element has arrived. */
  async seek(time) {
    await this.page.evaluate(seekTo, this.selector, time);
    await this.waitFor((audio) => !audio.seeking);
  }

  /** `time`, `duration`, `ended`, `paused`, `error` (a code or null). */
  state() {
    return this.page.evaluate(stateOf, this.selector);
  }

  /**
   * What happened, in order: `{ type, at, time, ahead }`, `at` in seconds since it was opened, `time` its `currentTime`,
   * `ahead` the seconds of sound that it had from there on.
   */
  events() {
    return this.page.evaluate((selector) => document.querySelector(selector).noted, this.selector);
  }

  /** Waits until `fn`, which is given the element, gives something true. */
  waitFor(fn, { timeout } = {}, ...args) {
    const looking = `(selector, ...args) => (${fn})(document.querySelector(selector), ...args)`;
    return this.page.waitFor(looking, { timeout }, this.selector, ...args);
  }

  /** How far it gets in so many seconds from now on, and where it had to wait: `{ by, waits }`, which are events. */
  async advance(seconds) {
    const { noted, at, time } = await this.waitFor(noteTheTime);
    const timeout = seconds * 1000 + 30_000;
    const to = await this.waitFor(timeWhenPassed, { timeout }, at + seconds * 1000);
    const since = (await this.events()).slice(noted);
    return { by: to - time, waits: since.filter(({ type }) => type === 'waiting') };
  }

  /** Waits until an event has happened. */
  async happens(type, { timeout } = {}) {
    const noted = (audio, type) => audio.noted.some((event) => event.type === type);
    await this.waitFor(noted, { timeout }, type);
  }
}

// What follows runs in the page.

function watch(selector) {
  const audio = document.querySelector(selector);
  const opened = performance.now();
  audio.noted = [];
  const types = ['playing', 'waiting', 'stalled', 'seeked', 'pause', 'ended', 'error', 'durationchange'];
  const bufferedEnd = () => (audio.buffered.length > 0 ? audio.buffered.end(audio.buffered.length - 1) : 0);
  for (const type of types) {
    audio.addEventListener(type, () => {
      const time = audio.currentTime;
      const ahead = Math.max(0, bufferedEnd() - time);
      audio.noted.push({ type, at: (performance.now() - opened) / 1000, time, ahead });
    });
  }
}

function noteTheTime(audio) {
  return { noted: audio.noted.length, at: performance.now(), time: audio.currentTime };
}

function timeWhenPassed(audio, moment) {
  return performance.now() >= moment && audio.currentTime;
}

function seekTo(selector, time) {
  document.querySelector(selector).currentTime = time;
}

function stateOf(selector) {
  const { currentTime, duration, ended, paused, error } = document.querySelector(selector);
  return { time: currentTime, duration, ended, paused, error: error && error.code };
}
