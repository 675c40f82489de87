// The pages as people use them: list, keys, links, what is remembered, who cannot see.

import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isAccessible } from './support/accessible.js';
import { until } from './support/process.js';
import { openPlayer } from './support/player.js';
import { finished, record } from './support/recorder.js';
import { startRelay } from './support/relay.js';
import { serve } from './support/server.js';
import { inBrowsers, setStage } from './support/stage.js';

const stage = setStage({ server: { growthTimeout: 3 }, live: { headStart: 60, title: 'The live one' }, done: 45 });

inBrowsers(stage, { concurrency: 1, reducedMotion: true }, (kind) => {
  const newPage = async (t, width = 1100, height = 900) => {
    const page = await stage[kind].newPage();
    t.after(() => page.close());
    await page.viewport(width, height);
    return page;
  };
  const open = async (t, name, options) => openPlayer(await newPage(t), stage.server, name, options);

  test('the list follows the folder', async (t) => followsTheFolder(await newPage(t), kind));
  test('the list is searched and goes on', async (t) => searches(await newPage(t)));
  test('the list, searched, while titles change', async (t) => findsWhatIsTitled(await newPage(t), kind));
  test('keys', async (t) => takesKeys(await open(t, 'done')));
  test('a place and choices are remembered', async (t) => remembers(await open(t, 'done')));
  test('links to a moment, a clip, the edge', async (t) => followsLinks(await open(t, 'live')));
  test('a time of day', async (t) => goesToATimeOfDay(await open(t, 'live')));
  test('a clip in a loop', async (t) => loops(await open(t, 'done', { hash: '#t=10,12.5' })));
  test('speed', async (t) => playsFaster(await open(t, 'done', { hash: '#t=0' })));
  test('the waveform is the sound’s, and grows', async (t) => drawsTheWaveform(await open(t, 'live')));
  test('what the system, a held key and a drag do to it', async (t) => isNotConfused(await open(t, 'done')));
  test('one pauses at the edge, comes back, and goes on', async (t) => pausesAtTheEdge(await open(t, 'live', { hash: '#t=live' })));
  test('a recorder that had only paused', async (t) => goesOn(t, kind, open));
  test('a recording that is removed', async (t) => tellsOfALoss(t, kind, open));
  test('one that is moved away and back', async (t) => staysWhereItIs(t, kind, open));
  test('a recording that is described anew', async (t) => tellsTheTitle(t, kind, open));
  test('another recording, while the server was away', async (t) => isNotTakenForAnother(t, await newPage(t)));
  test('a recording that is cut short', async (t) => beginsAnew(t, kind, open));
  test('one listened at the edge until the end', async (t) => endsAtTheEdge(t, kind, open));
  test('a clip’s times that are none', async (t) => saysWhatIsWrong(await open(t, 'done', { hash: '#t=10,20' })));
  test('one falls behind the edge', async (t) => comesNearer(await open(t, 'live', { hash: '#t=live' })));
  test('connections that go silent at the edge', async (t) => outlivesSilence(t, await newPage(t)));
  test('nobody is kept out', async (t) => isAccessible(await newPage(t), stage.server));
  test('narrow and wide', async (t) => fits(await newPage(t)));
});

const rows = () => [...document.querySelectorAll('#recordings > li')].map((row) => row.innerText.replace(/\s+/g, ' '));

async function followsTheFolder(page, kind) {
  const name = `new-${kind}`;
  await page.goto(stage.server.url('/'));
  const seen = () => page.evaluate(rows);
  const row = async (text) => (await seen()).find((row) => row.includes(text));
  const lengthOf = async () => Number((await row('The live one')).match(/0:0(\d):/)[1]) * 60
    + Number((await row('The live one')).match(/0:0\d:(\d\d)/)[1]);
  const first = await lengthOf();
  await until('the live one is seen to grow', async () => (await lengthOf()) >= first + 2);
  assert.match(await row('The live one'), /live/);
  assert.doesNotMatch(await row('done'), / live /);
  const recorder = await record(stage.server, name, { headStart: 2 });
  await until('a new one is on top', async () => (await seen())[0].startsWith(`${name} live`));
  await recorder.end();
  await until('its badge goes', async () => !(await row(name)).includes('live'));
  // What cannot be had for a while comes back, more than once.
  const sidecar = join(stage.server.root, `${name}.toml`);
  const good = await readFile(sidecar);
  for (let i = 0; i < 2; i += 1) {
    await writeFile(sidecar, 'pcm = 5');
    await until('it is broken', async () => (await row(name))?.includes('the sidecar'));
    await writeFile(sidecar, good);
    await until('it is mended', async () => (await row(name))?.includes('0:0'));
  }
  await rm(join(stage.server.root, `${name}.pcm`));
  await until('it goes', async () => !(await row(name)));
  assert.deepEqual(page.errors, []);
}

