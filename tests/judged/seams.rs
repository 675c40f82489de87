//! Where segments meet, nothing is to be heard of it.
//!
//! Minutes of sound as they are served, each segment by an encoder of its own, are held against the same
//! minutes out of one encoder that ran through. Both are decoded and cut into windows of a packet, and of
//! each window two things are taken:
//!
//! * its **level**, that of all there is: a click or a gap would change it;
//! * its **noise**, the level of what is there and not in the source (times the encoding's gain): what the
//!   encoder got wrong.
//!
//! Around every single seam the level must be the same within 0.1 dB. The noise of a single window is a
//! matter of luck, as two encodings that are equally good err differently; but over all the seams luck evens
//! out, and so the noise at each place beside a seam, summed over all of them, may be no more than 0.1 dB
//! above that of the encoder that ran through. A single seam that is much noisier is excluded on its own.
//! (In Opus 0.5 dB: a segment's first packet does without what the ones before would tell, for which see
//! docs/design.md.)
//!
//! Speech in Opus is another matter. Its coder builds on what the decoder heard last, which behind a seam is
//! another encoder's; so the first 80 ms of a segment are up to 0.6 dB noisier (20 dB below the speech), and
//! as two such encoders never fall into step again, luck is larger everywhere: in the middle of segments the
//! level differs as much as at seams. It has bounds of its own for a single seam; over all seams the level at
//! each place is held to the same 0.1 dB.

use std::fs;
use std::ops::Range;
use std::process::Command;

use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::{Cut, Page, PcmSpec, Sound, Tags};

use crate::judge::{self, Desk, Heard, says};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "an_mp3_is_at_its_seams_what_it_is_elsewhere", judges: &["ffmpeg", "lame"], test: mp3 },
    Judged { name: "an_opus_is_at_its_seams_what_it_is_elsewhere", judges: &["ffmpeg"], test: opus },
    Judged {
        name: "speech_in_opus_is_at_its_seams_what_it_is_elsewhere",
        judges: &["ffmpeg", "sox"],
        test: speech,
    },
];

/// In dB, of noise around a single seam: twice.
const LUCK: f64 = 3.0;
/// Windows before and behind a seam. From some thirty on both encodings are bit for bit the same.
const AROUND: Range<isize> = -4..12;

/// Where a format's seams are, in heard frames.
#[derive(Debug, Clone, Copy)]
struct Seams {
    packet: usize,
    segment: usize,
    /// Frames by which a packet is heard before its place, once the decoder's delay is cut off.
    early: usize,
    /// In dB, the most that may be between the two: of the level of a single window,
    window: f64,
    /// of the level around a seam,
    level: f64,
    /// and, on the side of noisier, of all the noise at a place beside the seams.
    noise: f64,
}

/// In dB, the most that may be between the two of the level at a place beside the seams, over all of them.
const LEVEL: f64 = 0.1;

const MP3: Seams = Seams { packet: 1152, segment: 98, early: 1105, window: 0.1, level: 0.1, noise: 0.1 };
/// Opus codes the energy of a band in steps, and may round it differently: windows differ by up to half a dB
/// between any two of its encodings, as they do from `opusenc` far from seams.
const OPUS: Seams = Seams { packet: 960, segment: 100, early: 312, window: 1.0, level: 0.1, noise: 0.5 };
const SPEECH: Seams = Seams { window: 3.0, level: 0.2, noise: 0.6, ..OPUS };

impl Seams {
    /// The frames at which seams are heard in so many.
    fn frames(self, frames: usize) -> Vec<usize> {
        let seam = self.packet * self.segment;
        (1..).map(|number| number * seam - self.early).take_while(|frame| frame + seam < frames).collect()
    }

    /// The window at a place beside a seam.
    fn window(self, seam: usize, place: isize) -> Range<usize> {
        let start = seam.strict_add_signed(place * self.packet.cast_signed());
        start..start + self.packet
    }
}

