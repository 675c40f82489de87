// What becomes of a recording: told by the server as it happens while the page is seen, else asked for now and then.

// Browsers open six connections to a server at most, for all pages together: one that nobody looks at takes none.
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
    this.changedAt = performance.now();
    document.addEventListener('visibilitychange', () => this.listen());
    // Back from the browser's store of pages, whose connections are closed.
    addEventListener('pageshow', () => this.listen());
    this.timer = setInterval(() => this.askIfNeeded(), ASK_EVERY);
    this.askedAt = performance.now();
    this.listen();
  }

  get isGrowing() {
    return this.value.state === 'growing';
  }

  /** Where the recording ends as far as is known, in seconds. */
  get edge() {
    return this.value.duration;
  }

  listen() {
    this.source?.close();
    this.source = null;
    if (document.hidden || !window.EventSource) return;
    this.source = new EventSource(`${this.path}/events`);
    this.source.addEventListener('status', (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener('lost', () => {
      this.mayBeAnother = true;
      this.ask();
    });
    this.source.addEventListener('error', () => this.ask());
  }

  askIfNeeded() {
    const told = this.source?.readyState === EventSource.OPEN;
    if (told && !this.inTrouble && !this.isGone) return;
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
      if (response.ok && !document.hidden && this.source?.readyState === EventSource.CLOSED) this.listen();
      if (response.ok) return;
      if (response.status === 404) this.lose(value.detail);
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
    if (value.frames !== this.value.frames) this.changedAt = performance.now();
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
