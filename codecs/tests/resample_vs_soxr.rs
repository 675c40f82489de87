//! The resampler against an independent judge: SoX's `rate -v`, from which soxr was made.
//!
//! Both are free of delay and their pass bands flat, so in the pass band they must agree sample by sample:
//! what one has and the other has not is an error of gain, of place, or an image.
//!
//! Without `sox` (Debian: `apt install sox`) the tests are ignored, and their names say so; with
//! `TAILCAST_REQUIRE_JUDGES` set they fail instead.

use std::f64::consts::PI;
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use tailcast_codecs::resample::Resampler;

/// Source and coded rate in Hz.
const PAIRS: [(u32, u32); 8] = [
    (44_100, 48_000),
    (96_000, 48_000),
    (22_050, 48_000),
    (8_000, 48_000),
    (192_000, 48_000),
    (88_200, 48_000),
    (37_123, 48_000),
    (48_000, 44_100),
];

/// The pass band ends at this part of the lower rate's Nyquist frequency: 20 kHz at 44.1 kHz.
const PASS: f64 = 0.907;

/// Full scale would leave SoX no room for the ripple of its filter.
const LEVEL: f64 = 0.5;

/// Seconds of source at the start and at the end in which a filter sees the signal begin or stop.
const EDGE: f64 = 0.1;

/// One channel of f32 at another rate by SoX, at its very high quality, without dither.
fn by_sox((source_rate, coded_rate): (u32, u32), source: &[f32]) -> io::Result<Vec<f32>> {
    let raw = "-t raw -e float -b 32 -L -c 1";
    let arguments = format!("-D -V1 {raw} -r {source_rate} - {raw} - rate -v {coded_rate}");
    let mut sox = Command::new("sox")
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let bytes: Vec<u8> = source.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    // SoX writes before it has read everything, so it must be fed from another thread.
    let feed = sox.stdin.take().map(|mut stdin| thread::spawn(move || stdin.write_all(&bytes)));
    let output = sox.wait_with_output()?;
    if let Some(Err(error)) = feed.and_then(|feed| feed.join().ok()) {
        return Err(error);
    }
    if !output.status.success() {
        return Err(io::Error::other(format!("sox ended with {}", output.status)));
    }
    Ok(output.stdout.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The same by the resampler under test, with silence around the source.
fn by_us((source_rate, coded_rate): (u32, u32), source: &[f32], frames: usize) -> Vec<f32> {
    let resampler = Resampler::new(source_rate, coded_rate);
    let coded = 0..i64::try_from(frames).unwrap_or(0);
    let at = |frame: i64| usize::try_from(frame).ok().and_then(|frame| source.get(frame)).copied();
    let window: Vec<f32> = resampler.window(coded.clone()).map(|frame| at(frame).unwrap_or(0.0)).collect();
    let mut out = Vec::new();
    assert_eq!(resampler.resample(coded, &window, &mut out), Ok(()));
    out
}

/// Our samples beside SoX's, but for the edges.
struct Outputs(Vec<(f64, f64)>);

impl Outputs {
    fn of(pair: (u32, u32), source: &[f32]) -> io::Result<Self> {
        let theirs = by_sox(pair, source)?;
        let ours = by_us(pair, source, theirs.len());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousands of frames"
        )]
        let edge = (EDGE * f64::from(pair.1)) as usize;
        let inner = theirs.len().saturating_sub(2 * edge);
        assert!(inner > edge, "sox made only {} frames", theirs.len());
        let both = ours.iter().zip(&theirs).skip(edge).take(inner);
        Ok(Self(both.map(|(&us, &them)| (f64::from(us), f64::from(them))).collect()))
    }

    /// Our level over SoX's, as a factor: the one that brings the two nearest to each other.
    fn gain(&self) -> f64 {
        let product: f64 = self.0.iter().map(|(us, them)| us * them).sum();
        product / self.0.iter().map(|(_, them)| them * them).sum::<f64>()
    }

    /// What is in one and not in the other when SoX's level is changed by `gain`, in dB of what went in.
    fn difference(&self, gain: f64) -> f64 {
        let power: f64 = self.0.iter().map(|(us, them)| (us - gain * them).powi(2)).sum();
        10.0 * (power / (self.0.len() as f64 * LEVEL * LEVEL / 2.0)).log10()
    }

    fn assert_the_same(&self, what: &str) {
        let gain = self.gain();
        let (level, difference) = (20.0 * gain.log10(), self.difference(gain));
        assert!(level.abs() < 0.1, "{what}: {level} dB over sox");
        assert!(difference < -90.0, "{what}: other than sox by {difference} dB");
    }
}

