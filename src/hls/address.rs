//! The names of what HLS takes: `VARIANT/playlist.m3u8`, and the files beside that.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tailcast_codecs::format::{Format, FormatError, Parameters};
use tailcast_codecs::{Codec, Container, PcmSpec};

use super::timeline::Place;
use crate::recording::RecordingName;
use crate::rendition::hasher_of;

/// A format with all its parameters, in URLs `mp3-128-2`: the bit rate in kbit/s and the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The format.
    pub format: Format,
    /// In kbit/s.
    pub bitrate: u32,
    /// How many.
    pub channels: u16,
}

/// Players take the first that they can play, and of Opus they hear more, and sooner.
const PREFERRED: [Format; 3] = [Format::Opus, Format::Mp3, Format::Wav];

impl Variant {
    /// A format with the parameters that a recording of `spec` has unless others are chosen; `None` if HLS has no
    /// container for it.
    ///
    /// # Errors
    /// When a parameter is not one that the recording can be had with.
    pub fn new(spec: PcmSpec, format: Format, chosen: Parameters) -> Result<Option<Self>, FormatError> {
        let codec = format.codec(spec, chosen)?;
        let channels = chosen.channels.unwrap_or_else(|| format.default_channels(spec));
        let bitrate = chosen.bitrate.unwrap_or_else(|| format.default_bitrate(spec, channels));
        Ok(codec.container().map(|_| Self { format, bitrate, channels }))
    }

    /// Those of a recording that a player may choose from: with what is usual, and with half the bit rate where there is
    /// that, for those with little of a network. None if HLS has no container for the only `format`.
    ///
    /// # Errors
    /// When no format can be had with what is chosen.
    pub fn ladder(
        spec: PcmSpec,
        format: Option<Format>,
        chosen: Parameters,
    ) -> Result<Vec<Self>, FormatError> {
        let (mut ladder, mut refused) = (Vec::new(), None);
        for format in PREFERRED.into_iter().filter(|candidate| format.is_none_or(|only| only == *candidate)) {
            match Self::new(spec, format, chosen) {
                Ok(usual) => ladder.extend(usual.into_iter().flat_map(|usual| usual.with_half(spec, chosen))),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if ladder.is_empty() => Err(error),
            _ => Ok(ladder),
        }
    }

    fn with_half(self, spec: PcmSpec, chosen: Parameters) -> impl Iterator<Item = Self> {
        let half = Self { bitrate: self.bitrate / 2, ..self };
        let is_offered = chosen.bitrate.is_none() && half.codec(spec).is_ok();
        [Some(self), is_offered.then_some(half)].into_iter().flatten()
    }

    /// Its codec.
    ///
    /// # Errors
    /// When a recording of `spec` cannot be had so.
    pub fn codec(self, spec: PcmSpec) -> Result<Arc<dyn Codec>, FormatError> {
        self.format.codec(spec, Parameters { bitrate: Some(self.bitrate), channels: Some(self.channels) })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.format, self.bitrate, self.channels)
    }
}

impl FromStr for Variant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let (Some(format), Some(bitrate), Some(channels), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let variant = Self {
            format: format.parse().map_err(|_| ())?,
            bitrate: bitrate.parse().map_err(|_| ())?,
            channels: channels.parse().map_err(|_| ())?,
        };
        // One name for each.
        if variant.to_string() == text { Ok(variant) } else { Err(()) }
    }
}

/// A file beside a playlist, without the extension of its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// What the others need before them: `init`.
    Initialization,
    /// `57`, or `57-1234567` where the recording ended at source frame 1234567 and the segment is another for that.
    Segment {
        /// Which, from the recording's start on.
        number: u64,
        /// The end.
        end: Option<u64>,
    },
    /// `57.3`, or `57.3-1234567`.
    Part {
        /// Which.
        place: Place,
        /// The end.
        end: Option<u64>,
    },
}

/// The extension of the file that others need before them.
const INITIALIZATION: &str = "mp4";

