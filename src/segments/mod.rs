//! Get a segment, or have it coded: once, however many listen, and no further than anyone wants it.
//!
//! A segment is a **progressive buffer** ([`segment`]): coded bytes are appended to it packet by packet,
//! readers follow it and are woken when there is more, and it is sealed when whole. One in the past fills at
//! the speed of the encoder, the one at the live edge at the speed of the recorder; readers do not know the
//! difference.
//!
//! While a segment is being coded it is in the table of those under way (`table`), where the next reader finds it.
//! Sealed it moves to a cache bounded in bytes. When nobody reads it any more before it is whole, its coding
//! stops at the next packets and it is dropped: it is a pure function of the sound and can be had again.
//!
//! A segment is made in turns. In each a stretch of sound is read, where a slow disk holds up nobody else, and then coded
//! by a bounded pool of threads ([`pool`]), never the async executor's. Turns are short, so that many segments that are
//! wanted at once get on together.

mod cache;
pub mod pool;
pub mod segment;
pub mod share;
mod table;

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tailcast_codecs::coder::Available;
use tailcast_codecs::{Codec, CodecError, SegmentCoder};
use tokio::sync::watch;

use crate::recording::{Extent, Recording, RecordingError, State};
use cache::Cache;
use pool::{Pool, Urgency};
use segment::{Segment, SegmentReader, Status};
use share::Place;
use table::{Origin, Table};

/// Why a segment cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SegmentError {
    /// The recording is lost.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The encoder failed, or broke the contract.
    #[error(transparent)]
    Codec(Arc<CodecError>),
    /// The server is shutting down, or a worker died.
    #[error("the encoder is gone")]
    Gone,
}

/// One recording in one format: what segments are segments of.
#[derive(Debug, Clone)]
pub struct Track {
    /// Where the sound comes from.
    pub recording: Arc<Recording>,
    /// What is made of it.
    pub codec: Arc<dyn Codec>,
    /// Of the format's name with all its parameters, for the keys of segments: with the name in them, each segment in the
    /// cache would keep hold of a small piece of memory of whoever had it coded.
    codec_digest: blake3::Hash,
}

impl Track {
    /// A recording in a format.
    pub fn new(recording: Arc<Recording>, codec: Arc<dyn Codec>) -> Self {
        let codec_digest = blake3::hash(codec.id().as_bytes());
        Self { recording, codec, codec_digest }
    }

    /// Whether the recorder is at work on the sound of a segment.
    fn is_live(&self, number: u64, extent: &Extent) -> bool {
        let grid = self.codec.grid();
        let codable = grid.codable(self.codec.feed().ready(extent.frames));
        extent.is_growing() && codable < (number + 1).saturating_mul(grid.segment_packets)
    }

    /// The key of a segment, of a recording that goes as far as `extent`.
    ///
    /// A segment that the end of a recording falls into (or just behind) depends on where that end is, so
    /// the end is part of its key. While the recording grows there is no end, and when it goes on after a
    /// pause the segment that was made with the pause's silence is not mistaken for the true one.
    fn key(&self, number: u64, extent: &Extent) -> Key {
        let grid = self.codec.grid();
        let last_packet = (number + 1).saturating_mul(grid.segment_packets).saturating_sub(1);
        let reaches_end = grid.frames_for(last_packet) > self.codec.feed().ready(extent.frames);
        let ended = matches!(extent.state, State::Ended { .. });
        Key {
            recording: self.recording.id(),
            codec: self.codec_digest,
            number,
            end: (ended && reaches_end).then_some(extent.frames),
        }
    }
}

/// What makes one segment different from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    recording: u64,
    codec: blake3::Hash,
    number: u64,
    end: Option<u64>,
}

/// Segments for each encoder with which it is [crowded](Segments::is_crowded).
const CROWD: usize = 8;

/// Packets coded between two looks at whether anybody still wants them, and between two wake-ups of those
/// who do: at 128 kbit/s about 2 KiB, a millisecond of work. Coded in longer steps, what a listener waits for would
/// wait for packets behind it.
const STEP_PACKETS: u64 = 5;

/// Bytes of sound that are read for a turn, about: three quarters of a second at 44.1 kHz, some milliseconds of coding. Whatever
/// is waiting for its turn has as many in memory.
const TURN_BYTES: u64 = 128 * 1024;

