// Pictures of the pages at three widths, light and dark, to be looked at: `just screenshots FOLDER`.

import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { launch } from './support/browsers.js';
import { openPlayer } from './support/player.js';
import { finished, record } from './support/recorder.js';
import { serve } from './support/server.js';

const WIDTHS = [320, 768, 1280];

const folder = resolve(process.argv[2] ?? 'target/screenshots');
await mkdir(folder, { recursive: true });
const server = await serve();
const recorders = [
  await record(server, 'council', { headStart: 400, title: 'City council, public session' }),
  await record(server, 'studio', { headStart: 60, title: 'Studio B, evening show' }),
];
await finished(server, 'interview with the mayor', 130);
await finished(server, 'rehearsal', 300);

async function take(name, page, dark) {
  for (const width of WIDTHS) {
    await page.viewport(width, 900, { dark });
    // Two frames: one that lays out, one that paints what was drawn for the new width.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300)))));
    const path = join(folder, `${name}-${width}-${dark ? 'dark' : 'light'}.png`);
    await page.driven.screenshot({ path, fullPage: true });
    console.log(path);
  }
}

for (const dark of [false, true]) {
  const browser = await launch('chromium', { dark });
  const page = await browser.newPage();
  await page.viewport(1280, 900, { dark });
  await page.goto(server.url('/'));
  await take('list', page, dark);
  const player = await openPlayer(page, server, 'council', { hash: '#t=2:10' });
  await player.play();
  await player.waitFor(({ isHeard, time }) => isHeard && time > 131);
  await page.waitFor(() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/waveform/')));
  await take('player', page, dark);
  await page.drag('#seek', 0.5, 0.62);
  await take('clip', page, dark);
  await browser.close();
}
for (const recorder of recorders) await recorder.stop();
await server.stop();
