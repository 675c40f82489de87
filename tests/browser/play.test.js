// The player in real browsers: what is heard is judged, and what the page says of it. (At the live edge: `edge.test.js`.)

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { SPEECH } from './support/clock.js';
import { clockHeard, lastSound } from './support/heard.js';
import { openPlayer } from './support/player.js';
import { record, thePiece } from './support/recorder.js';
import { serve } from './support/server.js';
import { FORMATS, inBrowsers, setStage } from './support/stage.js';

/** How far what is heard may be from where the page is said to be: see `bare.test.js` for what was measured. */
const WITHIN = 0.1;
/** Firefox does not take the pre-skip of an Opus off the time. */
const FIREFOX_OPUS_WITHIN = 0.2;

const stage = setStage({ live: { headStart: 150 }, done: 45 });

inBrowsers(stage, { concurrency: 1 }, (kind) => {
  const each = (test) => FORMATS.forEach((format) => test({ kind, format, within: within(kind, format) }, format));
  describe('what is heard', { concurrency: true }, () => {
    each((where, format) => describe(format, { concurrency: 1 }, () => {
      test('from the start, a link, and to and fro', (t) => hearsWhereItGoes(t, where));
      test('the end of a recording', (t) => hearsTheEnd(t, where));
      test('a finished recording', (t) => hearsFinished(t, where));
      test('on, from the same second, after the server was killed', (t) => outlivesTheServer(t, where));
    }));
  });
  describe('the clip that was chosen', { concurrency: 1 }, () => {
    each((where, format) => test(format, (t) => downloadsTheClip(t, where)));
  });
});

function within(kind, format) {
  return kind === 'firefox' && format === 'opus' ? FIREFOX_OPUS_WITHIN : WITHIN;
}

async function open(t, { kind, format }, server, name, hash) {
  const page = await stage[kind].newPage();
  t.after(() => page.close());
  return openPlayer(page, server, name, { hash, format });
}

/** Opens a player and what is to hear it. */
async function openToHear(...where) {
  return (await open(...where)).listen();
}

/** Goes somewhere by `go`, and hears the clock there say the time of `mark`. */
async function hearsAt(t, player, mark, within, go) {
  // Before it goes there, for it may be heard at once.
  await player.ear.start();
  await go();
  // A click may take effect after it was made.
  await player.waitFor(({ time }, mark) => time > mark - 10 && time < mark + 1, {}, mark);
  await player.waitUntilAt(mark + SPEECH);
  const times = await player.clock();
  const time = times.find(({ said }) => said === mark);
  t.diagnostic(`${mark} s heard ${time?.ahead.toFixed(3)} s ahead`);
  assert.ok(time, `${mark} s was not heard, but ${JSON.stringify(times)}`);
  assert.ok(Math.abs(time.ahead) <= within, `${mark} s was heard where ${time.claimed} s was claimed`);
  const { position } = await player.shown();
  const [h, m, s] = position.split(':').map(Number);
  assert.ok(Math.abs(h * 3600 + m * 60 + s - mark - SPEECH) < 1.5, `it shows ${position}`);
}

async function hearsWhereItGoes(t, where) {
  const { within } = where;
  const player = await openToHear(t, where, stage.server, 'live', '#t=0:18');
  assert.equal((await player.shown()).position, '0:00:18');
  await hearsAt(t, player, 20, within, () => player.play());
  await hearsAt(t, player, 120, within, () => player.enter('#go-to', '1:58'));
  // Back, by the button: to 107.
  await hearsAt(t, player, 110, within, () => player.push('back'));
  // And to the beginning, by a key.
  await hearsAt(t, player, 0, within, () => player.page.press('0'));
  assert.deepEqual(player.page.errors, []);
}

async function hearsTheEnd(t, where) {
  const recorder = await record(stage.server, `ending-${where.kind}-${where.format}`, { headStart: 24 });
  t.after(() => recorder.stop());
  const player = await openToHear(t, where, stage.server, recorder.name, '#t=16');
  assert.equal((await player.shown()).state, 'growing');
  await player.ear.start();
  await player.play();
  await player.waitUntilAt(19);
  const length = await recorder.end();
  await player.waitFor(({ message, isPlaying }) => message === 'That was the end.' && !isPlaying, { timeout: 60_000 });
  const { state, length: shownLength } = await player.shown();
  const heard = await player.ear.stop();
  const [tick] = clockHeard(heard);
  const last = 20 + lastSound(heard) - tick.at;
  t.diagnostic(`ended at ${length}, heard until ${last}`);
  assert.ok(Math.abs(last - length) < 0.05, `of ${length} s it was heard until ${last}`);
  assert.deepEqual([state, shownLength.includes('so far')], ['finished', false]);
}