/// What has been done so far, for tests and for whoever watches the server.
#[derive(Debug, Default)]
pub struct Counters {
    /// Segments whose coding was begun.
    pub started: AtomicU64,
    /// Segments that became whole.
    pub sealed: AtomicU64,
    /// Segments that nobody wanted any more before they were whole.
    pub abandoned: AtomicU64,
    /// Readers that found their segment in the cache.
    pub hits: AtomicU64,
    /// Readers that joined a segment under way.
    pub joined: AtomicU64,
    /// Nanoseconds that encoders were at work.
    encoding: AtomicU64,
}

impl Counters {
    /// Seconds that encoders were at work, all of them together.
    pub fn encode_seconds(&self) -> f64 {
        Duration::from_nanos(self.encoding.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// Turns that wait for an encoder.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// At the live edge.
    pub live: usize,
    /// That a listener waits for.
    pub awaited: usize,
    /// Read ahead.
    pub ahead: usize,
    /// That nobody hears.
    pub idle: usize,
}

/// The segments of every recording: those under way and those in the cache.
#[derive(Debug)]
pub struct Segments {
    pool: Pool,
    cache: Cache<Key>,
    under_way: Table<Key>,
    /// Those of them for which there is sound to code.
    busy: AtomicUsize,
    /// How many that may be before nobody else is begun with.
    most: usize,
    counters: Counters,
}

impl Segments {
    /// `threads` encoders at a time, and at most `cache_bytes` of sealed segments kept; they are [full](Self::is_full)
    /// when `most` are coded or wait for it.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(threads: usize, cache_bytes: u64, most: usize) -> std::io::Result<Arc<Self>> {
        let (pool, cache) = (Pool::new(threads)?, Cache::new(cache_bytes));
        let (under_way, busy, counters) = (Table::new(), AtomicUsize::new(0), Counters::default());
        Ok(Arc::new(Self { pool, cache, under_way, busy, most, counters }))
    }

    /// Encoders that run at a time.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// What has been done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes in the cache, with what its entries take beside the packets.
    pub fn cached_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// Segments that are being coded or wait for the recorder.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Those of them that do not wait for the recorder.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Segments in the cache.
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// Segments that left the cache to make room for others.
    pub fn evicted(&self) -> u64 {
        self.cache.evicted()
    }

    /// Turns that wait for an encoder.
    pub fn waiting(&self) -> Waiting {
        let [live, awaited, ahead, idle] = self.pool.waiting();
        Waiting { live, awaited, ahead, idle }
    }

    /// Jobs of encoders that panicked.
    pub fn panicked(&self) -> u64 {
        self.pool.panicked()
    }

    /// Whether somebody who begins to listen at segment `number`, of a recording that goes as far as `extent`, makes more work
    /// than there is already. At the live edge nobody does.
    pub fn is_new(&self, track: &Track, number: u64, extent: &Extent) -> bool {
        let key = track.key(number, extent);
        !track.is_live(number, extent) && !self.under_way.contains(&key) && !self.cache.contains(&key)
    }

    /// Whether there is as much to code as there may be before nobody else is begun with.
    pub fn is_full(&self) -> bool {
        self.busy() >= self.most
    }

    /// Whether encoders have enough to do with what listeners wait for, so that nothing should be read ahead.
    pub fn is_crowded(&self) -> bool {
        // Nor should what is read ahead be why somebody is refused.
        self.busy() > (CROWD * self.threads()).min(self.most / 2)
    }

    /// Runs `work` on a thread of the encoders when there is nothing to code that is for a listener, or when there has been
    /// for long; `None` if it panicked or the server is shutting down. It should take a millisecond, no more: who comes
    /// meanwhile waits.
    pub async fn idle<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        self.pool.run(Urgency::Idle, work).await
    }

    /// A reader of segment `number`, of a recording that goes as far as `extent`. The segment is coded for as
    /// long as it has a reader. If it is a new one, it is in its client's `place` for as long as there is work with it.
    pub fn open(
        self: &Arc<Self>,
        track: &Track,
        number: u64,
        extent: &Extent,
        place: Option<Place>,
    ) -> SegmentReader {
        let key = track.key(number, extent);
        let (reader, origin) = self.under_way.open(&key, || self.cache.get(&key));
        let segment = match origin {
            Origin::UnderWay => {
                self.counters.joined.fetch_add(1, Ordering::Relaxed);
                return reader;
            }
            Origin::Sealed => {
                self.counters.hits.fetch_add(1, Ordering::Relaxed);
                return reader;
            }
            Origin::New(segment) => segment,
        };
        self.counters.started.fetch_add(1, Ordering::Relaxed);
        let driver = Driver { segments: Arc::clone(self), track: track.clone(), key, segment };
        tokio::spawn(driver.run(place));
        reader
    }
}

