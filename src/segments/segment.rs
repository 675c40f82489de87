//! A progressive buffer: one writer appends, any number of readers follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::SegmentError;

/// What can be expected of a segment.
#[derive(Debug, Clone)]
pub enum Status {
    /// More is to come.
    Coding,
    /// All of it is there.
    Whole,
    /// The recording ended inside it; the rest is in the segment whose key knows that end.
    Ended,
    /// No more can be had.
    Failed(SegmentError),
}

/// A segment's bytes as far as they are coded.
#[derive(Debug)]
pub struct Segment {
    /// One after another, without a gap; a single one once the segment is sealed, for who still reads it.
    chunks: Mutex<Vec<Bytes>>,
    /// Told at each chunk, too.
    status: watch::Sender<Status>,
    awaited: AtomicBool,
}

impl Segment {
    pub(super) fn new() -> Self {
        Self {
            chunks: Mutex::new(Vec::new()),
            status: watch::Sender::new(Status::Coding),
            awaited: AtomicBool::new(false),
        }
    }

    pub(super) fn reader(self: &Arc<Self>) -> SegmentReader {
        SegmentReader(Source::UnderWay { segment: Arc::clone(self), status: self.status.subscribe() })
    }

    /// Whether somebody is waiting for it, rather than reading ahead.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Whether it has no reader.
    pub(super) fn is_unwanted(&self) -> bool {
        self.status.receiver_count() == 0
    }

    /// Waits until it has no reader.
    pub(super) async fn unwanted(&self) {
        self.status.closed().await;
    }

    /// Adds packets and wakes the readers.
    pub(super) fn append(&self, packets: Bytes) {
        self.chunks.lock().push(packets);
        self.status.send_modify(|_| ());
    }

    /// Joins the chunks, so that a warm read gets as much at once as it wants; all of the segment's bytes.
    pub(super) fn seal(&self) -> Bytes {
        let mut chunks = self.chunks.lock();
        let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
        chunks.iter().for_each(|chunk| joined.extend_from_slice(chunk));
        let joined = joined.freeze();
        *chunks = vec![joined.clone()];
        joined
    }

    pub(super) fn end(&self, status: Status) {
        self.status.send_modify(|known| *known = status);
    }

    /// What there is from byte `from` on, up to the end of the chunk it lies in.
    fn bytes_from(&self, mut from: u64) -> Option<Bytes> {
        for chunk in self.chunks.lock().iter() {
            let there = slice_from(chunk, from);
            if there.is_some() {
                return there;
            }
            from -= chunk.len() as u64;
        }
        None
    }
}

/// What a reader finds.
#[derive(Debug)]
pub enum Found {
    /// At least one byte.
    Bytes(Bytes),
    /// The recording ended before the byte sought.
    Ended,
}

/// Reads a segment, and keeps it from being given up.
#[derive(Debug)]
pub struct SegmentReader(Source);

#[derive(Debug)]
enum Source {
    UnderWay { segment: Arc<Segment>, status: watch::Receiver<Status> },
    Sealed(Bytes),
}

impl SegmentReader {
    /// Of a segment that is whole.
    pub(super) fn sealed(bytes: Bytes) -> Self {
        Self(Source::Sealed(bytes))
    }

    /// The bytes from byte `from` on that are there; waits until there is at least one.
    ///
    /// # Errors
    /// When the segment cannot be coded to there.
    pub async fn read(&mut self, from: u64) -> Result<Found, SegmentError> {
        let (segment, status) = match &mut self.0 {
            Source::UnderWay { segment, status } => (segment, status),
            Source::Sealed(bytes) => {
                return slice_from(bytes, from).map(Found::Bytes).ok_or(SegmentError::Gone);
            }
        };
        loop {
            // Before the bytes are looked for, since it may change right behind that.
            let known = status.borrow_and_update().clone();
            if let Some(bytes) = segment.bytes_from(from) {
                return Ok(Found::Bytes(bytes));
            }
            match known {
                Status::Coding => {}
                Status::Ended => return Ok(Found::Ended),
                Status::Failed(error) => return Err(error),
                // The grid does not ask for bytes behind a segment's end.
                Status::Whole => return Err(SegmentError::Gone),
            }
            segment.awaited.store(true, Ordering::Relaxed);
            if status.changed().await.is_err() {
                return Err(SegmentError::Gone);
            }
        }
    }
}

/// The bytes from byte `from` on, if it is one of them.
fn slice_from(bytes: &Bytes, from: u64) -> Option<Bytes> {
    let from = usize::try_from(from).ok()?;
    (from < bytes.len()).then(|| bytes.slice(from..))
}
