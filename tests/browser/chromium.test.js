// The pages where answers are meddled with, in the dark, and without a script: what only Chromium's driver can do.

import assert from 'node:assert/strict';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isAccessible } from './support/accessible.js';
import { launch } from './support/browsers.js';
import { openPlayer } from './support/player.js';
import { until } from './support/process.js';
import { finished, record } from './support/recorder.js';
import { serve } from './support/server.js';
import { setStage } from './support/stage.js';

const stage = setStage({ server: { growthTimeout: 3 }, live: { headStart: 60 }, done: 45 });

test('a start that takes long ends at the edge all the same', async (t) => {
  const page = await chromiumPage(t);
  const player = await openPlayer(page, stage.server, 'live');
  let first = true;
  await page.driven.route('**/audio/**', async (route) => {
    if (first) await new Promise((resolve) => setTimeout(resolve, 9000));
    first = false;
    await route.continue();
  });
  await page.click('#live');
  // Within half a minute: by playing faster alone it would take one and a half.
  await player.waitFor(({ isHeard, isLive }) => isHeard && isLive);
});

test('what the server says of the sound is said, and it plays on', async (t) => {
  const page = await chromiumPage(t);
  const player = await openPlayer(page, stage.server, 'live', { hash: '#t=20' });
  const refusal = { status: 503, contentType: 'application/problem+json', body: '{"detail": "the disk is away"}' };
  await page.driven.route('**/audio/**', (route) => route.fulfill(refusal));
  await player.play();
  await player.waitFor(({ message, isPlaying }) => isPlaying && message.includes('give the sound: the disk is away.'));
  await page.driven.unroute('**/audio/**');
  await player.waitFor(({ message, isHeard, base }) => isHeard && base === 20 && message === '');
});

test('where events do not come through, pages ask', async (t) => {
  const page = await chromiumPage(t);
  await page.driven.route('**/events', (route) => route.abort());
  const recorder = await record(stage.server, 'unheard of', { headStart: 3 });
  t.after(() => recorder.stop());
  await page.goto(stage.server.url('/'));
  const isThere = (name) => page.evaluate((name) => document.querySelector(`[data-name="${name}"]`) !== null, name);
  await until('it is listed', () => isThere('unheard of'));
  await rm(join(stage.server.root, 'unheard of.pcm'));
  await until('it is not', async () => !(await isThere('unheard of')));
  const player = await openPlayer(page, stage.server, 'live');
  const { length } = await player.shown();
  await player.waitFor((shown, length) => shown.length !== length, {}, length);
});

test('events that come late are of no other recording', async (t) => {
  const page = await chromiumPage(t);
  await page.driven.addInitScript(() => {
    const { addEventListener } = EventSource.prototype;
    EventSource.prototype.addEventListener = function late(type, handler) {
      addEventListener.call(this, type, (event) => setTimeout(() => handler(event), type === 'status' ? 1500 : 0));
    };
  });
  const player = await openPlayer(page, stage.server, 'live', { hash: '#t=20' });
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  // A source that breaks off has it ask: the answer is newer than the events that are on their way.
  await page.evaluate(() => {
    window.said = [];
    const message = document.getElementById('message');
    new MutationObserver(() => window.said.push(message.textContent)).observe(message, { childList: true });
    document.getElementById('sound').dispatchEvent(new Event('error'));
  });
  await player.waitFor(({ isHeard, time }) => isHeard && time > 25);
  assert.ok((await player.shown()).base < 25);
  assert.equal(await page.evaluate(() => window.said.find((text) => text.startsWith('Another'))), undefined);
});

test('a list that could not be had once is had later', async (t) => {
  const page = await chromiumPage(t);
  await page.goto(stage.server.url('/'));
  let refused = false;
  await page.driven.route('**/?q=*', (route) => {
    if (refused) return route.continue();
    refused = true;
    return route.fulfill({ status: 503, body: '' });
  });
  await page.evaluate(() => {
    document.querySelector('#search input').value = 'none';
    document.querySelector('#search input').dispatchEvent(new Event('input'));
  });
  await page.waitFor(() => document.getElementById('count').textContent.startsWith('The server does not answer.'));
  await page.waitFor(() => document.getElementById('count').textContent.startsWith('Nothing has “none”'));
});

test('the server was away before one played', async (t) => {
  const server = await serve();
  t.after(() => server.stop());
  await finished(server, 'done', 20);
  const page = await chromiumPage(t);
  const player = await openPlayer(page, server, 'done', { hash: '#t=5' });
  await server.kill();
  await player.waitFor(({ isPlaying }) => !isPlaying);
  await player.play();
  await player.waitFor(({ message }) => message.startsWith('The server does not answer.'));
  await player.play();
  await player.waitFor(({ message }) => message === '');
  await player.play();
  await player.waitFor(({ message }) => message.startsWith('The server does not answer.'));
  await server.start();
  await player.waitFor(({ isHeard, base, message }) => isHeard && base === 5 && message === '');
});

test('a finished recording that another takes the place of is not played from what was kept', async (t) => {
  const page = await chromiumPage(t);
  await finished(stage.server, 'place', 20);
  let player = await openPlayer(page, stage.server, 'place');
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  const first = (await player.shown()).source;
  await finished(stage.server, 'place new', 25);
  const at = (name) => join(stage.server.root, name);
  await rename(at('place new.pcm'), at('place.pcm'));
  await player.waitFor(({ length }) => length === '0:00:25');
  player = await openPlayer(page, stage.server, 'place');
  await player.play();
  await player.waitFor(({ isHeard, source }, first) => isHeard && source !== first, {}, first);
});

test('a browser that plays nothing is told of the downloads', async (t) => {
  const page = await chromiumPage(t);
  await page.driven.addInitScript(() => {
    HTMLMediaElement.prototype.canPlayType = () => '';
  });
  const player = await openPlayer(page, stage.server, 'live');
  for (const button of ['live', 'play']) {
    await player.push(button);
    await player.waitFor(({ message, isPlaying }) => !isPlaying && message.includes('plays none of the formats'));
  }
  assert.deepEqual(page.errors, []);
});

test('a dark page is as readable', async (t) => {
  await isAccessible(await chromiumPage(t, { dark: true }), stage.server);
});

test('without a script there is an <audio> that plays', async (t) => {
  const page = await chromiumPage(t);
  const context = await page.driven.context().browser().newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  await plain.goto(stage.server.url('/'));
  await plain.click('text=done');
  const audio = await plain.locator('audio:visible');
  assert.equal(await audio.count(), 1);
  assert.equal(await audio.getAttribute('src'), '/audio/done.mp3');
  assert.equal(await plain.locator('#player:visible').count(), 0);
  assert.deepEqual(await plain.locator('main a:visible').allInnerTexts(), ['MP3', 'Opus', 'WAV']);
});

/** A page in a Chromium of its own. */
async function chromiumPage(t, look) {
  const browser = await launch('chromium', look);
  t.after(() => browser.close());
  return browser.newPage();
}
