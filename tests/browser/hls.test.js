// HLS as hls.js plays it in somebody's page, while a recorder goes on in real time: what it asks for, how near to the live
// edge it is, and what it does when something fails. Nothing is listened to. (What is heard: `hls-heard.test.js`.)

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { openHls, startHlsPage } from './support/hls.js';
import { soundClock } from './support/heard.js';
import { finished, record } from './support/recorder.js';
import { serve } from './support/server.js';
import { inBrowsers, setStage } from './support/stage.js';

/** Seconds between what is heard and what is recorded, in parts. Measured: 1.3 to 1.8. */
const LOW_LATENCY = 2;
/**
 * How much farther behind it is than it means to be: 1 s in parts and 6 in segments, and one more each time that the browser
 * had trouble to begin. Measured: 0.3 to 0.8, and 0.4 to 1.3.
 */
const BEHIND_IN_PARTS = 1;
const BEHIND_IN_SEGMENTS = 3.5;
/** A browser that has so many seconds of sound does not wait for more: the machine has too much to do. */
const ENOUGH = 0.5;
/** How long it is watched at the live edge. */
const WATCHED = 12;

const stage = setStage({ live: { headStart: 120 } });

before(async () => (stage.hlsPage = await startHlsPage()));
after(() => stage.hlsPage?.stop());

inBrowsers(stage, { concurrency: 1 }, (kind) => {
  describe('the live edge', { concurrency: true }, () => {
    test('opus: in parts', (t) => followsTheEdgeInParts(t, kind, 'opus'));
    // Where a browser takes MP3 as it is, hls.js puts all parts of a segment but its first at the beginning.
    if (kind === 'firefox') test('mp3: in parts', (t) => followsTheEdgeInParts(t, kind, 'mp3&parts=true'));
    test('mp3: in segments', (t) => followsTheEdgeInSegments(t, kind, 'mp3'));
  });
  for (const rate of [16_000, 44_100]) test(`opus: a recording at ${rate} Hz`, (t) => playsAtRate(t, kind, rate));
  describe('what comes between', { concurrency: true }, () => {
    test('from one variant to another and back', (t) => switches(t, kind));
    test('a recorder stands still, and goes on', (t) => outlivesAPause(t, kind));
    test('the server is killed and comes back', (t) => outlivesTheServer(t, kind));
  });
});

async function followsTheEdgeInParts(t, kind, format) {
  const player = await open(t, kind, `live/master.m3u8?format=${format}`);
  await followsTheEdge(t, player, BEHIND_IN_PARTS);
  const paths = await pathsAsked(player);
  const parts = paths.filter((path) => /\/[0-9]+\.[0-9]+\.(m4s|mp3)$/.test(path));
  const updates = paths.filter((path) => path.includes('_HLS_msn='));
  t.diagnostic(`${parts.length} parts, ${updates.length} updates`);
  assert.ok(parts.length > (WATCHED - 2) / 0.4, `${paths}`);
  assert.ok(updates.length > (WATCHED - 2) / 0.4, `${paths}`);
  for (const update of updates) {
    assert.match(update, /[?&]_HLS_msn=[0-9]+&_HLS_part=[0-9]+/);
    assert.match(update, /[?&]_HLS_skip=YES/);
  }
}

/** What the file says of its rate has to suit each browser. */
async function playsAtRate(t, kind, rate) {
  const name = `${kind}-${rate}`;
  await finished(stage.server, name, 20, { rate });
  const player = await open(t, kind, `${name}/master.m3u8?format=opus`);
  await player.play();
  await player.element.waitFor((audio) => audio.currentTime > 3);
  assert.deepEqual(await player.failures(), []);
}

async function followsTheEdgeInSegments(t, kind, format) {
  const player = await open(t, kind, `live/master.m3u8?format=${format}`);
  await followsTheEdge(t, player, BEHIND_IN_SEGMENTS);
}

/** Plays for a while, without ever having nothing to play, and is no more than that behind where it means to be. */
async function followsTheEdge(t, player, within) {
  await player.play();
  // hls.js does not catch up by itself with what it fell behind while the machine began.
  await player.seekToEdge();
  const before = (await player.failures()).length;
  const { by, waits } = await player.element.advance(WATCHED);
  const { time, latency: claimed, target } = await player.state();
  const behind = stage.live.edge - time;
  t.diagnostic(`advanced by ${by.toFixed(1)} s, ${behind.toFixed(2)} s behind, says ${claimed.toFixed(2)}, means ${target}`);
  assert.deepEqual(waits.filter(({ ahead }) => ahead < ENOUGH), []);
  assert.deepEqual((await player.failures()).slice(before), []);
  assert.ok(by > WATCHED - 1, `it advanced by ${by} s`);
  assert.ok(behind < target + within && Math.abs(behind - claimed) < 0.7, `${behind} s behind, it says ${claimed}`);
}

