// Plays a recording from any second of it: each jump opens a source that begins there (docs/browsers.md says why); what is
// buffered is sought in the element. Positions are seconds from the start of the recording.

import { signed } from './pass.js';

// Chromium takes its sound in blocks of so many bytes, and gets no further than the last whole one.
const BLOCK = 32 * 1024;
// What a listener at the live edge stays behind it, besides.
const LEAD = 1.2;
// Who is behind that by no more listens live. Who wants to and is further behind hears what was said a little faster.
const NEAR = 3;
const FASTER = 1.1;
// Unless that would take too long.
const FAR = 60;
// A pause that is longer lets go of the connection: browsers have six to a server, for all their tabs.
const SHORT_PAUSE = 15000;
// When nothing is heard for so long, though there is something, the source is opened anew.
const PATIENCE = 5000;
// After so many failures in a row there is something to be said.
const MANY = 4;
const TYPES = { opus: 'audio/ogg; codecs=opus', mp3: 'audio/mpeg', wav: 'audio/wav' };

/** The formats that the browser says it plays, the best first: `probably` goes before `maybe`. */
export function playable() {
  const audio = document.createElement('audio');
  const rank = (format) => ['probably', 'maybe'].indexOf(audio.canPlayType(TYPES[format]));
  return Object.keys(TYPES).filter((format) => rank(format) >= 0).sort((a, b) => rank(a) - rank(b));
}

/** Events: `change` when something that is shown has changed, `message` (a text, or nothing), `end`. */
export class Sound extends EventTarget {
  constructor(audio, status, format) {
    super();
    this.audio = audio;
    this.status = status;
    this.format = format;
    this.base = 0; // where the source begins
    this.target = 0; // where it is to begin, while there is none
    this.wanted = false; // whether it is to play
    this.isUsed = false; // whether anybody has played it, or gone anywhere
    this.loop = null; // the clip that is heard in a loop
    this.atEdge = false; // whether one wants to listen at the live edge
    this.tries = 0; // how often it may yet go there again, because it took so long to be heard
    this.rate = 1;
    this.count = 0;
    this.failures = 0; // in a row
    this.unexplained = 0; // of these, though the server gives the sound
    this.pausedAt = 0;
    this.cameToEnd = false; // of a recording that may yet go on
    this.movedAt = performance.now(); // when what is heard last went on
    this.openedAt = 0;
    this.gotAt = 0; // when the browser last got something
    this.attach();
  }

  attach() {
    const { audio, status } = this;
    for (const name of ['playing', 'pause', 'waiting', 'seeked', 'timeupdate', 'loadedmetadata']) {
      audio.addEventListener(name, () => this.moved());
    }
    audio.addEventListener('progress', () => {
      this.gotAt = performance.now();
    });
    audio.addEventListener('error', () => this.failed());
    audio.addEventListener('ended', () => this.ended());
    status.addEventListener('status', () => this.look());
    status.addEventListener('fine', () => {
      this.say('');
      this.recover();
    });
    // By the system, for a call perhaps.
    audio.addEventListener('pause', () => {
      const isOthers = this.wanted && this.isOpen && audio.paused && !audio.ended && !audio.error;
      if (isOthers && audio.readyState > 0) this.pause();
    });
    status.addEventListener('trouble', () => this.sayTrouble());
    // Out of the browser's store of pages, some sources begin anew.
    addEventListener('pageshow', ({ persisted }) => {
      if (!persisted) return;
      this.close(this.position);
      this.pause();
    });
    setInterval(() => this.look(), 500);
  }

  get isOpen() {
    return this.audio.hasAttribute('src');
  }

  get position() {
    if (!this.isOpen) return this.target;
    const time = this.audio.currentTime;
    // At the end of a source that claimed hours, browsers put their time there.
    const isClaimed = this.base + time > this.status.edge + 2;
    return this.base + (isClaimed ? this.lastTime : time);
  }

  /** How far behind the edge one listens at least. */
  get lead() {
    return (BLOCK * 8) / 1000 / this.status.value.bitrate[this.format ?? 'wav'] + LEAD;
  }

  get isLive() {
    return this.status.isGrowing && this.wanted && this.behind < this.lead + NEAR;
  }

  /** The last position that can be gone to. */
  get last() {
    const { edge, isGrowing } = this.status;
    return Math.max(0, isGrowing ? edge - this.lead : edge - 0.05);
  }

