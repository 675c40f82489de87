//! WAV: the recording itself behind a header (RIFF, or RF64 where RIFF's 32-bit sizes do not reach).
//!
//! The header always keeps room for RF64's sizes (EBU Tech 3306: a `JUNK` chunk that can become `ds64`), so
//! that sound is at the same byte whether the recording is growing, finished, or longer than 4 GiB.

use crate::grid::{PacketSizes, Rates, VirtualTotal};
use crate::pcm::PcmError;
use crate::{Codec, CodecError, Cut, Feed, Grid, PcmSpec, Planar, SegmentEncoder, Sound, Tags, mix, samples};

/// What RIFF says where it does not know a size, and what players take for "until it ends".
const UNKNOWN: u32 = u32::MAX;
/// Bytes of RIFF's own id and size, which the size does not count.
const RIFF_HEAD: u64 = 8;
/// Bytes of sound that one segment has, about. WAV has no encoder to start afresh, so it only is a unit of
/// reading.
const SEGMENT_BYTES: u64 = 128 * 1024;

const EXTENSIBLE: u16 = 0xFFFE;
const IEEE_FLOAT: u16 = 3;
/// What follows the format tag in the GUID of a `WAVE_FORMAT_EXTENSIBLE` header.
const GUID_TAIL: &[u8] = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

/// The recording as WAV, in its own sample format (big endian turned into little, 24 in 32 bits into 24).
#[derive(Debug)]
pub struct Wav {
    feed: Feed,
    grid: Grid,
    tag: u16,
    bits: u16,
    header_len: usize,
}

impl Wav {
    /// `channels` is the recording's own number, or 1 or 2 for a mix.
    ///
    /// # Errors
    /// When the recording's channels cannot be mixed to `channels`.
    pub fn new(spec: PcmSpec, channels: u16) -> Result<Self, PcmError> {
        let feed = Feed::new(spec, channels, spec.rate)?;
        let (tag, bits) = samples::wav_format(spec.format);
        let frame_bytes = u64::from(channels) * u64::from(bits / 8);
        let mut wav = Self {
            grid: Grid {
                rates: Rates { source: spec.rate, coded: spec.rate },
                packet_frames: 1,
                segment_packets: (SEGMENT_BYTES / frame_bytes.max(1)).max(1),
                preroll_packets: 0,
                preroll_before_zero: false,
                delay: 0,
                lookahead: 0,
                least_packets: 1,
                warmup_packets: 0,
                sizes: PacketSizes::constant(frame_bytes),
                paging: None,
                header_len: 0,
                tagged_header_len: 0,
                virtual_total: VirtualTotal::Bytes(UNKNOWN as u64 + RIFF_HEAD),
            },
            feed,
            tag,
            bits,
            header_len: 0,
        };
        wav.header_len = wav.build(None).len();
        wav.grid.header_len = wav.header_len as u64;
        wav.grid.tagged_header_len = wav.grid.header_len;
        Ok(wav)
    }

    fn frame_bytes(&self) -> u64 {
        self.grid.sizes.base
    }

    /// The whole header, for `frames` frames or a length not known yet.
    fn build(&self, frames: Option<u64>) -> Vec<u8> {
        let data = frames.map(|frames| frames.saturating_mul(self.frame_bytes()));
        let riff = data.map(|data| (self.header_len as u64 + data + data % 2).saturating_sub(RIFF_HEAD));
        let small = |bytes: Option<u64>| {
            bytes.map_or(Some(UNKNOWN), |b| u32::try_from(b).ok().filter(|b| *b < UNKNOWN))
        };
        let mut out = Vec::with_capacity(self.header_len);
        match (small(riff), riff, data) {
            (None, Some(riff), Some(data)) => {
                chunk_head(&mut out, b"RF64", UNKNOWN);
                out.extend(b"WAVE");
                chunk_head(&mut out, b"ds64", 28);
                out.extend([riff, data, frames.unwrap_or(0)].into_iter().flat_map(u64::to_le_bytes));
                out.extend([0; 4]);
            }
            (riff, ..) => {
                chunk_head(&mut out, b"RIFF", riff.unwrap_or(UNKNOWN));
                out.extend(b"WAVE");
                chunk_head(&mut out, b"JUNK", 28);
                out.extend([0; 28]);
            }
        }
        self.fmt_chunk(&mut out);
        if self.tag == IEEE_FLOAT {
            // Every format that is not plain PCM is to say its number of frames.
            chunk_head(&mut out, b"fact", 4);
            out.extend(small(frames).unwrap_or(UNKNOWN).to_le_bytes());
        }
        // A size is "unknown" in RF64 as well, where `ds64` has it.
        let data = if small(riff).is_some() { small(data) } else { None };
        chunk_head(&mut out, b"data", data.unwrap_or(UNKNOWN));
        out
    }

    fn fmt_chunk(&self, out: &mut Vec<u8>) {
        let channels = self.feed.channels();
        // More than two channels have to say which loudspeakers they are for.
        let extensible = channels > 2;
        let size = if extensible {
            40
        } else if self.tag == IEEE_FLOAT {
            18
        } else {
            16
        };
        let align = channels * (self.bits / 8);
        let rate = self.grid.rates.coded;
        chunk_head(out, b"fmt ", size);
        out.extend((if extensible { EXTENSIBLE } else { self.tag }).to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend(rate.saturating_mul(align.into()).to_le_bytes());
        out.extend(align.to_le_bytes());
        out.extend(self.bits.to_le_bytes());
        if extensible {
            out.extend(22u16.to_le_bytes());
            out.extend(self.bits.to_le_bytes());
            out.extend(mix::channel_mask(self.feed.spec()).to_le_bytes());
            out.extend(self.tag.to_le_bytes());
            out.extend(GUID_TAIL);
        } else if self.tag == IEEE_FLOAT {
            out.extend([0; 2]);
        }
    }
}

fn chunk_head(out: &mut Vec<u8>, id: &[u8; 4], size: u32) {
    out.extend(id);
    out.extend(size.to_le_bytes());
}

impl Codec for Wav {
    fn id(&self) -> String {
        format!("wav-{}-{}", self.feed.spec(), self.feed.channels())
    }

    fn media_type(&self) -> &'static str {
        "audio/wav"
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn header(&self, _cut: &Cut, frames: Option<u64>, _tags: &Tags<'_>) -> Vec<u8> {
        self.build(frames)
    }

    fn encoder(&self, _segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        Ok(Box::new(WavEncoder { mixed: Planar::new() }))
    }

    /// RIFF chunks end at even positions.
    fn trailer(&self, _cut: &Cut, packets: u64) -> &'static [u8] {
        if packets.saturating_mul(self.frame_bytes()) % 2 == 1 { &[0] } else { &[] }
    }

    fn stateless(&self) -> bool {
        true
    }

    fn is_verbatim(&self) -> bool {
        let spec = self.feed.spec();
        self.feed.channels() == spec.channels && samples::is_little_endian(spec.format)
    }
}

struct WavEncoder {
    mixed: Planar,
}

impl SegmentEncoder for WavEncoder {
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let spec = sound.feed.spec();
        if sound.feed.channels() == spec.channels {
            samples::to_little_endian(spec.format, sound.source, out);
            return Ok(());
        }
        self.mixed.iter_mut().for_each(Vec::clear);
        sound.planar(&mut self.mixed)?;
        samples::from_planar(spec.format, &self.mixed, out);
        Ok(())
    }
}
