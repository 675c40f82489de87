//! What a coded file is, and how long: all that has to be known of it before it is decoded.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioCodecParameters;
use tailcast_codecs::pcm::Endian;
use tailcast_codecs::{PcmSpec, SampleFormat};

use super::DecodedError;
use super::demuxer::{Demuxer, Kind, NO_SOUND};
use super::{edits, links};
use crate::decoder::{self, Decoder, Shape};

/// Packets among which there has to be one that can be decoded.
const FIRST_PACKETS: usize = 64;
/// Frames of the largest packet that any of the codecs has (FLAC's), which takes some bytes: no file has more for each.
const MOST_FRAMES_A_BYTE: u64 = 65_536;
/// Bytes of a link that may be passed over because it has nothing but headers: those of a page.
const LONGEST_EMPTY: u64 = 65_536;
/// Said of packets that are not all of one kind.
pub(super) const SEVERAL: &str = "its sound goes on at another rate, or with other channels";
/// Seconds that nobody records in one go: 366 days.
const MOST_SECONDS: u64 = 366 * 86_400;

/// What a coded file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// What it is decoded to.
    pub(super) spec: PcmSpec,
    /// Frames of it that are to be heard: without what the encoder put before and behind them.
    pub(super) frames: u64,
    /// What they are in, one after another: more than one of an Ogg file only.
    pub(super) links: Vec<Link>,
    /// What its tags call it.
    pub(super) title: Option<String>,
    /// Who they say made it.
    pub(super) author: Option<String>,
}

/// A part of a coded file that is one by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where in the file it is.
    pub(super) bytes: Range<u64>,
    /// Frames of it that are to be heard.
    pub(super) frames: u64,
    /// When the first of them is by the container's times, in frames.
    pub(super) origin: i64,
}

/// What is learnt of a link.
struct Learnt {
    spec: PcmSpec,
    link: Link,
    words: Words,
}

/// A title and who made it.
type Words = (Option<String>, Option<String>);

impl About {
    /// Finds it out. Blocks.
    pub(super) fn learn(file: &Arc<File>) -> Result<Self, DecodedError> {
        let len = file.metadata()?.len();
        let all = links::of(file)?;
        let mut learnt = Vec::new();
        for (number, bytes) in (1..).zip(&all) {
            match Learnt::of(file, bytes) {
                Ok(link) => learnt.push(link),
                Err(error) if all.len() == 1 => return Err(error),
                // Begun, and nothing was sent.
                Err(DecodedError::Unusable(_)) if is_empty(file, bytes)? => {}
                Err(DecodedError::Unusable(why)) => {
                    let why = format!(
                        "of its {} Ogg streams, one after another, number {number}: {why}",
                        all.len()
                    );
                    return Err(DecodedError::Unusable(why));
                }
                Err(error) => return Err(error),
            }
        }
        let spec = common_spec(&learnt)?;
        let frames = learnt.iter().fold(0, |sum: u64, learnt| sum.saturating_add(learnt.link.frames));
        if frames > len.saturating_mul(MOST_FRAMES_A_BYTE) || frames / u64::from(spec.rate) > MOST_SECONDS {
            let why = format!("it says that it has {frames} frames, and has {len} bytes");
            return Err(DecodedError::Unusable(why));
        }
        let (title, author) = common_words(&learnt);
        Ok(Self {
            spec,
            frames,
            links: learnt.into_iter().map(|learnt| learnt.link).collect(),
            title,
            author,
        })
    }

    /// What some frames are in: links by their number, and frames of these.
    pub(super) fn within(&self, frames: &Range<u64>) -> Vec<(usize, Range<u64>)> {
        let mut start: u64 = 0;
        let each = self.links.iter().enumerate().map(|(number, link)| {
            let of_link = |frame: u64| frame.clamp(start, start + link.frames) - start;
            let within = of_link(frames.start)..of_link(frames.end);
            start += link.frames;
            (number, within)
        });
        each.filter(|(_, within)| !within.is_empty()).collect()
    }
}

impl Learnt {
    fn of(file: &Arc<File>, bytes: &Range<u64>) -> Result<Self, DecodedError> {
        let mut demuxer = Demuxer::open(file, bytes)?;
        let spec = spec(&mut demuxer)?;
        let mut demuxer = Demuxer::open(file, bytes)?.in_frames(spec.rate);
        let words = demuxer.title_and_author();
        let (origin, frames) = match demuxer.kind() {
            Kind::Mp4 => edits::heard(edits::read(file)?, &mut demuxer, spec.rate),
            _ => {
                let origin = demuxer.origin();
                let before = u64::try_from(origin).unwrap_or(0);
                (origin, demuxer.told_end().map(|end| end.saturating_sub(before)))
            }
        };
        let frames = match frames {
            Some(frames) => frames,
            None => counted(demuxer, origin, bytes.end.saturating_sub(bytes.start))?,
        };
        Ok(Self { spec, link: Link { bytes: bytes.clone(), frames, origin }, words })
    }
}