/// Takes one segment from nothing to whole.
struct Driver {
    segments: Arc<Segments>,
    track: Track,
    key: Key,
    segment: Arc<Segment>,
}

/// Counts a segment among those that encoders have work with.
struct Busy<'a> {
    count: Option<&'a AtomicUsize>,
    /// Among those of its client.
    place: Option<Place>,
}

impl<'a> Busy<'a> {
    fn new(segments: &'a Segments, place: Option<Place>) -> Self {
        segments.busy.fetch_add(1, Ordering::Relaxed);
        Self { count: Some(&segments.busy), place }
    }

    fn end(&mut self) {
        if let Some(count) = self.count.take() {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        self.place = None;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// How far a turn got.
enum Turn {
    /// There is sound for another.
    More,
    /// All packets are out.
    Whole,
    /// All the sound there was is coded.
    AtEdge,
    /// Nobody reads it any more.
    Unwanted,
    /// Nor did anybody while it waited for a disk, and it is dropped.
    Abandoned,
}

/// Sound that was read, in source frames and their interleaved bytes.
struct Stretch {
    frames: Range<u64>,
    bytes: Vec<u8>,
    frame_bytes: usize,
}

impl Stretch {
    /// The bytes of some of its frames; `None` if it does not have all of them.
    fn get(&self, frames: &Range<u64>) -> Option<&[u8]> {
        let byte = |frame: u64| {
            let frames = usize::try_from(frame.checked_sub(self.frames.start)?).ok()?;
            frames.checked_mul(self.frame_bytes)
        };
        if frames.is_empty() {
            return Some(&[]);
        }
        self.bytes.get(byte(frames.start)?..byte(frames.end)?)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nobody is to wait for what nobody drives, be it for a bug.
        if std::thread::panicking() {
            self.finish(Status::Failed(SegmentError::Gone));
        }
    }
}

impl Driver {
    async fn run(self, place: Option<Place>) {
        let mut extent = self.track.recording.subscribe();
        let mut coder = SegmentCoder::new(Arc::clone(&self.track.codec), self.key.number);
        let mut live = false;
        let mut busy = Busy::new(&self.segments, place);
        loop {
            let available = self.available(&extent.borrow_and_update());
            let turn;
            (coder, turn) = match self.turn(coder, available, live).await {
                Ok(turned) => turned,
                Err(error) => return self.finish(Status::Failed(error)),
            };
            live = matches!(turn, Turn::AtEdge);
            if live {
                // For as long as it is there: a few packets now and then.
                busy.end();
            }
            let over = match turn {
                Turn::More => false,
                Turn::Whole => return self.seal(),
                Turn::AtEdge => self.wait(&mut extent, available.frames()).await,
                Turn::Unwanted => self.abandon(),
                Turn::Abandoned => true,
            };
            if over {
                return;
            }
        }
    }

    fn available(&self, extent: &Extent) -> Available {
        match self.key.end {
            Some(end) => Available::Ended(end),
            None => Available::Growing(extent.frames),
        }
    }

    /// Reads a stretch of what is available and codes it.
    async fn turn(
        &self,
        mut coder: SegmentCoder,
        available: Available,
        live: bool,
    ) -> Result<(SegmentCoder, Turn), SegmentError> {
        let Some(batch) = coder.next(available, self.turn_packets()) else {
            let turn = if coder.is_whole(available) { Turn::Whole } else { Turn::AtEdge };
            return Ok((coder, turn));
        };
        if self.segment.is_unwanted() {
            return Ok((coder, Turn::Unwanted));
        }
        let Some(stretch) = self.read_while_wanted(batch.source).await? else {
            return Ok((coder, Turn::Abandoned));
        };
        let (segment, segments) = (Arc::clone(&self.segment), Arc::clone(&self.segments));
        // What was recorded since the last look is handed on as one: listeners at the live edge may be thousands, and what
        // each of them costs is being woken.
        let step = if live { self.turn_packets() } else { STEP_PACKETS };
        let work = move || {
            let begun = Instant::now();
            let turn = code(&stretch, &segment, &mut coder, available, step);
            let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            segments.counters.encoding.fetch_add(took, Ordering::Relaxed);
            Ok((coder, turn?))
        };
        let urgency = if live { Urgency::Live } else { Urgency::Segment(Arc::clone(&self.segment)) };
        self.segments.pool.run(urgency, work).await.unwrap_or(Err(SegmentError::Gone))
    }

    /// Packets whose sound is read for a turn.
    fn turn_packets(&self) -> u64 {
        let grid = self.track.codec.grid();
        let frame_bytes = self.track.recording.spec().frame_bytes() as u64;
        let packet_bytes = grid.rates.to_source(grid.packet_frames).saturating_mul(frame_bytes);
        (TURN_BYTES / packet_bytes.max(1)).max(STEP_PACKETS)
    }

    /// Reads a stretch of sound; `None` if nobody reads the segment any more before that is done, and it was dropped. A disk
    /// that does not answer is not to keep what nobody waits for among what there is to do.
    async fn read_while_wanted(&self, frames: Range<u64>) -> Result<Option<Stretch>, SegmentError> {
        let recording = &self.track.recording;
        let mut bytes = pin!(recording.get(frames.clone()));
        loop {
            tokio::select! {
                biased;
                bytes = &mut bytes => {
                    let frame_bytes = recording.spec().frame_bytes();
                    return Ok(Some(Stretch { frames, bytes: bytes?, frame_bytes }));
                }
                () = self.segment.unwanted() => if self.abandon() { return Ok(None) },
            }
        }
    }

    /// Waits until there is more to code than `coded` source frames; true if the segment came to its end instead.
    async fn wait(&self, extent: &mut watch::Receiver<Extent>, coded: u64) -> bool {
        let Extent { state, frames, .. } = extent.borrow().clone();
        match state {
            State::Growing => {}
            // It grew before it ended, while the last of this was coded.
            State::Ended { .. } if frames > coded => return false,
            // Readers come again with the end in their key.
            State::Ended { .. } => {
                self.finish(Status::Ended);
                return true;
            }
            State::Lost(error) => {
                self.finish(Status::Failed(error.into()));
                return true;
            }
        }
        tokio::select! {
            _ = extent.changed() => false,
            () = self.segment.unwanted() => self.abandon(),
        }
    }

    /// Drops the segment if nobody reads it.
    fn abandon(&self) -> bool {
        let unwanted = self.segments.under_way.abandon(&self.key, &self.segment);
        self.segments.counters.abandoned.fetch_add(u64::from(unwanted), Ordering::Relaxed);
        unwanted
    }

    fn seal(&self) {
        // Into the cache first, so that at no time it is in neither.
        self.segments.cache.insert(self.key, self.segment.seal());
        self.segments.counters.sealed.fetch_add(1, Ordering::Relaxed);
        self.finish(Status::Whole);
    }

    fn finish(&self, status: Status) {
        self.segments.under_way.remove(&self.key, &self.segment);
        self.segment.end(status);
    }
}

/// Codes as much as there is sound for in the stretch.
fn code(
    stretch: &Stretch,
    segment: &Segment,
    coder: &mut SegmentCoder,
    available: Available,
    step: u64,
) -> Result<Turn, SegmentError> {
    while let Some(batch) = coder.next(available, step) {
        if segment.is_unwanted() {
            return Ok(Turn::Unwanted);
        }
        let Some(bytes) = stretch.get(&batch.source) else { return Ok(Turn::More) };
        let mut packets = Vec::new();
        coder.code(&batch, bytes, &mut packets).map_err(|error| SegmentError::Codec(Arc::new(error)))?;
        segment.append(Bytes::from(packets));
    }
    Ok(if coder.is_whole(available) { Turn::Whole } else { Turn::AtEdge })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;
    use tailcast_codecs::format::{Format, Parameters};

    use super::*;

    #[test]
    fn nobody_waits_for_a_segment_whose_driver_panicked() {
        let file = tempfile::Builder::new().suffix(".pcm").tempfile().unwrap();
        let pcm = "s16le:48000:2".parse().unwrap();
        let recording = Arc::new(Recording::open_path(file.path(), Some(pcm)).unwrap());
        let codec = Format::Mp3.codec(pcm, Parameters::default()).unwrap();
        let (track, segments) = (Track::new(recording, codec), Segments::new(1, 0, 1).unwrap());
        let key = track.key(0, &track.recording.extent());
        let (mut reader, Origin::New(segment)) = segments.under_way.open(&key, || None) else {
            panic!("it is there already")
        };
        let driver = Driver { segments: Arc::clone(&segments), track, key, segment };
        let driven = move || {
            let _driver = driver;
            panic!("a bug");
        };
        catch_unwind(AssertUnwindSafe(driven)).unwrap_err();
        assert!(matches!(reader.read(0).now_or_never(), Some(Err(SegmentError::Gone))));
        assert_eq!(segments.under_way(), 0);
    }
}