  play() {
    this.wanted = true;
    this.cameToEnd = false;
    this.failures = 0;
    this.isUsed = true;
    this.say('');
    this.sayTrouble();
    // It was there when it was opened.
    if (this.atEdge && !this.isOpen) [this.target, this.tries] = [this.last, 2];
    if (this.loop && !this.isOpen) {
      this.listenTo(this.loop);
    } else if (!this.isOpen || this.audio.error) {
      this.open(!this.status.isGrowing && this.target >= this.last ? 0 : this.target);
    } else if (!this.loop && !this.status.isGrowing && this.position >= this.last) {
      this.open(0);
    } else {
      this.start();
    }
    this.change();
  }

  pause() {
    this.wanted = false;
    this.cameToEnd = false;
    // The edge moves on, and one goes on where one was.
    this.atEdge = false;
    this.pausedAt = performance.now();
    this.audio.pause();
    this.say('');
    this.change();
  }

  toggle() {
    this.wanted ? this.pause() : this.play();
  }

  /** How far behind the live edge one listens, in seconds. */
  get behind() {
    return Math.max(0, this.status.edge - this.position);
  }

  /** Goes to a position: the nearest that there is. */
  seek(position) {
    this.loop = null;
    this.cameToEnd = false;
    this.atEdge = this.status.isGrowing && position >= this.last;
    this.failures = 0;
    this.isUsed = true;
    this.tries = 2;
    this.go(Math.min(Math.max(0, position), this.last));
  }

  toEdge() {
    this.wanted = true;
    this.sayTrouble();
    this.seek(this.status.edge);
  }

  go(position) {
    if (!this.isOpen || (!this.wanted && !this.isBuffered(position))) {
      this.close(position);
      if (this.wanted) this.open(position);
    } else if (this.isBuffered(position)) {
      this.audio.currentTime = position - this.base;
      this.isArriving = true;
      if (this.wanted && this.audio.paused) this.start();
    } else {
      this.open(position);
    }
    this.movedAt = performance.now();
    this.change();
  }

  isBuffered(position) {
    if (!this.isOpen || this.audio.loop) return false;
    const { buffered } = this.audio;
    const time = position - this.base;
    for (let i = 0; i < buffered.length; i += 1) {
      if (time >= buffered.start(i) && time + 0.5 < buffered.end(i)) return true;
    }
    return false;
  }

  /** Hears a clip over and over, now or when it is to play. */
  listenTo({ from, to }, now = true) {
    this.loop = { from, to };
    this.atEdge = false;
    this.wanted = now;
    if (now) this.open(from, `&duration=${(to - from).toFixed(3)}`);
    else this.close(from);
    this.change();
  }

  /** Opens a source that begins at a position. */
  open(position, more = '') {
    if (!this.format) return this.giveUp();
    const start = position.toFixed(3);
    this.base = Number(start);
    this.audio.loop = more !== '';
    this.isOfGrowing = this.status.isGrowing;
    // Never an address that a browser has something of: docs/browsers.md says when.
    this.count += 1;
    const { audio, modified } = this.status.value;
    this.audio.src = signed(`${audio[this.format]}?pos=${start}${more}&n=${this.count}.${Date.parse(modified) / 1000}`);
    this.openedAt = this.movedAt = performance.now();
    this.lastTime = 0;
    this.isArriving = true;
    if (this.wanted) this.start();
  }

  start() {
    this.applyRate();
    this.movedAt = performance.now();
    this.audio.play().catch((error) => {
      if (error.name !== 'NotAllowedError') return; // others are told of as `error`, or another source has come
      this.pause();
      this.say('The browser wants you to press Play.');
    });
  }

  /** Lets go of the source, and remembers where to go on. */
  close(position) {
    this.target = position;
    this.audio.removeAttribute('src');
    this.audio.load();
  }

  setFormat(format) {
    if (format === this.format) return;
    const { position } = this;
    this.format = format;
    this.failures = 0;
    this.close(position);
    if (this.wanted && this.loop) this.listenTo(this.loop);
    else if (this.wanted) this.open(position);
    this.change();
  }

  setRate(rate) {
    this.rate = rate;
    this.applyRate();
    this.change();
  }

  get rateNow() {
    const { audio, rate } = this;
    if (!this.status.isGrowing || this.loop) return rate;
    // At the edge there is nothing to run ahead into.
    if (this.behind < this.lead + 1) return Math.min(1, rate);
    const isLate = this.atEdge && (!this.isLive || audio.playbackRate === FASTER);
    return isLate && rate === 1 ? FASTER : rate;
  }

  applyRate() {
    const { audio, rateNow } = this;
    audio.preservesPitch = true;
    if (audio.playbackRate !== rateNow) audio.playbackRate = rateNow;
  }

  moved() {
    const time = this.position - this.base;
    if (this.isOpen && time !== this.lastTime) {
      this.lastTime = time;
      this.movedAt = performance.now();
      const isHeard = !this.audio.paused && this.audio.readyState > 2;
      if (isHeard && this.said && !this.status.inTrouble) this.say('');
      if (isHeard && this.isArriving) this.arrive();
      if (time > 1) [this.failures, this.unexplained] = [0, 0];
    }
    this.applyRate();
    this.change();
  }

