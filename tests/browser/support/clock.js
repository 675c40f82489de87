// Hears the clock in the demo's piece (src/demo/piece.rs says what it sounds like). Pure.

const UNIT = 0.08;
const TICK_HZ = 1000;
const MINUTE_HZ = 625;
const TENS_HZ = 1500;
/** The longest the clock speaks, in units from the tick on. */
const SPEECH_UNITS = 25;
/** The same in seconds, and what an element may be ahead or behind. */
export const SPEECH = 2.6;
/** A tone is at least so loud (the clock is played at 0.3); no note of the music is, at these pitches. */
const LOUD = 0.15;
/** How far apart the places are at which a tick is looked for: much less than a unit. */
const STRIDE = 0.01;

/**
 * The times the clock is heard to say in mono samples of -1 to 1, each with when its tick begins, to within
 * 2 ms: `{ at, minute, tens }`, `at` in seconds from the first sample. What begins or ends outside of the samples
 * is not heard, and neither is what makes no sense as a time.
 */
export function clockTimes(samples, rate) {
  const times = [];
  for (let at = 0; at + SPEECH_UNITS * UNIT <= samples.length / rate; at += STRIDE) {
    if (loudness(samples, rate, at, TICK_HZ) < LOUD) continue;
    const tick = tickNear(samples, rate, at);
    const time = spokenAfter(samples, rate, tick);
    if (time) times.push({ at: tick, ...time });
    at = Math.max(at, tick) + (time ? SPEECH_UNITS * UNIT : UNIT);
  }
  return times;
}

/**
 * Where the tick begins that is heard at `at` already. Its loudness rises and falls evenly as a window of its length goes
 * over it, so it begins half way between the places where it is half as loud as at its loudest.
 */
function tickNear(samples, rate, at) {
  const places = Array.from({ length: 181 }, (_, n) => at - 0.05 + n / 1000);
  const levels = places.map((place) => loudness(samples, rate, place, TICK_HZ));
  const loudest = levels.indexOf(Math.max(...levels));
  const isHalf = (level) => level >= levels[loudest] / 2;
  const rises = levels.findIndex(isHalf);
  const falls = levels.findLastIndex(isHalf);
  return (places[rises] + places[falls]) / 2;
}

/** What is said after a tick, if it is a time. */
function spokenAfter(samples, rate, tick) {
  const units = Array.from({ length: SPEECH_UNITS }, (_, n) => toneAt(samples, rate, tick + n * UNIT));
  const runs = runsOf(units);
  if (runs.shift()?.hz !== TICK_HZ) return undefined;
  const minute = digit(runs.filter((run) => run.hz === MINUTE_HZ));
  const tens = digit(runs.filter((run) => run.hz === TENS_HZ));
  const inOrder = runs.every((run, n) => run.hz !== TICK_HZ && (n === 0 || run.hz >= runs[n - 1].hz));
  if (!inOrder || !(minute <= 9) || !(tens <= 5)) return undefined;
  return { minute, tens };
}

/** The clock's tone in a unit, 0 if there is none. */
function toneAt(samples, rate, at) {
  return [TICK_HZ, MINUTE_HZ, TENS_HZ].find((hz) => loudness(samples, rate, at, hz) > LOUD) ?? 0;
}

/** Equal tones in a row, without the quiet. */
function runsOf(units) {
  const runs = [];
  units.forEach((hz, n) => {
    if (hz === 0) return;
    if (n > 0 && units[n - 1] === hz) runs.at(-1).units += 1;
    else runs.push({ hz, units: 1 });
  });
  return runs;
}

/** A tally: a run of three units is five and comes first, runs of one are one; NaN if it is none. */
function digit(runs) {
  const isTally = runs.every(({ units }, n) => units === 1 || (units === 3 && n === 0));
  return isTally ? runs.reduce((sum, { units }) => sum + (units === 3 ? 5 : 1), 0) : NaN;
}

/** The amplitude of a tone in the unit that begins at `at` seconds (Goertzel's filter). */
function loudness(samples, rate, at, hz) {
  const from = Math.max(0, Math.round(at * rate));
  const to = Math.min(samples.length, Math.round((at + UNIT) * rate));
  const turn = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let [s1, s2] = [0, 0];
  for (let n = from; n < to; n += 1) [s1, s2] = [samples[n] + turn * s1 - s2, s1];
  return (2 * Math.sqrt(Math.max(0, s1 * s1 + s2 * s2 - turn * s1 * s2))) / (UNIT * rate);
}
