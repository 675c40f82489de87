//! The formats on offer, what each allows, and the codec for a choice of parameters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::mp3::{self, Mp3};
use crate::opus::{self, Opus};
use crate::pcm::PcmError;
use crate::wav::Wav;
use crate::{Codec, PcmSpec};

/// A format that recordings are served in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RIFF/RF64 with the recording's own samples.
    Wav,
    /// MPEG layer III at a constant bit rate.
    Mp3,
    /// Opus in Ogg.
    Opus,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Wav, Self::Mp3, Self::Opus];

    /// The name in URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
        }
    }

    /// The format that a file name's extension (without its dot) stands for.
    pub fn from_extension(extension: &str) -> Option<Self> {
        if extension.eq_ignore_ascii_case("ogg") {
            return Some(Self::Opus);
        }
        extension.parse().ok()
    }

    /// What stands before the extension in a path that has a format's, and that format.
    pub fn split_extension(path: &str) -> Option<(&str, Self)> {
        let (stem, extension) = path.rsplit_once('.')?;
        let format = Self::from_extension(extension)?;
        (!stem.is_empty() && !stem.ends_with('/')).then_some((stem, format))
    }

    /// The format that a media type (`type/subtype`, without parameters) asks for.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        const NAMES: [(&str, Format); 9] = [
            ("audio/wav", Format::Wav),
            ("audio/x-wav", Format::Wav),
            ("audio/wave", Format::Wav),
            ("audio/vnd.wave", Format::Wav),
            ("audio/mpeg", Format::Mp3),
            ("audio/mp3", Format::Mp3),
            ("audio/ogg", Format::Opus),
            ("audio/opus", Format::Opus),
            ("application/ogg", Format::Opus),
        ];
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(media_type)).map(|(_, format)| *format)
    }

    /// The bit rates that a recording can be had at, in kbit/s; none for WAV.
    pub fn bitrates(self, spec: PcmSpec) -> &'static [u32] {
        match self {
            Self::Wav => &[],
            Self::Mp3 => mp3::bitrates(mp3::coded_rate(spec.rate)),
            Self::Opus => &opus::BITRATES,
        }
    }

    /// The bit rate of a recording with the parameters that nobody has to give, in kbit/s.
    pub fn usual_bitrate(self, spec: PcmSpec) -> f64 {
        match self {
            Self::Wav => f64::from(spec.rate) * spec.frame_bytes() as f64 * 8.0 / 1000.0,
            _ => f64::from(self.default_bitrate(spec, self.default_channels(spec))),
        }
    }

    /// The bit rate if none is asked for, in kbit/s; 0 for WAV.
    pub fn default_bitrate(self, spec: PcmSpec, channels: u16) -> u32 {
        match self {
            Self::Wav => 0,
            Self::Mp3 => {
                let wanted = if channels == 1 { 64 } else { 128 };
                let highest = self.bitrates(spec).last().copied().unwrap_or(wanted);
                wanted.min(highest)
            }
            Self::Opus if opus::is_voice(spec, channels) => 32,
            Self::Opus if channels == 1 => 64,
            Self::Opus => 96,
        }
    }

    /// The numbers of channels that a recording can be had in.
    fn channels(self, spec: PcmSpec) -> Vec<u16> {
        match self {
            Self::Wav if spec.channels > 2 => vec![1, 2, spec.channels],
            _ => vec![1, 2],
        }
    }

    /// The number of channels if none is asked for.
    pub fn default_channels(self, spec: PcmSpec) -> u16 {
        if self == Self::Wav { spec.channels } else { spec.channels.min(2) }
    }

    /// The codec for recordings of `spec` with `parameters`.
    ///
    /// # Errors
    /// When a parameter is not one that the format allows for such recordings.
    pub fn codec(self, spec: PcmSpec, parameters: Parameters) -> Result<Arc<dyn Codec>, FormatError> {
        let channels = parameters.channels.unwrap_or_else(|| self.default_channels(spec));
        if !self.channels(spec).contains(&channels) {
            return Err(FormatError::Channels {
                format: self,
                value: channels,
                allowed: self.channels(spec),
            });
        }
        let kbps = parameters.bitrate.unwrap_or_else(|| self.default_bitrate(spec, channels));
        let allowed = self.bitrates(spec);
        if parameters.bitrate.is_some() && !allowed.contains(&kbps) {
            return Err(FormatError::Bitrate { format: self, value: kbps, rate: spec.rate, allowed });
        }
        Ok(match self {
            Self::Wav => Arc::new(Wav::new(spec, channels)?),
            Self::Mp3 => Arc::new(Mp3::new(spec, channels, kbps)?),
            Self::Opus => Arc::new(Opus::new(spec, channels, kbps)?),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| FormatError::Name(name.to_owned()))
    }
}

