//! What a recording is: its sample format, rate and number of channels.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

use crate::mix::channel_mask;

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
    /// The loudspeakers that the channels are for, in their order: the bits of `WAVE_FORMAT_EXTENSIBLE`'s
    /// `dwChannelMask`. 0 where nobody says; then it is the usual ones for so many.
    pub mask: u32,
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
        Ok(Self { format, rate, channels, mask: 0 })
    }

    /// The same with the loudspeakers that a header names. A mask with another number of them says nothing, and that of
    /// the usual ones nothing new.
    pub fn with_mask(self, mask: u32) -> Self {
        let unnamed = Self { mask: 0, ..self };
        let news = mask.count_ones() == u32::from(self.channels) && mask != channel_mask(unnamed);
        if news { Self { mask, ..self } } else { unnamed }
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
        write!(f, "{}:{}:{}", self.format, self.rate, self.channels)?;
        if self.mask == 0 { Ok(()) } else { write!(f, ":{:#x}", self.mask) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> PcmSpec {
        text.parse().unwrap()
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
}