async function searches(page) {
  const many = Array.from({ length: 130 }, (_, n) => `many/part ${n}`);
  await mkdir(join(stage.server.root, 'many'), { recursive: true });
  await Promise.all(many.map((name) => writeFile(join(stage.server.root, `${name}.pcm`), Buffer.alloc(400))));
  await page.goto(stage.server.url('/'));
  const count = () => page.evaluate(() => document.querySelectorAll('#recordings > li').length);
  await until('the first page is there', async () => (await count()) === 100);
  await page.click('#more');
  await until('there are more', async () => (await count()) > 130);
  // Back from one of them there are as many.
  await page.goto(await page.evaluate(() => document.querySelector('#recordings > li:nth-child(120) a').href));
  await page.goBack();
  await until('there are more again', async () => (await count()) > 130);
  await page.click('#search input');
  for (const letter of 'part 77') await page.press(letter);
  await page.waitFor(() => document.querySelectorAll('#recordings > li').length === 1);
  assert.match((await page.evaluate(rows))[0], /^many\/part 77/);
  assert.match(await page.evaluate(() => document.getElementById('count').textContent), /^1 /);
  await page.waitFor(() => location.search === '?q=part%2077');
  await rm(join(stage.server.root, 'many'), { recursive: true });
}

async function findsWhatIsTitled(page, kind) {
  const name = `talk-${kind}`;
  await finished(stage.server, name, 1);
  const title = (text) => writeFile(join(stage.server.root, `${name}.toml`), `title = "${text}"\nended = true\n`);
  await title('Alphabet');
  await page.goto(stage.server.url('/?q=alpha'));
  const seen = () => page.evaluate(rows);
  const counted = () => page.evaluate(() => document.getElementById('count').textContent);
  assert.match((await seen()).join(), /^Alphabet /);
  // The page looks once more when it begins to be told what changes.
  await page.waitFor(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('q=alpha')));
  await title('Betabet');
  await until('it is found no longer', async () => (await seen()).length === 0);
  assert.match(await counted(), /^Nothing has “alpha”/);
  await title('Ålpha');
  await until('it is found again', async () => (await seen()).join().startsWith('Ålpha '));
  assert.equal(await counted(), '1 recording');
  // The link that somebody is about to follow stays, whatever it says.
  await page.evaluate(() => {
    window.link = document.querySelector('#recordings a');
    window.link.focus();
  });
  await title('Alpha and omega');
  await page.waitFor(() => window.link.textContent === 'Alpha and omega');
  assert.equal(await page.evaluate(() => window.link === document.activeElement), true);
  assert.match((await seen()).join(), /^Alpha and omega 0:00:01 · last written to /);
  await rm(join(stage.server.root, `${name}.pcm`));
}

async function takesKeys(player) {
  const { page } = player;
  const at = (seconds) => player.waitFor(({ position }, wanted) => position === wanted, {}, `0:00:${String(seconds).padStart(2, '0')}`);
  const after = async (keys, seconds) => {
    for (const key of keys.split(' ')) await page.press(key);
    await at(seconds);
  };
  await after('4', 18);
  await after('ArrowRight', 23);
  await after('ArrowLeft ArrowLeft', 13);
  await after('l', 43);
  await after('j', 28);
  await after('Home', 0);
  await after('End', 44);
  await page.press('2');
  await page.press('k');
  await player.waitFor(({ isHeard, isPlaying }) => isHeard && isPlaying);
  await page.press(' ');
  await player.waitFor(({ isHeard, isPlaying }) => !isHeard && !isPlaying);
  const volume = () => page.evaluate(() => document.getElementById('sound').volume);
  await page.press('ArrowDown');
  assert.equal(await volume(), 0.95);
  // Those of a slider, where it has the focus.
  await page.press('2');
  await page.evaluate(() => document.getElementById('seek').focus());
  await after('ArrowUp ArrowUp', 19);
  await after('ArrowDown', 14);
  await after('PageUp', 44);
  assert.equal(await volume(), 0.95);
  await page.evaluate(() => document.activeElement.blur());
  // As it is typed on a German Mac.
  const clip = () => page.evaluate(() => !document.getElementById('clip').hidden);
  await page.evaluate(() => {
    const key = (modifiers) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ']', bubbles: true, ...modifiers }));
    key({ metaKey: true });
    key({ ctrlKey: true });
    window.wasChosen = !document.getElementById('clip').hidden;
    key({ altKey: true });
  });
  assert.deepEqual([await page.evaluate(() => window.wasChosen), await clip()], [false, true]);
  await page.press('Escape');
  await page.press('m');
  assert.equal(await page.evaluate(() => document.getElementById('sound').muted), true);
  await page.press('?');
  await page.waitFor(() => document.getElementById('keys').open);
  await page.press('Escape');
  await page.waitFor(() => !document.getElementById('keys').open);
  // In a field they are letters.
  await page.click('#go-to');
  await page.press('4');
  assert.equal(await page.evaluate(() => document.getElementById('go-to').value), '4');
  assert.deepEqual(page.errors, []);
}