/// What may be chosen beside the format; `None` is the format's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// In kbit/s.
    pub bitrate: Option<u32>,
    /// How many channels.
    pub channels: Option<u16>,
}

/// A choice that is not on offer.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// No such format.
    #[error("unknown format `{0}` (allowed: wav, mp3, opus)")]
    Name(String),
    /// No such bit rate.
    #[error(
        "bit rate {value} kbit/s is not one of {format}'s at {rate} Hz ({})",
        list(allowed, "it has none")
    )]
    Bitrate {
        /// The format asked for.
        format: Format,
        /// The bit rate asked for, in kbit/s.
        value: u32,
        /// The recording's rate.
        rate: u32,
        /// The bit rates there are.
        allowed: &'static [u32],
    },
    /// No such number of channels.
    #[error("{value} channels cannot be had in {format} of this recording ({})", list(allowed, ""))]
    Channels {
        /// The format asked for.
        format: Format,
        /// The number asked for.
        value: u16,
        /// The numbers there are.
        allowed: Vec<u16>,
    },
    /// The recording cannot be mixed that way.
    #[error(transparent)]
    Pcm(#[from] PcmError),
}

impl FormatError {
    /// The parameter at fault, by its name in URLs and options.
    pub fn parameter(&self) -> &'static str {
        match self {
            Self::Name(_) => "format",
            Self::Bitrate { .. } => "bitrate",
            Self::Channels { .. } | Self::Pcm(_) => "channels",
        }
    }
}

fn list(allowed: &[impl ToString], none: &str) -> String {
    if allowed.is_empty() {
        return none.to_owned();
    }
    let values: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    format!("allowed: {}", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> PcmSpec {
        text.parse().unwrap()
    }

    #[test]
    fn rates_that_a_codec_lacks_go_to_the_nearest() {
        assert_eq!(mp3::coded_rate(96_000), 48_000);
        assert_eq!(mp3::coded_rate(44_100), 44_100);
        assert_eq!(mp3::coded_rate(10_000), 11_025);
        assert_eq!(mp3::coded_rate(28_000), 32_000);
        assert_eq!(opus::coded_rate(44_100), 48_000);
        assert_eq!(opus::coded_rate(16_000), 16_000);
    }

    #[test]
    fn the_usual_bit_rate_is_what_is_coded() {
        let usual = |pcm| Format::ALL.map(|format| format.usual_bitrate(spec(pcm)));
        assert_eq!(usual("s16le:48000:2"), [1536.0, 128.0, 96.0]);
        // MPEG has 64 kbit/s at most there.
        assert_eq!(usual("s16le:8000:2"), [256.0, 64.0, 96.0]);
        assert_eq!(usual("s24le:44100:6"), [6350.4, 128.0, 96.0]);
        assert_eq!(usual("s16le:16000:1"), [256.0, 64.0, 32.0]);
    }

    #[test]
    fn a_bit_rate_that_is_not_on_offer_is_named() {
        let wrong = Parameters { bitrate: Some(100), channels: None };
        let error = Format::Mp3.codec(spec("s16le:44100:2"), wrong).unwrap_err().to_string();
        assert!(error.contains("100") && error.contains("allowed: 64, 96"), "{error}");
        let error = Format::Wav.codec(spec("s16le:44100:2"), wrong).unwrap_err().to_string();
        assert!(error.contains("it has none"), "{error}");
    }

    #[test]
    fn every_choice_on_offer_makes_an_encoder() {
        for rate in [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            for channels in [1, 2, 6] {
                let spec = PcmSpec::new("s16le".parse().unwrap(), rate, channels).unwrap();
                for format in Format::ALL {
                    for bitrate in format.bitrates(spec).iter().copied().map(Some).chain([None]) {
                        let codec = format.codec(spec, Parameters { bitrate, channels: None }).unwrap();
                        codec.encoder(0).unwrap_or_else(|e| panic!("{}: {e}", codec.id()));
                    }
                }
            }
        }
    }
}