async function switches(t, kind) {
  const player = await open(t, kind, 'live/master.m3u8?format=opus');
  await player.play();
  const { levels } = await player.state();
  assert.deepEqual(levels, ['opus-48-2', 'opus-96-2']);
  for (const level of [0, 1]) {
    await player.page.evaluate((level) => void (window.hls.loadLevel = level), level);
    await player.waitFor(({ level }, wanted) => level === wanted, {}, levels[level]);
    // To the end of the segment that it changed in, and beyond.
    const { waits } = await player.element.advance(3);
    assert.deepEqual(waits.filter(({ ahead }) => ahead < ENOUGH), []);
  }
  const { time, buffered } = await player.state();
  assert.equal(buffered.length, 1, JSON.stringify(buffered));
  assert.ok(stage.live.edge - time < LOW_LATENCY + 2, `${time} of ${stage.live.edge}`);
}

/** It has nothing to play meanwhile, which hls.js calls a failure, and goes on by itself. */
async function outlivesAPause(t, kind) {
  const recorder = await record(stage.server, `pausing-${kind}`, { headStart: 30 });
  t.after(() => recorder.stop());
  const player = await open(t, kind, `${recorder.name}/master.m3u8?format=opus`);
  await player.play();
  await player.element.waitFor((audio) => audio.currentTime > 30);
  await recorder.pause();
  // Nearly so long as makes the server believe that it has ended.
  await new Promise((resolve) => setTimeout(resolve, 9000));
  assert.ok((await player.state()).time <= recorder.edge);
  recorder.resume();
  await player.element.waitFor((audio, time) => audio.currentTime > time, {}, recorder.edge + 3);
  const { live, time } = await player.state();
  const failures = await player.failures();
  t.diagnostic(`${(recorder.edge - time).toFixed(2)} s behind, ${failures.map(({ details }) => details)}`);
  assert.ok(live && recorder.edge - time < LOW_LATENCY, `at ${time} of ${recorder.edge}`);
  assert.ok(failures.every(({ fatal }) => !fatal), JSON.stringify(failures));
}

/** hls.js gives up after a second or two, and goes on if the page tells it to. */
async function outlivesTheServer(t, kind) {
  const server = await serve();
  t.after(() => server.stop());
  const recorder = await record(server, 'live', { headStart: 30 });
  t.after(() => recorder.stop());
  const player = await open(t, kind, 'live/master.m3u8?format=opus', {}, server);
  await player.play();
  await player.page.evaluate(loadAgainAfterFailures);
  await server.kill();
  await player.page.waitFor(() => window.failures.some(({ fatal }) => fatal));
  const edge = recorder.edge;
  await server.start();
  await player.element.waitFor((audio, time) => audio.currentTime > time, {}, edge + 1);
  const { time, error, live } = await player.state();
  t.diagnostic(`${(recorder.edge - time).toFixed(2)} s behind`);
  assert.deepEqual([error, live], [undefined, true]);
}

/** As hls.js's manual has it. */
function loadAgainAfterFailures() {
  const { Hls, hls } = window;
  hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
    if (fatal && type === Hls.ErrorTypes.NETWORK_ERROR) setTimeout(() => hls.startLoad(), 500);
  });
}

/** What it asked for, without what comes before the recording's name. */
async function pathsAsked(player) {
  const asked = await player.requests();
  assert.deepEqual(asked.filter(({ status }) => status >= 400), []);
  return asked.map(({ url }) => url.replace(/^.*?\/hls\//, ''));
}

/** Has hls.js open `/hls/…` in a tab of its own, which is closed with the test. */
function open(t, kind, path, config, server = stage.server) {
  return oneByOne(async () => {
    const page = await stage[kind].newPage();
    t.after(() => page.close());
    const player = await openHls(page, stage.hlsPage, config);
    // The first sound takes Firefox seconds, in which it falls behind for good.
    await soundClock(page);
    await player.load(server.url(`/hls/${path}`));
    return player;
  });
}

/** Opening tabs takes so much more of a machine than playing that, all at once, they would stop each other's sound. */
function oneByOne(work) {
  const done = (stage.opened ?? Promise.resolve()).then(work);
  stage.opened = done.catch(() => {});
  return done;
}