impl File {
    /// Its name, in a container.
    pub fn name(self, container: Container) -> String {
        let extension = container.extension();
        match self {
            Self::Initialization => format!("init.{INITIALIZATION}"),
            Self::Segment { number, end } => format!("{number}{}.{extension}", Suffix(end)),
            Self::Part { place: Place { segment, part }, end } => {
                format!("{segment}.{part}{}.{extension}", Suffix(end))
            }
        }
    }

    /// What has a name, in a container.
    pub fn parse(name: &str, container: Container) -> Option<Self> {
        let (stem, _) = name.rsplit_once('.')?;
        let number = |text: &str| text.parse::<u64>().ok();
        let (place, end) = match stem.split_once('-') {
            Some((place, end)) => (place, Some(number(end)?)),
            None => (stem, None),
        };
        let file = match place.split_once('.') {
            _ if stem == "init" => Self::Initialization,
            Some((segment, part)) => {
                Self::Part { place: Place { segment: number(segment)?, part: number(part)? }, end }
            }
            None => Self::Segment { number: number(place)?, end },
        };
        // One name for each.
        (file.name(container) == name).then_some(file)
    }
}

/// What says where a recording ended.
struct Suffix(Option<u64>);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |end| write!(f, "-{end}"))
    }
}

/// The folder of files of a recording in a codec, in which the recording is as `identity` says: another if any byte could be
/// another.
pub fn folder(name: &RecordingName, codec: &dyn Codec, identity: Option<blake3::Hash>) -> String {
    let mut hasher = hasher_of(name, codec);
    if let Some(identity) = identity {
        hasher.update(identity.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_no_others() {
        let container = Container::PackedAudio;
        for file in [
            File::Initialization,
            File::Segment { number: 0, end: None },
            File::Segment { number: 57, end: Some(1_234_567) },
            File::Part { place: Place { segment: 57, part: 3 }, end: None },
            File::Part { place: Place { segment: 57, part: 0 }, end: Some(9) },
        ] {
            assert_eq!(File::parse(&file.name(container), container), Some(file));
        }
        for name in [
            "",
            ".mp3",
            "57",
            "57.m4s",
            "057.mp3",
            "+57.mp3",
            "57-.mp3",
            "57.3.4.mp3",
            "57-1.3.mp3",
            "57.3-.mp3",
            "init-1.mp3",
            "x.mp3",
            "-1.mp3",
        ] {
            assert_eq!(File::parse(name, container), None, "{name}");
        }
    }

    #[test]
    fn variants_are_read_back_and_no_others() {
        let variant = Variant { format: Format::Mp3, bitrate: 128, channels: 2 };
        assert_eq!(variant.to_string().parse(), Ok(variant));
        for text in ["mp3", "mp3-128", "MP3-128-2", "mp3-0128-2", "mp3-128-2-", "mp3-128-70000", "flac-1-2"] {
            assert_eq!(text.parse::<Variant>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_player_may_choose_half_the_bit_rate_where_there_is_that() {
        let names = |pcm: &str, format, bitrate| {
            let chosen = Parameters { bitrate, channels: None };
            let ladder = Variant::ladder(pcm.parse().unwrap(), format, chosen).unwrap();
            ladder.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("s16le:48000:2", None, None), ["opus-96-2", "opus-48-2", "mp3-128-2", "mp3-64-2"]);
        assert_eq!(names("s16le:48000:1", None, None), ["opus-64-1", "opus-32-1", "mp3-64-1"]);
        assert_eq!(names("s16le:16000:1", Some(Format::Opus), None), ["opus-32-1"]);
        assert_eq!(names("s16le:48000:2", Some(Format::Opus), Some(128)), ["opus-128-2"]);
        assert!(names("s16le:48000:2", Some(Format::Wav), None).is_empty());
        assert_eq!(names("s16le:48000:2", None, Some(256)), ["mp3-256-2"], "Opus has no such bit rate");
    }
}
