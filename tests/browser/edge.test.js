// The player at the live edge, for a minute in which it has to go on. Nothing listens by a script, which takes as much as
// to play, so CI has this beside what is listened to in the other browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { soundClock } from './support/heard.js';
import { openPlayer } from './support/player.js';
import { FORMATS, inBrowsers, setStage } from './support/stage.js';

const stage = setStage({ live: { headStart: 150 } });

inBrowsers(stage, { concurrency: true }, (kind) => {
  for (const format of FORMATS) test(format, (t) => followsTheEdge(t, kind, format));
});

async function followsTheEdge(t, kind, format) {
  const page = await stage[kind].newPage();
  t.after(() => page.close());
  const player = await openPlayer(page, stage.server, 'live', { format });
  await player.page.click('#live');
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  await player.page.evaluate(noteWaiting);
  const clock = await soundClock(player.page);
  const begun = { at: await clock(), ...(await player.shown()) };
  await new Promise((resolve) => setTimeout(resolve, 60_000));
  const ended = await player.shown();
  const [by, took] = [ended.time - begun.time, (await clock()) - begun.at];
  const waits = await player.page.evaluate(() => window.waits);
  t.diagnostic(`${by.toFixed(1)} s in ${took.toFixed(1)}, ${(stage.live.edge - ended.time).toFixed(1)} s behind, waited ${JSON.stringify(waits)}`);
  assert.equal(ended.source, begun.source, 'it had to begin anew');
  assert.deepEqual(waits, []);
  assert.ok(by > 45 && by >= Math.min(took, 60) - 2, `it advanced by ${by} s in ${took} of sound`);
  assert.ok(ended.isLive && ended.behind === '' && stage.live.edge - ended.time < 10, JSON.stringify(ended));
}

/** Notes when there is nothing to play. (Where a machine has too much to do, Chromium also waits with sound at hand.) */
function noteWaiting() {
  const audio = document.getElementById('sound');
  window.waits = [];
  audio.addEventListener('waiting', () => {
    const { buffered, currentTime } = audio;
    const ahead = buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
    if (ahead < 0.5) window.waits.push({ time: currentTime, ahead });
  });
}
