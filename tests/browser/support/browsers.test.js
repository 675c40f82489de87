import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { BROWSERS, launch } from './browsers.js';
import { remove, temporaryFolder, until } from './process.js';

const PAGE = `data:text/html,<!doctype html><title>a page</title>
<input type=range min=0 max=100 value=0 style="width:400px"><button onclick="this.textContent='pressed'">press</button>`;

for (const kind of BROWSERS) {
  test(`${kind} does what a page's tests ask of it`, async (t) => {
    const browser = await launch(kind, { reducedMotion: true });
    t.after(() => browser.close());
    const page = await browser.newPage();
    await page.viewport(600, 400);
    await page.goto(PAGE);
    assert.deepEqual(await page.evaluate(size), [600, 400]);
    assert.deepEqual(await page.evaluate(look), { dark: false, still: true });

    await page.click('button');
    await page.waitFor((text) => document.querySelector('button').textContent === text, {}, 'pressed');

    await page.drag('input', 0.1, 0.5);
    const dragged = Number(await page.evaluate(value));
    assert.ok(Math.abs(dragged - 50) <= 2, `it was dragged to ${dragged}`);
    await page.press('ArrowRight');
    assert.equal(Number(await page.evaluate(value)), dragged + 1);

    await looksLikeAPicture(page);
    await seesErrors(page);
  });
}

test('chromium can turn dark', async (t) => {
  const browser = await launch('chromium');
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.viewport(600, 400, { dark: true });
  assert.deepEqual(await page.evaluate(look), { dark: true, still: false });
});

test('firefox is dark if it was launched so', async (t) => {
  const browser = await launch('firefox', { dark: true });
  t.after(() => browser.close());
  const page = await browser.newPage();
  assert.deepEqual(await page.evaluate(look), { dark: true, still: false });
  await assert.rejects(page.viewport(600, 400, { dark: false }));
});

async function looksLikeAPicture(page) {
  const folder = temporaryFolder('picture');
  await page.screenshot(join(folder, 'page.png'));
  assert.equal(readFileSync(join(folder, 'page.png')).toString('latin1', 1, 4), 'PNG');
  remove(folder);
}

async function seesErrors(page) {
  assert.deepEqual(page.errors, []);
  await page.evaluate(() => void setTimeout(() => { throw new Error('nobody catches it'); }));
  await page.evaluate(() => console.error('it is written'));
  for (const text of ['nobody catches it', 'it is written']) {
    await until(`"${text}" is seen`, () => page.errors.some((error) => error.includes(text)));
  }
}

const size = () => [innerWidth, innerHeight];
const value = () => document.querySelector('input').value;
const look = () => ({
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
  still: matchMedia('(prefers-reduced-motion: reduce)').matches,
});
