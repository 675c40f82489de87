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

#[derive(Debug, Clone)]
struct Progress {
    len: u64,
    status: Status,
}

/// A segment's bytes as far as they are coded.
#[derive(Debug)]
pub struct Segment {
    /// One after another, without a gap. A single one once the segment is sealed.
    chunks: Mutex<Vec<Bytes>>,
    progress: watch::Sender<Progress>,
    awaited: AtomicBool,
}

impl Segment {
    pub(super) fn new() -> Self {
        Self {
            chunks: Mutex::new(Vec::new()),
            progress: watch::Sender::new(Progress { len: 0, status: Status::Coding }),
            awaited: AtomicBool::new(false),
        }
    }

    pub(super) fn reader(self: &Arc<Self>) -> SegmentReader {
        SegmentReader { segment: Arc::clone(self), progress: self.progress.subscribe() }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.progress.borrow().len
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody is waiting for it, rather than reading ahead.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Whether it has no reader.
    pub(super) fn is_unwanted(&self) -> bool {
        self.progress.receiver_count() == 0
    }

    /// Waits until it has no reader.
    pub(super) async fn unwanted(&self) {
        self.progress.closed().await;
    }

    /// Adds packets and wakes the readers.
    pub(super) fn append(&self, packets: Bytes) {
        let added = packets.len() as u64;
        self.chunks.lock().push(packets);
        self.progress.send_modify(|progress| progress.len += added);
    }

    /// Joins the chunks, so that a warm read gets as much at once as it wants.
    pub(super) fn seal(&self) {
        let mut chunks = self.chunks.lock();
        let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
        chunks.iter().for_each(|chunk| joined.extend_from_slice(chunk));
        *chunks = vec![joined.freeze()];
    }

    pub(super) fn end(&self, status: Status) {
        self.progress.send_modify(|progress| progress.status = status);
    }

    /// What there is from byte `from` on, up to the end of the chunk it lies in.
    fn bytes_from(&self, from: u64) -> Option<Bytes> {
        let mut from = usize::try_from(from).ok()?;
        for chunk in self.chunks.lock().iter() {
            if from < chunk.len() {
                return Some(chunk.slice(from..));
            }
            from -= chunk.len();
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
pub struct SegmentReader {
    segment: Arc<Segment>,
    progress: watch::Receiver<Progress>,
}

impl SegmentReader {
    /// The bytes from byte `from` on that are there; waits until there is at least one.
    ///
    /// # Errors
    /// When the segment cannot be coded to there.
    pub async fn read(&mut self, from: u64) -> Result<Found, SegmentError> {
        loop {
            let progress = self.progress.borrow_and_update().clone();
            if let Some(bytes) = self.segment.bytes_from(from) {
                return Ok(Found::Bytes(bytes));
            }
            match progress.status {
                Status::Coding => {}
                Status::Ended => return Ok(Found::Ended),
                Status::Failed(error) => return Err(error),
                // The grid does not ask for bytes behind a segment's end.
                Status::Whole => return Err(SegmentError::Gone),
            }
            self.segment.awaited.store(true, Ordering::Relaxed);
            if self.progress.changed().await.is_err() {
                return Err(SegmentError::Gone);
            }
        }
    }
}
