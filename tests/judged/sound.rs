//! A clip is the sound that was asked for: from the very sample, to the very sample, in every format.
//!
//! What is decoded is held against the source, or where the rate was changed, against the source as SoX
//! resamples it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::judge::{self, Desk, Heard};
use crate::place::{Alike, assert_in_place};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "clips_of_a_wav_are_the_very_samples", judges: &["ffmpeg"], test: wav },
    Judged {
        name: "clips_of_an_mp3_start_and_end_on_the_exact_sample",
        judges: &["ffmpeg", "mpg123"],
        test: mp3,
    },
    Judged {
        name: "clips_of_an_opus_start_and_end_on_the_exact_sample",
        judges: &["ffmpeg", "opusdec"],
        test: opus,
    },
    Judged {
        name: "clips_that_are_resampled_start_and_end_on_the_exact_sample",
        judges: &["ffmpeg", "mpg123", "opusdec", "sox"],
        test: resampled,
    },
    Judged {
        name: "clips_at_every_other_rate_start_and_end_on_the_exact_sample",
        judges: &["ffmpeg", "mpg123", "opusdec", "sox"],
        test: other_rates,
    },
    Judged {
        name: "recordings_shorter_than_a_packet_are_heard_to_their_last_sample",
        judges: &["ffmpeg", "mpg123", "opusdec"],
        test: tiny,
    },
    Judged {
        name: "recorded_sound_starts_and_ends_on_the_exact_sample",
        judges: &["ffmpeg", "mpg123", "opusdec", "sox"],
        test: recorded,
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Wav,
    Mp3,
    Opus,
}
use Format::{Mp3, Opus, Wav};

impl Format {
    fn name(self) -> &'static str {
        match self {
            Wav => "wav",
            Mp3 => "mp3",
            Opus => "opus",
        }
    }
}

/// A kind of recording in a format, and what is known of that. The figures are written down here once more,
/// and not taken from the code, because they are what is tested.
#[derive(Debug, Clone, Copy)]
struct Kind {
    format: Format,
    rate: u32,
    channels: usize,
    /// `None` is the default.
    kbps: Option<u32>,
}

impl Kind {
    fn new(format: Format, rate: u32, channels: usize) -> Self {
        Self { format, rate, channels, kbps: None }
    }

    /// The rate at which it is decoded.
    fn heard_rate(self) -> u32 {
        match self.format {
            Wav => self.rate,
            Mp3 => self.rate.min(48_000),
            Opus => 48_000,
        }
    }

    /// Frames of a packet and packets of a segment, as heard.
    fn packet(self) -> (usize, usize) {
        match self.format {
            Wav => (1, 131_072 / (2 * self.channels)),
            Mp3 if self.heard_rate() < 32_000 => (576, 98),
            Mp3 => (1152, 98),
            Opus => (960, 100),
        }
    }

    /// Frames by which a decoder lags behind the packets.
    fn delay(self) -> usize {
        match self.format {
            Wav => 0,
            Mp3 => 576 + 529,
            Opus => 312,
        }
    }

    /// Whether it is coded in Opus's speech mode. Of that what is promised is the frame of the recording, not
    /// that of the 48 kHz at which it is decoded.
    fn is_speech(self) -> bool {
        let low = self.kbps.is_none_or(|kbps| kbps <= 64);
        self.format == Opus && low && self.channels == 1 && matches!(self.rate, 8_000 | 12_000 | 16_000)
    }

    /// The frame of the source that is heard at a frame.
    fn source(self, heard: usize) -> usize {
        nearest(heard, self.heard_rate(), self.rate)
    }
}

/// A frame at a rate as a frame at another, to the nearest (the later of two).
fn nearest(frame: usize, from: u32, to: u32) -> usize {
    let (from, to) = (from as usize, to as usize);
    (frame * to * 2 + from) / (from * 2)
}

/// A part of a recording, in source frames.
#[derive(Debug, Clone, Copy)]
struct Clip {
    start: Option<usize>,
    frames: Option<usize>,
}

impl Clip {
    const WHOLE: Self = Self { start: None, frames: None };

    fn new(start: usize, frames: usize) -> Self {
        Self { start: Some(start), frames: Some(frames) }
    }

    fn from(start: usize) -> Self {
        Self { start: Some(start), frames: None }
    }

    fn query(self, kind: Kind) -> String {
        let part = |name: &str, frames: Option<usize>| {
            frames
                .map(|frames| format!("&{name}={:.9}", frames as f64 / f64::from(kind.rate)))
                .unwrap_or_default()
        };
        let bitrate = kind.kbps.map(|kbps| format!("&bitrate={kbps}")).unwrap_or_default();
        format!("?{}{}{bitrate}", part("pos", self.start), part("duration", self.frames))
    }

    /// What must be heard of it at a rate: from which frame of the recording, and how many.
    fn heard(self, from: u32, to: u32, recorded: usize) -> (usize, usize) {
        let start = nearest(self.start.unwrap_or(0), from, to);
        let rest = nearest(recorded, from, to) - start;
        (start, self.frames.map_or(rest, |frames| nearest(frames, from, to).min(rest)))
    }
}

