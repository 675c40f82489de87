//! Codes one segment, packet by packet, as its sound becomes available.

use std::ops::Range;
use std::sync::Arc;

use crate::{Codec, CodecError, SegmentEncoder, Sound};

/// How much of a recording there is to code from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Available {
    /// So many source frames, and more may follow.
    Growing(u64),
    /// So many source frames, and silence for ever after.
    Ended(u64),
}

impl Available {
    /// The source frames that are there.
    pub fn frames(self) -> u64 {
        match self {
            Self::Growing(frames) | Self::Ended(frames) => frames,
        }
    }
}

/// The next piece of work of a [`SegmentCoder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Source frames to be read for it; all of them are there.
    pub source: Range<u64>,
    silent_before: u64,
    silent_after: u64,
    coded: Range<i64>,
    packets: u64,
}

/// Codes a segment from its preroll on. It reads nothing itself: it says which frames it wants next
/// ([`next`](Self::next)) and takes their bytes ([`code`](Self::code)).
pub struct SegmentCoder {
    codec: Arc<dyn Codec>,
    /// Made when it is first fed.
    encoder: Option<Box<dyn SegmentEncoder>>,
    segment: u64,
    /// Coded frame at which the preroll starts; below zero for the first segment.
    origin: i64,
    fed: i64,
    /// Packets so far, with the preroll's.
    packets: u64,
    /// Bytes so far, with the preroll's.
    given: u64,
    padded: Vec<u8>,
}

impl std::fmt::Debug for SegmentCoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentCoder")
            .field("segment", &self.segment)
            .field("packets", &self.packets)
            .finish()
    }
}

fn signed(frames: u64) -> i64 {
    i64::try_from(frames).unwrap_or(i64::MAX)
}

fn unsigned(frames: i64) -> u64 {
    u64::try_from(frames).unwrap_or(0)
}

impl SegmentCoder {
    /// Begins segment `segment`. Its encoder is made with the first batch, so that what to read can be asked before.
    pub fn new(codec: Arc<dyn Codec>, segment: u64) -> Self {
        let grid = codec.grid();
        let start = signed(segment.saturating_mul(grid.segment_packets).saturating_mul(grid.packet_frames));
        let origin = start - signed(grid.preroll(segment) * grid.packet_frames);
        let padded = Vec::new();
        Self { codec, encoder: None, segment, origin, fed: origin, packets: 0, given: 0, padded }
    }

    /// Packets in all, with the preroll's. Behind the last that it takes to hear a recording's end there are
    /// none.
    fn total(&self, available: Available) -> u64 {
        let grid = self.codec.grid();
        let own = match available {
            Available::Growing(_) => grid.segment_packets,
            Available::Ended(frames) => {
                let end = grid.packets_until(grid.rates.to_coded(frames));
                end.saturating_sub(self.segment.saturating_mul(grid.segment_packets))
                    .min(grid.segment_packets)
            }
        };
        grid.preroll(self.segment) + own
    }

    /// Whether every packet is out.
    pub fn is_whole(&self, available: Available) -> bool {
        self.packets >= self.total(available)
    }

    /// Coded frame at which the sound for the first `packets` packets ends.
    fn fed_for(&self, packets: u64) -> i64 {
        let grid = self.codec.grid();
        self.origin + signed(packets * grid.packet_frames + grid.lookahead)
    }

    /// How many packets (with the preroll's) the sound that is there is enough for.
    fn reachable(&self, available: Available) -> u64 {
        let Available::Growing(frames) = available else { return u64::MAX };
        let grid = self.codec.grid();
        let ready = signed(self.codec.feed().ready(frames));
        unsigned(ready - self.origin).saturating_sub(grid.lookahead) / grid.packet_frames
    }

    /// What to read next, for at most `packets` packets behind the preroll's; `None` if the segment is whole
    /// or the sound is not there yet.
    pub fn next(&self, available: Available, packets: u64) -> Option<Batch> {
        let preroll = self.codec.grid().preroll(self.segment);
        let wanted = self.packets.max(preroll).saturating_add(packets.max(1));
        let until = wanted.min(self.total(available)).min(self.reachable(available));
        if until <= self.packets {
            return None;
        }
        let coded = self.fed..self.fed_for(until);
        let window = self.codec.feed().window(coded.clone());
        let end = signed(available.frames());
        let (from, to) = (window.start.clamp(0, end), window.end.clamp(0, end));
        Some(Batch {
            source: unsigned(from)..unsigned(to),
            silent_before: unsigned(from - window.start).min(unsigned(window.end - window.start)),
            silent_after: unsigned(window.end - window.start.max(to).max(from)),
            coded,
            packets: until,
        })
    }

    /// Codes a batch whose `source` frames have the interleaved bytes `bytes`, and appends the packets that
    /// are the segment's own (not the preroll's) to `out`.
    ///
    /// # Errors
    /// When the encoder cannot be made or fails, or gives another number of bytes than the grid promises.
    pub fn code(&mut self, batch: &Batch, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let codec = Arc::clone(&self.codec);
        let mut packets = Vec::new();
        let source = Self::pad(&mut self.padded, &*codec, batch, bytes);
        let sound = Sound { feed: codec.feed(), source, coded: batch.coded.clone() };
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(codec.encoder(self.segment)?),
        };
        encoder.encode(sound, &mut packets)?;
        self.keep(batch, packets, out)
    }

    /// The batch's sound with silence where the recording has none.
    fn pad<'a>(padded: &'a mut Vec<u8>, codec: &dyn Codec, batch: &Batch, bytes: &'a [u8]) -> &'a [u8] {
        if batch.silent_before == 0 && batch.silent_after == 0 {
            return bytes;
        }
        let spec = codec.feed().spec();
        let silence = spec.format.silence();
        let bytes_of = |frames: u64| usize::try_from(frames).unwrap_or(0) * spec.frame_bytes();
        padded.clear();
        padded.resize(bytes_of(batch.silent_before), silence);
        padded.extend_from_slice(bytes);
        padded.resize(padded.len() + bytes_of(batch.silent_after), silence);
        padded
    }

    /// Checks the bytes against the grid and drops those of the preroll.
    fn keep(&mut self, batch: &Batch, packets: Vec<u8>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let grid = self.codec.grid();
        let before = self.given;
        self.given += packets.len() as u64;
        self.packets = batch.packets;
        self.fed = batch.coded.end;
        let promised = grid.sizes.total(batch.packets);
        if self.given != promised {
            return Err(CodecError::WrongSize {
                segment: self.segment,
                packets: batch.packets,
                promised,
                given: self.given,
            });
        }
        let preroll = grid.sizes.total(grid.preroll(self.segment));
        let drop = usize::try_from(preroll.saturating_sub(before)).unwrap_or(usize::MAX);
        out.extend_from_slice(packets.get(drop..).unwrap_or_default());
        Ok(())
    }
}
