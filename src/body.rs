//! The bytes of a rendition from one place to another, one after another: header, packets or pages, trailer.
//!
//! Nothing is decided here. What a body has to give was said in its headers; it gives exactly that, waiting
//! at the live edge if it must, or it breaks off with an error, which HTTP shows to the client as a broken
//! body. It is never more than a few segments ahead of what was taken from it.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tailcast_codecs::{Page, Sound};
use tokio::sync::watch;

use crate::recording::{Extent, RecordingError, State};
use crate::rendition::{Finished, Rendition, Shape};
use crate::segments::segment::{Found, SegmentReader};
use crate::segments::share::{Place, Share};
use crate::segments::{SegmentError, Segments};
use crate::stopped;

/// Why a body breaks off.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// A segment cannot be had, most often because the recording is lost.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The recording is lost.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The recording ended before the bytes that were promised, or another invariant does not hold.
    #[error("{promised} bytes were promised, {given} could be given")]
    Short {
        /// By the headers.
        promised: u64,
        /// Before it broke off.
        given: u64,
    },
}

/// How far a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Exactly up to this byte (exclusive): its length was promised.
    Byte(u64),
    /// To the recording's end, but at most to this byte if there is one.
    End(Option<u64>),
}

/// Bytes read from a file at once where there is nothing to code.
const COPY_BYTES: u64 = 128 * 1024;

/// Reads a rendition.
pub struct BodyReader {
    rendition: Arc<Rendition>,
    segments: Arc<Segments>,
    extent: watch::Receiver<Extent>,
    /// Turns true when the server is to stop; a body that follows a recording then ends.
    stop: watch::Receiver<bool>,
    position: u64,
    until: Until,
    started_at: u64,
    /// Known from the first if the rendition is finished, else when the recording ends.
    end: Option<End>,
    held: VecDeque<(u64, SegmentReader)>,
    /// Segments read to their end, by which reading ahead warms up: who only wants a few bytes should not
    /// have whole segments coded after them.
    consumed: usize,
    /// Packets gathered for the next pages.
    gathered: Vec<u8>,
    /// What its client may have of the encoders.
    share: Option<Share>,
    /// Taken of that for the next segment that is new.
    place: Option<Place>,
}

/// A finished rendition, and how far its recording went when it was. From then on a body is read by that, even
/// if the recording goes on: it is what the ETag stands for.
#[derive(Debug, Clone)]
pub struct End {
    /// The rendition's lengths.
    pub finished: Finished,
    /// The recording's.
    pub extent: Extent,
}

/// Where a body is in its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has given what the recorder wrote, but for the last second of it perhaps.
    Live {
        /// When the last of it was written, if it has given that too.
        written: Option<Instant>,
    },
    /// There is more of what grows.
    Behind,
    /// What it gives does not grow.
    Finished,
}

impl Standing {
    /// The words for them.
    pub const NAMES: [&str; 3] = ["live", "behind", "finished"];

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live { .. } => "live",
            Self::Behind => "behind",
            Self::Finished => "finished",
        }
    }
}

/// That a client has all it may have of the encoders.
struct Full;

/// What a step of reading came to.
enum Step {
    Bytes(Bytes),
    /// The recording has ended; its rendition's length is known now.
    Ended,
    /// The server stops.
    Stop,
}

impl BodyReader {
    /// From byte `from` of a rendition on. `extent` tells how far its recording goes; `end` is set if the
    /// rendition was finished when it was decided what to answer.
    pub fn new(
        rendition: Arc<Rendition>,
        segments: Arc<Segments>,
        extent: watch::Receiver<Extent>,
        stop: watch::Receiver<bool>,
        end: Option<End>,
        (from, until): (u64, Until),
    ) -> Self {
        Self {
            rendition,
            segments,
            extent,
            stop,
            position: from,
            until,
            started_at: from,
            end,
            held: VecDeque::new(),
            consumed: 0,
            gathered: Vec::new(),
            share: None,
            place: None,
        }
    }

    /// Has no more coded at a time that nobody else listens to than its client's share allows, with all that the same
    /// client has coded; it waits where it would.
    pub(crate) fn within(mut self, share: Option<Share>) -> Self {
        self.share = share;
        self
    }