async function remembers(player) {
  const { page } = player;
  await page.evaluate(() => localStorage.clear());
  await openPlayer(page, stage.server, 'done');
  await page.press('3');
  await player.choose('#format', 'wav');
  await page.press('ArrowDown');
  await player.choose('#speed', '1.5');
  await openPlayer(page, stage.server, 'done');
  assert.equal(await page.evaluate(() => document.getElementById('speed').value), '1.5');
  await player.choose('#speed', '1');
  assert.equal((await player.shown()).position, '0:00:13');
  assert.equal(await page.evaluate(() => document.getElementById('format').value), 'wav');
  assert.equal(await page.evaluate(() => document.getElementById('volume').value), '0.95');
  await player.play();
  await player.waitFor(({ isHeard, source }) => isHeard && source.startsWith('/audio/done.wav?pos=13.5'));
}

async function followsLinks(player) {
  const { page } = player;
  const goTo = (hash) => page.evaluate((hash) => void (location.hash = hash), hash);
  await goTo('t=0:41');
  await player.waitFor(({ position }) => position === '0:00:41');
  await goTo('t=12.5,20');
  await player.waitFor(({ position }) => position === '0:00:12');
  assert.equal(await page.evaluate(() => document.getElementById('clip-from').value), '0:00:12.500');
  await goTo('t=live');
  await player.waitFor(({ behind }) => /^0:00:0[0-9] behind live$/.test(behind));
  await goTo('t=nonsense');
  await player.waitFor(({ message }) => message.includes('“nonsense” is not a time'));
  await goTo('t=0:33');
  await player.waitFor(({ message, position }) => message === '' && position === '0:00:33');
  await goTo('t=2:00:00,2:00:10');
  await player.waitFor(({ message }) => message.includes('“2:00:00” is not in the recording'));
  // The link that is copied leads back.
  await page.evaluate(() => {
    navigator.clipboard.writeText = (text) => void (window.copied = text);
  });
  await page.press('Home');
  await page.press('ArrowRight');
  await page.click('#moment');
  assert.equal(await page.waitFor(() => window.copied), stage.server.url('/play/live#t=0:00:05'));
  await page.click('#clip-link');
  await page.waitFor((link) => window.copied === link, {}, stage.server.url('/play/live#t=12.5,20'));
}

async function goesToATimeOfDay(player) {
  const { page } = player;
  const started = await page.evaluate(() => JSON.parse(document.getElementById('recording').dataset.status).started);
  const at = new Date(new Date(started).getTime() + 33_000);
  const two = (number) => String(number).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  await player.choose('#go-by', 'clock');
  await player.enter('#go-to', time);
  await player.waitFor(({ position }) => /0:00:3[23]/.test(position));
  // The minute in which it began.
  const begun = new Date(started);
  await player.enter('#go-to', `${two(begun.getHours())}:${two(begun.getMinutes())}`);
  await player.waitFor(({ position }) => position === '0:00:00');
  await player.enter('#go-to', time);
  await player.waitFor(({ position }) => /0:00:3[23]/.test(position));
  assert.equal((await player.shown()).wall.padStart(8, '0').slice(0, 7), time.slice(0, 7));
  await player.enter('#go-to', `${two((at.getHours() + 3) % 24)}:00`);
  await player.waitFor(({ message }) => message.includes('is not in the recording'));
  await player.choose('#go-by', 'start');
  await player.enter('#go-to', '9:99:99');
  await player.waitFor(({ message }) => message.includes('“9:99:99” is not a time'));
}