async function hearsFinished(t, where) {
  const player = await openToHear(t, where, stage.server, 'done', '#t=28');
  assert.equal((await player.shown()).length, '0:00:45');
  await hearsAt(t, player, 30, where.within, () => player.play());
  await player.enter('#go-to', '0:42');
  await player.waitFor(({ message, isPlaying }) => message === 'That was the end.' && !isPlaying);
  assert.equal((await player.shown()).position.slice(0, 6), '0:00:4');
  // Once more, from the beginning.
  await hearsAt(t, player, 0, where.within, () => player.play());
}

async function outlivesTheServer(t, where) {
  const server = await serve();
  t.after(() => server.stop());
  const recorder = await record(server, 'live', { headStart: 30 });
  t.after(() => recorder.stop());
  const player = await openToHear(t, where, server, 'live', '#t=17');
  await player.ear.start();
  await player.play();
  await player.waitUntilAt(20 + SPEECH);
  const first = await player.ear.stop();
  assert.deepEqual(clockHeard(first).map(({ said }) => said), [20]);
  await player.page.evaluate(notePositions);
  await server.kill();
  await player.waitFor(({ message }) => message.includes('does not answer'));
  await server.start();
  await player.waitFor(({ message, isHeard }) => message === '' && isHeard, { timeout: 60_000 });
  const jumps = await player.page.evaluate(() => window.jumps);
  t.diagnostic(`jumps ${JSON.stringify(jumps)}`);
  assert.deepEqual(jumps, [], 'it plays on from the same second');
  await player.ear.start();
  const { time } = await player.shown();
  // Not at once: what is heard may yet be what the browser had, and be broken off when that is over.
  const mark = Math.ceil((time + 6) / 10) * 10;
  await player.waitUntilAt(mark + SPEECH, { timeout: 60_000 });
  const { base } = await player.shown();
  const found = clockHeard(await player.ear.stop(), (time) => base + time).find(({ said }) => said === mark);
  assert.ok(found && Math.abs(found.ahead) <= where.within, `${mark}: ${JSON.stringify(found)}`);
}

/** Notes where the position leaves out more than a second, or goes back by more. */
function notePositions() {
  window.jumps = [];
  let last = null;
  setInterval(() => {
    const [h, m, s] = document.getElementById('position').textContent.split(':').map(Number);
    const now = h * 3600 + m * 60 + s;
    if (last !== null && (now - last > 2 || now < last - 1)) window.jumps.push([last, now]);
    last = now;
  }, 100);
}

async function downloadsTheClip(t, where) {
  const player = await open(t, where, stage.server, 'done');
  await player.page.drag('#seek', 0.3, 0.6);
  const clip = await player.page.evaluate(clipShown, where.format);
  assert.ok(Math.abs(clip.from - 13.5) < 0.5 && Math.abs(clip.to - 27) < 0.5, JSON.stringify(clip));
  // To the sample, by the fields.
  await player.enter('#clip-from', '12.345');
  await player.enter('#clip-to', '0:00:20.001');
  const { href, download } = await player.page.evaluate(clipShown, where.format);
  assert.equal(download, `done 0.00.12.345–0.00.20.001.${where.format}`);
  const bytes = Buffer.from(await (await fetch(href)).arrayBuffer());
  const first = Math.round(12.345 * 48_000);
  const frames = Math.round(7.656 * 48_000);
  if (where.format === 'wav') {
    const piece = (await thePiece()).subarray(first * 4, (first + frames) * 4);
    assert.ok(bytes.subarray(-piece.length).equals(piece), 'the sound of the clip is the recording’s');
    assert.equal(bytes.readUInt32LE(bytes.length - piece.length - 4), piece.length);
  }
  const decoded = await player.page.evaluate(decode, href);
  t.diagnostic(`decoded ${decoded} frames`);
  // Opus in browsers: see `bare.test.js`.
  const more = where.format === 'opus' ? 0.17 * 48_000 : 0;
  assert.ok(decoded >= frames && decoded <= frames + more, `${decoded} frames for ${frames}`);
}

function clipShown(format) {
  const seconds = (id) => document.getElementById(id).value.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  const { href, download } = document.querySelector(`#clip [data-format=${format}]`);
  return { from: seconds('clip-from'), to: seconds('clip-to'), href, download };
}

/** Frames at 48 kHz that the browser's own decoder makes of a file. */
async function decode(href) {
  const context = new OfflineAudioContext(2, 48_000, 48_000);
  const sound = await context.decodeAudioData(await (await fetch(href)).arrayBuffer());
  return sound.length;
}
