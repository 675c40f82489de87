//! The segments under way, where the next reader finds them.
//!
//! Whoever comes and whoever gives a segment up meet under one lock, so that no reader has a segment that nobody
//! drives.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::segment::{Segment, SegmentReader};

/// Segments that are being coded or wait for the recorder, each of which has somebody who drives it.
#[derive(Debug)]
pub(super) struct Table<Key> {
    segments: Mutex<HashMap<Key, Arc<Segment>>>,
}

/// Where a reader's segment was.
#[derive(Debug)]
pub(super) enum Origin {
    /// It is under way.
    UnderWay,
    /// It is sealed.
    Sealed,
    /// Nowhere: it is to be driven by whoever asked for it.
    New(Arc<Segment>),
}

impl<Key: Eq + Hash + Clone> Table<Key> {
    pub(super) fn new() -> Self {
        Self { segments: Mutex::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.segments.lock().len()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.segments.lock().contains_key(key)
    }

    /// A reader of the segment that is under way, or else of the one that is `sealed`, or else of a new one, which
    /// is under way from now on.
    pub(super) fn open(&self, key: &Key, sealed: impl FnOnce() -> Option<Bytes>) -> (SegmentReader, Origin) {
        let mut segments = self.segments.lock();
        if let Some(segment) = segments.get(key) {
            return (segment.reader(), Origin::UnderWay);
        }
        if let Some(bytes) = sealed() {
            return (SegmentReader::sealed(bytes), Origin::Sealed);
        }
        let segment = Arc::new(Segment::new());
        segments.insert(key.clone(), Arc::clone(&segment));
        (segment.reader(), Origin::New(segment))
    }

    /// Drops a segment if nobody reads it, which is certain only under the lock; true if so.
    pub(super) fn abandon(&self, key: &Key, segment: &Segment) -> bool {
        let mut segments = self.segments.lock();
        let unwanted = segment.is_unwanted();
        if unwanted {
            segments.remove(key);
        }
        unwanted
    }

    /// Drops a segment that is whole, or will never be, if it is still there.
    pub(super) fn remove(&self, key: &Key, segment: &Arc<Segment>) {
        let mut segments = self.segments.lock();
        if segments.get(key).is_some_and(|there| Arc::ptr_eq(there, segment)) {
            segments.remove(key);
        }
    }
}
