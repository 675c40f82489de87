// What axe-core finds on a page.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What keeps somebody out (serious or critical): `[rule, ...nodes]` each. */
export async function seriousFindings(page) {
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
