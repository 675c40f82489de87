//! One chunk of a coded file's sound, decoded.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use tailcast_codecs::PcmSpec;

use super::DecodedError;
use super::about::{About, Link};
use super::demuxer::{Demuxer, Kind, Packet};
use crate::decoder::Decoder;

/// Frames that a packet has at least, on the whole: more packets than that for a chunk say nothing.
const LEAST_FRAMES: u64 = 16;

/// Decodes chunks of a file. It keeps its place, so that the next chunk is got at without looking for it.
#[derive(Debug)]
pub(super) struct Walker {
    file: Arc<File>,
    about: About,
    /// In which it is.
    link: usize,
    demuxer: Demuxer,
    /// The last packets of a container that cannot be sought in, which the next chunk's decoder is fed first.
    last: VecDeque<Packet>,
}

impl Walker {
    pub(super) fn open(file: &Arc<File>, about: &About) -> Result<Self, DecodedError> {
        let demuxer = opened(file, about, 0)?;
        Ok(Self { file: Arc::clone(file), about: about.clone(), link: 0, demuxer, last: VecDeque::new() })
    }

    /// The PCM of these frames; what cannot be decoded is silence, so that all else is where it belongs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn decode(&mut self, frames: Range<u64>) -> Result<Vec<u8>, DecodedError> {
        let mut pcm = Vec::new();
        for (link, frames) in self.about.within(&frames) {
            if link != self.link {
                (self.demuxer, self.link) = (opened(&self.file, &self.about, link)?, link);
                self.last.clear();
            }
            pcm.append(&mut self.decode_within(frames)?);
        }
        Ok(pcm)
    }

    /// The PCM of frames of the link in which it is.
    fn decode_within(&mut self, frames: Range<u64>) -> Result<Vec<u8>, DecodedError> {
        let mut chunk = Chunk::new(self.about.spec, self.times(&frames));
        let mut decoder = Decoder::new(self.demuxer.params())?;
        let from = chunk.times.start.saturating_sub(self.preroll());
        let is_first = frames.start == 0;
        if self.demuxer.kind() == Kind::Bare {
            self.walk(from, &mut decoder, &mut chunk)?;
        } else if self.go_to(from, is_first)? {
            self.decode_on(&mut decoder, &mut chunk)?;
        }
        Ok(chunk.pcm)
    }

    /// The container's times of frames that are heard.
    fn times(&self, frames: &Range<u64>) -> Range<i64> {
        let origin = self.about.links.get(self.link).map_or(0, |link| link.origin);
        let time = |frame| origin.saturating_add_unsigned(frame);
        time(frames.start)..time(frames.end)
    }

    /// Frames that a decoder is fed before those that are wanted of it, by when it has forgotten what came before: an MP3
    /// frame may take its bits from nine before it, the others overlap with one.
    fn preroll(&self) -> i64 {
        i64::from(self.about.spec.rate)
    }

    /// Goes where a chunk's packets begin; false if there is nothing.
    fn go_to(&mut self, time: i64, is_first: bool) -> Result<bool, DecodedError> {
        if is_first {
            // As whoever plays it from its beginning does.
            self.demuxer = opened(&self.file, &self.about, self.link)?;
            return Ok(true);
        }
        self.demuxer.seek(time)
    }

    fn decode_on(&mut self, decoder: &mut Decoder, chunk: &mut Chunk) -> Result<(), DecodedError> {
        for _ in 0..chunk.most_packets(self.preroll()) {
            match self.demuxer.next()? {
                Some(packet) if packet.at < chunk.times.end => chunk.take(decoder, &packet),
                _ => break,
            }
        }
        Ok(())
    }

    /// Decodes the chunk of a container that can only be gone through: from where it was left, if that is not too far.
    fn walk(&mut self, from: i64, decoder: &mut Decoder, chunk: &mut Chunk) -> Result<(), DecodedError> {
        if self.last.front().is_some_and(|first| first.at > from) {
            self.demuxer = opened(&self.file, &self.about, self.link)?;
            self.last.clear();
        }
        // All before that of which the last frame is wanted.
        while self.last.back().is_none_or(|last| last.at < chunk.times.end)
            && let Some(packet) = self.demuxer.next()?
        {
            self.last.push_back(packet);
            self.forget_before(from);
        }
        let end = chunk.times.end;
        for packet in self.last.iter().filter(|packet| packet.at < end) {
            chunk.take(decoder, packet);
        }
        self.forget_before(end.saturating_sub(self.preroll()));
        Ok(())
    }

    /// Lets go of packets but for those from the one that has a time on.
    fn forget_before(&mut self, time: i64) {
        while self.last.get(1).is_some_and(|second| second.at <= time) {
            self.last.pop_front();
        }
    }
}

/// At the first packet of a link.
fn opened(file: &Arc<File>, about: &About, link: usize) -> Result<Demuxer, DecodedError> {
    let bytes = about.links.get(link).map_or(0..0, |Link { bytes, .. }| bytes.clone());
    Ok(Demuxer::open(file, &bytes)?.in_frames(about.spec.rate))
}

/// A chunk that is being filled.
struct Chunk {
    spec: PcmSpec,
    times: Range<i64>,
    pcm: Vec<u8>,
}

impl Chunk {
    /// Silence.
    fn new(spec: PcmSpec, times: Range<i64>) -> Self {
        let frames = usize::try_from(times.end.saturating_sub(times.start)).unwrap_or(0);
        Self { spec, times, pcm: vec![0; frames.saturating_mul(spec.frame_bytes())] }
    }

    fn most_packets(&self, preroll: i64) -> u64 {
        let frames = self.times.end.saturating_sub(self.times.start).saturating_add(preroll);
        u64::try_from(frames).unwrap_or(0) / LEAST_FRAMES + 1024
    }

    /// Decodes a packet and puts what belongs to the chunk in its place.
    fn take(&mut self, decoder: &mut Decoder, packet: &Packet) {
        let Some((shape, samples)) = decoder.decode(&packet.coded) else { return };
        if (shape.rate, shape.channels) != (self.spec.rate, self.spec.channels) {
            return;
        }
        let channels = usize::from(self.spec.channels);
        let skipped = usize::try_from(self.times.start.saturating_sub(packet.at)).unwrap_or(0);
        let into = usize::try_from(packet.at.saturating_sub(self.times.start)).unwrap_or(0);
        let samples = samples.get(skipped.saturating_mul(channels)..).unwrap_or_default();
        let place = self.pcm.get_mut(into.saturating_mul(self.spec.frame_bytes())..).unwrap_or_default();
        let width = self.spec.format.bytes();
        for (place, sample) in place.chunks_exact_mut(width).zip(samples) {
            // The most significant of its bytes.
            let bytes = sample.to_le_bytes();
            place.copy_from_slice(bytes.get(bytes.len().saturating_sub(width)..).unwrap_or_default());
        }
    }
}