/// An encoding beside its source.
struct Encoding<'a> {
    heard: Heard,
    source: &'a Heard,
    gain: f64,
}

/// Two sums of squares.
#[derive(Debug, Clone, Copy, Default)]
struct Power {
    level: f64,
    noise: f64,
}

impl std::ops::AddAssign for Power {
    fn add_assign(&mut self, other: Self) {
        self.level += other.level;
        self.noise += other.noise;
    }
}

impl<'a> Encoding<'a> {
    fn new(heard: Heard, source: &'a Heard) -> Self {
        assert_eq!((heard.rate, heard.frames()), (source.rate, source.frames()));
        let pairs = || heard.planes.iter().flatten().zip(source.planes.iter().flatten());
        let both: f64 = pairs().map(|(h, s)| f64::from(h * s)).sum();
        let gain = both / pairs().map(|(_, s)| f64::from(s * s)).sum::<f64>();
        Self { heard, source, gain }
    }

    fn power(&self, window: &Range<usize>) -> Power {
        let mut power = Power::default();
        for (heard, source) in self.heard.planes.iter().zip(&self.source.planes) {
            for (&h, &s) in heard[window.clone()].iter().zip(&source[window.clone()]) {
                let noise = f64::from(h) - self.gain * f64::from(s);
                power += Power { level: f64::from(h * h), noise: noise * noise };
            }
        }
        power
    }
}

