// Who cannot see, or has no mouse: what axe-core finds on the pages, and what a screen reader says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** That the pages of a server with a finished recording `done` of 45 s keep nobody out. */
export async function isAccessible(page, server) {
  for (const path of ['/', '/play/done#t=10,20', '/play/none']) {
    await page.goto(server.url('/healthz'));
    await page.goto(server.url(path));
    await page.waitFor(() => document.readyState === 'complete');
    assert.deepEqual(await seriousFindings(page), [], path);
  }
  await page.goto(server.url('/play/done'));
  await page.waitFor(() => !document.getElementById('player').hidden);
  await page.press('?');
  await page.waitFor(() => document.getElementById('keys').open);
  assert.deepEqual(await seriousFindings(page), [], 'the keys');
  await page.press('Escape');
  await page.waitFor(() => !document.getElementById('keys').open);
  // What a screen reader says of where one is.
  await page.press('2');
  await page.waitFor(() => document.getElementById('seek').getAttribute('aria-valuetext') === '9 seconds of 45 seconds');
}

/** What keeps somebody out (serious or critical): `[rule, ...nodes]` each. */
async function seriousFindings(page) {
  await page.evaluate(`() => {${AXE}}`);
  return page.evaluate(findings);
}

const findings = async () => {
  const { violations } = await window.axe.run();
  const nodes = (violation) => violation.nodes.map((node) => `${node.target} ${node.failureSummary}`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map((violation) => [violation.id, ...nodes(violation)]);
};