  /** Is heard for the first time where it went. */
  arrive() {
    this.isArriving = false;
    if (!this.atEdge || this.isLive || !this.tries) return;
    this.tries -= 1;
    this.go(this.last);
  }

  /** Sees whether it plays as it should, twice a second and with every news. */
  look() {
    if (this.cameToEnd && this.status.isGrowing && this.position < this.last) this.play();
    if (!this.wanted && this.isOpen && performance.now() - this.pausedAt > SHORT_PAUSE) this.close(this.position);
    if (!this.wanted || !this.isOpen) return;
    if (this.behind > FAR) this.atEdge = false;
    const { isGrowing, edge } = this.status;
    const stuck = performance.now() - this.movedAt;
    const starved = performance.now() - Math.max(this.movedAt, this.gotAt);
    // All connections that a browser opens may be taken.
    const isDry = starved > PATIENCE && (this.loop || this.position < edge - this.lead - 1);
    if (isDry) this.failed(this.gotAt < this.openedAt && 'No sound comes. Browsers play on five pages at most.');
    else if (this.loop) return;
    else if (!isGrowing && this.position >= edge - 0.5 && stuck > 700) this.finish();
    // A source from when the recording grew may not give its last block.
    else if (stuck > 2000 && this.isOfGrowing && !isGrowing) this.open(this.position);
  }

  ended() {
    if (this.loop) return;
    const { isGrowing, edge } = this.status;
    // The server has stopped; or the recording, which is not known yet.
    if (this.position < edge - 1 || isGrowing) this.failed();
    else this.finish();
  }

  finish() {
    this.wanted = false;
    this.pausedAt = performance.now();
    this.audio.pause();
    this.say('');
    // Whose end was inferred may have only paused.
    this.cameToEnd = this.status.value.end === 'inferred';
    this.tell('end');
    this.change();
  }

  /** The source broke off. Whether it is worth another try the server is asked. */
  failed(why = '') {
    if (!this.isOpen) return;
    const { position } = this;
    this.failures += 1;
    this.close(position);
    this.change();
    if (!this.wanted) return;
    // The first time it is most often over in a moment.
    if (why || (this.failures > 1 && this.failures <= MANY)) this.say(why || 'The sound broke off; connecting again …');
    setTimeout(() => this.tryAgain(), 400 * Math.min(this.failures, 10));
  }

  async tryAgain() {
    await this.status.ask();
    if (!this.wanted || this.isOpen) return;
    if (this.failures > MANY && !this.status.inTrouble) {
      const why = await this.refusal().catch(() => 'it breaks off');
      if (!this.wanted || this.isOpen) return;
      // It may only just have come to give it.
      this.unexplained = why ? 0 : this.unexplained + 1;
      if (this.unexplained > 1) return this.giveUp();
      if (why) this.say(`The server does not give the sound: ${why}. It plays on as soon as it can.`);
    }
    this.recover();
  }

  /** Why the server does not give the sound, in its words; nothing if it does. */
  async refusal() {
    const address = signed(`${this.status.value.audio[this.format]}?pos=${this.target.toFixed(3)}`);
    const response = await fetch(address, { headers: { range: 'bytes=0-0' }, cache: 'no-store' });
    return response.ok ? '' : (await response.json()).detail;
  }

  giveUp() {
    const others = playable().filter((format) => format !== this.format).join(' or ').toUpperCase();
    this.wanted = false;
    const what = this.format ? `does not play it as ${this.format.toUpperCase()}` : 'plays none of the formats';
    this.say(`This browser ${what}. ${others ? `Try ${others}, below.` : 'Clips of it can be downloaded.'}`);
    this.change();
  }

  /** Goes on where it was, if it is to play and does not. */
  recover() {
    if (!this.wanted || this.isOpen || this.status.inTrouble) return;
    const { isGrowing, edge } = this.status;
    if (this.loop) return this.listenTo(this.loop);
    if (!isGrowing && this.target >= edge - 0.5) return this.finish();
    this.open(this.target);
  }

  /** Nothing that was known holds: another recording has the name. */
  reset() {
    this.loop = null;
    this.cameToEnd = false;
    this.close(0);
    this.seek(this.wanted && this.status.isGrowing ? this.status.edge : 0);
  }

  sayTrouble() {
    const { why } = this.status;
    if (why && this.wanted) this.say(`${why} It plays on as soon as it can.`);
  }

  say(text) {
    this.said = text;
    this.tell('message', text);
  }

  change() {
    this.tell('change');
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
