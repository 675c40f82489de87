//! What the bytes of a recording mean: sample formats, rates and channels, and the mix to fewer channels.
//!
//! Between a recording and an encoder samples are planar `f32` in `-1.0..=1.0`. An integer of `b` bits
//! becomes `value / 2^(b-1)`, which is exact up to 24 bits. Nothing here fuses a multiplication with an
//! addition, and sums are made in the order of the source's channels, so equal bytes give equal bits on
//! every CPU.

use std::f32::consts::FRAC_1_SQRT_2;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

use Endian::{Big, Little};
use SampleFormat::{F32, S16, S24, S24In32, S32, U8};

/// Frames a second that a recording may have.
pub const RATES: RangeInclusive<u32> = 8_000..=192_000;
/// Channels that a recording may have.
pub const CHANNELS: RangeInclusive<u16> = 1..=32;

/// What is wrong with the description of a recording, or with a stretch of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PcmError {
    /// No sample format has this name.
    #[error("unknown sample format `{0}` (allowed: {names})", names = SampleFormat::names())]
    Format(String),
    /// Too few or too many frames a second.
    #[error("sample rate {0} Hz (allowed: {min} to {max})", min = RATES.start(), max = RATES.end())]
    Rate(u32),
    /// Too few or too many channels.
    #[error("{0} channels (allowed: {min} to {max})", min = CHANNELS.start(), max = CHANNELS.end())]
    Channels(u16),
    /// A rate or a number of channels that is no number.
    #[error("`{0}` is not a whole number within reach")]
    Number(String),
    /// Not three parts.
    #[error("it is not FORMAT:RATE:CHANNELS, as in s16le:48000:2")]
    Parts,
    /// A [`PcmSpec`] that cannot be read.
    #[error("pcm `{text}`: {reason}")]
    Spec {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        reason: Box<PcmError>,
    },
    /// There is no mix from so many channels to so many.
    #[error("{from} channels cannot be mixed to {to} (allowed: 1, 2, {from})")]
    Mix {
        /// Channels of the recording.
        from: u16,
        /// Channels asked for.
        to: u16,
    },
    /// A stretch that ends inside a frame.
    #[error("{bytes} bytes are no whole number of frames of {frame_bytes} bytes")]
    PartialFrame {
        /// Length of the stretch.
        bytes: usize,
        /// Length of a frame.
        frame_bytes: usize,
    },
    /// Room for another number of channels than come out.
    #[error("room for {given} channels where {needed} come out")]
    Planes {
        /// Channels that there is room for.
        given: usize,
        /// Channels that come out.
        needed: usize,
    },
}

/// The order of a sample's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// How one sample of one channel is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Unsigned 8 bit, 128 is silence.
    U8,
    /// Signed 16 bit.
    S16(Endian),
    /// Signed 24 bit, packed in 3 bytes.
    S24(Endian),
    /// Signed 24 bit in the less significant bytes of 4, whatever the fourth holds: ALSA's `S24_LE`,
    /// PulseAudio's `s24-32le`. (24 bits in the *more* significant bytes are [`S32`](Self::S32).)
    S24In32(Endian),
    /// Signed 32 bit.
    S32(Endian),
    /// IEEE 754 single precision, full scale at 1.
    F32(Endian),
}

impl SampleFormat {
    /// Every format there is.
    pub const ALL: [Self; 11] = [
        U8,
        S16(Little),
        S16(Big),
        S24(Little),
        S24(Big),
        S24In32(Little),
        S24In32(Big),
        S32(Little),
        S32(Big),
        F32(Little),
        F32(Big),
    ];

    /// Bytes of one sample of one channel.
    pub fn bytes(self) -> usize {
        match self {
            U8 => 1,
            S16(_) => 2,
            S24(_) => 3,
            S24In32(_) | S32(_) | F32(_) => 4,
        }
    }

    /// The byte of which silence consists.
    pub fn silence(self) -> u8 {
        if self == U8 { 0x80 } else { 0 }
    }

