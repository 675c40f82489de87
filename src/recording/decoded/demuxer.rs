//! The packets of a coded file, with the frames that they stand for.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::Mutex;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatReader, SeekMode, SeekTo, Track};
use symphonia::core::io::MediaSource;
use symphonia::core::meta::{RawValue, StandardTag};
use symphonia::core::packet::Packet as Coded;
use symphonia::core::units::Timestamp;

use super::DecodedError;
use super::about::SEVERAL;
use crate::decoder;

/// Packets of other tracks (a film's, a picture's) that may come one after another.
const MOST_FOREIGN: usize = 65_536;

/// Said of a file that has no packets.
pub(super) const NO_SOUND: &str = "it ends before its sound begins";

/// Characters that are taken of one.
const WORDS: usize = 300;
/// Bytes of the longest Ogg page, and of the beginning of each.
const OGG_PAGE: u64 = 65_307;
const OGG_HEAD: usize = 27;

/// What has to be known of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// None: packets one after another (MP3). What it says of its length may be an estimate, and there is no way to a packet
    /// but through those before it.
    Bare,
    /// Its edit list says what of it is to be heard.
    Mp4,
    /// FLAC, Ogg: its pages or frames say where they belong.
    Indexed,
}

/// A packet.
#[derive(Debug)]
pub(super) struct Packet {
    /// The time of its first frame.
    pub(super) at: i64,
    /// Frames to be heard of it, as the container has it.
    pub(super) frames: u64,
    pub(super) coded: Coded,
}

/// A coded file's packets, one after another.
pub(super) struct Demuxer {
    reader: Box<dyn FormatReader>,
    track: Track,
    params: AudioCodecParameters,
    kind: Kind,
    /// Frames of so many ticks of the container's clock.
    ticks: (u64, u64),
    failure: Failure,
}

