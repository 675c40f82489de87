//! Files that ffmpeg makes, once for all tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use crate::support::{Root, sound};

/// Frames of what they are made of, at 44.1 kHz: four chunks, and no round number of anything.
pub const FRAMES: usize = 44_100 * 33 + 1234;
pub const CHUNK: usize = 44_100 * 10;

/// A file, and how ffmpeg is to make it.
pub struct Kind {
    pub file: &'static str,
    arguments: &'static [&'static str],
    pub lossless: bool,
}

const fn lossless(file: &'static str, arguments: &'static [&'static str]) -> Kind {
    Kind { file, arguments, lossless: true }
}

const fn lossy(file: &'static str, arguments: &'static [&'static str]) -> Kind {
    Kind { file, arguments, lossless: false }
}

pub const KINDS: [Kind; 10] = [
    lossless("f.flac", &["-c:a", "flac"]),
    lossless("alac.m4a", &["-c:a", "alac"]),
    lossless("u.FLAC", &["-c:a", "flac", "-compression_level", "0", "-f", "flac"]),
    lossy("cbr.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
    lossy("noxing.mp3", &["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0"]),
    lossy("vbr.mp3", &["-c:a", "libmp3lame", "-q:a", "5"]),
    lossy("v.ogg", &["-c:a", "libvorbis", "-q:a", "4"]),
    lossy("w.oga", &["-c:a", "libvorbis", "-q:a", "9", "-f", "ogg"]),
    lossy("o.opus", &["-c:a", "libopus", "-b:a", "128k", "-ar", "48000"]),
    // Without bands of noise, which each decoder makes for itself.
    lossy("aac.m4a", &["-c:a", "aac", "-b:a", "160k", "-aac_pns", "0"]),
];

/// Those of which a test that takes its time looks at one of a kind.
pub const ONE_OF_EACH: [&str; 5] = ["f.flac", "alac.m4a", "vbr.mp3", "v.ogg", "aac.m4a"];

static MADE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coded files");
    fs::create_dir_all(&folder).unwrap();
    let original = folder.join("original.pcm");
    fs::write(&original, original_pcm()).unwrap();
    for kind in &KINDS {
        let input = ["-f", "s16le", "-ar", "44100", "-ac", "2", "-i"];
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(input).arg(&original);
        command.args(kind.arguments).arg(folder.join(kind.file));
        assert!(command.status().unwrap().success(), "{}", kind.file);
    }
    folder
});

/// What they are made of.
pub fn original_pcm() -> Vec<u8> {
    sound::noise(FRAMES, 2, 17)
}

/// A file that was made.
pub fn bytes(file: &str) -> Vec<u8> {
    fs::read(MADE.join(file)).unwrap()
}

/// A folder with some of them that have been there for long.
pub fn folder(files: &[&str]) -> Root {
    let root = Root::new();
    files.iter().for_each(|file| put(&root, file, &bytes(file)));
    root
}

/// Puts a file into a folder that was last written to an hour ago.
pub fn put(root: &Root, file: &str, bytes: &[u8]) {
    root.write(file, bytes);
    root.touch(file, SystemTime::now() - Duration::from_secs(3600));
}

pub fn all() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.file).collect()
}

/// The name of a file's recording.
pub fn name(file: &str) -> &str {
    file.split_once('.').unwrap().0
}

/// What ffmpeg decodes of a file: s16le stereo.
pub fn by_ffmpeg(path: &Path) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args(["-f", "s16le", "-"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// Bytes of the header of a WAV file as it is served.
pub const HEADER: usize = 80;

/// The PCM of such a file.
pub fn pcm_of(wav: &[u8]) -> &[u8] {
    assert_eq!(&wav[HEADER - 8..HEADER - 4], b"data");
    &wav[HEADER..]
}

/// How far two stretches of sound are from each other: the most, and the root of the mean square.
pub fn distance(a: &[u8], b: &[u8]) -> (u32, f64) {
    let differences: Vec<u32> = samples(a).zip(samples(b)).map(|(a, b)| a.abs_diff(b)).collect();
    let most = differences.iter().copied().max().unwrap_or_default();
    let squares: f64 = differences.iter().map(|difference| f64::from(*difference).powi(2)).sum();
    (most, (squares / differences.len().max(1) as f64).sqrt())
}

fn samples(bytes: &[u8]) -> impl Iterator<Item = i32> + '_ {
    bytes.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes).into())
}