    /// The name in command lines, URLs and [`PcmSpec`]s.
    pub fn name(self) -> &'static str {
        match self {
            U8 => "u8",
            S16(Little) => "s16le",
            S16(Big) => "s16be",
            S24(Little) => "s24le",
            S24(Big) => "s24be",
            S24In32(Little) => "s24-32le",
            S24In32(Big) => "s24-32be",
            S32(Little) => "s32le",
            S32(Big) => "s32be",
            F32(Little) => "f32le",
            F32(Big) => "f32be",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SampleFormat {
    type Err = PcmError;

    /// Takes a [`name`](Self::name) in any case, with `_` as good as `-`.
    fn from_str(text: &str) -> Result<Self, PcmError> {
        let name = text.to_ascii_lowercase().replace('_', "-");
        Self::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| PcmError::Format(text.to_owned()))
    }
}

/// What the bytes of a recording are: interleaved frames of `channels` samples each. Written as
/// `s16le:48000:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PcmSpec {
    /// How a sample is written.
    pub format: SampleFormat,
    /// Frames a second, within [`RATES`].
    pub rate: u32,
    /// Samples in a frame, within [`CHANNELS`].
    pub channels: u16,
}

impl PcmSpec {
    /// # Errors
    /// When `rate` (in Hz) is not within [`RATES`] or `channels` not within [`CHANNELS`].
    pub fn new(format: SampleFormat, rate: u32, channels: u16) -> Result<Self, PcmError> {
        if !RATES.contains(&rate) {
            return Err(PcmError::Rate(rate));
        }
        if !CHANNELS.contains(&channels) {
            return Err(PcmError::Channels(channels));
        }
        Ok(Self { format, rate, channels })
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> usize {
        self.format.bytes() * usize::from(self.channels)
    }

    /// Whole frames in so many bytes.
    pub fn frames_in(&self, bytes: u64) -> u64 {
        bytes / (self.frame_bytes() as u64).max(1)
    }
}

impl fmt::Display for PcmSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.format, self.rate, self.channels)
    }
}

impl FromStr for PcmSpec {
    type Err = PcmError;

    fn from_str(text: &str) -> Result<Self, PcmError> {
        parse_spec(text).map_err(|reason| PcmError::Spec { text: text.to_owned(), reason: reason.into() })
    }
}

fn parse_spec(text: &str) -> Result<PcmSpec, PcmError> {
    let parts: Vec<&str> = text.split(':').collect();
    let [format, rate, channels] = *parts.as_slice() else {
        return Err(PcmError::Parts);
    };
    PcmSpec::new(format.parse()?, number(rate)?, number(channels)?)
}

fn number<T: FromStr>(text: &str) -> Result<T, PcmError> {
    text.parse().map_err(|_| PcmError::Number(text.to_owned()))
}

/// A place that a channel is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    FrontLeft,
    FrontRight,
    FrontCentre,
    LowFrequency,
    BackLeft,
    BackRight,
    BackCentre,
    SideLeft,
    SideRight,
}

impl Speaker {
    /// Its bit in the channel mask of `WAVE_FORMAT_EXTENSIBLE`.
    fn mask(self) -> u32 {
        match self {
            Self::FrontLeft => 0x1,
            Self::FrontRight => 0x2,
            Self::FrontCentre => 0x4,
            Self::LowFrequency => 0x8,
            Self::BackLeft => 0x10,
            Self::BackRight => 0x20,
            Self::BackCentre => 0x100,
            Self::SideLeft => 0x200,
            Self::SideRight => 0x400,
        }
    }

    /// What it gives to left and right by ITU-R BS.775, before the sums are brought to 1. The back centre is
    /// a surround channel heard on both sides, so it takes the 0.7071 twice, as in ffmpeg.
    fn weights(self) -> [f32; 2] {
        match self {
            Self::FrontLeft => [1.0, 0.0],
            Self::FrontRight => [0.0, 1.0],
            Self::FrontCentre => [FRAC_1_SQRT_2; 2],
            Self::LowFrequency => [0.0; 2],
            Self::BackLeft | Self::SideLeft => [FRAC_1_SQRT_2, 0.0],
            Self::BackRight | Self::SideRight => [0.0, FRAC_1_SQRT_2],
            Self::BackCentre => [0.5; 2],
        }
    }
}