impl std::fmt::Debug for Demuxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demuxer").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Demuxer {
    /// At the first packet of what is in a part of the file. Times are in the container's ticks until [`in_frames`](Self::in_frames). Blocks.
    pub(super) fn open(file: &Arc<File>, bytes: &Range<u64>) -> Result<Self, DecodedError> {
        let failure = Failure::default();
        let source =
            Source { file: Arc::clone(file), bytes: bytes.clone(), at: 0, failure: Arc::clone(&failure) };
        let reader = decoder::open(source).map_err(|error| failed(&failure, &error))?;
        let kind = match reader.format_info().format {
            FORMAT_ID_ISOMP4 => Kind::Mp4,
            FORMAT_ID_FLAC | FORMAT_ID_OGG => Kind::Indexed,
            _ => Kind::Bare,
        };
        if reader.format_info().format == FORMAT_ID_OGG && is_chained(file, bytes, reader.tracks())? {
            let why = "it is several Ogg streams one after another, which are no single recording";
            return Err(DecodedError::Unusable(why.to_owned()));
        }
        let (track, params) = decoder::track(&*reader)?;
        let (track, params) = (track.clone(), params.clone());
        Ok(Self { reader, track, params, kind, ticks: (1, 1), failure })
    }

    /// The same with all times in frames, of which there are `rate` in a second.
    pub(super) fn in_frames(mut self, rate: u32) -> Self {
        if let Some(base) = self.track.time_base {
            self.ticks = (u64::from(rate) * u64::from(base.numer.get()), u64::from(base.denom.get()));
        }
        self
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn params(&self) -> &AudioCodecParameters {
        &self.params
    }

    /// What the file's tags say of the title and who made it.
    pub(super) fn title_and_author(&mut self) -> (Option<String>, Option<String>) {
        let (mut title, mut author) = (None, None);
        let mut metadata = self.reader.metadata();
        let Some(latest) = metadata.skip_to_latest() else { return (title, author) };
        let of_tracks = latest.per_track.iter().flat_map(|track| &track.metadata.tags);
        for tag in latest.media.tags.iter().chain(of_tracks) {
            match &tag.std {
                Some(StandardTag::TrackTitle(text)) => title = title.or_else(|| words(text)),
                Some(StandardTag::Artist(text)) => author = author.or_else(|| words(text)),
                _ => {}
            }
        }
        (title, author)
    }

    /// The text of one of its other tags.
    pub(super) fn tag(&mut self, name: &str) -> Option<String> {
        let mut metadata = self.reader.metadata();
        let mut tags = metadata.skip_to_latest()?.media.tags.iter().map(|tag| &tag.raw);
        match &tags.find(|tag| tag.key == name)?.value {
            RawValue::String(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// The time of the first frame that is to be heard. In Ogg it may be any, what comes before it is counted (RFC 7845 4.2),
    /// and Vorbis gives nothing for its first packet. Of bare packets it is 0, and what comes before has negative times.
    pub(super) fn origin(&self) -> i64 {
        let before = if self.kind == Kind::Indexed { self.track.delay.unwrap_or(0) } else { 0 };
        self.frames(self.track.start_ts.get()).saturating_add(before.into()).max(0)
    }

    /// The time behind the last frame, where the container's word can be taken for it: not of bare packets, where it may be
    /// an estimate, or that of a longer file.
    pub(super) fn told_end(&self) -> Option<u64> {
        self.track.num_frames.filter(|frames| self.kind != Kind::Bare && *frames > 0)
    }

    /// Of so many frames that were counted those that are no padding. What a file says of that is true if it has as many
    /// as it says.
    pub(super) fn without_padding(&self, counted: u64) -> u64 {
        let padding = u64::from(self.track.padding.unwrap_or(0));
        match self.track.num_frames {
            Some(told) if told.saturating_add(padding) == counted => told,
            _ => counted,
        }
    }

    /// The next packet; `None` at the end, which is also where what comes cannot be understood.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, DecodedError> {
        for _ in 0..MOST_FOREIGN {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Error::ResetRequired) if self.kind == Kind::Bare => {
                    return Err(DecodedError::Unusable(SEVERAL.to_owned()));
                }
                // Another stream begins in the same file, or nothing more can be made of it.
                Err(_) => break,
            };
            if packet.track_id == self.track.id {
                let at = self.frames(packet.pts.get());
                let frames = u64::try_from(self.frames(i64::try_from(packet.dur.get()).unwrap_or(i64::MAX)));
                return Ok(Some(Packet { at, frames: frames.unwrap_or(0), coded: packet }));
            }
        }
        self.check().map(|()| None)
    }

    /// Goes to the packet that has a frame, or to one before it; false if that cannot be found.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn seek(&mut self, frame: i64) -> Result<bool, DecodedError> {
        let (numerator, denominator) = self.ticks;
        let ts = scaled(frame, denominator, numerator).max(self.track.start_ts.get());
        let to = SeekTo::Timestamp { ts: Timestamp::new(ts), track_id: self.track.id };
        let found = self.reader.seek(SeekMode::Accurate, to).is_ok();
        self.check().map(|()| found)
    }

    /// A time of the container's clock in frames.
    fn frames(&self, ticks: i64) -> i64 {
        let (numerator, denominator) = self.ticks;
        scaled(ticks, numerator, denominator)
    }

    fn check(&self) -> Result<(), DecodedError> {
        self.failure.lock().take().map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Whether the last page of an Ogg file is of a stream that did not begin with the others: then it is another piece of sound,
/// with times of its own (RFC 3533 4).
fn is_chained(file: &File, bytes: &Range<u64>, tracks: &[Track]) -> io::Result<bool> {
    let from = bytes.end.saturating_sub(OGG_PAGE).max(bytes.start);
    let mut tail = vec![0; usize::try_from(bytes.end.saturating_sub(from)).unwrap_or(0)];
    file.read_exact_at(&mut tail, from)?;
    let last = tail.windows(OGG_HEAD).rev().find(|head| head.starts_with(b"OggS\0"));
    // Behind the version, the flags and the granule position.
    let serial = last.and_then(|head| head.get(14..18)?.first_chunk::<4>()).copied().map(u32::from_le_bytes);
    Ok(serial.is_some_and(|serial| tracks.iter().all(|track| track.id != serial)))
}

/// A tag as a line of text; a blank one is none.
fn words(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn scaled(value: i64, numerator: u64, denominator: u64) -> i64 {
    let size = tailcast_codecs::grid::scale(value.unsigned_abs(), numerator, denominator);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if value < 0 { -size } else { size }
}

/// Why a file could not be opened.
fn failed(failure: &Failure, error: &Error) -> DecodedError {
    match (failure.lock().take(), error) {
        (Some(error), _) => error.into(),
        (None, Error::IoError(_)) => DecodedError::Unusable(NO_SOUND.to_owned()),
        (None, error) => DecodedError::Unusable(error.to_string()),
    }
}

/// What the system said of a file that could not be read, as opposed to one that has nothing that can be understood.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// A part of a file as Symphonia reads it, from a place of its own.
struct Source {
    file: Arc<File>,
    bytes: Range<u64>,
    /// Within the part.
    at: u64,
    failure: Failure,
}

impl Source {
    fn len(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest =
            usize::try_from(self.len().saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let (buffer, _) = buffer.split_at_mut(rest);
        let read =
            self.file.read_at(buffer, self.bytes.start.saturating_add(self.at)).inspect_err(|error| {
                if error.kind() != io::ErrorKind::Interrupted {
                    *self.failure.lock() = Some(io::Error::from(error.kind()));
                }
            })?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}
