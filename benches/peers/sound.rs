//! The sound that all programs get: the demo's piece, played a little slower, as 44.1 kHz stereo of 16 bits.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tailcast::demo::piece;
use tailcast_codecs::PcmSpec;

pub const RATE: u32 = 44_100;
pub const FRAME_BYTES: u64 = 4;
/// What ffmpeg has to be told of it.
pub const FFMPEG_INPUT: [&str; 6] = ["-f", "s16le", "-ar", "44100", "-ac", "2"];
/// What a sidecar says of it.
pub const PCM: &str = "s16le:44100:2";

pub fn spec() -> PcmSpec {
    PCM.parse().unwrap()
}

/// The frames from `first` on.
pub fn frames(first: u64, count: u64) -> Vec<u8> {
    let mut pcm = Vec::new();
    piece::render(first, usize::try_from(count).unwrap(), &mut pcm);
    pcm
}

pub fn frames_in(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(RATE) / 1_000_000_000).unwrap()
}

/// The recording that is coded whole: `show`, of so many minutes.
pub fn write_show(root: &Path, minutes: u64) {
    let mut file = create(root, "show");
    for second in 0..minutes * 60 {
        file.write_all(&frames(second * u64::from(RATE), RATE.into())).unwrap();
    }
}

/// Seconds of sound at each place of a recording that is a hole elsewhere.
const AROUND: u64 = 100;

/// A recording of so many seconds with sound only at some of them, from a little before each.
pub fn write_sparse(root: &Path, name: &str, seconds: u64, places: impl Iterator<Item = u64>) {
    let file = create(root, name);
    let rate = u64::from(RATE);
    for place in places {
        let start = place.saturating_sub(10);
        let end = (place + AROUND).min(seconds);
        file.write_all_at(&frames(start * rate, (end - start) * rate), start * rate * FRAME_BYTES).unwrap();
    }
    file.set_len(seconds * rate * FRAME_BYTES).unwrap();
}

/// A recording's file, with a sidecar that says it has ended.
fn create(root: &Path, name: &str) -> File {
    fs::write(root.join(format!("{name}.toml")), format!("pcm = '{PCM}'\nended = true\n")).unwrap();
    File::create(root.join(format!("{name}.pcm"))).unwrap()
}