async function loops(player) {
  const { page } = player;
  await page.click('#clip-loop');
  await player.waitFor(({ isHeard, time }) => isHeard && time > 12);
  await player.waitFor(({ isHeard, time }) => isHeard && time < 11, {});
  await player.waitFor(({ isHeard, time }) => isHeard && time > 12);
  // Leaving it, one is where one was.
  await page.press('Escape');
  await player.waitFor(({ isHeard, time }) => isHeard && time > 13.5);
  assert.equal(await page.evaluate(() => document.getElementById('clip').hidden), true);
  assert.equal(await page.evaluate(() => location.hash), '', 'nor is it there when the page is loaded anew');
  // One that pauses is of the clip that is chosen meanwhile.
  await page.drag('#seek', 0.1, 0.2);
  await page.click('#clip-loop');
  await player.waitFor(({ isHeard, base }) => isHeard && base > 4 && base < 5);
  await player.play();
  await player.waitFor(({ isPlaying }) => !isPlaying);
  await player.enter('#clip-to', '0:22');
  await player.enter('#clip-from', '0:20');
  await player.waitFor(({ position }) => position === '0:00:20');
  await player.play();
  await player.waitFor(({ isHeard, source }) => isHeard && source.includes('pos=20.000&duration=2.000'));
}

async function playsFaster(player) {
  await player.choose('#speed', '3');
  await player.play();
  await player.waitFor(({ isHeard, time }) => isHeard && time > 1);
  const [begun, from] = [performance.now(), (await player.shown()).time];
  await player.waitFor(({ time }) => time > 13);
  const speed = ((await player.shown()).time - from) / ((performance.now() - begun) / 1000);
  assert.ok(speed > 2 && speed < 3.5, `it played at ${speed}`);
  assert.equal(await player.page.evaluate(() => document.getElementById('sound').preservesPitch), true);
  // It is remembered, and tests in Firefox share that.
  await player.choose('#speed', '1');
}

/** Columns of the waveform in which more is drawn than a line. */
const drawnColumns = () => {
  const canvas = document.getElementById('waveform');
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let columns = 0;
  for (let x = 0; x < width; x += 1) {
    let drawn = 0;
    for (let y = 0; y < height; y += 1) drawn += data[4 * (y * width + x) + 3] > 0 ? 1 : 0;
    columns += drawn > 4 ? 1 : 0;
  }
  return columns / width;
};

async function drawsTheWaveform(player) {
  const { page } = player;
  const fetched = () => page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/waveform/')).map(({ name, transferSize }) => [name, transferSize]));
  // Two thirds are bars, the rest gaps.
  await until('it is drawn', async () => (await page.evaluate(drawnColumns)) > 0.6);
  const first = (await fetched()).length;
  await until('it is asked for what is new', async () => (await fetched()).length >= first + 3);
  const starts = (await fetched()).map(([name]) => Number(new URL(name).searchParams.get('start')));
  assert.equal(starts[0], 0);
  assert.ok(starts.slice(1).every((start, n) => start > starts[n] && start > 50), `asked from ${starts}`);
  assert.ok((await page.evaluate(drawnColumns)) > 0.6);
}

async function isNotConfused(player) {
  const { page } = player;
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  // As for a call.
  await page.evaluate(() => document.getElementById('sound').pause());
  await player.waitFor(({ isPlaying }) => !isPlaying);
  const keydown = (key, repeat) =>
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, repeat, bubbles: true, cancelable: true }));
  await page.evaluate(keydown, 'k', false);
  for (let i = 0; i < 3; i += 1) await page.evaluate(keydown, 'k', true);
  await player.waitFor(({ isPlaying, isHeard }) => isPlaying && isHeard);
  // A clip by keys; and one that is dragged while it is heard begins anew once.
  await page.press('2');
  await page.press('[');
  await page.press('3');
  await page.press(']');
  const clip = await page.evaluate(() => ['from', 'to'].map((end) => document.getElementById(`clip-${end}`).value));
  assert.match(clip.join(' '), /^0:00:0[9]\.\d+ 0:00:1[34]\.\d+$/);
  await page.click('#clip-loop');
  await player.waitFor(({ isHeard, source }) => isHeard && source?.includes('duration='));
  const number = async () => Number((await player.shown()).source.match(/&n=(\d+)/)[1]);
  const first = await number();
  await page.drag('#seek', 0.5, 0.7);
  await player.waitFor(({ isHeard, base }) => isHeard && base > 20);
  assert.equal(await number(), first + 1);
  // A format is chosen while it pauses: it still is a loop.
  await page.click('#clip-loop');
  await player.choose('#format', 'wav');
  await player.play();
  await player.waitFor(({ isHeard, source }) => isHeard && /wav.*duration=/.test(source ?? ''));
  await player.choose('#format', 'opus');
}