fn db(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// Holds an encoding against another with as many seams as there are.
fn assert_seamless(seams: Seams, ours: &Encoding<'_>, through: &Encoding<'_>) {
    let all = seams.frames(ours.heard.frames());
    assert!(all.len() > 40, "only {} seams", all.len());
    let mut places = vec![(Power::default(), Power::default()); AROUND.len()];
    let mut worst = (0.0f64, f64::MIN);
    for &seam in &all {
        let mut here = (Power::default(), Power::default());
        for (place, sum) in AROUND.zip(&mut places) {
            let window = seams.window(seam, place);
            let (us, them) = (ours.power(&window), through.power(&window));
            let level = db(us.level / them.level);
            assert!(level.abs() < seams.window, "window {place} at {seam}: level {level:+.3} dB");
            for (sum, power) in [(&mut here.0, us), (&mut here.1, them), (&mut sum.0, us), (&mut sum.1, them)]
            {
                *sum += power;
            }
        }
        let (level, noise) = (db(here.0.level / here.1.level), db(here.0.noise / here.1.noise));
        worst = (worst.0.max(level.abs()), worst.1.max(noise));
        assert!(level.abs() < seams.level, "seam at {seam}: level {level:+.3} dB");
        assert!(noise < LUCK, "seam at {seam}: noise {noise:+.3} dB");
    }
    let noise: Vec<f64> = places.iter().map(|(us, them)| db(us.noise / them.noise)).collect();
    let level: Vec<f64> = places.iter().map(|(us, them)| db(us.level / them.level)).collect();
    // What docs/design.md says about prerolls is from these lines, with other lengths in the codecs.
    println!("{seams:?}: {} seams, level {:.3} dB, noise {:+.2} dB at most", all.len(), worst.0, worst.1);
    println!("noise at each place from {}: {noise:+.3?} dB", AROUND.start);
    println!("level at each place: {level:+.3?} dB");
    for (place, (noise, level)) in AROUND.zip(noise.into_iter().zip(level)) {
        assert!(level.abs() < LEVEL, "place {place} at {} seams: level {level:+.3} dB", all.len());
        assert!(noise < seams.noise, "place {place} at {} seams: noise {noise:+.3} dB", all.len());
    }
}

/// A recording as it is served, decoded.
fn served(desk: &Desk, format: &str, pcm: &str, bytes: &[u8]) -> Heard {
    let root = Root::new();
    root.finished("show", pcm, bytes);
    let reply = wait(async {
        let server = Running::start(&root).await;
        let reply = server.get(&format!("/audio/show.{format}")).await;
        assert_eq!(server.panics(), 0);
        reply
    });
    judge::ffmpeg(&[desk.put(&format!("served.{format}"), &reply.body)]).remove(0)
}

/// LAME's own program, with the settings that the README promises.
fn lame_through(desk: &Desk, pcm: &[u8]) -> Heard {
    let (input, output) = (desk.put("show.pcm", pcm), desk.path("through.mp3"));
    let mut lame = Command::new("lame");
    lame.args(["--quiet", "-r", "-s", "48", "--bitwidth", "16", "--signed", "--little-endian"]);
    says(lame.args(["-m", "j", "-b", "128", "-q", "5", "--nores"]).arg(input).arg(&output));
    judge::ffmpeg(&[output]).remove(0)
}

/// One encoder that is fed everything, its packets in pages as a client would get them. (Not `opusenc`: its
/// libopus is another version, and two of those differ by more than a seam may.)
fn opus_through(desk: &Desk, pcm: &str, bytes: &[u8]) -> Heard {
    let spec: PcmSpec = pcm.parse().unwrap();
    let codec = Format::Opus.codec(spec, Parameters::default()).unwrap();
    let (grid, cut) = (codec.grid(), Cut::new(codec.grid(), 0));
    let frames = spec.frames_in(bytes.len() as u64);
    let fed = cut.packets(frames) * grid.packet_frames;
    let mut source = bytes.to_vec();
    source.resize(fed as usize * spec.frame_bytes(), 0);
    let mut packets = Vec::new();
    let sound = Sound { feed: codec.feed(), source: &source, coded: 0..fed.cast_signed() };
    codec.encoder(0).unwrap().encode(sound, &mut packets).unwrap();

    let mut file = codec.header(&cut, Some(frames), &Tags::default());
    let pages = packets.chunks(10 * grid.sizes.base as usize);
    let last_page = pages.len() - 1;
    for (number, packets) in pages.enumerate() {
        let last = (number == last_page).then_some(frames);
        codec.page(&Page { cut: &cut, number: number as u64, packets, last }, &mut file);
    }
    judge::ffmpeg(&[desk.put("through.opus", &file)]).remove(0)
}

const MINUTES: usize = 10;
const FRAMES: usize = MINUTES * 60 * 48_000;

fn mp3() {
    let desk = Desk::new();
    for pcm in [sound::piece(0, FRAMES), sound::collage(FRAMES, 1)] {
        let source = Heard::of_s16le(48_000, 2, &pcm);
        let ours = served(&desk, "mp3", "s16le:48000:2", &pcm);
        let through = lame_through(&desk, &pcm);
        assert_seamless(MP3, &Encoding::new(ours, &source), &Encoding::new(through, &source));
    }
}

fn opus() {
    let desk = Desk::new();
    for pcm in [sound::piece(0, FRAMES), sound::collage(FRAMES, 1)] {
        let source = Heard::of_s16le(48_000, 2, &pcm);
        let ours = served(&desk, "opus", "s16le:48000:2", &pcm);
        let through = opus_through(&desk, "s16le:48000:2", &pcm);
        assert_seamless(OPUS, &Encoding::new(ours, &source), &Encoding::new(through, &source));
    }
}

/// The same sentence over and over: it is not a whole number of segments, so that the seams are in other
/// syllables each time.
fn speech() {
    let desk = Desk::new();
    let sentence = fs::read("fixtures/speech-16k-mono.pcm").unwrap();
    let pcm = sentence.repeat(28);
    let mut source = Heard::of_s16le(16_000, 1, &pcm);
    source.rate = 48_000;
    source.planes = vec![judge::sox_rate(&desk, &source.planes[0], 16_000, 48_000)];
    let ours = served(&desk, "opus", "s16le:16000:1", &pcm);
    let through = opus_through(&desk, "s16le:16000:1", &pcm);
    assert_seamless(SPEECH, &Encoding::new(ours, &source), &Encoding::new(through, &source));
}
