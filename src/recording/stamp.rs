//! By which a file is known to be as it was without being read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime};

/// What the file system says of a file that is not the same after a write to it, or when another stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    len: u64,
    modified: (i64, i64),
    /// Of the content or the metadata; nobody can set it.
    changed: (i64, i64),
}

impl Stamp {
    /// Of an opened file, or one that was looked up.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is of the file with this device and inode.
    pub(super) fn is_of(&self, inode: (u64, u64)) -> bool {
        self.inode == inode
    }

    /// Whether a file that has this stamp is the one that had another, and was not written to since. (Its metadata may have
    /// been, as when it is renamed.)
    pub(super) fn has_content_of(&self, before: &Self) -> bool {
        (self.inode, self.len, self.modified) == (before.inode, before.len, before.modified)
    }
}

/// When a file's content or metadata last changed.
pub(super) fn changed(metadata: &Metadata) -> SystemTime {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// More than any file system's times are apart at the least (FAT's are two seconds): what is written twice within such a step
/// may have the same stamp.
pub(super) const STEP: Duration = Duration::from_secs(3);

/// A stamp that was found by each look since the first that found it; `None` where there is no file. The looks read what
/// they want of the content after the stamp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    stamp: Option<Stamp>,
    since: Instant,
    /// Whether the content was read when no later write could have had this stamp any more. By our own clock from stamp to
    /// stamp, since the file's may be another machine's.
    vouches: bool,
}

impl Sighting {
    /// A first look.
    pub(super) fn first(stamp: Option<Stamp>, looked: Instant) -> Self {
        Self { stamp, since: looked, vouches: false }
    }

    /// What another look makes of it: one that had the stamp before `looked` and reads the content after.
    pub(super) fn then(self, stamp: Option<Stamp>, looked: Instant) -> Self {
        if stamp != self.stamp {
            return Self::first(stamp, looked);
        }
        let vouches = self.vouches || looked.saturating_duration_since(self.since) >= STEP;
        Self { vouches, ..self }
    }

    /// Whether it is this stamp that was found.
    pub(super) fn is_of(&self, stamp: Option<Stamp>) -> bool {
        self.stamp == stamp
    }

    /// Whether a file that has this stamp now is as it was when it was last looked at.
    pub(super) fn vouches_for(&self, stamp: Option<Stamp>) -> bool {
        self.vouches && self.is_of(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_stamp_vouches_when_it_has_stood_for_longer_than_a_step_of_the_clock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = || Some(Stamp::of(&file.path().metadata().unwrap()));
        let (first, begun) = (stamp(), Instant::now());
        let sighting = Sighting::first(first, begun).then(first, begun + STEP / 2);
        assert!(!sighting.vouches_for(first));
        let sighting = sighting.then(first, begun + STEP);
        assert!(sighting.vouches_for(first));
        assert!(!sighting.vouches_for(None));

        fs::write(file.path(), "more").unwrap();
        let second = stamp();
        assert!(!sighting.vouches_for(second));
        let sighting = sighting.then(second, begun + 2 * STEP);
        assert!(!sighting.vouches_for(second), "a new one has to stand as long");
    }
}