/// A second of a tone at a frequency in Hz.
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
fn tone(rate: u32, hz: f64) -> Vec<f32> {
    let sample = |frame: u32| LEVEL * (2.0 * PI * hz * f64::from(frame) / f64::from(rate)).sin();
    (0..rate).map(|frame| sample(frame) as f32).collect()
}

/// A second of a sweep from 20 Hz to `top`, each frequency as long as any other.
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is meant")]
fn sweep(rate: u32, top: f64) -> Vec<f32> {
    let turns = |seconds: f64| 20.0 * seconds + (top - 20.0) * seconds * seconds / 2.0;
    let sample = |frame: u32| LEVEL * (2.0 * PI * turns(f64::from(frame) / f64::from(rate))).sin();
    (0..rate).map(|frame| sample(frame) as f32).collect()
}

/// A frequency in Hz: a part of the Nyquist frequency of the lower rate.
fn part_of_nyquist((source_rate, coded_rate): (u32, u32), part: f64) -> f64 {
    part * f64::from(source_rate.min(coded_rate)) / 2.0
}

fn tones_in_the_pass_band_are_those_of_sox() -> io::Result<()> {
    for pair in PAIRS {
        for part in [0.01, 0.3, 0.6, 0.8, 0.88, PASS] {
            let source = tone(pair.0, part_of_nyquist(pair, part));
            Outputs::of(pair, &source)?.assert_the_same(&format!("{pair:?} at {part} of Nyquist"));
        }
    }
    Ok(())
}

fn a_sweep_through_the_pass_band_is_that_of_sox() -> io::Result<()> {
    for pair in PAIRS {
        let source = sweep(pair.0, part_of_nyquist(pair, PASS));
        Outputs::of(pair, &source)?.assert_the_same(&format!("{pair:?} sweep"));
    }
    Ok(())
}

fn of_tones_that_the_coded_rate_cannot_hold_no_more_is_left_than_by_sox() -> io::Result<()> {
    for pair in PAIRS.into_iter().filter(|(source, coded)| source > coded) {
        for hz in [1.0 / PASS, 1.2, 1.6].map(|part| part_of_nyquist(pair, part)) {
            if hz * 2.0 > f64::from(pair.0) {
                continue;
            }
            let alias = Outputs::of(pair, &tone(pair.0, hz))?.difference(1.0);
            assert!(alias < -90.0, "{pair:?}: {hz:.0} Hz leaves {alias} dB");
        }
    }
    Ok(())
}

type Test = fn() -> io::Result<()>;

fn trial(name: &str, test: Test, judge_is_here: bool) -> Trial {
    if judge_is_here {
        return Trial::test(name, move || test().map_err(Failed::from));
    }
    let required = std::env::var_os("TAILCAST_REQUIRE_JUDGES").is_some();
    let missing = || Err("sox must be installed for this test".into());
    Trial::test(format!("{name} [JUDGE MISSING: sox]"), missing).with_ignored_flag(!required)
}

fn main() -> ExitCode {
    const TESTS: [(&str, Test); 3] = [
        ("tones_in_the_pass_band_are_those_of_sox", tones_in_the_pass_band_are_those_of_sox),
        ("a_sweep_through_the_pass_band_is_that_of_sox", a_sweep_through_the_pass_band_is_that_of_sox),
        (
            "of_tones_that_the_coded_rate_cannot_hold_no_more_is_left_than_by_sox",
            of_tones_that_the_coded_rate_cannot_hold_no_more_is_left_than_by_sox,
        ),
    ];
    let here = Command::new("sox").arg("--version").output().is_ok_and(|output| output.status.success());
    let tests = TESTS.into_iter().map(|(name, test)| trial(name, test, here)).collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