    /// Has a place of its client's share already for what it begins with.
    pub(crate) fn begin_in(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// When what was promised cannot be given.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let limit = self.limit();
            if self.position >= limit {
                return self.close();
            }
            let mut bytes = match self.step().await? {
                Step::Bytes(bytes) => bytes,
                Step::Ended => continue,
                Step::Stop => return self.close(),
            };
            bytes.truncate(usize::try_from(limit - self.position).unwrap_or(usize::MAX));
            self.position += bytes.len() as u64;
            return Ok(Some(bytes));
        }
    }

    /// Whether it begins with what has to be coded, and is not for anybody else.
    pub fn is_new_work(&self) -> bool {
        let cut = self.rendition.cut();
        let grid = cut.grid();
        if self.rendition.codec().stateless() || self.limit() <= cut.header_len().max(self.position) {
            return false;
        }
        let packet = cut.first_packet() + cut.packet_at_byte(self.position);
        let number = packet / grid.segment_packets.max(1);
        self.segments.is_new(self.rendition.track(), number, &self.extent())
    }

    /// Whether it has given anything behind the header.
    pub fn is_in_sound(&self) -> bool {
        self.position > self.rendition.cut().header_len()
    }

    /// Where it stands in its recording.
    pub fn standing(&self) -> Standing {
        if !self.follows() {
            return Standing::Finished;
        }
        let extent = self.extent.borrow();
        let cut = self.rendition.cut();
        let ready = self.rendition.codec().feed().ready(extent.frames);
        let exists = |ready| cut.exists(cut.codable(ready));
        if self.position >= exists(ready) {
            return Standing::Live { written: Some(extent.written) };
        }
        let a_second_before = ready.saturating_sub(cut.grid().rates.coded.into());
        if self.position >= exists(a_second_before) {
            Standing::Live { written: None }
        } else {
            Standing::Behind
        }
    }

    /// Coded frames that are heard from the last `len` bytes that it gave, and their rate.
    pub fn frames_in_last(&self, len: u64) -> (u64, u32) {
        let cut = self.rendition.cut();
        let before = cut.frame_at_byte(self.position.saturating_sub(len));
        (cut.frame_at_byte(self.position).saturating_sub(before), cut.grid().rates.coded)
    }

    /// The lengths, where they are known: of a finished rendition, or of a clip, which may yet turn out to be
    /// shorter but not longer.
    fn finished(&self) -> Option<Finished> {
        self.end.as_ref().map_or_else(|| self.rendition.longest(), |end| Some(end.finished))
    }

    /// How far the recording goes, as far as this body is concerned.
    fn extent(&self) -> Extent {
        match &self.end {
            Some(end) => end.extent.clone(),
            None => self.extent.borrow().clone(),
        }
    }

    /// The byte at which to stop, as far as it is known.
    fn limit(&self) -> u64 {
        let len = self.finished().map_or(u64::MAX, |finished| finished.len);
        match self.until {
            Until::Byte(byte) => byte.min(len),
            Until::End(most) => most.unwrap_or(u64::MAX).min(len),
        }
    }

    /// Whether it waits for the recorder, and so is ended when the server stops. One whose length was promised has all
    /// of its sound there and gets to its end.
    fn follows(&self) -> bool {
        self.end.is_none() && matches!(self.until, Until::End(_))
    }

    /// An end is in order if it is where the headers said it would be, or they did not say.
    fn close(&self) -> Result<Option<Bytes>, BodyError> {
        match self.until {
            Until::Byte(byte) if self.position != byte => Err(BodyError::Short {
                promised: byte.saturating_sub(self.started_at),
                given: self.position - self.started_at,
            }),
            _ => Ok(None),
        }
    }

    async fn step(&mut self) -> Result<Step, BodyError> {
        let header_len = self.rendition.cut().header_len();
        if self.position < header_len {
            let header = self.rendition.header(self.end.as_ref().map(|end| end.finished.frames));
            let from = usize::try_from(self.position).unwrap_or(usize::MAX);
            return Ok(Step::Bytes(header.slice(from.min(header.len())..)));
        }
        if let Some(trailer) = self.trailer() {
            return Ok(Step::Bytes(trailer));
        }
        if self.rendition.codec().stateless() {
            self.copy().await
        } else if self.rendition.cut().grid().paging.is_some() {
            self.pages().await
        } else {
            self.packets().await
        }
    }

    /// What is left behind the last packet, if the position is there.
    fn trailer(&self) -> Option<Bytes> {
        let finished = self.finished()?;
        let cut = self.rendition.cut();
        let packets = cut.packets(finished.frames);
        let past = usize::try_from(self.position.checked_sub(cut.len(packets))?).ok()?;
        let trailer = Bytes::from_static(self.rendition.codec().trailer(cut, packets));
        Some(trailer.slice(past.min(trailer.len())..))
    }

    /// Packets that stand one after another: bytes of the rendition are bytes of its segments.
    async fn packets(&mut self) -> Result<Step, BodyError> {
        let cut = self.rendition.cut();
        let origin = cut.grid().offset(cut.first_packet());
        let offset = origin + self.position - cut.header_len();
        Ok(match self.canonical(offset).await? {
            Some(Found::Bytes(bytes)) => Step::Bytes(bytes),
            Some(Found::Ended) => self.learn_of_the_end(),
            None => Step::Stop,
        })
    }

    /// Pages, made of as many packets as are there, but of one page at least.
    async fn pages(&mut self) -> Result<Step, BodyError> {
        let first = self.rendition.cut().packet_at_byte(self.position);
        while let Some(offset) = self.wanted_for_page(first) {
            match self.canonical(offset).await? {
                Some(Found::Bytes(bytes)) => self.gather(first, &bytes),
                Some(Found::Ended) => {
                    drop(self.learn_of_the_end());
                    // Packets may have been gathered that are behind the end, which was not known yet.
                    let gathered = std::mem::take(&mut self.gathered);
                    self.gather(first, &gathered);
                }
                None => return Ok(Step::Stop),
            }
        }
        if self.gathered.is_empty() {
            return Ok(Step::Ended);
        }
        let cut = self.rendition.cut();
        let (at, page_packets) = (cut.byte_of_packet(first), cut.grid().unit_packets());
        let pages = self.take_pages(first / page_packets);
        let from = usize::try_from(self.position - at).unwrap_or(usize::MAX);
        Ok(Step::Bytes(pages.slice(from.min(pages.len())..)))
    }

    /// Where the canonical packets go on behind those gathered from packet `first` on, unless they are a page already.
    fn wanted_for_page(&self, first: u64) -> Option<u64> {
        let cut = self.rendition.cut();
        let grid = cut.grid();
        let packets = self.gathered.len() as u64 / grid.sizes.base;
        let last = self.finished().map(|finished| cut.packets(finished.frames));
        let enough = packets >= grid.unit_packets() || last.is_some_and(|last| first + packets >= last);
        (!enough).then(|| grid.offset(cut.first_packet() + first) + self.gathered.len() as u64)
    }

    /// Takes packets, though none behind the rendition's last.
    fn gather(&mut self, first: u64, bytes: &[u8]) {
        let cut = self.rendition.cut();
        let most = self.finished().map_or(u64::MAX, |finished| {
            cut.packets(finished.frames).saturating_sub(first).saturating_mul(cut.grid().sizes.base)
        });
        let room = usize::try_from(most.saturating_sub(self.gathered.len() as u64)).unwrap_or(usize::MAX);
        self.gathered.extend(bytes.iter().take(room));
    }

    /// Makes pages of the packets gathered, from page `number` on. What does not fill a page is kept for the
    /// next time, when the position will be at that page's start.
    fn take_pages(&mut self, mut number: u64) -> Bytes {
        let cut = *self.rendition.cut();
        let page_packets = cut.grid().unit_packets();
        let len_of = |packets: u64| usize::try_from(packets * cut.grid().sizes.base).unwrap_or(usize::MAX);
        let end = self.finished().map(|finished| (cut.packets(finished.frames), finished.frames));
        let mut out = Vec::new();
        let mut used = 0;
        for packets in self.gathered.chunks(len_of(page_packets)) {
            let begun = number * page_packets;
            let last = end.filter(|(end, _)| begun + page_packets >= *end);
            let full = last.map_or(page_packets, |(end, _)| end.saturating_sub(begun));
            if packets.len() < len_of(full) {
                break;
            }
            let last = last.map(|(_, frames)| frames);
            self.rendition.codec().page(&Page { cut: &cut, number, packets, last }, &mut out);
            used += packets.len();
            number += 1;
        }
        self.gathered.drain(..used);
        Bytes::from(out)
    }

    /// Bytes of the canonical packets from `offset` on; `None` if the server stops.
    async fn canonical(&mut self, offset: u64) -> Result<Option<Found>, BodyError> {
        let len = self.rendition.cut().grid().segment_len();
        let (number, within) = (offset / len, offset % len);
        if self.wait_for_place(number).await?.is_none() {
            return Ok(None);
        }
        // Nothing but these is kept while it waits: there may be thousands of it.
        if !self.hold_at(offset, number)? {
            return Ok(Some(Found::Ended));
        }
        let following = self.follows();
        let Some((_, reader)) = self.held.front_mut() else { return Err(SegmentError::Gone.into()) };
        let found = tokio::select! {
            found = reader.read(within) => found?,
            () = stopped(&mut self.stop), if following => return Ok(None),
        };
        if matches!(found, Found::Ended) {
            self.held.clear();
        }
        Ok(Some(found))
    }

    /// Waits until its client may have another segment coded, if segment `number` has to be, for this body alone; `None` if
    /// the server stops.
    async fn wait_for_place(&mut self, number: u64) -> Result<Option<()>, BodyError> {
        self.let_go_before(number);
        let Some(share) = self.share.as_ref().filter(|_| self.needs_place(number)).cloned() else {
            return Ok(Some(()));
        };
        let following = self.follows();
        let mut taken = pin!(share.take());
        loop {
            tokio::select! {
                place = &mut taken => {
                    self.place = Some(place);
                    return Ok(Some(()));
                }
                changed = self.extent.changed() => {
                    changed.map_err(|_| SegmentError::Gone)?;
                    if !self.needs_place(number) {
                        return Ok(Some(()));
                    }
                }
                () = stopped(&mut self.stop), if following => return Ok(None),
            }
        }
    }

    /// Whether a segment would be coded for this body alone, and it has no place for it yet. What cannot be had any more
    /// takes none.
    fn needs_place(&self, number: u64) -> bool {
        let is_held = self.held.front().is_some_and(|(held, _)| *held == number);
        if is_held || self.place.is_some() {
            return false;
        }
        let extent = self.extent();
        let is_lost = matches!(extent.state, State::Lost(_));
        !is_lost && self.segments.is_new(self.rendition.track(), number, &extent)
    }

    /// A place for a segment further on, if it takes one; an error if there is none.
    fn place_ahead(&self, number: u64, extent: &Extent) -> Result<Option<Place>, Full> {
        match &self.share {
            Some(share) if self.segments.is_new(self.rendition.track(), number, extent) => {
                share.try_take_ahead().map(Some).ok_or(Full)
            }
            _ => Ok(None),
        }
    }

    /// Holds segment `number`, which `offset` lies in; false if the recording has ended, so that its length has to be known
    /// first.
    fn hold_at(&mut self, offset: u64, number: u64) -> Result<bool, BodyError> {
        let extent = self.extent();
        match extent.state {
            State::Lost(error) => return Err(error.into()),
            // A segment must not be read that goes on behind the end, in silence.
            State::Ended { .. } if self.end.is_none() => return Ok(false),
            _ => {}
        }
        self.hold(offset, number, &extent);
        Ok(true)
    }

    /// Lets go of the segments before `number`.
    fn let_go_before(&mut self, number: u64) {
        while self.held.front().is_some_and(|(held, _)| *held != number) {
            self.held.pop_front();
            self.consumed += 1;
        }
    }

    /// Holds segment `number`, which `offset` lies in, and a few after it.
    fn hold(&mut self, offset: u64, number: u64, extent: &Extent) {
        for next in number..=number + self.ahead(offset) {
            let held = self.held.back().is_some_and(|(held, _)| *held >= next);
            if held {
                continue;
            }
            let place = if next == number {
                self.place.take()
            } else if self.is_wanted(next, extent)
                && let Ok(place) = self.place_ahead(next, extent)
            {
                place
            } else {
                break;
            };
            let reader = self.segments.open(self.rendition.track(), next, extent, place);
            self.held.push_back((next, reader));
        }
    }

    /// How many segments to read ahead of `offset`: none until the first packets are out, so that a listener who has just
    /// sought does not share the processor with what is wanted later, but for one that is wanted at once; nor any while
    /// many wait for theirs.
    fn ahead(&self, offset: u64) -> u64 {
        let begun = self.position > self.started_at.max(self.rendition.cut().header_len());
        if self.segments.is_crowded() {
            0
        } else if begun {
            (self.consumed + 1).min(self.segments.threads() + 1) as u64
        } else {
            u64::from(self.is_near_seam(offset))
        }
    }

    /// Whether the next segment begins within half a second, which is less than any player begins with.
    fn is_near_seam(&self, offset: u64) -> bool {
        let grid = self.rendition.cut().grid();
        let left = grid.segment_packets - grid.packet_at(offset) % grid.segment_packets;
        2 * left * grid.packet_frames <= u64::from(grid.rates.coded)
    }

    /// Whether a segment further on is worth coding now: the body goes that far, and its sound is there.
    fn is_wanted(&self, number: u64, extent: &Extent) -> bool {
        let cut = self.rendition.cut();
        let grid = cut.grid();
        let first = number.saturating_mul(grid.segment_packets);
        let ready = self.rendition.codec().feed().ready(extent.frames);
        let there = !extent.is_growing() || grid.codable(ready) >= first + grid.segment_packets;
        first < cut.first_packet().saturating_add(self.packets_wanted()) && there
    }

    /// Packets from the rendition's first to the last that this body takes something of.
    fn packets_wanted(&self) -> u64 {
        let cut = self.rendition.cut();
        let in_all = self.finished().map_or(u64::MAX, |finished| cut.packets(finished.frames));
        let last_unit = cut.packet_at_byte(self.limit().saturating_sub(1));
        last_unit.saturating_add(cut.grid().unit_packets()).min(in_all)
    }

    /// Bytes of packets that are nothing but their frames rewritten, straight from the file.
    async fn copy(&mut self) -> Result<Step, BodyError> {
        loop {
            if self.follows() && *self.stop.borrow() {
                return Ok(Step::Stop);
            }
            match self.there_to_copy()? {
                Some(packets) if packets.is_empty() => {}
                Some(packets) => return self.copy_packets(packets).await,
                None => return Ok(self.learn_of_the_end()),
            }
            let following = self.follows();
            tokio::select! {
                changed = self.extent.changed() => if changed.is_err() { return Err(SegmentError::Gone.into()) },
                () = stopped(&mut self.stop), if following => return Ok(Step::Stop),
            }
        }
    }

    /// The packets from the position on that are there, but no more than are wanted or read at once; `None` if the recording
    /// has ended, so that its length has to be known first.
    fn there_to_copy(&mut self) -> Result<Option<Range<u64>>, BodyError> {
        let extent = self.extent.borrow_and_update().clone();
        if let State::Lost(error) = extent.state {
            return Err(error.into());
        }
        let cut = self.rendition.cut();
        let packet_len = cut.grid().sizes.base.max(1);
        let first = cut.packet_at_byte(self.position);
        let most = self.finished().map_or(u64::MAX, |finished| cut.packets(finished.frames));
        let there = if self.end.is_some() { most } else { cut.codable(extent.frames).min(most) };
        if there <= first && self.end.is_none() && !extent.is_growing() {
            return Ok(None);
        }
        let wanted = self.limit().saturating_sub(cut.header_len()).div_ceil(packet_len);
        let at_once = first + (COPY_BYTES / packet_len).max(1);
        Ok(Some(first..there.min(wanted).min(at_once)))
    }

    async fn copy_packets(&self, packets: Range<u64>) -> Result<Step, BodyError> {
        let (recording, codec, cut) =
            (self.rendition.recording(), self.rendition.codec(), self.rendition.cut());
        let frames = cut.first_packet() + packets.start..cut.first_packet() + packets.end;
        let signed = |frame: u64| i64::try_from(frame).unwrap_or(i64::MAX);
        let coded = signed(frames.start)..signed(frames.end);
        let pcm = recording.get(frames).await?;
        let failed = |error| SegmentError::Codec(Arc::new(error));
        let out = if codec.is_verbatim() {
            pcm
        } else {
            let mut out = Vec::with_capacity(pcm.len());
            let mut encoder = codec.encoder(0).map_err(failed)?;
            encoder.encode(Sound { feed: codec.feed(), source: &pcm, coded }, &mut out).map_err(failed)?;
            out
        };
        let skip = usize::try_from(self.position - cut.byte_of_packet(packets.start)).unwrap_or(usize::MAX);
        let bytes = Bytes::from(out);
        Ok(Step::Bytes(bytes.slice(skip.min(bytes.len())..)))
    }

    /// The recording has ended, so the rendition's length is known. (If it has gone on since, it is not, and
    /// the recording is followed on.)
    fn learn_of_the_end(&mut self) -> Step {
        let extent = self.extent.borrow_and_update().clone();
        if let Shape::Finished(finished) = self.rendition.shape(&extent) {
            self.end = Some(End { finished, extent });
            // What is held was begun while there was no end. If the recorder goes on before that is noticed there, it gets
            // sound where this end has silence.
            self.held.clear();
        }
        Step::Ended
    }
}