/// What so many channels are taken for. These are the layouts that ffmpeg assumes when it is told no other:
/// mono, stereo, 2.1, 4.0, 5.0, 5.1, 6.1, 7.1. Empty above 8: such recordings are microphones or stems.
fn layout(channels: u16) -> &'static [Speaker] {
    use Speaker::*;
    match channels {
        1 => &[FrontCentre],
        2 => &[FrontLeft, FrontRight],
        3 => &[FrontLeft, FrontRight, LowFrequency],
        4 => &[FrontLeft, FrontRight, FrontCentre, BackCentre],
        5 => &[FrontLeft, FrontRight, FrontCentre, BackLeft, BackRight],
        6 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackLeft, BackRight],
        7 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackCentre, SideLeft, SideRight],
        8 => &[FrontLeft, FrontRight, FrontCentre, LowFrequency, BackLeft, BackRight, SideLeft, SideRight],
        _ => &[],
    }
}

/// The loudspeakers that so many channels are taken for, as `WAVE_FORMAT_EXTENSIBLE` has them: a bit each.
/// 0 above 8 channels, which says "no loudspeaker in particular".
pub fn channel_mask(channels: u16) -> u32 {
    layout(channels).iter().map(|speaker| speaker.mask()).sum()
}

/// Takes the samples of a recording apart into channels, mixing them to fewer (or one to two).
///
/// - As many as there are: each as it is.
/// - 1 to 2: twice the same.
/// - Up to 8 to 2: by ITU-R BS.775 for ffmpeg's default layouts (2.1, 4.0, 5.0, 5.1, 6.1, 7.1), without the
///   low frequency channel, scaled so that full scale in every channel is full scale.
/// - More than 8 to 2: the mean of every other channel from the first on to the left, from the second on to
///   the right.
/// - To 1: the mean of the left and right above.
#[derive(Debug, Clone)]
pub struct Mixer {
    spec: PcmSpec,
    channels: u16,
    /// For each channel of the recording, in order, what it gives to each that comes out. `None` where they
    /// come out as they are.
    weights: Option<Vec<Vec<f32>>>,
}

impl Mixer {
    /// From recordings of `spec` to `channels` channels: 1, 2, or as many as there are.
    ///
    /// # Errors
    /// [`PcmError::Mix`] for any other number, and those of [`PcmSpec::new`] for a spec that did not come
    /// from there.
    pub fn new(spec: PcmSpec, channels: u16) -> Result<Self, PcmError> {
        let spec = PcmSpec::new(spec.format, spec.rate, spec.channels)?;
        let weights = match (spec.channels, channels) {
            (from, to) if from == to => None,
            (1, 2) => Some(vec![vec![1.0; 2]]),
            (from, 2) => Some(stereo_weights(from).iter().map(|w| w.to_vec()).collect()),
            (from, 1) => Some(stereo_weights(from).iter().map(|[l, r]| vec![0.5 * (l + r)]).collect()),
            (from, to) => return Err(PcmError::Mix { from, to }),
        };
        Ok(Self { spec, channels, weights })
    }

    /// Appends the frames in `bytes` (interleaved, of the recording's spec) to one `Vec` per channel, as
    /// samples in `-1.0..=1.0`. NaN and subnormal numbers become 0, what is beyond full scale becomes full
    /// scale: LAME aborts the process on the one, and encoders are slow on the other.
    ///
    /// # Errors
    /// When `bytes` ends inside a frame or `out` has another number of channels; `out` is then as it was.
    pub fn planar(&self, bytes: &[u8], out: &mut [Vec<f32>]) -> Result<(), PcmError> {
        self.check(bytes.len(), out.len())?;
        match &self.weights {
            Some(weights) => self.mix(weights, bytes, out),
            None => out.iter_mut().enumerate().for_each(|(channel, out)| self.decode(channel, bytes, out)),
        }
        Ok(())
    }

    fn mix(&self, weights: &[Vec<f32>], bytes: &[u8], out: &mut [Vec<f32>]) {
        let frames = bytes.len() / self.spec.frame_bytes();
        let starts: Vec<usize> = out.iter().map(Vec::len).collect();
        out.iter_mut().for_each(|out| out.resize(out.len() + frames, 0.0));
        let mut plane = Vec::with_capacity(frames);
        let heard = |weights: &[f32]| weights.iter().any(|weight| *weight != 0.0);
        for (channel, weights) in weights.iter().enumerate().filter(|(_, weights)| heard(weights)) {
            plane.clear();
            self.decode(channel, bytes, &mut plane);
            for ((out, start), weight) in out.iter_mut().zip(&starts).zip(weights) {
                add(&plane, *weight, out.get_mut(*start..).unwrap_or_default());
            }
        }
    }

