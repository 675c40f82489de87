//! To another sample rate, without state: every output sample is a finite sum of its own.
//!
//! Coded frame `n` is the source, low-passed, at exactly `n * source_rate / coded_rate`. That point lies
//! between two source frames; how far between (its *phase*) decides the coefficients, its whole part (its
//! *base*) decides the frames they are applied to. Nothing is carried from one frame to the next, so a
//! segment's PCM does not depend on where the segments before it were cut. That is why this is not one of
//! the stateful resamplers that can be had ready-made.
//!
//! The same bits on every CPU of an architecture is part of the contract too. Hence the coefficients are
//! made from `+ - * /`, `round` and `sqrt`, which IEEE 754 fixes to the last bit (the C library's `sin`
//! picks an FMA variant at run time and may differ in it), and the sums have a fixed number of lanes.
//!
//! The filter is a sinc under a Kaiser window. Its -6 dB point is the Nyquist frequency of the lower of the
//! two rates; it passes up to 0.915 of that (20 kHz at 44.1 kHz) and stops from 1.085 of it, so what is
//! between is all that can alias.

use std::f64::consts::PI;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use wide::f32x4;

/// Accumulators of a sum. Sixteen are four SSE2 registers or four of NEON, enough to hide an addition's latency; the
/// number is part of the output's bits and must not change with the CPU.
const LANES: usize = 16;

/// Zero crossings of the sinc on either side of its middle: 80 taps where the rate goes up.
const ZERO_CROSSINGS: f64 = 40.0;

/// What the Kaiser window is designed for. 105 dB leave room for f32 below the promised 100.
const STOP_BAND_DB: f64 = 105.0;

/// More phases than this are interpolated between.
const MAX_PHASES: u32 = 1024;

/// Coefficients a table may have (1 MiB) and still have another row. The pairs of rates that the codecs
/// ask for need less than half of them.
const MAX_TABLE: u32 = 1 << 18;

/// Half the taps a filter may have. Only ratios beyond 1638:1 come here, and get a wider transition.
const MAX_HALF: u32 = 1 << 16;

/// The highest rate that is taken at its word, in Hz.
const MAX_RATE: u32 = 768_000;

/// Pairs of rates remembered. A rate comes from outside, so their number must not be open.
const MAX_SHARED: usize = 32;

static SHARED: Mutex<Vec<Arc<Resampler>>> = Mutex::new(Vec::new());

/// What can be wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResampleError {
    /// The source is not the window of the coded frames asked for.
    #[error("these coded frames are made from {needed} source frames, not from {given}")]
    SourceFrames {
        /// Frames in the window.
        needed: u64,
        /// Frames in the slice.
        given: u64,
    },
}

/// A rational polyphase windowed-sinc filter without state, from a source rate to a coded one.
#[derive(Debug)]
pub struct Resampler {
    ratio: Ratio,
    filter: Filter,
}

