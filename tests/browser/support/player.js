// The player's page, used as a listener uses it, and looked at as one looks at it.

import { clockHeard, listen } from './heard.js';

const SOUND = '#sound';

/** Opens the page of a recording, at a moment (`#t=…`) if one is given, in a format. */
export async function openPlayer(page, server, name, { hash = '', format } = {}) {
  await page.goto(server.url(`/play/${name}${hash}`));
  await page.waitFor(() => !document.getElementById('player').hidden);
  if (format) await page.evaluate(choose, '#format', format);
  return new Player(page);
}

class Player {
  constructor(page) {
    this.page = page;
  }

  /** Has what is played listened to from now on. */
  async listen() {
    this.ear = await listen(this.page, SOUND);
    return this;
  }

  play() {
    return this.push('play');
  }

  /** Pushes a button at once: a pointer's click may take Firefox seconds in a tab behind others. */
  push(id) {
    return this.page.evaluate((id) => document.getElementById(id).click(), id);
  }

  /** What the page shows: texts by the ids of their elements, `isPlaying`, `isLive`, `state`, and the source's `time`. */
  shown() {
    return this.page.evaluate(shown);
  }

  /** Waits until `fn`, which is given what is shown, gives something true. */
  waitFor(fn, { timeout } = {}, ...args) {
    return this.page.waitFor(`(...args) => (${fn})((${shown})(), ...args)`, { timeout }, ...args);
  }

  /** Waits until it is heard at a position, in seconds from the recording's start. */
  waitUntilAt(position, { timeout = 30_000 } = {}) {
    return this.waitFor((shown, position) => shown.time >= position && shown.time < position + 20, { timeout }, position);
  }

  /** Chooses an option of a menu. */
  choose(selector, value) {
    return this.page.evaluate(choose, selector, value);
  }

  /** Types into a field and has it taken. */
  async enter(selector, text) {
    await this.page.evaluate(enter, selector, text);
  }

  /**
   * The clock's times in what was heard up to now, each with where the page's source claimed to be. The source has to be
   * the same all the while.
   */
  async clock() {
    const { base } = await this.shown();
    return clockHeard(await this.ear.stop(), (time) => base + time);
  }
}

// What follows runs in the page.

function shown() {
  const text = (id) => document.getElementById(id).textContent;
  const audio = document.getElementById('sound');
  const source = audio.getAttribute('src');
  const base = source ? Number(new URL(source, location.href).searchParams.get('pos')) : 0;
  return {
    position: text('position'),
    wall: text('wall'),
    length: text('length'),
    behind: text('behind'),
    message: text('message'),
    isPlaying: document.getElementById('play').dataset.playing === 'true',
    isLive: document.getElementById('live').getAttribute('aria-pressed') === 'true',
    state: document.querySelector('.live').hidden ? 'finished' : 'growing',
    isHeard: source !== null && !audio.paused && audio.readyState > 2,
    source,
    base,
    time: source ? base + audio.currentTime : NaN,
  };
}

function choose(selector, value) {
  const menu = document.querySelector(selector);
  menu.value = value;
  menu.dispatchEvent(new Event('change', { bubbles: true }));
}

function enter(selector, text) {
  const field = document.querySelector(selector);
  field.value = text;
  field.dispatchEvent(new Event('change', { bubbles: true }));
  field.form?.requestSubmit();
}
