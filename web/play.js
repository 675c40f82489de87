// The page of a recording: puts the parts together.

import { Clip, NO_CLIP } from './clip.js';
import { listenToKeys } from './keys.js';
import { fetchPage } from './markup.js';
import { signed } from './pass.js';
import { Sound, playable } from './sound.js';
import { Status } from './status.js';
import { clock, notATime, parseFragment, parseTime, parseWallClock, shortTime, showLocally, wallClock } from './times.js';
import { SeekBar } from './wave.js';

const element = (id) => document.getElementById(id);
const on = (id, type, action) => element(id).addEventListener(type, action);
const root = element('recording');
const controls = {};
for (const id of ['play', 'live', 'speed', 'mute', 'volume', 'format', 'message']) controls[id] = element(id);

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
const sound = new Sound(element('sound'), status, formats.find((format) => format === kept.get('format')) ?? formats[0]);
const clip = new Clip(status, copyLink, say);
const bar = new SeekBar(element('seek'), status);
const positionKey = `position ${status.value.name}`;

/** The lock screen, headphones' buttons and the like. Some browsers have none of it, or a part. */
const session = navigator.mediaSession ?? {};

const step = (seconds) => sound.seek(sound.position + seconds);

function say(text) {
  if (controls.message.textContent !== text) controls.message.textContent = text;
}

function show() {
  const { position } = sound;
  const { isGrowing, edge, value } = status;
  root.querySelector('.live').hidden = !isGrowing;
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
  const { title, started, modified, pcm, cover } = status.value;
  const now = JSON.stringify([title, started, status.isGrowing || modified, pcm, cover]);
  if (now === described) return;
  const isFirst = !described;
  described = now;
  element('go-by').hidden = !started;
  if (!started) element('go-by').value = 'start';
  attempt(() => {
    const artwork = cover ? [{ src: signed(cover) }] : [];
    session.metadata = new MediaMetadata({ title: title ?? status.value.name, artwork });
  });
  if (isFirst) return; // the page came with it
  const page = await fetchPage(signed(location.pathname));
  document.title = page.title;
  element('about').replaceWith(page.getElementById('about'));
  showLocally(root);
}

function showToSystem(position, duration) {
  session.playbackState = sound.wanted ? 'playing' : 'paused';
  attempt(() => session.setPositionState({ duration, position: Math.min(position, duration), playbackRate: sound.rate }));
}

function offerToSystem() {
  const actions = {
    play: () => sound.play(),
    pause: () => sound.pause(),
    seekbackward: ({ seekOffset }) => step(-(seekOffset ?? 15)),
    seekforward: ({ seekOffset }) => step(seekOffset ?? 30),
    seekto: ({ seekTime }) => sound.seek(seekTime),
  };
  for (const name of Object.keys(actions)) attempt(() => session.setActionHandler(name, actions[name]));
}

async function copyLink(fragment) {
  const link = new URL(fragment, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    say('The link is copied.');
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
  say(position === null && !byClock ? notATime(field.value) : notIn(field.value, end));
}

/** What the address says, or else where one was the last time; a page that is loaded anew goes on where it was. */
function begin() {
  const isKept = history.state?.isKept && keptPosition();
  const wanted = fragment();
  goTo(isKept ? null : wanted);
  if (isKept && wanted?.to) choose(wanted);
  sound.isUsed = false;
}

/** What the address says. */
function fragment() {
  const wanted = parseFragment(location.hash);
  if (!wanted && location.hash.startsWith('#t=')) say(notATime(location.hash.slice(3)));
  if (wanted?.from > status.edge + 1) {
    say(notIn(clock(wanted.from), clock(status.edge)));
    if (sound.wanted) return null;
  }
  return wanted;
}

function goTo(wanted) {
  const { live, from, to } = wanted ?? keptPosition() ?? { from: 0 };
  sound.seek(live && status.isGrowing ? status.edge : (from ?? status.edge));
  if (to && from <= status.edge) choose(wanted);
}

function keepPosition() {
  // Where one has not been is not where one was.
  if (sound.loop || !sound.isUsed) return;
  const { started } = status.value;
  kept.set(positionKey, JSON.stringify({ live: sound.atEdge, from: sound.position, started }));
}

/** Where one was the last time, unless that was in another recording that had the name. */
function keptPosition() {
  const last = attempt(() => JSON.parse(kept.get(positionKey)));
  const { started } = status.value;
  // Had it begun when that was heard? (It may have been put right.)
  const isLater = Date.parse(started) > Date.parse(last?.started) + last?.from * 1000;
  return isLater || !(last?.from <= status.edge + 1) ? null : last;
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
  on('play', 'click', () => sound.toggle());
  on('back', 'click', () => step(-15));
  on('forward', 'click', () => step(30));
  on('live', 'click', () => sound.toEdge());
  on('speed', 'change', () => setSpeed(controls.speed.selectedIndex));
  on('mute', 'click', () => mute(!sound.audio.muted));
  on('volume', 'input', () => setVolume(controls.volume.value));
  on('format', 'change', () => {
    kept.set('format', controls.format.value);
    say('');
    sound.setFormat(controls.format.value);
  });
  on('go', 'submit', takeTime);
  on('moment', 'click', () => copyLink(`#t=${clock(sound.position)}`));
  on('clip-here', 'click', () => chooseFromHere('from'));
  on('help', 'click', () => element('keys').showModal());
  on('clip-loop', 'click', () => {
    sound.loop && sound.wanted ? sound.pause() : sound.listenTo(clip.value);
  });
}

function choose(times) {
  if (!clip.choose(times)) say(NO_CLIP);
}

let loopSoon;

function loopAgain() {
  if (sound.loop && clip.value) sound.listenTo(clip.value, sound.wanted);
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
    // Nor is one that was dropped there again when the page is loaded anew.
    if (!clip.value && parseFragment(location.hash)?.to) history.replaceState(history.state, '', signed(location.pathname));
    show();
  });
  addEventListener('hashchange', () => {
    say('');
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
    step,
    louder: (more) => setVolume(Number(controls.volume.value) + more),
    mute: () => mute(!sound.audio.muted),
    faster: (steps) => setSpeed(controls.speed.selectedIndex + steps),
    tenth: (tenth) => sound.seek((status.edge * tenth) / 10),
    end: () => (status.isGrowing ? sound.toEdge() : sound.seek(status.edge)),
    clip: chooseFromHere,
    drop: () => clip.drop(),
    help: () => element('help').click(),
  });
}

function offerChoices() {
  for (const option of controls.format.options) option.disabled = !formats.includes(option.value);
  controls.format.value = sound.format ?? '';
  setVolume(kept.get('volume') ?? 1);
  const speeds = [...controls.speed.options].map(({ value }) => value);
  setSpeed(speeds.indexOf([kept.get('speed'), '1'].find((speed) => speeds.includes(speed))));
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
