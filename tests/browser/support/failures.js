// A reporter for `node --test`: the names of the tests that failed, one a line, as `--test-name-pattern` takes them.

export default async function* failures(events) {
  for await (const { type, data } of events) {
    // Those that something in them failed for are not meant.
    if (type !== 'test:fail' || data.details.error?.failureType === 'subtestsFailed') continue;
    // A file that broke off itself is run as a whole.
    yield data.name.endsWith('.js') ? '.\n' : `${data.name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}\n`;
  }
}
