// A reporter for `node --test`: the names of the tests that failed, one a line, as `--test-name-pattern` takes them.

const ALL = '.\n';

export default async function* failures(events) {
  const awaited = new Set();
  for await (const { type, data } of events) {
    const key = [data?.file, data?.nesting, data?.name].join();
    // A file is told of by its tests, unless it broke off.
    if (type === 'test:enqueue' && !data.name.endsWith('.js')) awaited.add(key);
    if (type === 'test:pass' || type === 'test:fail') awaited.delete(key);
    // Those that something in them failed for are not meant.
    if (type !== 'test:fail' || data.details.error?.failureType === 'subtestsFailed') continue;
    yield data.name.endsWith('.js') ? ALL : `${data.name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}\n`;
  }
  // Tests of a file that broke off after one had failed are not told of at all.
  if (awaited.size > 0) yield ALL;
}