impl Resampler {
    /// The resampler for two rates in Hz, built at the first call and shared by all later ones.
    ///
    /// The last 32 ratios are kept; one that is built again after all is the same to the bit.
    pub fn shared(source_rate: u32, coded_rate: u32) -> Arc<Self> {
        let ratio = Ratio::new(source_rate, coded_rate);
        // A table is pushed whole or not at all, so a panic elsewhere under the lock has spoilt nothing.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.iter().find(|known| known.ratio == ratio) {
            return Arc::clone(known);
        }
        let built = Arc::new(Self::of(ratio));
        if shared.len() >= MAX_SHARED {
            shared.remove(0);
        }
        shared.push(Arc::clone(&built));
        built
    }

    /// Builds the resampler for two rates in Hz, at most 1.5 MiB of coefficients. A rate outside 1..=768000
    /// is taken for the nearest within.
    pub fn new(source_rate: u32, coded_rate: u32) -> Self {
        Self::of(Ratio::new(source_rate, coded_rate))
    }

    fn of(ratio: Ratio) -> Self {
        Self { ratio, filter: Filter::new(ratio) }
    }

    /// The source frames that the coded frames are made from. They may begin before frame 0 and end behind
    /// the last one; what is there is the caller's to say (silence, usually). Empty for no coded frames.
    pub fn window(&self, coded: Range<i64>) -> Range<i64> {
        let window = self.wide_window(&coded);
        clamp(window.start)..clamp(window.end)
    }

    /// How many coded frames, counted from 0, can be made from the first `source_frames` source frames: the
    /// largest `n` for which `window(0..n)` ends within them.
    pub fn ready(&self, source_frames: u64) -> u64 {
        // The last frame's base must leave `half` frames behind it: floor((n - 1) * s / c) < frames - half.
        let room = u128::from(source_frames.saturating_sub(u64::from(self.filter.half)));
        let ready = (room * u128::from(self.ratio.coded)).div_ceil(u128::from(self.ratio.source));
        u64::try_from(ready).unwrap_or(u64::MAX)
    }

    /// Makes the frames `coded` of one channel from `source`, which holds `window(coded)` and no more, and
    /// appends them to `out`. The same frame has the same bits whichever range it is asked for in.
    ///
    /// # Errors
    /// [`ResampleError::SourceFrames`] if `source` has another length; `out` is then as it was.
    pub fn resample(
        &self,
        coded: Range<i64>,
        source: &[f32],
        out: &mut Vec<f32>,
    ) -> Result<(), ResampleError> {
        let window = self.wide_window(&coded);
        let needed = u64::try_from(window.end - window.start).unwrap_or(u64::MAX);
        let given = u64::try_from(source.len()).unwrap_or(u64::MAX);
        let wrong_length = ResampleError::SourceFrames { needed, given };
        if needed != given {
            return Err(wrong_length);
        }
        let (_, mut phase) = self.ratio.locate(coded.start);
        let mut rest = source;
        out.reserve(usize::try_from(coded.end.saturating_sub(coded.start)).unwrap_or(0));
        for _ in coded {
            let span = rest.get(..self.filter.taps()).ok_or(wrong_length)?;
            out.push(self.filter.apply(phase, span));
            let (frames, next) = self.ratio.step(phase);
            phase = next;
            // Behind the last coded frame less than a step may be left.
            rest = rest.get(frames..).unwrap_or_default();
        }
        Ok(())
    }

    /// The window before it is cut to `i64`, which its ends can leave when the rate goes down.
    fn wide_window(&self, coded: &Range<i64>) -> Range<i128> {
        let half = i128::from(self.filter.half);
        let (first, _) = self.ratio.locate(coded.start);
        let start = first - half + 1;
        if coded.is_empty() {
            return start..start;
        }
        let (last, _) = self.ratio.locate(coded.end - 1);
        start..last + half + 1
    }
}

fn clamp(frame: i128) -> i64 {
    i64::try_from(frame).unwrap_or(if frame < 0 { i64::MIN } else { i64::MAX })
}

/// The two rates without their common divisor: `source` source frames last as long as `coded` coded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ratio {
    source: u32,
    coded: u32,
}

impl Ratio {
    fn new(source_rate: u32, coded_rate: u32) -> Self {
        let (source, coded) = (source_rate.clamp(1, MAX_RATE), coded_rate.clamp(1, MAX_RATE));
        let divisor = common_divisor(source, coded);
        Self { source: source / divisor, coded: coded / divisor }
    }

    /// Where a coded frame lies in the source: its base (the frame at or before it) and its phase, in
    /// `1 / coded` of a source frame.
    fn locate(self, frame: i64) -> (i128, u32) {
        let position = i128::from(frame) * i128::from(self.source);
        let phase = position.rem_euclid(i128::from(self.coded));
        (position.div_euclid(i128::from(self.coded)), u32::try_from(phase).unwrap_or_default())
    }

    /// From one coded frame to the next: the source frames that the base moves by, and the next phase.
    fn step(self, phase: u32) -> (usize, u32) {
        let position = phase + self.source;
        ((position / self.coded) as usize, position % self.coded)
    }

    /// Where the filter cuts, in Nyquist frequencies of the source.
    fn cutoff(self) -> f64 {
        (f64::from(self.coded) / f64::from(self.source)).min(1.0)
    }
}

/// Euclid's.
fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The coefficients, in rows of `2 * half`: one for each of `intervals` steps from a source frame to the next.
///
/// Up to 1024 phases every one has its row, if the table's limit allows. Odd rates (37123 Hz to 48 kHz has
/// 48000 phases) have 1024 intervals, and a phase within one is interpolated linearly between its ends. A
/// tone at the Nyquist frequency then errs by at most `PI^2 / 8 / 1024^2`, -118 dB, and a lower one by less
/// with the square of its frequency. A filter lengthened to go down changes as much more slowly along the
/// source, so where the limit leaves it fewer intervals it errs no more.
#[derive(Debug)]
struct Filter {
    half: u32,
    phases: u32,
    intervals: u32,
    rows: Vec<f32>,
}

