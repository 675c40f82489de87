// What becomes of a recording: told by the server as it happens while the page is seen, else asked for now and then.

import { Events } from './events.js';

const ASK_EVERY = 2000;
const ASK_UNSEEN_EVERY = 5000;

/** Events: `status` when there is news, `lost` when it is gone, `replaced` by another, `trouble`, and `fine` after these. */
export class Status extends EventTarget {
  /** @param first what the page came with @param isUsed whether somebody listens, though unseen */
  constructor(first, isUsed) {
    super();
    this.value = first;
    this.path = first.page.replace('/play/', '/recordings/');
    this.isUsed = isUsed;
    this.inTrouble = false;
    this.isGone = false;
    this.mayBeAnother = false;
    this.taken = 0; // how often there was news
    this.askedAt = performance.now();
    this.events = new Events(`${this.path}/events`, {
      status: ({ data }) => this.take(JSON.parse(data)),
      lost: () => {
        this.mayBeAnother = true;
        this.ask();
      },
      error: () => this.ask(),
    });
    setInterval(() => this.askIfNeeded(), ASK_EVERY);
  }

  get isGrowing() {
    return this.value.state === 'growing';
  }

  /** Where the recording ends as far as is known, in seconds. */
  get edge() {
    return this.value.duration;
  }

  askIfNeeded() {
    if (this.events.isOpen && !this.inTrouble && !this.isGone) return;
    if (document.hidden && !this.isUsed()) return;
    if (document.hidden && performance.now() - this.askedAt < ASK_UNSEEN_EVERY) return;
    this.ask();
  }

  /** Asks the server; what comes of it is told in events. */
  async ask() {
    this.askedAt = performance.now();
    const { taken } = this;
    try {
      const response = await fetch(this.path, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
      const value = await response.json();
      // What was told meanwhile is newer.
      if (response.ok && this.taken === taken) this.take(value);
      if (response.ok) this.events.listenAgain();
      else if (response.status === 404) this.lose(value.detail);
      else this.trouble(`The server says: ${value.detail}.`);
    } catch {
      this.trouble('The server cannot be reached.');
    }
  }

  take(value) {
    // Another recording under the same name.
    const { frames, pcm } = this.value;
    const isAnother = this.mayBeAnother || value.frames < frames || value.pcm.rate !== pcm.rate;
    this.mayBeAnother = false;
    this.taken += 1;
    this.value = value;
    if (this.inTrouble || this.isGone) {
      [this.inTrouble, this.isGone] = [false, false];
      this.tell('fine');
    }
    if (isAnother) this.tell('replaced');
    this.tell('status');
  }

  trouble(why) {
    const isNews = !this.inTrouble;
    this.inTrouble = true;
    if (isNews) this.tell('trouble', why);
  }

  lose(why) {
    const isNews = !this.isGone;
    [this.inTrouble, this.isGone, this.mayBeAnother] = [false, true, true];
    if (isNews) this.tell('lost', why);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