    /// Appends the samples of one of the recording's channels.
    fn decode(&self, channel: usize, bytes: &[u8], out: &mut Vec<f32>) {
        decode(self.spec.format, self.spec.channels.into(), channel, bytes, out);
    }

    fn check(&self, bytes: usize, given: usize) -> Result<(), PcmError> {
        let (frame_bytes, needed) = (self.spec.frame_bytes(), usize::from(self.channels));
        if given != needed {
            return Err(PcmError::Planes { given, needed });
        }
        if !bytes.is_multiple_of(frame_bytes) {
            return Err(PcmError::PartialFrame { bytes, frame_bytes });
        }
        Ok(())
    }
}

/// For each of the recording's channels, what it gives to left and right; both sides sum to 1.
fn stereo_weights(channels: u16) -> Vec<[f32; 2]> {
    let alternate = [Speaker::FrontLeft, Speaker::FrontRight];
    let speakers = match layout(channels) {
        [] => alternate.into_iter().cycle().take(channels.into()).collect(),
        layout => layout.to_vec(),
    };
    let raw = || speakers.iter().map(|speaker| speaker.weights());
    let [left, right] = raw().fold([0.0f32; 2], |[l, r], [left, right]| [l + left, r + right]);
    raw().map(|[l, r]| [l / left, r / right]).collect()
}

/// Adds `weight` times `plane` to `sum`. Weights sum to 1, but what rounding makes of it may be a hair more.
fn add(plane: &[f32], weight: f32, sum: &mut [f32]) {
    for (sum, sample) in sum.iter_mut().zip(plane) {
        *sum = (*sum + weight * sample).clamp(-1.0, 1.0);
    }
}

/// Appends the samples of one channel.
fn decode(format: SampleFormat, channels: usize, channel: usize, bytes: &[u8], out: &mut Vec<f32>) {
    // One loop for each format, so that none decides anything for each sample. `a` is the least byte.
    match format {
        U8 => pick(bytes, channels, channel, out, |[a]| integer([0, 0, 0, a ^ 0x80])),
        S16(Little) => pick(bytes, channels, channel, out, |[a, b]| integer([0, 0, a, b])),
        S16(Big) => pick(bytes, channels, channel, out, |[b, a]| integer([0, 0, a, b])),
        S24(Little) => pick(bytes, channels, channel, out, |[a, b, c]| integer([0, a, b, c])),
        S24(Big) => pick(bytes, channels, channel, out, |[c, b, a]| integer([0, a, b, c])),
        S24In32(Little) => pick(bytes, channels, channel, out, |[a, b, c, _]| integer([0, a, b, c])),
        S24In32(Big) => pick(bytes, channels, channel, out, |[_, c, b, a]| integer([0, a, b, c])),
        S32(Little) => pick(bytes, channels, channel, out, integer),
        S32(Big) => pick(bytes, channels, channel, out, |[d, c, b, a]| integer([a, b, c, d])),
        F32(Little) => pick(bytes, channels, channel, out, |bytes| float(f32::from_le_bytes(bytes))),
        F32(Big) => pick(bytes, channels, channel, out, |bytes| float(f32::from_be_bytes(bytes))),
    }
}

/// Appends `sample` of every frame's bytes of one channel.
fn pick<const B: usize>(
    bytes: &[u8],
    channels: usize,
    channel: usize,
    out: &mut Vec<f32>,
    sample: impl Fn([u8; B]) -> f32,
) {
    let samples = bytes.as_chunks::<B>().0;
    // The common numbers of channels stand apart because a loop of known stride becomes SIMD instructions.
    match (channels, channel) {
        (1, _) => out.extend(samples.iter().map(|bytes| sample(*bytes))),
        (2, 0) => out.extend(samples.as_chunks().0.iter().map(|[left, _]| sample(*left))),
        (2, _) => out.extend(samples.as_chunks().0.iter().map(|[_, right]| sample(*right))),
        _ => out.extend(samples.iter().skip(channel).step_by(channels).map(|bytes| sample(*bytes))),
    }
}

/// A sample of at most 32 bits that is shifted all the way up. The shift makes one scale do for all widths,
/// and clears what [`S24In32`] has above its sample.
fn integer(shifted: [u8; 4]) -> f32 {
    i32::from_le_bytes(shifted) as f32 * (1.0 / 2_147_483_648.0)
}