impl Filter {
    fn new(ratio: Ratio) -> Self {
        let half = half_taps(ratio.cutoff());
        let affordable = (MAX_TABLE / (2 * half)).clamp(1, MAX_PHASES);
        let intervals = ratio.coded.min(affordable);
        // Interpolation needs a row at the far end of the last interval too.
        let last = if intervals < ratio.coded { intervals } else { intervals - 1 };
        let rows = (0..=last)
            .flat_map(|row| coefficients(half, ratio.cutoff(), f64::from(row) / f64::from(intervals)))
            .collect();
        Self { half, phases: ratio.coded, intervals, rows }
    }

    fn taps(&self) -> usize {
        2 * self.half as usize
    }

    /// The sample at a phase, from the `taps()` source frames around it.
    fn apply(&self, phase: u32, span: &[f32]) -> f32 {
        if self.intervals == self.phases {
            return dot(self.row(u64::from(phase)), span);
        }
        let position = u64::from(phase) * u64::from(self.intervals);
        let (row, into) = (position / u64::from(self.phases), position % u64::from(self.phases));
        // A part of an interval below 2^20: exact in an f32.
        let weight = into as f32 / self.phases as f32;
        let (before, after) = (dot(self.row(row), span), dot(self.row(row + 1), span));
        before + (after - before) * weight
    }

    fn row(&self, index: u64) -> &[f32] {
        let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(self.taps());
        let row = self.rows.get(start..start.saturating_add(self.taps())).unwrap_or_default();
        debug_assert_eq!(row.len(), self.taps(), "phase row {index} is not in the table");
        row
    }
}

/// The sum of the products, in lanes that are then added in pairs. Nothing is fused or reordered, so the bits are
/// these on every processor. (Left to vectorise a plain loop, the compiler uses half of each register.)
fn dot(coefficients: &[f32], span: &[f32]) -> f32 {
    let mut lanes = [f32x4::ZERO; 4];
    let blocks = coefficients.as_chunks::<LANES>().0.iter().zip(span.as_chunks::<LANES>().0);
    for (factors, samples) in blocks {
        let quads = factors.as_chunks::<4>().0.iter().zip(samples.as_chunks::<4>().0);
        for (lane, (factors, samples)) in lanes.iter_mut().zip(quads) {
            *lane += f32x4::new(*factors) * f32x4::new(*samples);
        }
    }
    let [a, b, c, d] = lanes;
    let [a, b, c, d] = ((a + b) + (c + d)).to_array();
    (a + b) + (c + d)
}

/// Taps on either side of the middle, a multiple of eight so that all together fill the lanes.
fn half_taps(cutoff: f64) -> u32 {
    let wanted = (ZERO_CROSSINGS / cutoff).ceil().min(f64::from(MAX_HALF));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "40..=MAX_HALF")]
    let wanted = wanted as u32;
    wanted.next_multiple_of(8)
}

/// One row: the coefficients for a point `fraction` of a frame behind its base. Tap `k` is for the source
/// frame `base - half + 1 + k`.
///
/// A row's sum differs a little from phase to phase, which would modulate a constant with the phases'
/// pattern: it is made 1.
fn coefficients(half: u32, cutoff: f64, fraction: f64) -> Vec<f32> {
    let reach = f64::from(half);
    let distances = (0..2 * half).map(|tap| f64::from(tap) + 1.0 - reach - fraction);
    let ideal: Vec<f64> = distances.map(|t| sinc(cutoff * t) * kaiser(t / reach)).collect();
    let sum: f64 = ideal.iter().sum();
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
    ideal.iter().map(|coefficient| (coefficient / sum) as f32).collect()
}

/// `sin(PI x) / (PI x)`.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { sin_pi(x) / (PI * x) }
}

/// `sin(PI x)`, exactly 0 for whole `x`, so that equal rates give the source back unchanged.
fn sin_pi(x: f64) -> f64 {
    let turn = x - 2.0 * (x / 2.0).round();
    let folded = if turn.abs() > 0.5 { turn.signum() - turn } else { turn };
    let angle = PI * folded;
    // Taylor's series; at PI / 2 the 13th term is below 1e-20.
    series(angle, 12, |k| -angle * angle / (2.0 * k * (2.0 * k + 1.0)))
}

