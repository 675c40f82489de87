// A private recording by a signed URL: in a plain `<audio>` of somebody else's page, and on the player's own page.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { SPEECH } from './support/clock.js';
import { openElement } from './support/element.js';
import { startEmbedder } from './support/embed.js';
import { clockHeard, listen } from './support/heard.js';
import { openPlayer } from './support/player.js';
import { remove, temporaryFolder } from './support/process.js';
import { finished } from './support/recorder.js';
import { program, serve } from './support/server.js';
import { startSink } from './support/sink.js';
import { BROWSERS, launch } from './support/browsers.js';

/** See `bare.test.js`; where Opus begins later than the recording does, Firefox is ahead by its pre-skip. */
const WITHIN = 0.2;

const stage = {};

before(async () => {
  stage.folder = temporaryFolder('key');
  stage.key = join(stage.folder, 'key');
  await writeFile(stage.key, randomBytes(32));
  stage.sink = await startSink();
  stage.embedder = await startEmbedder();
  stage.server = await serve({ options: ['--sign-key-file', stage.key] });
  await finished(stage.server, 'secret', 45, { rule: 'private = true', cover: true });
});
after(async () => {
  await stage.server?.stop();
  await stage.embedder?.stop();
  await stage.sink?.stop();
  remove(stage.folder);
});

/** What `tailcast sign` prints of a path. */
function signed(path, ...options) {
  const args = ['sign', '--key-file', stage.key, '--expires', '10min', '--url', path, ...options];
  return execFileSync(program, args, { encoding: 'utf8' }).trim();
}

for (const kind of BROWSERS) {
  describe(kind, { concurrency: 1 }, () => {
    before(async () => (stage[kind] = await launch(kind, { sink: stage.sink })));
    after(() => stage[kind].close());
    for (const format of ['mp3', 'opus']) {
      test(`${format} in an <audio>`, (t) => inAnElement(t, kind, signed(`/audio/secret.${format}?pos=7`), 7));
    }
    test('a part of it in an <audio>', (t) => {
      const url = signed('/audio/secret.mp3', '--from', '7', '--to', '25');
      return inAnElement(t, kind, url, 7, 18);
    });
    test('an <audio> without the signature has nothing', (t) => hasNothing(t, kind));
    test('on its page', (t) => onItsPage(t, kind));
  });
}

async function open(t, kind, path) {
  const page = await stage[kind].newPage();
  t.after(() => page.close());
  return openElement(page, stage.embedder.page(stage.server.url(path)));
}

async function inAnElement(t, kind, path, pos, lasts) {
  const element = await open(t, kind, path);
  const ear = await listen(element.page);
  await ear.start();
  await element.play();
  await element.waitFor((audio, time) => audio.currentTime > time, {}, 10 - pos + SPEECH);
  const time = clockHeard(await ear.stop(), (time) => pos + time).at(-1);
  assert.equal(time?.said, 10);
  assert.ok(Math.abs(time.ahead) < WITHIN, `${time.ahead} s ahead`);
  const { duration } = await element.state();
  if (lasts) assert.ok(Math.abs(duration - lasts) < 0.1, `${duration} for ${lasts} s`);
}

async function hasNothing(t, kind) {
  const element = await open(t, kind, '/audio/secret.mp3?pos=7');
  await element.waitFor((audio) => audio.error !== null);
  assert.equal((await element.state()).time, 0);
}

async function onItsPage(t, kind) {
  const page = await stage[kind].newPage();
  t.after(() => page.close());
  const player = await (await openPlayer(page, stage.server, signed('/play/secret').slice('/play/'.length))).listen();
  assert.equal((await player.shown()).length, '0:00:45');
  await page.waitFor(() => document.querySelector('.cover').naturalWidth === 1);
  await player.ear.start();
  await player.play();
  await player.waitUntilAt(10 + SPEECH);
  const time = (await player.clock()).find(({ said }) => said === 10);
  assert.ok(Math.abs(time?.ahead) < WITHIN, `${time?.ahead} s ahead`);
}