/// Whether a link that is of no use has no sound that could be missed.
fn is_empty(file: &Arc<File>, bytes: &Range<u64>) -> Result<bool, DecodedError> {
    let is_short = bytes.end.saturating_sub(bytes.start) < LONGEST_EMPTY;
    match Demuxer::open(file, bytes) {
        Ok(demuxer) => Ok(is_short && demuxer.told_end().is_none()),
        Err(DecodedError::Unusable(why)) => Ok(is_short && why == NO_SOUND),
        Err(error) => Err(error),
    }
}

/// A recording has one rate throughout.
fn common_spec(links: &[Learnt]) -> Result<PcmSpec, DecodedError> {
    let Some(first) = links.first() else { return Err(DecodedError::Unusable(NO_SOUND.to_owned())) };
    match links.iter().find(|link| link.spec != first.spec) {
        None => Ok(first.spec),
        Some(other) => Err(DecodedError::Unusable(format!(
            "it is several Ogg streams one after another, of {} and then of {}",
            first.spec, other.spec
        ))),
    }
}

/// What all links that say something agree on: the name of the first song is not that of the show.
fn common_words(links: &[Learnt]) -> Words {
    let agreed = |of: fn(&Words) -> &Option<String>| {
        let mut said = links.iter().filter_map(|link| of(&link.words).as_ref());
        let first = said.next()?;
        said.all(|other| other == first).then(|| first.clone())
    };
    (agreed(|(title, _)| title), agreed(|(_, author)| author))
}

/// What comes out of the first packet that can be decoded.
fn spec(demuxer: &mut Demuxer) -> Result<PcmSpec, DecodedError> {
    let mut decoder = Decoder::new(demuxer.params())?;
    for _ in 0..FIRST_PACKETS {
        let Some(packet) = demuxer.next()? else { break };
        if let Some((shape, _)) = decoder.decode(&packet.coded) {
            decoder::check(demuxer.params(), &packet.coded)?;
            return spec_of(shape, demuxer.params());
        }
    }
    let why = format!("none of its first {FIRST_PACKETS} packets can be decoded");
    Err(DecodedError::Unusable(why))
}

fn spec_of(shape: Shape, params: &AudioCodecParameters) -> Result<PcmSpec, DecodedError> {
    // 16 bits are what lossy codecs are made for; of what is lossless none is to be lost.
    let format = match params.bits_per_sample {
        None | Some(0..=16) => SampleFormat::S16(Endian::Little),
        Some(17..=24) => SampleFormat::S24(Endian::Little),
        Some(_) => SampleFormat::S32(Endian::Little),
    };
    let Shape { rate, channels, mask } = shape;
    let spec = PcmSpec::new(format, rate, channels);
    spec.map(|spec| spec.with_mask(mask)).map_err(|error| DecodedError::Unusable(error.to_string()))
}

/// Counts the frames from `origin` on by going through all packets, of which there cannot be more than bytes.
fn counted(mut demuxer: Demuxer, origin: i64, bytes: u64) -> Result<u64, DecodedError> {
    let (mut end, mut last, mut step) = (origin, None, 0);
    let (mut first_kind, mut last_kind) = (None, None);
    for _ in 0..=bytes {
        let Some(packet) = demuxer.next()? else { break };
        let kind = decoder::mpeg_signature(demuxer.params(), &packet.coded);
        // A single one may be damage.
        if kind != *first_kind.get_or_insert(kind) && Some(kind) == last_kind {
            return Err(DecodedError::Unusable(SEVERAL.to_owned()));
        }
        last_kind = Some(kind);
        if let Some(last) = last.replace(packet.at) {
            step = packet.at.saturating_sub(last);
        }
        end = end.max(packet.at.saturating_add_unsigned(packet.frames));
    }
    // Symphonia has cut the last packet of an MP3 by what the file says, which need not be true of it.
    if let (Kind::Bare, Some(last)) = (demuxer.kind(), last) {
        end = last.saturating_add(step);
    }
    let counted = u64::try_from(end.saturating_sub(origin)).unwrap_or(0);
    Ok(demuxer.without_padding(counted))
}
