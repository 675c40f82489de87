//! What a coded file is, and how long: all that has to be known of it before it is decoded.

use std::fs::File;
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioCodecParameters;
use tailcast_codecs::pcm::Endian;
use tailcast_codecs::{PcmSpec, SampleFormat};

use super::DecodedError;
use super::demuxer::{Demuxer, Kind};
use super::edits;
use crate::decoder::{self, Decoder, Shape};

/// Packets among which there has to be one that can be decoded.
const FIRST_PACKETS: usize = 64;
/// Frames of the largest packet that any of the codecs has (FLAC's), which takes some bytes: no file has more for each.
const MOST_FRAMES_A_BYTE: u64 = 65_536;
/// Seconds that nobody records in one go: 366 days.
const MOST_SECONDS: u64 = 366 * 86_400;

/// What a coded file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// What it is decoded to.
    pub(super) spec: PcmSpec,
    /// Frames of it that are to be heard: without what the encoder put before and behind them.
    pub(super) frames: u64,
    /// When the first of them is by the container's times, in frames.
    pub(super) origin: i64,
    /// What its tags call it.
    pub(super) title: Option<String>,
    /// Who they say made it.
    pub(super) author: Option<String>,
}

impl About {
    /// Finds it out. Blocks.
    pub(super) fn learn(file: &Arc<File>) -> Result<Self, DecodedError> {
        let bytes = file.metadata()?.len();
        let mut demuxer = Demuxer::open(file)?;
        let spec = spec(&mut demuxer)?;
        let mut demuxer = Demuxer::open(file)?.in_frames(spec.rate);
        let (title, author) = demuxer.title_and_author();
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
            None => counted(demuxer, origin, bytes)?,
        };
        if frames > bytes.saturating_mul(MOST_FRAMES_A_BYTE) || frames / u64::from(spec.rate) > MOST_SECONDS {
            let why = format!("it says that it has {frames} frames, and has {bytes} bytes");
            return Err(DecodedError::Unusable(why));
        }
        Ok(Self { spec, frames, origin, title, author })
    }
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
    for _ in 0..=bytes {
        let Some(packet) = demuxer.next()? else { break };
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