/// The places on the grid at which something could go wrong, by a frame or by a packet.
fn clips(kind: Kind, recorded: usize) -> Vec<Clip> {
    let (packet, segment) = kind.packet();
    let seam = packet * segment;
    let half_second = kind.rate as usize / 2;
    let at = |heard: usize, frames: usize| Clip::new(kind.source(heard), frames);
    vec![
        Clip::WHOLE,
        Clip::new(0, half_second),
        // In the middle of a packet, at its border, before it.
        at(7 * packet + packet / 2, half_second),
        at(20 * packet, half_second + 1),
        at(21 * packet - 1, 12_345),
        // At a seam of the packets, before it, and at the same seam as it is heard.
        at(seam, half_second),
        at(seam - 1, half_second - 1),
        at(seam - kind.delay(), half_second),
        // Across one.
        at(seam - packet / 3 - 4000, 9001),
        // To the end, just so, beyond it, and nearly nothing.
        Clip::from(kind.source(seam + packet / 5)),
        Clip::new(recorded - half_second, half_second),
        Clip::new(recorded - 5000, half_second),
        Clip::from(recorded - 1000),
    ]
}

/// A recording and what it sounds like at the rates at which it is decoded.
struct Show {
    kind: Kind,
    root: Root,
    recorded: usize,
    sounds: Vec<Heard>,
}

impl Show {
    /// A finished one of interleaved s16le.
    fn new(desk: &Desk, kind: Kind, pcm: &[u8]) -> Self {
        let root = Root::new();
        root.finished("show", &format!("s16le:{}:{}", kind.rate, kind.channels), pcm);
        let source = Heard::of_s16le(kind.rate, kind.channels, pcm);
        let mut sounds = vec![source.clone()];
        if kind.heard_rate() != kind.rate {
            let resample = |plane: &Vec<f32>| judge::sox_rate(desk, plane, kind.rate, kind.heard_rate());
            sounds.push(Heard {
                rate: kind.heard_rate(),
                planes: source.planes.iter().map(resample).collect(),
            });
        }
        Self { kind, root, recorded: source.frames(), sounds }
    }

    /// Has clips of it served, into files.
    fn serve(&self, desk: &Desk, clips: &[Clip]) -> Vec<PathBuf> {
        let format = self.kind.format.name();
        wait(async {
            let server = Running::start(&self.root).await;
            let mut files = Vec::new();
            for (number, clip) in clips.iter().enumerate() {
                let path = format!("/audio/show.{format}{}", clip.query(self.kind));
                let reply = server.get(&path).await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                files.push(desk.put(&format!("{number}.{format}"), &reply.body));
            }
            assert_eq!(server.panics(), 0);
            files
        })
    }

    fn check(&self, judge: &str, clip: Clip, heard: &Heard, alike: Alike) {
        let kind = self.kind;
        let what = format!("{judge}: {kind:?} {clip:?}");
        let (start, len) = clip.heard(kind.rate, heard.rate, self.recorded);
        assert_eq!((heard.frames(), heard.planes.len()), (len, kind.channels), "{what}: frames, channels");
        let sound = self.sounds.iter().find(|sound| sound.rate == heard.rate);
        let sound = sound.unwrap_or_else(|| panic!("{what}: at {} Hz", heard.rate));
        let alike = self.alike(heard, alike);
        for (channel, (heard, sound)) in heard.planes.iter().zip(&sound.planes).enumerate() {
            let what = format!("{what}, channel {channel}");
            match kind.format {
                Wav => assert!(heard == &sound[start..start + len], "{what}: other samples"),
                _ if len < TOO_FEW => {}
                // In speech mode libopus's decoder gives everything 1.8 frames earlier than ffmpeg's.
                _ if kind.is_speech() && judge == "opusdec" => {}
                _ => assert_in_place(&what, heard, sound, start, alike),
            }
        }
    }

    fn alike(&self, heard: &Heard, alike: Alike) -> Alike {
        let frame = (heard.rate / self.kind.rate) as isize;
        if self.kind.is_speech() { Alike { off: 0.5, frame, ..alike } } else { alike }
    }

    /// By one decoder after another.
    fn judge(&self, desk: &Desk, clips: &[Clip], alike: Alike) {
        let files = self.serve(desk, clips);
        for ((heard, file), clip) in judge::ffmpeg(&files).iter().zip(&files).zip(clips) {
            if !self.ffmpeg_forgets(*clip) {
                self.check("ffmpeg", *clip, heard, alike);
            }
            for (judge, heard) in other_judges(self.kind, file) {
                self.check(judge, *clip, &heard, alike);
            }
        }
    }

    /// Where the sound begins and ends in one packet behind the first, ffmpeg 5.1 drops the packets before it
    /// and forgets that more is to be skipped, because of the end that is to be cut off. (README, Limits.)
    fn ffmpeg_forgets(&self, clip: Clip) -> bool {
        let (packet, _) = self.kind.packet();
        let (start, len) = clip.heard(self.kind.rate, self.kind.heard_rate(), self.recorded);
        let warm_up = match self.kind.format {
            Wav => return false,
            Mp3 => 0,
            Opus => 8,
        };
        let skip = self.kind.delay() + start - (start / packet).saturating_sub(warm_up) * packet;
        skip >= packet && skip / packet == (skip + len) / packet
    }
}