/// Kaiser's window at `x` of its half width, 1 in the middle.
/// J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974.
fn kaiser(x: f64) -> f64 {
    let beta = 0.1102 * (STOP_BAND_DB - 8.7);
    bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
}

/// The modified Bessel function of order 0: the sum of `((x / 2)^k / k!)^2` (Abramowitz & Stegun 9.6.12).
/// For `x` up to 11 the 40th term is below 1e-35.
fn bessel_i0(x: f64) -> f64 {
    series(1.0, 40, |k| x * x / (4.0 * k * k))
}

/// The sum of `terms + 1` terms, where `factor(k)` makes term `k` from the one before.
fn series(first: f64, terms: u8, factor: impl Fn(f64) -> f64) -> f64 {
    let mut term = first;
    let mut sum = first;
    for k in 1..=terms {
        term *= factor(f64::from(k));
        sum += term;
    }
    sum
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small values, or rounding meant"
)]
mod tests {
    use super::*;

    /// Up and down, few phases, more than a table has, and (the last) more coefficients than it has.
    const PAIRS: [(u32, u32); 10] = [
        (44_100, 48_000),
        (96_000, 48_000),
        (22_050, 48_000),
        (8_000, 48_000),
        (192_000, 48_000),
        (88_200, 48_000),
        (37_123, 48_000),
        (88_201, 48_000),
        (48_000, 44_100),
        (384_000, 11_025),
    ];

    /// White noise as a function of the position, so that any window of it can be had.
    fn noise(frame: i64) -> f32 {
        let mut bits = frame.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (bits >> 40) as f32 / 8_388_608.0 - 1.0
    }

    /// sin and cos of a tone of a whole number of Hz at a frame; the phase is reduced in integers.
    fn tone(hz: u32, rate: u32, frame: i64) -> (f64, f64) {
        let turns = (i128::from(frame) * i128::from(hz)).rem_euclid(i128::from(rate));
        (2.0 * PI * turns as f64 / f64::from(rate)).sin_cos()
    }

    fn run(resampler: &Resampler, coded: Range<i64>, source: impl Fn(i64) -> f32) -> Vec<f32> {
        let source: Vec<f32> = resampler.window(coded.clone()).map(source).collect();
        let mut out = Vec::new();
        resampler.resample(coded, &source, &mut out).unwrap();
        out
    }

    fn run_tone(pair: (u32, u32), hz: u32, coded: Range<i64>) -> Vec<f32> {
        run(&Resampler::shared(pair.0, pair.1), coded, |frame| tone(hz, pair.0, frame).0 as f32)
    }

    /// The nearest `a sin + b cos` of a tone to a signal that starts at frame `start`: a, b and the rms of
    /// what is left over.
    fn fit(signal: &[f32], hz: u32, rate: u32, start: i64) -> (f64, f64, f64) {
        let points: Vec<_> = (start..).zip(signal).map(|(n, &y)| (tone(hz, rate, n), f64::from(y))).collect();
        let sum =
            |f: &dyn Fn(f64, f64, f64) -> f64| points.iter().map(|&((s, c), y)| f(s, c, y)).sum::<f64>();
        let (ss, sc, cc) = (sum(&|s, _, _| s * s), sum(&|s, c, _| s * c), sum(&|_, c, _| c * c));
        let (sy, cy) = (sum(&|s, _, y| s * y), sum(&|_, c, y| c * y));
        let det = ss * cc - sc * sc;
        let (a, b) = ((sy * cc - cy * sc) / det, (cy * ss - sy * sc) / det);
        let rest = sum(&|s, c, y| (y - a * s - b * c).powi(2));
        (a, b, (rest / signal.len() as f64).sqrt())
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.log10()
    }

    fn fraction_of(rate: u32, fraction: f64) -> u32 {
        (f64::from(rate) / 2.0 * fraction) as u32
    }

    fn bits(samples: &[f32]) -> Vec<u32> {
        samples.iter().map(|sample| sample.to_bits()).collect()
    }

    #[test]
    fn any_split_gives_the_same_bits() {
        for (source, coded) in PAIRS {
            let resampler = Resampler::new(source, coded);
            for start in [-10_000_000_123, -700, 0, 5, 10_000_000_000] {
                let whole = run(&resampler, start..start + 1500, noise);
                for lengths in [[1, 2, 3], [7, 160, 147], [960, 1, 41]] {
                    let mut parts = Vec::new();
                    let mut at = start;
                    for length in lengths.into_iter().cycle() {
                        let end = (at + length).min(start + 1500);
                        parts.extend(run(&resampler, at..end, noise));
                        at = end;
                        if at == start + 1500 {
                            break;
                        }
                    }
                    assert_eq!(bits(&whole), bits(&parts), "{source} -> {coded} from {start}");
                }
            }
        }
    }