async function pausesAtTheEdge(player) {
  const { page } = player;
  // It was opened at the edge, which has moved on by now.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await player.play();
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  await player.play();
  await player.waitFor(({ isPlaying }) => !isPlaying);
  await player.push('live');
  assert.equal(await page.evaluate(() => document.getElementById('sound').paused), false);
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  await player.play();
  await player.waitFor(({ isPlaying }) => !isPlaying);
  await new Promise((resolve) => setTimeout(resolve, 17_000));
  assert.equal((await player.shown()).source, null, 'it lets go of its connection');
  await player.play();
  await player.waitFor(({ isHeard, behind }) => isHeard && /^0:00:[23]/.test(behind));
  await player.play();
  const paused = (await player.shown()).position;
  await openPlayer(page, stage.server, 'live');
  assert.equal((await player.shown()).position, paused);
  await player.play();
  await player.waitFor(({ isHeard, behind }) => isHeard && /^0:00:[23]/.test(behind));
}

async function goesOn(t, kind, open) {
  const recorder = await record(stage.server, `pausing-${kind}`, { headStart: 10 });
  t.after(() => recorder.stop());
  const player = await open(t, recorder.name, { hash: '#t=8' });
  await player.play();
  await recorder.pause();
  await player.waitFor(({ message, state }) => state === 'finished' && message === 'That was the end.');
  recorder.resume();
  await player.waitFor(({ message, isHeard, state }) => state === 'growing' && isHeard && message === '');
}

async function tellsOfALoss(t, kind, open) {
  const name = `lost-${kind}`;
  const recorder = await record(stage.server, name, { headStart: 5 });
  t.after(() => recorder.stop());
  const player = await open(t, name);
  await rm(join(stage.server.root, `${name}.pcm`));
  await player.waitFor(({ message }) => message.includes(`there is no recording`));
  const back = await record(stage.server, name, { headStart: 7 });
  t.after(() => back.stop());
  await player.waitFor(({ message, state }) => state === 'growing' && message.startsWith('Another recording'));
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  const errors = player.page.errors.filter((error) => !error.includes('404') && !error.includes(name));
  assert.deepEqual(errors, []);
}

/** An answer may be newer than an event that is on its way, and a file be moved and its start put right. */
async function staysWhereItIs(t, kind, open) {
  const recorder = await record(stage.server, `moving-${kind}`, { headStart: 20 });
  t.after(() => recorder.stop());
  const player = await open(t, recorder.name, { hash: '#t=7' });
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  const at = (name) => join(stage.server.root, `${name}.pcm`);
  await rename(at(recorder.name), at(`away-${kind}`));
  await player.waitFor(({ message }) => message.includes('there is no recording'));
  await rename(at(`away-${kind}`), at(recorder.name));
  await player.waitFor(({ message, state }) => state === 'growing' && message === '');
  await player.play();
  await player.waitFor(({ isHeard, base }) => isHeard && base >= 7 && base < 30);
  await recorder.describe('Later');
  await player.page.waitFor(() => document.title === 'Later');
  const { time, base } = await player.shown();
  await player.waitFor((shown, time) => shown.isHeard && shown.time > time + 1, {}, time);
  assert.equal((await player.shown()).base, base);
}

async function tellsTheTitle(t, kind, open) {
  const recorder = await record(stage.server, `titled-${kind}`, { headStart: 5, title: 'Before' });
  t.after(() => recorder.stop());
  const { page } = await open(t, recorder.name);
  await recorder.describe('The evening <b>show</b>');
  await page.waitFor(() => document.querySelector('h1').textContent.startsWith('The evening <b>show</b>'));
  assert.equal(await page.evaluate(() => document.title), 'The evening <b>show</b>');
  assert.equal(await page.evaluate(() => navigator.mediaSession.metadata.title), 'The evening <b>show</b>');
  assert.equal(await page.evaluate(() => document.querySelectorAll('h1, .about').length), 2);
  assert.deepEqual(page.errors, []);
}

