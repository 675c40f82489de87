// HLS as hls.js plays it in somebody's page, while a recorder goes on in real time: what is heard is judged. (What need not
// be heard: `hls.test.js`.)

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { SPEECH } from './support/clock.js';
import { clockHeard, listen } from './support/heard.js';
import { openHls, startHlsPage } from './support/hls.js';
import { record } from './support/recorder.js';
import { inBrowsers, setStage } from './support/stage.js';

/** Those that HLS has. */
const FORMATS = ['opus', 'mp3'];
/** Seconds of a segment, of which a clip begins with one. */
const SEGMENT = { opus: 2, mp3: 2.352 };

/**
 * How far from what is heard `currentTime` may be, in seconds. Measured, with the script that listens: Opus 0.001 to 0.004
 * behind in Chromium and 0.016 to 0.028 in Firefox; MP3, whose codec's delay of 0.023 stays in, 0.015 to 0.017 ahead in
 * Chromium and 0.007 ahead to 0.001 behind in Firefox.
 */
const WITHIN = 0.05;
/** MP3 lasts longer by its codec's delay, and up to the end of a packet. */
const LENGTH_OFF = 0.06;

const stage = setStage({ live: { headStart: 120 }, done: 305 });

before(async () => (stage.hlsPage = await startHlsPage()));
after(() => stage.hlsPage?.stop());

inBrowsers(stage, { concurrency: true }, (kind) => {
  for (const format of FORMATS) {
    // One after the other: it takes work to listen.
    describe(format, { concurrency: 1 }, () => {
      test(`${format}: live, back, live again, and to the end`, (t) => hearsLiveToTheEnd(t, kind, format));
      test(`${format}: from pos=25`, (t) => hearsFromThere(t, kind, format));
      test(`${format}: a clip`, (t) => hearsClip(t, kind, format));
      test(`${format}: a finished recording`, (t) => hearsFinished(t, kind, format));
    });
  }
});

async function hearsLiveToTheEnd(t, kind, format) {
  // What says later when it started is moved by hls.js, which goes by the time of day.
  const started = new Date(Date.now() - 46_000).toISOString();
  const recorder = await record(stage.server, `live-${kind}-${format}`, { headStart: 46, started });
  t.after(() => recorder.stop());
  const { player, ear } = await openToHear(t, kind, format, `${recorder.name}/master.m3u8?format=${format}`);
  await ear.start();
  await player.play();
  const mark = Math.ceil(((await player.state()).time + 0.1) / 10) * 10;
  assertHeard(t, await hearPast(player, ear, mark), mark);
  await player.element.seek(18);
  await ear.start();
  assertHeard(t, await hearPast(player, ear, 20), 20);
  await player.seekToEdge();
  const { time, live } = await player.state();
  assert.ok(live && recorder.edge - time < 10, `at ${time} of ${recorder.edge}`);
  const length = await recorder.end();
  await endsAt(t, player, length, LENGTH_OFF);
}

async function hearsFromThere(t, kind, format) {
  const { player, ear } = await openToHear(t, kind, format, `live/master.m3u8?pos=25&format=${format}`);
  await ear.start();
  await player.play();
  await startedAt(player, 25);
  assertHeard(t, await hearPast(player, ear, 30), 30);
  await hasNoFailures(player);
}

async function hearsClip(t, kind, format) {
  const { player, ear } = await openToHear(t, kind, format, `live/master.m3u8?pos=38.5&duration=4&format=${format}`);
  await ear.start();
  await player.play();
  const { live, first } = await player.state();
  assert.equal(live, false);
  const base = first * SEGMENT[format];
  await startedAt(player, 38.5 - base);
  assertHeard(t, await hearPast(player, ear, 40 - base), 40, base);
  // The last segment is played as a whole.
  await endsAt(t, player, Math.ceil(42.5 / SEGMENT[format]) * SEGMENT[format] - base, LENGTH_OFF);
}

async function hearsFinished(t, kind, format) {
  const { player, ear } = await openToHear(t, kind, format, `done/master.m3u8?format=${format}`);
  await ear.start();
  await player.play();
  assertHeard(t, await hearPast(player, ear, 0), 0);
  const { duration } = await player.element.state();
  assert.ok(Math.abs(duration - 305) <= LENGTH_OFF, `${duration} for 305 s`);
  await player.element.seek(298);
  await ear.start();
  assertHeard(t, await hearPast(player, ear, 300), 300);
  await endsAt(t, player, 305, LENGTH_OFF);
}

/** Has hls.js open `/hls/…` in a tab of its own, which is closed with the test. */
async function openToHear(t, kind, format, path) {
  const page = await stage[kind].newPage();
  t.after(() => page.close());
  const player = await openHls(page, stage.hlsPage);
  const ear = await listen(page);
  await player.load(stage.server.url(`/hls/${path}`));
  return { player, ear };
}

/** What was heard until the clock has spoken that begins when the element is at `time`. */
async function hearPast(player, ear, time) {
  await player.element.waitFor((audio, time) => audio.currentTime > time, {}, time + SPEECH);
  return ear.stop();
}

/** That the clock was heard to say `said` last, and the element claimed to be there. */
function assertHeard(t, heard, said, base = 0) {
  const time = clockHeard(heard, (time) => base + time).at(-1);
  t.diagnostic(`heard ${time?.said} s, ${time?.ahead.toFixed(3)} s ahead`);
  assert.equal(time?.said, said);
  assert.ok(Math.abs(time.ahead) <= WITHIN, `${said} s was heard where ${time.claimed} s was claimed`);
}

/** That it began to play there. */
async function startedAt(player, place) {
  const { time } = (await player.element.events()).find(({ type }) => type === 'seeked');
  assert.ok(Math.abs(time - place) < 0.1, `it began at ${time}, not ${place}`);
}

/** Waits until it has ended, and that it is there then. */
async function endsAt(t, player, length, within) {
  await player.element.happens('ended');
  const { time, duration, live } = await player.state();
  t.diagnostic(`of ${length} s it ended at ${time}`);
  assert.equal(live, false);
  for (const end of [time, duration]) assert.ok(Math.abs(end - length) <= within, `${end} for ${length} s`);
}

/** But for what it breaks off by itself when it is to go elsewhere. */
async function hasNoFailures(player) {
  const failures = await player.failures();
  assert.deepEqual(failures.filter(({ details }) => details !== 'aborted'), []);
}
