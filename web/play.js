// The page of a recording: puts the parts together.

import { Clip, NO_CLIP } from './clip.js';
import { listenToKeys } from './keys.js';
import { fetchPage } from './markup.js';
import { Sound, playable } from './sound.js';
import { Status } from './status.js';
import { clock, notATime, parseFragment, parseTime, parseWallClock, shortTime, showLocally, wallClock } from './times.js';
import { SeekBar } from './wave.js';

const element = (id) => document.getElementById(id);
const root = element('recording');
const controls = {};
for (const id of ['play', 'back', 'forward', 'live', 'speed', 'mute', 'volume', 'format', 'message']) controls[id] = element(id);

/** Does what browsers may refuse, and can do without. */
function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** What the reader chose, kept for the next time, if the browser keeps anything. */
const kept = {
  get: (key) => attempt(() => localStorage.getItem(`tailcast ${key}`)),
  set: (key, value) => attempt(() => localStorage.setItem(`tailcast ${key}`, value)),
};

const status = new Status(JSON.parse(root.dataset.status), () => sound.wanted);
const formats = playable();
const sound = new Sound(element('sound'), status, formats.includes(kept.get('format')) ? kept.get('format') : formats[0]);
const clip = new Clip(status, (fragment) => copyLink(fragment, 'The link to the clip is copied.'), say);
const bar = new SeekBar(element('seek'), status);
const positionKey = `position ${status.value.name}`;
// Before a kept position: one listened at the live edge.
const LIVE = 'live ';

function say(text) {
  if (controls.message.textContent !== text) controls.message.textContent = text;
}

function show() {
  const { position } = sound;
  const { isGrowing, edge, value } = status;
  root.dataset.state = value.state;
  element('position').textContent = clock(position);
  element('wall').textContent = value.started ? wallClock(value.started, position) : '';
  element('length').textContent = `${clock(edge)}${isGrowing ? ' so far' : ''}`;
  element('behind').textContent = isGrowing && !sound.isLive ? `${clock(sound.behind)} behind live` : '';
  controls.live.hidden = !isGrowing;
  controls.live.setAttribute('aria-pressed', String(sound.isLive));
  controls.play.dataset.playing = String(sound.wanted);
  controls.play.setAttribute('aria-label', sound.wanted ? 'Pause' : 'Play');
  element('clip-loop').setAttribute('aria-pressed', String(sound.loop !== null));
  bar.show(position, clip.value);
  showToSystem(position, edge);
}

let described = '';

/** What it is called, and when it began or was written to, as that changes. */
async function describe() {
  const { title, started, modified, pcm } = status.value;
  const now = JSON.stringify([title, started, status.isGrowing || modified, pcm]);
  if (now === described) return;
  const isFirst = !described;
  described = now;
  element('go-by').hidden = !started;
  if (!started) element('go-by').value = 'start';
  if (navigator.mediaSession) navigator.mediaSession.metadata = new MediaMetadata({ title: title ?? status.value.name });
  if (isFirst) return; // the page came with it
  const page = await fetchPage(location.pathname);
  document.title = page.title;
  for (const part of ['h1', '.about']) root.querySelector(part).replaceWith(page.querySelector(part));
  showLocally(root);
}

/** The lock screen, headphones' buttons and the like. */
function showToSystem(position, duration) {
  const session = navigator.mediaSession;
  if (!session) return;
  session.playbackState = sound.wanted ? 'playing' : 'paused';
  // Some browsers have just the rest of it.
  attempt(() => session.setPositionState({ duration, position: Math.min(position, duration), playbackRate: sound.rate }));
}

function offerToSystem() {
  const session = navigator.mediaSession;
  if (!session) return;
  const actions = {
    play: () => sound.play(),
    pause: () => sound.pause(),
    seekbackward: ({ seekOffset }) => sound.seek(sound.position - (seekOffset ?? 15)),
    seekforward: ({ seekOffset }) => sound.seek(sound.position + (seekOffset ?? 30)),
    seekto: ({ seekTime }) => sound.seek(seekTime),
  };
  for (const name of Object.keys(actions)) attempt(() => session.setActionHandler(name, actions[name]));
}

async function copyLink(fragment, done) {
  const link = new URL(fragment, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    say(done);
  } catch {
    // Only pages with encryption may write to the clipboard. The address bar, if there is one, all can copy from.
    if (self !== top) return say(link);
    history.replaceState(null, '', fragment);
    say('The link is in the address bar now.');
  }
}

const notIn = (time, end) => `“${time}” is not in the recording, which goes to ${end}.`;

function takeTime(event) {
  event.preventDefault();
  const field = element('go-to');
  const byClock = element('go-by').value === 'clock';
  const position = byClock
    ? parseWallClock(field.value, status.value.started, sound.position, status.edge)
    : parseTime(field.value);
  const isThere = position !== null && position <= status.edge + 1;
  field.setAttribute('aria-invalid', String(!isThere));
  if (isThere) {
    say('');
    sound.seek(position);
    return;
  }
  const end = byClock ? wallClock(status.value.started, status.edge) : clock(status.edge);
  say(position === null && !byClock
    ? notATime(field.value)
    : notIn(field.value, end));
}

/** What the address says, or else where one was the last time; a page that is loaded anew goes on where it was. */
function begin() {
  const isKept = history.state?.isKept && kept.get(positionKey) !== null;
  const wanted = fragment();
  goTo(isKept ? null : wanted);
  if (isKept && wanted?.to) choose(wanted);
  sound.isUsed = false;
}

/** What the address says. */
function fragment() {
  const wanted = parseFragment(location.hash);
  if (!wanted && location.hash.startsWith('#t=')) say(notATime(location.hash.slice(3)));
  if (wanted?.from > status.edge + 1) say(notIn(clock(wanted.from), clock(status.edge)));
  return wanted;
}