fn other_judges(kind: Kind, file: &Path) -> Vec<(&'static str, Heard)> {
    match kind.format {
        Wav => vec![("symphonia", judge::symphonia(file))],
        Mp3 => vec![("symphonia", judge::symphonia(file)), ("mpg123", judge::mpg123(file))],
        Opus => vec![("opusdec", judge::opusdec(file, kind.channels))],
    }
}

/// Frames that are too few to tell their place by: of so many only the number is looked at.
const TOO_FEW: usize = 100;

/// How much like noise its decoded self is at least. Stereo noise is the hardest that there is to code.
const NOISE: Alike = Alike { least: 0.8, off: 0.15, frame: 1, parts: true };
/// The same of what was recorded.
const RECORDED: Alike = Alike { least: 0.95, off: 0.3, frame: 1, parts: false };

/// Noise of a kind, long enough for two seams, in all the clips.
fn land(format: Format, rate: u32, channels: usize) {
    let (desk, kind) = (Desk::new(), Kind::new(format, rate, channels));
    let (packet, segment) = kind.packet();
    let recorded = kind.source(2 * packet * segment) + rate as usize + 77;
    let show = Show::new(&desk, kind, &sound::noise(recorded, channels, 3));
    show.judge(&desk, &clips(kind, recorded), NOISE);
}

fn wav() {
    for rate in [16_000, 44_100, 48_000, 96_000] {
        land(Wav, rate, 1);
        land(Wav, rate, 2);
    }
}

fn mp3() {
    for rate in [16_000, 44_100, 48_000] {
        land(Mp3, rate, 1);
        land(Mp3, rate, 2);
    }
}

fn opus() {
    land(Opus, 48_000, 1);
    land(Opus, 48_000, 2);
}

/// Opus takes 16 kHz as it is, but is always decoded at 48 kHz.
fn resampled() {
    for (format, rate) in [(Opus, 16_000), (Opus, 44_100), (Opus, 96_000), (Mp3, 96_000)] {
        land(format, rate, 1);
        land(format, rate, 2);
    }
}

/// Clips across and behind a seam.
fn land_roughly(kind: Kind) {
    let desk = Desk::new();
    let (packet, segment) = kind.packet();
    let seam = kind.source(packet * segment);
    let show = Show::new(&desk, kind, &sound::noise(seam + kind.rate as usize, kind.channels, 4));
    let clips = [Clip::WHOLE, Clip::new(seam - 2000, 4001), Clip::from(seam + 5)];
    show.judge(&desk, &clips, NOISE);
}

fn other_rates() {
    let rates = [8_000, 11_025, 12_000, 22_050, 24_000, 32_000];
    for (rate, channels) in rates.into_iter().zip([2, 1].into_iter().cycle()) {
        for format in [Wav, Mp3, Opus] {
            land_roughly(Kind::new(format, rate, channels));
        }
    }
    // Whether Opus's speech mode is used hangs on rate, channels and bit rate, and its delay on that.
    let speech = [
        (8_000, 24),
        (8_000, 32),
        (8_000, 64),
        (8_000, 96),
        (8_000, 192),
        (12_000, 24),
        (12_000, 64),
        (16_000, 64),
        (16_000, 96),
    ];
    for (rate, kbps) in speech {
        land_roughly(Kind { kbps: Some(kbps), ..Kind::new(Opus, rate, 1) });
    }
}

fn tiny() {
    for (format, rate) in [(Wav, 44_100), (Mp3, 44_100), (Mp3, 16_000), (Opus, 48_000)] {
        for (frames, channels) in [(1, 1), (1, 2), (2, 2), (100, 1), (100, 2), (500, 2), (959, 2), (1151, 1)]
        {
            let desk = Desk::new();
            let kind = Kind::new(format, rate, channels);
            let show = Show::new(&desk, kind, &sound::noise(frames, channels, 5));
            // Of the last frame alone as well.
            show.judge(&desk, &[Clip::WHOLE, Clip::from(frames - 1)], NOISE);
        }
    }
}

/// A reader in the kind of sound that most recordings are of, and an instrument.
fn recorded() {
    let fixture = |name: &str| fs::read(Path::new("fixtures").join(name)).unwrap();
    let speech = fixture("speech-16k-mono.pcm");
    let guitar = fixture("guitar-44k1-stereo.wav");
    let guitar = &guitar[guitar.len() - 264_600 * 4..];
    for format in [Wav, Mp3, Opus] {
        for (rate, channels, pcm) in [(16_000, 1, speech.as_slice()), (44_100, 2, guitar)] {
            let (desk, kind) = (Desk::new(), Kind::new(format, rate, channels));
            let show = Show::new(&desk, kind, pcm);
            // Where there is sound that a place can be told by: none of it in a pause.
            let clips = [Clip::WHOLE, Clip::new(rate as usize / 2 + 123, rate as usize)];
            show.judge(&desk, &clips, RECORDED);
        }
    }
}
