// What the tests of a file share: a sink, a server, a recording that grows, one that has ended, and the browsers.

import { after, before, describe } from 'node:test';

import { BROWSERS, launch } from './browsers.js';
import { finished, record } from './recorder.js';
import { serve } from './server.js';
import { startSink } from './sink.js';

export const FORMATS = ['wav', 'mp3', 'opus'];

/**
 * Sets the stage for the tests of a file, and clears it after them: `sink`, `server`, `live` (a recorder), the recording
 * `done` if there is to be one, and the browser that `inBrowsers` is at under its kind.
 */
export function setStage({ server = {}, live, done }) {
  const stage = {};
  before(async () => {
    stage.sink = await startSink();
    stage.server = await serve(server);
    stage.live = await record(stage.server, 'live', live);
    if (done) await finished(stage.server, 'done', done);
  });
  after(async () => {
    await stage.live?.stop();
    await stage.server?.stop();
    await stage.sink?.stop();
  });
  return stage;
}

/** Defines tests for each browser, which is launched for them. */
export function inBrowsers(stage, { concurrency, reducedMotion }, define) {
  for (const kind of BROWSERS) {
    describe(kind, { concurrency }, () => {
      before(async () => (stage[kind] = await launch(kind, { sink: stage.sink, reducedMotion })));
      after(() => stage[kind].close());
      define(kind);
    });
  }
}