/** One that has the name of another, and is longer. */
async function isNotTakenForAnother(t, page) {
  const server = await serve();
  t.after(() => server.stop());
  await finished(server, 'place', 20);
  const player = await openPlayer(page, server, 'place');
  await page.press('5');
  await player.waitFor(({ position }) => position === '0:00:10');
  await openPlayer(page, server, 'place');
  assert.equal((await player.shown()).position, '0:00:10');
  await until('the waveform is drawn', async () => (await page.evaluate(drawnColumns)) > 0.6);
  const fetched = () => page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => /dat.*start=0\.0/.test(name)).length);
  assert.equal(await fetched(), 1);
  await server.kill();
  await finished(server, 'place', 40);
  await server.start();
  await player.waitFor(({ message, length }) => message.startsWith('Another recording') && length === '0:00:40');
  assert.equal((await player.shown()).position, '0:00:00');
  await until('its waveform is fetched', async () => (await fetched()) === 2);
  // Nor is that the place where one was in this one.
  await page.press('5');
  await player.waitFor(({ position }) => position === '0:00:20');
  await page.goto(server.url('/healthz'));
  await finished(server, 'place', 60, { started: new Date(Date.now() + 30_000).toISOString() });
  await openPlayer(page, server, 'place');
  assert.equal((await player.shown()).position, '0:00:00');
}

async function beginsAnew(t, kind, open) {
  const name = `cut-${kind}`;
  await finished(stage.server, name, 30);
  const player = await open(t, name, { hash: '#t=20' });
  await player.play();
  await player.waitFor(({ isHeard }) => isHeard);
  await truncate(join(stage.server.root, `${name}.pcm`), 10 * 48_000 * 4);
  await player.waitFor(({ isHeard, time, length }) => isHeard && time < 9 && length === '0:00:10');
}

async function endsAtTheEdge(t, kind, open) {
  const recorder = await record(stage.server, `left-${kind}`, { headStart: 12 });
  t.after(() => recorder.stop());
  const player = await open(t, recorder.name, { hash: '#t=live' });
  await player.play();
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  const length = await recorder.end();
  await player.waitFor(({ message }) => message === 'That was the end.');
  assert.equal(await player.page.evaluate(() => document.getElementById('sound').playbackRate), 1);
  await openPlayer(player.page, stage.server, recorder.name);
  const { position } = await player.shown();
  assert.ok(Number(position.slice(-2)) >= Math.floor(length) - 1, `${position} of ${length}`);
}

async function outlivesSilence(t, page) {
  const relay = await startRelay(stage.server);
  t.after(() => relay.stop());
  const player = await openPlayer(page, relay, 'live', { hash: '#t=live' });
  await player.play();
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  const { source } = await player.shown();
  relay.silence();
  await player.waitFor(({ source, isHeard }, old) => isHeard && source !== old, {}, source);
  const { time } = await player.shown();
  await player.waitFor((shown, time) => shown.time > time + 2, {}, time);
  assert.ok(stage.live.edge - (await player.shown()).time < 20);
}

async function saysWhatIsWrong(player) {
  const says = (what) => player.waitFor(({ message }, what) => message.includes(what), {}, what);
  await player.enter('#clip-from', 'soon');
  await says('“soon” is not a time');
  await player.enter('#clip-from', '0:25');
  await says('A clip begins before it ends');
  await player.enter('#clip-from', '0:15');
  await player.waitFor(({ message }) => message === '');
  const fields = await player.page.evaluate(() => [...document.querySelectorAll('#clip input')].map(({ value }) => value));
  assert.deepEqual(fields, ['0:00:15.000', '0:00:20.000']);
}

async function comesNearer(player) {
  await player.play();
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard);
  const rate = () => player.page.evaluate(() => document.getElementById('sound').playbackRate);
  assert.equal(await rate(), 1);
  // As after a gap in the network.
  await player.page.waitFor(() => document.getElementById('sound').currentTime > 5);
  await player.page.evaluate(() => void (document.getElementById('sound').currentTime -= 3.3));
  await player.waitFor(({ isLive }) => !isLive);
  await until('it plays faster', async () => (await rate()) === 1.1);
  // Half a minute, and twice that where a busy machine's sound device plays a minute in 63 seconds.
  await player.waitFor(({ isLive, isHeard }) => isLive && isHeard, { timeout: 120_000 });
}

async function fits(page) {
  for (const width of [320, 768, 1600]) {
    await page.viewport(width, 800);
    for (const path of ['/', '/play/live#t=10,20']) {
      await page.goto(stage.server.url('/healthz'));
      await page.goto(stage.server.url(path));
      await page.waitFor(() => document.readyState === 'complete');
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${path} is ${over} px too wide for ${width}`);
    }
  }
}
