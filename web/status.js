// What becomes of a recording: told by the server as it happens while the page is seen, else asked for now and then.

import { Events } from './events.js';
import { signed } from './pass.js';

const ASK_EVERY = 2000;
const ASK_UNSEEN_EVERY = 5000;
// One that grows is not silent for so long: the connection may be, which no browser tells.
const SILENCE = 4000;

/** Events: `status` when there is news, `lost` when it is gone, `replaced` by another, `trouble`, and `fine` after these. */
export class Status extends EventTarget {
  /** @param first what the page came with @param isUsed whether somebody listens, though unseen */
  constructor(first, isUsed) {
    super();
    this.value = first;
    this.path = first.page.replace('/play/', '/recordings/');
    this.isUsed = isUsed;
    this.why = ''; // what is wrong, if it is
    this.isGone = false;
    this.mayBeAnother = false;
    this.isTold = true; // whether anything was since events began
    this.taken = 0; // how often there was news
    this.askedAt = performance.now();
    this.toldAt = performance.now();
    this.events = new Events(signed(`${this.path}/events`), {
      status: ({ data }) => this.take(JSON.parse(data)),
      open: () => {
        this.isTold = false;
      },
      lost: () => {
        this.mayBeAnother = true;
        this.ask();
      },
      error: () => this.ask(),
    });
    setInterval(() => this.askIfNeeded(), ASK_EVERY);
  }

  get inTrouble() {
    return this.why !== '';
  }

  get isGrowing() {
    return this.value.state === 'growing';
  }

  /** Where the recording ends as far as is known, in seconds. */
  get edge() {
    return this.value.duration;
  }

  askIfNeeded() {
    const isSilent = this.isGrowing && performance.now() - this.toldAt > SILENCE;
    if (this.events.isOpen && !isSilent && !this.inTrouble && !this.isGone) return;
    if (document.hidden && !this.isUsed()) return;
    if (document.hidden && performance.now() - this.askedAt < ASK_UNSEEN_EVERY) return;
    this.ask();
  }

  /** Asks the server; what comes of it is told in events. */
  async ask() {
    this.askedAt = performance.now();
    const { taken } = this;
    try {
      const response = await fetch(signed(this.path), { cache: 'no-store', signal: AbortSignal.timeout(10000) });
      const value = await response.json();
      if (this.taken !== taken) return; // what was told meanwhile is newer
      if (response.ok) {
        // What was not told, though it was to be, will not be.
        if (value.frames !== this.value.frames && performance.now() - this.toldAt > SILENCE) this.events.listen();
        this.take(value);
        this.events.listenAgain();
      } else if (response.status === 404) {
        this.lose(value.detail);
      } else {
        this.trouble(`The server says: ${value.detail}.`);
      }
    } catch {
      if (this.taken === taken) this.trouble('The server does not answer.');
    }
  }

  take(value) {
    const { frames, pcm, started, modified } = this.value;
    // Whether it is another of that name. While one looks on, an event may be older than an answer, and a start be put right.
    const isUnseen = !this.isTold || !this.events.isOpen || this.inTrouble || this.isGone;
    const isMoved = !this.isGrowing && (value.frames !== frames || value.modified !== modified);
    const signs = this.isGone + isMoved + (value.started !== started);
    const isLater = Date.parse(value.started) > Date.parse(started) + 1000 * this.edge;
    const isOther = isUnseen && (value.frames < frames || isLater || signs > 1);
    const isAnother = isOther || this.mayBeAnother || JSON.stringify(value.pcm) !== JSON.stringify(pcm);
    this.mayBeAnother = false;
    this.isTold = true;
    this.toldAt = performance.now();
    this.taken += 1;
    this.value = value;
    if (this.inTrouble || this.isGone) {
      [this.why, this.isGone] = ['', false];
      this.tell('fine');
    }
    if (isAnother) this.tell('replaced');
    this.tell('status');
  }

  trouble(why) {
    const isNews = why !== this.why;
    this.why = why;
    if (isNews) this.tell('trouble');
  }

  lose(why) {
    const isNews = !this.isGone;
    [this.why, this.isGone, this.mayBeAnother] = ['', true, false];
    if (isNews) this.tell('lost', why);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