    #[test]
    fn a_period_later_the_same_source_gives_the_same_bits() {
        let resampler = Resampler::new(37_123, 48_000);
        let here = run(&resampler, 0..500, noise);
        let periods = 200_000;
        let later =
            run(&resampler, periods * 48_000..periods * 48_000 + 500, |n| noise(n - periods * 37_123));
        assert_eq!(bits(&here), bits(&later));
    }

    #[test]
    fn the_frames_that_are_ready_need_nothing_beyond_the_live_edge() {
        for (source, coded) in PAIRS.into_iter().chain([(768_000, 7), (1, 768_000), (48_000, 48_000)]) {
            let resampler = Resampler::new(source, coded);
            let far = [1_000_000_000_000, 10_000_000_007];
            for frames in (0..400_i64).chain(far) {
                let ready = i64::try_from(resampler.ready(frames.cast_unsigned())).unwrap();
                assert!(resampler.window(0..ready).end <= frames, "{source} -> {coded}, {frames}");
                assert!(resampler.window(0..ready + 1).end > frames, "{source} -> {coded}, {frames}");
            }
        }
    }

    #[test]
    fn the_window_reaches_forty_frames_to_either_side() {
        let resampler = Resampler::new(44_100, 48_000);
        assert_eq!(resampler.window(0..1), -39..41);
        assert_eq!(resampler.window(160..161), 147 - 39..147 + 41);
        assert_eq!(resampler.window(-160..0), -147 - 39..-1 + 41);
        assert!(resampler.window(9..9).is_empty());
    }

    #[test]
    fn a_source_of_another_length_is_refused_and_nothing_written() {
        let resampler = Resampler::new(44_100, 48_000);
        let mut out = vec![1.0];
        let wrong = resampler.resample(0..1, &[0.0; 81], &mut out);
        assert_eq!(wrong, Err(ResampleError::SourceFrames { needed: 80, given: 81 }));
        assert!(resampler.resample(i64::MIN..i64::MAX, &[0.0; 80], &mut out).is_err());
        assert!(resampler.resample(0..0, &[0.0; 1], &mut out).is_err());
        assert_eq!(out, [1.0]);
        assert_eq!(resampler.resample(7..7, &[], &mut out), Ok(()));
    }

    #[test]
    fn no_rate_and_no_position_panics() {
        let odd = [(0, 0), (u32::MAX, 3), (1, 768_000), (768_000, 1), (768_000, 8009), (767_999, 768_000)];
        for rates in odd {
            let resampler = Resampler::new(rates.0, rates.1);
            assert!(resampler.filter.rows.len() <= 3 << 17, "{rates:?}");
            assert_eq!(run(&resampler, i64::MAX / 1_000_000..i64::MAX / 1_000_000 + 2, |_| 1.0).len(), 2);
            for start in [i64::MIN, 0, i64::MAX - 1] {
                resampler.window(start..start + 1);
                resampler.window(start..i64::MAX);
            }
            resampler.ready(u64::MAX);
        }
    }

    #[test]
    fn positions_are_exact_as_far_as_an_i64_goes() {
        let resampler = Resampler::new(44_100, 48_000);
        let far = i64::MAX / 160;
        assert_eq!(resampler.window(far * 160..far * 160 + 1), far * 147 - 39..far * 147 + 41);
        assert_eq!(resampler.window(-far * 160..-far * 160 + 1), -far * 147 - 39..-far * 147 + 41);
    }

    #[test]
    fn one_table_is_shared_by_all_who_ask() {
        let first = Resampler::shared(11_025, 48_000);
        assert!(Arc::ptr_eq(&first, &Resampler::shared(11_025, 48_000)));
        (1..100).for_each(|rate| drop(Resampler::shared(48_000 + rate * 1000, 48_000)));
        assert!(SHARED.lock().unwrap().len() <= MAX_SHARED);
    }

    #[test]
    fn equal_rates_give_the_source_back() {
        let same = run(&Resampler::new(48_000, 48_000), -50..50, noise);
        assert_eq!(same, (-50..50).map(noise).collect::<Vec<_>>());
    }