/// No comparison holds for NaN, so it goes the way of the subnormal numbers.
fn float(sample: f32) -> f32 {
    if sample.abs() >= f32::MIN_POSITIVE { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The format tag and the bits per sample with which WAV holds recordings of `format`: 1 (PCM) or 3 (IEEE
/// float).
pub fn wav_format(format: SampleFormat) -> (u16, u16) {
    match format {
        U8 => (1, 8),
        S16(_) => (1, 16),
        S24(_) | S24In32(_) => (1, 24),
        S32(_) => (1, 32),
        F32(_) => (3, 32),
    }
}

/// Appends the whole samples in `bytes` as WAV holds them: little endian, 24 bits in 3 bytes, otherwise bit
/// for bit what they are.
pub fn to_little_endian(format: SampleFormat, bytes: &[u8], out: &mut Vec<u8>) {
    match format {
        U8 | S16(Little) | S24(Little) | S32(Little) | F32(Little) => {
            let whole = bytes.len() - bytes.len() % format.bytes();
            out.extend_from_slice(bytes.get(..whole).unwrap_or_default());
        }
        S16(Big) => convert(bytes, out, |[b, a]| [a, b]),
        S24(Big) => convert(bytes, out, |[c, b, a]| [a, b, c]),
        S32(Big) | F32(Big) => convert(bytes, out, |[d, c, b, a]| [a, b, c, d]),
        S24In32(Little) => convert(bytes, out, |[a, b, c, _]| [a, b, c]),
        S24In32(Big) => convert(bytes, out, |[_, c, b, a]| [a, b, c]),
    }
}

/// Room first, values second: an iterator of bytes would be pushed one by one.
fn convert<const A: usize, const B: usize>(
    bytes: &[u8],
    out: &mut Vec<u8>,
    sample: impl Fn([u8; A]) -> [u8; B],
) {
    let (from, start) = (bytes.as_chunks::<A>().0, out.len());
    out.resize(start + from.len() * B, 0);
    let to = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<B>().0;
    for (to, from) in to.iter_mut().zip(from) {
        *to = sample(*from);
    }
}

/// Appends samples of one `Vec` per channel as WAV holds those of `format`, interleaved: rounded (halves away
/// from 0) and clipped at full scale. As many frames as the shortest channel has.
pub fn from_planar(format: SampleFormat, planar: &[Vec<f32>], out: &mut Vec<u8>) {
    match format {
        U8 => interleave(planar, out, |x| {
            let [a, ..] = quantise(x, 8);
            [a ^ 0x80]
        }),
        S16(_) => interleave(planar, out, |x| {
            let [a, b, ..] = quantise(x, 16);
            [a, b]
        }),
        S24(_) | S24In32(_) => interleave(planar, out, |x| {
            let [a, b, c, _] = quantise(x, 24);
            [a, b, c]
        }),
        S32(_) => interleave(planar, out, |x| quantise(x, 32)),
        F32(_) => interleave(planar, out, |x| float(x).to_le_bytes()),
    }
}

fn interleave<const B: usize>(planar: &[Vec<f32>], out: &mut Vec<u8>, sample: impl Fn(f32) -> [u8; B]) {
    let (channels, start) = (planar.len().max(1), out.len());
    let frames = planar.iter().map(Vec::len).min().unwrap_or(0);
    out.resize(start + frames * channels * B, 0);
    let slots = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<B>().0;
    for (channel, plane) in planar.iter().enumerate() {
        for (slot, x) in slots.iter_mut().skip(channel).step_by(channels).zip(plane) {
            *slot = sample(*x);
        }
    }
}

/// The nearest integer of `bits` bits, its bytes little endian. `f64` holds every step of it exactly.
fn quantise(x: f32, bits: u8) -> [u8; 4] {
    let full = f64::from(1u32 << (bits - 1));
    let scaled = (f64::from(x) * full).clamp(-full, full - 1.0);
    #[allow(clippy::cast_possible_truncation, reason = "it is within range, and the fraction is to go")]
    let nearest = (scaled + 0.5f64.copysign(scaled)) as i32;
    nearest.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(text: &str) -> PcmSpec {
        text.parse().unwrap()
    }

    fn planar(spec: PcmSpec, channels: u16, bytes: &[u8]) -> Vec<Vec<f32>> {
        let mut out = vec![Vec::new(); channels.into()];
        Mixer::new(spec, channels).unwrap().planar(bytes, &mut out).unwrap();
        out
    }

    fn mono(format: &str, bytes: &[u8]) -> Vec<f32> {
        planar(spec(&format!("{format}:48000:1")), 1, bytes).remove(0)
    }

    fn f32s(samples: &[f32]) -> Vec<u8> {
        samples.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn wav(format: SampleFormat, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        to_little_endian(format, bytes, &mut out);
        out
    }

    fn requantised(format: SampleFormat, planar: &[Vec<f32>]) -> Vec<u8> {
        let mut out = Vec::new();
        from_planar(format, planar, &mut out);
        out
    }

    #[test]
    fn a_spec_is_read_as_it_is_written() {
        for format in SampleFormat::ALL {
            let text = format!("{format}:44100:6");
            assert_eq!(spec(&text).to_string(), text);
            assert_eq!(spec(&text.to_uppercase()).format, format);
        }
        assert_eq!("s24_32le".parse(), Ok(S24In32(Little)));
    }

    #[test]
    fn what_is_wrong_with_a_spec_is_named() {
        let error = |text: &str| text.parse::<PcmSpec>().unwrap_err().to_string();
        assert_eq!(
            error("s17le:48000:2"),
            "pcm `s17le:48000:2`: unknown sample format `s17le` (allowed: u8, s16le, s16be, s24le, s24be, \
             s24-32le, s24-32be, s32le, s32be, f32le, f32be)"
        );
        assert_eq!(error("u8:7999:2"), "pcm `u8:7999:2`: sample rate 7999 Hz (allowed: 8000 to 192000)");
        assert_eq!(error("u8:8000:33"), "pcm `u8:8000:33`: 33 channels (allowed: 1 to 32)");
        assert_eq!(error("u8:8000:-1"), "pcm `u8:8000:-1`: `-1` is not a whole number within reach");
        assert_eq!(error("u8:8000"), "pcm `u8:8000`: it is not FORMAT:RATE:CHANNELS, as in s16le:48000:2");
    }

    #[test]
    fn a_frame_is_a_sample_of_every_channel() {
        assert_eq!(spec("s24le:48000:6").frame_bytes(), 18);
        assert_eq!(spec("s24-32le:48000:2").frame_bytes(), 8);
        assert_eq!(spec("s16le:48000:2").frames_in(4_000_000_000_003), 1_000_000_000_000);
    }

    #[test]
    fn every_format_means_the_same_by_its_numbers() {
        assert_eq!(mono("u8", &[0, 0x40, 0x80, 0xff]), [-1.0, -0.5, 0.0, 127.0 / 128.0]);
        assert_eq!(mono("s16le", &[1, 0x80, 0xff, 0x7f]), [-32767.0 / 32768.0, 32767.0 / 32768.0]);
        assert_eq!(mono("s16be", &[0x80, 0, 0, 1]), [-1.0, 1.0 / 32768.0]);
        assert_eq!(mono("s24le", &[1, 0, 0, 0, 0, 0xc0]), [1.0 / 8_388_608.0, -0.5]);
        assert_eq!(mono("s24be", &[0, 0, 1, 0xc0, 0, 0]), [1.0 / 8_388_608.0, -0.5]);
        assert_eq!(mono("s32le", &[0, 0, 0, 0x40, 0xff, 0xff, 0xff, 0x7f]), [0.5, 1.0]);
        assert_eq!(mono("s32be", &[0x40, 0, 0, 0, 0x80, 0, 0, 0]), [0.5, -1.0]);
        assert_eq!(mono("f32be", &0.3f32.to_be_bytes()), [0.3]);
        assert_eq!(mono("f32le", &0.3f32.to_le_bytes()), [0.3]);
    }

    #[test]
    fn the_fourth_byte_of_24_in_32_bits_means_nothing() {
        for fourth in [0, 0x55, 0xff] {
            assert_eq!(mono("s24-32le", &[0, 0, 0xc0, fourth]), [-0.5]);
            assert_eq!(mono("s24-32be", &[fourth, 0x40, 0, 0]), [0.5]);
            assert_eq!(wav(S24In32(Little), &[1, 2, 3, fourth]), [1, 2, 3]);
            assert_eq!(wav(S24In32(Big), &[fourth, 3, 2, 1]), [1, 2, 3]);
        }
    }

    #[test]
    fn no_float_reaches_an_encoder_that_it_cannot_take() {
        let hostile = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40, 7.0, 1.0, -0.25];
        assert_eq!(mono("f32le", &f32s(&hostile)), [0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 1.0, 1.0, -0.25]);
    }

    #[test]
    fn every_s16_value_comes_back_bit_for_bit() {
        let bytes: Vec<u8> = (i16::MIN..=i16::MAX).flat_map(i16::to_le_bytes).collect();
        for channels in [1, 2, 4] {
            let spec = PcmSpec::new(S16(Little), 48_000, channels).unwrap();
            assert_eq!(requantised(spec.format, &planar(spec, channels, &bytes)), bytes);
        }
    }

    #[test]
    fn samples_are_rounded_and_clipped() {
        let half = 0.5 / 32768.0;
        let values = [half, -half, half * 0.999, 3.0 * half, 1.0, 2.0, -1.0, -2.0, f32::NAN];
        let expected: Vec<u8> = [1i16, -1, 0, 2, 32767, 32767, -32768, -32768, 0]
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        assert_eq!(requantised(S16(Big), &[values.to_vec()]), expected);
        assert_eq!(requantised(U8, &[vec![1.0, 0.0, -1.0]]), [0xff, 0x80, 0]);
        assert_eq!(requantised(S32(Little), &[vec![1.0, -1.0]]), [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0x80]);
        assert_eq!(requantised(F32(Big), &[vec![1.5]]), 1f32.to_le_bytes());
    }

    #[test]
    fn wav_holds_the_bytes_turned_round() {
        assert_eq!(wav(S16(Big), &[1, 2, 3, 4, 5]), [2, 1, 4, 3]);
        assert_eq!(wav(S16(Little), &[1, 2, 3, 4, 5]), [1, 2, 3, 4]);
        assert_eq!(wav(S24(Big), &[1, 2, 3]), [3, 2, 1]);
        assert_eq!(wav(F32(Big), &[1, 2, 3, 4]), [4, 3, 2, 1]);
        assert_eq!(wav(U8, &[1, 2]), [1, 2]);
        assert_eq!(wav_format(S24In32(Big)), (1, 24));
        assert_eq!(wav_format(F32(Big)), (3, 32));
    }

    #[test]
    fn two_channels_and_one_are_made_of_each_other() {
        let stereo = [100i16, 50, -32768, -32768].map(i16::to_le_bytes).concat();
        assert_eq!(planar(spec("s16le:48000:2"), 1, &stereo), [[75.0 / 32768.0, -1.0]]);
        assert_eq!(planar(spec("s16le:48000:1"), 2, &[0, 0x40]), [[0.5], [0.5]]);
    }

    /// The matrices that `ffmpeg -v debug -i ... -ac 2` (5.1.9) prints, by channel: left, right.
    #[test]
    fn surround_is_mixed_as_ffmpeg_does() {
        let (l, r) = (|w: f32| [w, 0.0], |w: f32| [0.0, w]);
        let printed: [&[[f32; 2]]; 6] = [
            &[l(1.0), r(1.0), [0.0; 2]],
            &[l(0.453_082), r(0.453_082), [0.320_377; 2], [0.226_541; 2]],
            &[l(0.414_214), r(0.414_214), [0.292_893; 2], l(0.292_893), r(0.292_893)],
            &[l(0.414_214), r(0.414_214), [0.292_893; 2], [0.0; 2], l(0.292_893), r(0.292_893)],
            &[
                l(0.343_146),
                r(0.343_146),
                [0.242_641; 2],
                [0.0; 2],
                [0.171_573; 2],
                l(0.242_641),
                r(0.242_641),
            ],
            &[
                l(0.320_377),
                r(0.320_377),
                [0.226_541; 2],
                [0.0; 2],
                l(0.226_541),
                r(0.226_541),
                l(0.226_541),
                r(0.226_541),
            ],
        ];
        for (matrix, channels) in printed.into_iter().zip(3u16..) {
            let spec = PcmSpec::new(F32(Little), 48_000, channels).unwrap();
            for (channel, [left, right]) in matrix.iter().enumerate() {
                let mut frame = vec![0.0; channels.into()];
                frame[channel] = 1.0;
                let [l, r] = [0, 1].map(|side| planar(spec, 2, &f32s(&frame))[side][0]);
                assert!(
                    (l - left).abs() < 1e-6 && (r - right).abs() < 1e-6,
                    "{channels}: {channel}: {l} {r}"
                );
                let mean = planar(spec, 1, &f32s(&frame))[0][0];
                assert!((mean - (left + right) / 2.0).abs() < 1e-6, "{channels}: {channel}: {mean}");
            }
        }
    }

    #[test]
    fn full_scale_in_every_channel_stays_full_scale() {
        for (channels, to) in CHANNELS.flat_map(|channels| [(channels, 1), (channels, 2)]) {
            let spec = PcmSpec::new(F32(Little), 48_000, channels).unwrap();
            for scale in [1.0f32, -1.0] {
                for out in planar(spec, to, &f32s(&vec![scale; channels.into()])) {
                    assert!(
                        (out[0] * scale - 1.0).abs() < 1e-6 && out[0].abs() <= 1.0,
                        "{channels}: {out:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn above_eight_channels_every_other_one_goes_to_the_same_side() {
        let frame = [0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5];
        let out = planar(spec("f32le:48000:9"), 2, &f32s(&frame));
        assert!((out[0][0] - 0.5).abs() < 1e-6 && out[1][0] == 0.0, "{out:?}");
    }

    #[test]
    fn masks_are_those_of_the_layouts() {
        assert_eq!([1, 2, 3, 6, 8, 9].map(channel_mask), [0x4, 0x3, 0xb, 0x3f, 0x63f, 0]);
    }

    #[test]
    fn a_stretch_of_a_wrong_shape_is_refused_and_leaves_nothing() {
        let mixer = Mixer::new(spec("s16le:48000:2"), 2).unwrap();
        let mut out = vec![Vec::new(); 2];
        let partial = PcmError::PartialFrame { bytes: 7, frame_bytes: 4 };
        assert_eq!(mixer.planar(&[0; 7], &mut out), Err(partial));
        assert_eq!(mixer.planar(&[0; 8], &mut out[..1]), Err(PcmError::Planes { given: 1, needed: 2 }));
        assert!(out.iter().all(Vec::is_empty));
        let error = Mixer::new(spec("s16le:48000:6"), 3).unwrap_err();
        assert_eq!(error.to_string(), "6 channels cannot be mixed to 3 (allowed: 1, 2, 6)");
        let unchecked = PcmSpec { channels: 0, ..spec("u8:8000:1") };
        assert_eq!(Mixer::new(unchecked, 2).unwrap_err(), PcmError::Channels(0));
    }

    proptest! {
        #[test]
        fn formats_of_up_to_24_bits_come_back_bit_for_bit(
            format in prop::sample::select(&SampleFormat::ALL[..7]),
            channels in 1u16..6,
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let spec = PcmSpec::new(format, 48_000, channels).unwrap();
            let bytes = &bytes[..bytes.len() / spec.frame_bytes() * spec.frame_bytes()];
            prop_assert_eq!(requantised(format, &planar(spec, channels, bytes)), wav(format, bytes));
        }

        #[test]
        fn samples_stay_within_full_scale_and_do_not_depend_on_where_a_stretch_is_cut(
            format in prop::sample::select(&SampleFormat::ALL[..]),
            (channels, to) in (1u16..=12).prop_flat_map(|n| (Just(n), prop::sample::select(vec![1, 2, n]))),
            cut in 0usize..20,
            bytes in prop::collection::vec(any::<u8>(), 12 * 4 * 20),
        ) {
            let spec = PcmSpec::new(format, 48_000, channels).unwrap();
            let (bytes, _) = bytes.split_at(20 * spec.frame_bytes());
            let (front, back) = bytes.split_at(cut * spec.frame_bytes());
            let whole = planar(spec, to, bytes);
            let mut parts = planar(spec, to, front);
            Mixer::new(spec, to).unwrap().planar(back, &mut parts).unwrap();
            prop_assert!(whole.iter().all(|plane| plane.len() == 20));
            prop_assert!(whole.iter().flatten().all(|x| (-1.0..=1.0).contains(x)));
            prop_assert_eq!(whole, parts);
        }
    }
}
