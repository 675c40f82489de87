//! Sealed segments: the last ones that were heard, bounded in bytes.

use std::hash::Hash;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

/// Bytes that an entry takes beside the packets, about.
const ENTRY_OVERHEAD: u64 = 256;

/// The bytes of sealed segments, and nothing else of them: small pieces, among what a crowd took, would keep pages of memory
/// when it has gone.
#[derive(Debug)]
pub(super) struct Cache<Key: Eq + Hash> {
    kept: Mutex<Kept<Key>>,
    most: u64,
}

#[derive(Debug)]
struct Kept<Key: Eq + Hash> {
    segments: LruCache<Key, Bytes>,
    bytes: u64,
    evicted: u64,
}

impl<Key: Eq + Hash> Cache<Key> {
    /// It keeps at most so many bytes.
    pub(super) fn new(most: u64) -> Self {
        let kept = Kept { segments: LruCache::unbounded(), bytes: 0, evicted: 0 };
        Self { kept: Mutex::new(kept), most }
    }

    /// The segment, which is the last heard from now on: what a listener has just heard is what the next one finds.
    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.kept.lock().segments.get(key).cloned()
    }

    /// Whether the segment is there, which nobody hears by that.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.kept.lock().segments.contains(key)
    }

    /// Keeps a segment, in the place of those that have not been heard for longest. One for which there is no room at all is
    /// not kept.
    pub(super) fn insert(&self, key: Key, segment: Bytes) {
        let added = weight(&segment);
        if added > self.most {
            return;
        }
        let mut kept = self.kept.lock();
        if let Some(before) = kept.segments.put(key, segment) {
            kept.bytes -= weight(&before);
        }
        kept.bytes += added;
        while kept.bytes > self.most
            && let Some((_, longest_ago)) = kept.segments.pop_lru()
        {
            kept.bytes -= weight(&longest_ago);
            kept.evicted += 1;
        }
    }

    /// Segments.
    pub(super) fn len(&self) -> usize {
        self.kept.lock().segments.len()
    }

    /// What they take, with [`ENTRY_OVERHEAD`] for each.
    pub(super) fn bytes(&self) -> u64 {
        self.kept.lock().bytes
    }

    /// How many made room for others so far.
    pub(super) fn evicted(&self) -> u64 {
        self.kept.lock().evicted
    }
}

fn weight(segment: &Bytes) -> u64 {
    segment.len() as u64 + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u64 = 744; // 1,000 with what an entry takes

    fn segment(len: u64) -> Bytes {
        Bytes::from(vec![0; usize::try_from(len).unwrap()])
    }

    fn those_there(cache: &Cache<u8>) -> Vec<u8> {
        (0..10).filter(|key| cache.contains(key)).collect()
    }

    #[test]
    fn what_was_not_heard_for_longest_makes_room() {
        let cache = Cache::new(3_000);
        (0..3).for_each(|key| cache.insert(key, segment(LEN)));
        assert_eq!((those_there(&cache), cache.bytes(), cache.evicted()), (vec![0, 1, 2], 3_000, 0));
        cache.get(&0);
        cache.insert(3, segment(LEN + 1));
        assert_eq!((those_there(&cache), cache.bytes(), cache.evicted()), (vec![0, 3], 2_001, 2));
        assert_eq!(cache.get(&3), Some(segment(LEN + 1)));
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn a_segment_takes_its_place_once_and_none_is_kept_that_is_larger_than_all_of_it() {
        let cache = Cache::new(3_000);
        (0..2).for_each(|_| cache.insert(0, segment(LEN)));
        assert_eq!((cache.len(), cache.bytes()), (1, 1_000));
        cache.insert(1, segment(3_000));
        assert_eq!((those_there(&cache), cache.bytes(), cache.evicted()), (vec![0], 1_000, 0));
        let none = Cache::new(0);
        none.insert(0, segment(0));
        assert_eq!((none.len(), none.bytes()), (0, 0));
    }
}