    #[test]
    fn a_constant_keeps_its_level() {
        for (source, coded) in PAIRS {
            for sample in run(&Resampler::new(source, coded), 0..2000, |_| 1.0) {
                assert!((sample - 1.0).abs() < 6e-7, "{source} -> {coded}: {sample}");
            }
        }
    }

    #[test]
    fn a_tone_keeps_its_gain_and_its_place_and_brings_no_images() {
        for pair in PAIRS {
            for fraction in [0.002, 0.05, 0.21, 0.5, 0.75, 0.85, 0.907] {
                let hz = fraction_of(pair.0.min(pair.1), fraction);
                let (sine, cosine, rest) = fit(&run_tone(pair, hz, 999..7000), hz, pair.1, 999);
                assert!(db(sine).abs() < 0.01, "{pair:?} {hz} Hz: gain {} dB", db(sine));
                assert!(cosine.abs() < 1e-5, "{pair:?} {hz} Hz: shifted by {cosine} rad");
                let images = db(rest * 2_f64.sqrt());
                assert!(images < -100.0, "{pair:?} {hz} Hz: images at {images} dB");
            }
        }
    }

    #[test]
    fn what_the_coded_rate_cannot_hold_is_gone() {
        for pair in PAIRS.into_iter().filter(|(source, coded)| source > coded) {
            for fraction in [1.09, 1.13, 1.2, 1.5, 1.9, 2.2, 2.9, 3.7] {
                let hz = fraction_of(pair.1, fraction);
                if hz * 2 > pair.0 {
                    continue;
                }
                let out = run_tone(pair, hz, 0..6000);
                let rms = (out.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / 6000.0).sqrt();
                let alias = db(rms * 2_f64.sqrt());
                assert!(alias < -100.0, "{pair:?} {hz} Hz: alias at {alias} dB");
            }
        }
    }

    #[test]
    fn the_transition_is_symmetrical_around_the_lower_nyquist() {
        for offset in [120, 480, 960, 1440] {
            let (below, ..) =
                fit(&run_tone((96_000, 48_000), 24_000 - offset, 0..8000), 24_000 - offset, 48_000, 0);
            // What is above comes out mirrored, a sine upside down.
            let (above, ..) =
                fit(&run_tone((96_000, 48_000), 24_000 + offset, 0..8000), 24_000 - offset, 48_000, 0);
            assert!((below - above - 1.0).abs() < 1e-4, "{offset} Hz: {below} and {above}");
            assert!(below < 0.999_99 && above < -0.000_01, "{offset} Hz is not in the transition");
        }
    }

    /// The definition once more by other means: C's sine, and the Bessel function by its integral.
    fn defined(t: f64, cutoff: f64, half: f64) -> f64 {
        let i0 =
            |x: f64| (0..200).map(|k| (x * (PI * (f64::from(k) + 0.5) / 200.0).cos()).exp()).sum::<f64>();
        let beta = 0.1102 * (105.0 - 8.7);
        let window = i0(beta * (1.0 - (t / half).powi(2)).sqrt()) / i0(beta);
        if t == 0.0 { cutoff } else { (PI * cutoff * t).sin() / (PI * t) * window }
    }

    #[test]
    fn an_impulse_draws_the_filter_as_defined() {
        for (source, coded, cutoff, half) in
            [(44_100, 48_000, 1.0, 40.0), (37_123, 48_000, 1.0, 40.0), (88_200, 48_000, 80.0 / 147.0, 76.0)]
        {
            let drawn = run(&Resampler::new(source, coded), -60..60, |n| if n == 0 { 1.0 } else { 0.0 });
            for (n, sample) in (-60..60).zip(drawn) {
                let t = f64::from(n) * f64::from(source) / f64::from(coded);
                let want = if t.abs() < half { defined(t, cutoff, half) } else { 0.0 };
                assert!((f64::from(sample) - want).abs() < 1e-6, "{source} at {t}: {sample} for {want}");
            }
        }
    }

    /// FNV-1a over the bits of real output. If it changes, the bytes of every resampled rendition do, and
    /// `FORMAT_VERSION` must.
    #[test]
    fn the_bits_are_pinned() {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for (source, coded) in PAIRS {
            for bits in bits(&run(&Resampler::new(source, coded), -500..1500, noise)) {
                digest = (digest ^ u64::from(bits)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        assert_eq!(digest, 0xbc86_b892_b1fd_d63d, "{digest:#018x}");
    }
}
