//! The programs that judge, and the folder in which they are given files.
//!
//! Files and not pipes: ffmpeg cuts the end of an MP3 to the sample only where it can see the file's length.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::TrackType;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::MediaSourceStream;
use tempfile::TempDir;

/// Sound as a judge heard it: one `Vec` of samples per channel.
#[derive(Debug, Clone)]
pub struct Heard {
    pub rate: u32,
    pub planes: Vec<Vec<f32>>,
}

impl Heard {
    pub fn frames(&self) -> usize {
        self.planes.first().map_or(0, Vec::len)
    }

    /// What is to be heard of s16le bytes.
    pub fn of_s16le(rate: u32, channels: usize, bytes: &[u8]) -> Self {
        let samples = bytes.as_chunks().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0);
        Self::interleaved(rate, channels, &samples.collect::<Vec<_>>())
    }

    fn interleaved(rate: u32, channels: usize, samples: &[f32]) -> Self {
        let plane = |channel| samples.iter().skip(channel).step_by(channels).copied().collect();
        Self { rate, planes: (0..channels).map(plane).collect() }
    }
}

/// A folder for what is judged. It goes away with the test.
pub struct Desk {
    dir: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Runs a program, which must succeed, and gives all that it says.
pub fn says(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Decodes files, at the rate and with the channels that ffmpeg finds in them. It must have nothing to say.
///
/// It is told what the files are, as it would be by `Content-Type`: an MP3 of less than seven packets it may
/// take for a film.
pub fn ffmpeg(files: &[PathBuf]) -> Vec<Heard> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]);
    for file in files {
        let format =
            if file.extension().unwrap() == "opus" { "ogg".as_ref() } else { file.extension().unwrap() };
        command.arg("-f").arg(format).arg("-i").arg(file);
    }
    let outputs: Vec<PathBuf> = files.iter().map(|file| with_suffix(file, "ffmpeg.au")).collect();
    for (number, output) in outputs.iter().enumerate() {
        command.args(["-map", &format!("{number}:a"), "-c:a", "pcm_f32be"]).arg(output);
    }
    assert_eq!(says(&mut command), "", "{command:?}");
    outputs.iter().map(|output| read_au(output)).collect()
}

/// Decodes an MP3 by the decoder of the same name, gaplessly as is its default.
pub fn mpg123(file: &Path) -> Heard {
    let output = with_suffix(file, "mpg123.au");
    says(Command::new("mpg123").args(["-q", "-e", "s16", "--au"]).arg(&output).arg(file));
    read_au(&output)
}

/// Decodes Opus by the decoder of those who made it.
pub fn opusdec(file: &Path, channels: usize) -> Heard {
    let output = with_suffix(file, "opusdec.raw");
    says(Command::new("opusdec").args(["--quiet", "--float", "--rate", "48000"]).arg(file).arg(&output));
    Heard::interleaved(48_000, channels, &read_f32(&output))
}

/// Decodes MP3 or WAV by a decoder written in Rust, which has nothing in common with LAME or ffmpeg.
pub fn symphonia(file: &Path) -> Heard {
    let source = MediaSourceStream::new(Box::new(File::open(file).unwrap()), Default::default());
    let probe = symphonia::default::get_probe();
    let mut reader = probe.probe(&Hint::new(), source, Default::default(), Default::default()).unwrap();
    let track = reader.default_track(TrackType::Audio).unwrap();
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
    let codecs = symphonia::default::get_codecs();
    let mut decoder = codecs.make_audio_decoder(&parameters, &AudioDecoderOptions::default()).unwrap();
    let mut heard = Heard { rate: parameters.sample_rate.unwrap(), planes: Vec::new() };
    let mut packet_planes: Vec<Vec<f32>> = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        decoder.decode(&packet).unwrap().copy_to_vecs_planar(&mut packet_planes);
        heard.planes.resize_with(packet_planes.len(), Vec::new);
        heard.planes.iter_mut().zip(&packet_planes).for_each(|(all, new)| all.extend(new));
    }
    heard
}

/// One channel at another rate by SoX's very high quality resampler, without dither.
pub fn sox_rate(desk: &Desk, samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (input, output) = (desk.path("sox-in.f32"), desk.path("sox-out.f32"));
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    fs::write(&input, bytes).unwrap();
    let mut sox = Command::new("sox");
    sox.args(["-D", "-V1", "-t", "raw", "-e", "float", "-b", "32", "-c", "1", "-r"]).arg(from.to_string());
    sox.arg(input).args(["-t", "raw", "-e", "float", "-b", "32"]).arg(&output);
    says(sox.args(["rate", "-v"]).arg(to.to_string()));
    read_f32(&output)
}

fn read_f32(path: &Path) -> Vec<f32> {
    fs::read(path).unwrap().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Reads Sun's format, the simplest that says its rate and channels: six big endian words, then samples.
pub fn read_au(path: &Path) -> Heard {
    let bytes = fs::read(path).unwrap();
    let word = |at: usize| u32::from_be_bytes(bytes[at * 4..at * 4 + 4].try_into().unwrap());
    assert_eq!(&bytes[..4], b".snd");
    let sound = &bytes[word(1) as usize..];
    let samples: Vec<f32> = match word(3) {
        3 => sound.as_chunks().0.iter().map(|b| f32::from(i16::from_be_bytes(*b)) / 32_768.0).collect(),
        6 => sound.as_chunks().0.iter().copied().map(f32::from_be_bytes).collect(),
        other => panic!("unexpected encoding {other}"),
    };
    Heard::interleaved(word(4), word(5) as usize, &samples)
}