function goTo(wanted) {
  const last = kept.get(positionKey) ?? '0';
  if (wanted?.live || (!wanted && status.isGrowing && last.startsWith(LIVE))) sound.seek(status.edge);
  else sound.seek(wanted ? wanted.from : Number(last.replace(LIVE, '')) || 0);
  if (wanted?.to && wanted.from <= status.edge) choose(wanted);
}

function keepPosition() {
  // Where one has not been is not where one was.
  if (sound.loop || !sound.isUsed) return;
  kept.set(positionKey, (sound.atEdge ? LIVE : '') + shortTime(sound.position));
}

function setVolume(volume) {
  controls.volume.value = volume;
  sound.audio.volume = Number(controls.volume.value);
  mute(false);
  kept.set('volume', controls.volume.value);
}

function mute(isMuted) {
  sound.audio.muted = isMuted;
  controls.mute.setAttribute('aria-pressed', String(isMuted));
}

function setSpeed(place) {
  const { options } = controls.speed;
  controls.speed.selectedIndex = Math.min(Math.max(0, place), options.length - 1);
  kept.set('speed', controls.speed.value);
  sound.setRate(Number(controls.speed.value));
}

function connectControls() {
  controls.play.addEventListener('click', () => sound.toggle());
  controls.back.addEventListener('click', () => sound.seek(sound.position - 15));
  controls.forward.addEventListener('click', () => sound.seek(sound.position + 30));
  controls.live.addEventListener('click', () => sound.toEdge());
  controls.speed.addEventListener('change', () => setSpeed(controls.speed.selectedIndex));
  controls.mute.addEventListener('click', () => mute(!sound.audio.muted));
  controls.volume.addEventListener('input', () => setVolume(controls.volume.value));
  controls.format.addEventListener('change', () => {
    kept.set('format', controls.format.value);
    say('');
    sound.setFormat(controls.format.value);
  });
  element('go').addEventListener('submit', takeTime);
  element('moment').addEventListener('click', () => {
    copyLink(`#t=${clock(sound.position)}`, 'The link to this moment is copied.');
  });
  element('clip-here').addEventListener('click', () => chooseFromHere('from'));
  element('help').addEventListener('click', () => element('keys').showModal());
  element('clip-loop').addEventListener('click', () => {
    if (sound.loop && sound.wanted) sound.pause();
    else sound.listenTo(clip.value);
  });
}

function choose(times) {
  if (!clip.choose(times)) say(NO_CLIP);
}

let loopSoon;

function loopAgain() {
  if (sound.loop && sound.wanted && clip.value) sound.listenTo(clip.value);
}

function connectParts() {
  sound.addEventListener('change', () => {
    show();
    // Which the page still has when it is loaded anew, or come back to.
    if (sound.isUsed && !history.state?.isKept) history.replaceState({ isKept: true }, '');
  });
  sound.addEventListener('message', ({ detail }) => say(detail));
  sound.addEventListener('end', () => say('That was the end.'));
  status.addEventListener('status', () => {
    show();
    describe().catch(() => {
      described = 'not known';
    });
  });
  status.addEventListener('lost', ({ detail }) => {
    sound.pause();
    say(`It cannot be heard any more: ${detail}. If it comes back, it can be played here.`);
  });
  status.addEventListener('replaced', () => {
    clip.drop();
    sound.reset();
    say('Another recording has taken the place of this one.');
  });
  bar.addEventListener('seek', ({ detail }) => sound.seek(detail));
  bar.addEventListener('choose', ({ detail }) => clip.choose(detail));
  clip.addEventListener('change', () => {
    // A loop begins anew with another clip (once that stands still, under a pointer), and ends with one that is dropped.
    clearTimeout(loopSoon);
    if (sound.loop && clip.value) loopSoon = setTimeout(loopAgain, 300);
    else if (sound.loop) sound.seek(sound.position);
    show();
  });
  addEventListener('hashchange', () => {
    const wanted = fragment();
    if (wanted) goTo(wanted);
  });
  addEventListener('pagehide', keepPosition);
  setInterval(() => {
    if (sound.wanted) keepPosition();
  }, 2000);
}

/** Has the clip begin or end where one is; there is half a minute of it if there was none. */
function chooseFromHere(end) {
  const { position } = sound;
  const half = { from: end === 'from' ? position : position - 30, to: end === 'to' ? position : position + 30 };
  const changed = { ...(clip.value ?? half), [end]: position };
  choose(changed.to > changed.from ? changed : half);
}

function connectKeys() {
  listenToKeys({
    toggle: () => sound.toggle(),
    step: (seconds) => sound.seek(sound.position + seconds),
    louder: (more) => setVolume(Number(controls.volume.value) + more),
    mute: () => mute(!sound.audio.muted),
    faster: (steps) => setSpeed(controls.speed.selectedIndex + steps),
    tenth: (tenth) => sound.seek((status.edge * tenth) / 10),
    end: () => (status.isGrowing ? sound.toEdge() : sound.seek(status.edge)),
    clip: (end) => chooseFromHere(end),
    drop: () => clip.drop(),
    help: () => element('keys').showModal(),
  });
}

function offerChoices() {
  for (const option of controls.format.options) option.disabled = !formats.includes(option.value);
  controls.format.value = sound.format ?? '';
  setVolume(kept.get('volume') ?? 1);
  const speeds = [...controls.speed.options].map(({ value }) => value);
  setSpeed(speeds.indexOf(speeds.includes(kept.get('speed')) ? kept.get('speed') : '1'));
}

begin();
connectControls();
connectParts();
connectKeys();
offerChoices();
offerToSystem();
showLocally(root);
describe();
element('player').hidden = false;
show();
