import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { clockTimes } from './clock.js';
import { RATE, thePiece } from './recorder.js';

let samples;

before(async () => {
  const sound = await thePiece();
  const frames = new Int16Array(sound.buffer, sound.byteOffset, sound.length / 2);
  samples = Float32Array.from({ length: frames.length / 2 }, (_, n) => (frames[2 * n] + frames[2 * n + 1]) / 65_536);
});

const seconds = (from, to) => samples.subarray(Math.round(from * RATE), Math.round(to * RATE));

test('the clock is heard every ten seconds, to within two milliseconds', () => {
  const times = clockTimes(samples, RATE);
  assert.equal(times.length, 54);
  times.forEach(({ at, minute, tens }, n) => {
    assert.deepEqual([minute, tens], [Math.floor(n / 6), n % 6]);
    assert.ok(Math.abs(at - n * 10) < 0.002, `the tick of ${n * 10} s is heard at ${at}`);
  });
});

test('when it is heard follows from where the samples begin', () => {
  for (const early of [0.1, 1.2345, 7.9]) {
    const [time] = clockTimes(seconds(280 - early, 283), RATE);
    assert.deepEqual([time.minute, time.tens], [4, 4]);
    assert.ok(Math.abs(time.at - early) < 0.002, `${early} s early, it is heard at ${time.at}`);
  }
});

test('it is heard at the rates and levels that browsers play at', () => {
  const half = seconds(478, 483).filter((_, n) => n % 2 === 0).map((sample) => sample * 0.9);
  const [time] = clockTimes(half, RATE / 2);
  assert.deepEqual([time.minute, time.tens], [8, 0]);
  assert.ok(Math.abs(time.at - 2) < 0.002, `it is heard at ${time.at}`);
});

test('music, and a time of which a part is missing, are no time', () => {
  assert.deepEqual(clockTimes(seconds(283, 290), RATE), []);
  assert.deepEqual(clockTimes(seconds(280.2, 285), RATE), []);
  assert.deepEqual(clockTimes(seconds(279, 281), RATE), []);
});
