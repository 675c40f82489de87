//! The recordings that are open, so that whoever asks for one gets the one that others are listening to.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::{Metadata, MetadataExt};
use parking_lot::Mutex;

use super::file::Spoiled;
use super::{Recording, RecordingError, RecordingName};

/// Recordings that are kept open though nobody listens, so that what was coded of them stays of use.
const KEPT_OPEN: u64 = 256;
/// How long they are: the file of one that was removed keeps its place on the disk.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Recordings by their names: all that are in use, and the last ones that were.
#[derive(Debug)]
pub(super) struct Shelf {
    kept: moka::sync::Cache<RecordingName, Arc<Recording>>,
    in_use: Mutex<HashMap<RecordingName, Weak<Recording>>>,
    /// Files of the last ones that were lost since they have other sound now.
    spoiled: moka::sync::Cache<RecordingName, Spoiled>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        let lru = moka::policy::EvictionPolicy::lru();
        let kept = moka::sync::Cache::builder().max_capacity(KEPT_OPEN).time_to_idle(KEPT_FOR);
        let kept = kept.eviction_policy(lru).build();
        let spoiled = moka::sync::Cache::builder().max_capacity(KEPT_OPEN).time_to_live(KEPT_FOR).build();
        Self { kept, in_use: Mutex::default(), spoiled }
    }

    /// How long a file has stood still that is to be opened under a name, by what is known of the recording before it. By the
    /// file's own time that is `by_time`.
    pub(super) fn still(&self, name: &RecordingName, file: &Metadata, by_time: Duration) -> Duration {
        let spoiled = self.spoiled.get(name);
        spoiled.map_or(by_time, |spoiled| spoiled.still(file.dev(), file.ino(), file.len(), by_time))
    }

    /// The recording that is open under a name.
    pub(super) fn get(&self, name: &RecordingName) -> Option<Arc<Recording>> {
        self.kept.get(name).or_else(|| self.in_use.lock().get(name)?.upgrade())
    }

    /// Lets go of those that nobody listens to; true if there were any.
    pub(super) fn let_go(&self) -> bool {
        let kept = self.names();
        // One by one: `invalidate_all` leaves them where they are until somebody comes across them.
        kept.iter().for_each(|name| self.kept.invalidate(name));
        // Until then what was removed is still on the cache's list of things to do.
        self.kept.run_pending_tasks();
        !kept.is_empty()
    }

    /// The names of those that are kept open.
    pub(super) fn names(&self) -> Vec<RecordingName> {
        self.kept.run_pending_tasks();
        self.kept.iter().map(|(name, _)| RecordingName::clone(&name)).collect()
    }

    /// The recording that is open under a name, or else the one that `open` gives, which is called by one at a time
    /// for a name. Blocks.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn get_or_open(
        &self,
        name: &RecordingName,
        open: impl FnOnce() -> Result<Recording, RecordingError>,
    ) -> Result<Arc<Recording>, RecordingError> {
        let take_up = || match self.get_in_use(name) {
            Some(recording) => Ok(recording),
            None => open().map(|recording| self.put_in_use(recording)),
        };
        self.kept.try_get_with(name.clone(), take_up).map_err(|error| RecordingError::clone(&error))
    }

    fn get_in_use(&self, name: &RecordingName) -> Option<Arc<Recording>> {
        self.in_use.lock().get(name)?.upgrade().filter(|recording| !recording.is_lost())
    }

    fn put_in_use(&self, recording: Recording) -> Arc<Recording> {
        let recording = Arc::new(recording);
        let mut in_use = self.in_use.lock();
        in_use.retain(|_, recording| recording.strong_count() > 0);
        in_use.insert(recording.name().clone(), Arc::downgrade(&recording));
        recording
    }

    /// Lets go of a recording that is lost: its file would stay open, and keep its place on the disk if it was removed.
    pub(super) fn forget(&self, lost: &Arc<Recording>) {
        let name = lost.name();
        if let Some(spoiled) = lost.spoiled() {
            self.spoiled.insert(name.clone(), spoiled);
        }
        if self.kept.get(name).is_some_and(|kept| Arc::ptr_eq(&kept, lost)) {
            self.kept.invalidate(name);
            // Until then what was removed is still on the cache's list of things to do.
            self.kept.run_pending_tasks();
        }
        let mut in_use = self.in_use.lock();
        if in_use.get(name).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(lost))) {
            in_use.remove(name);
        }
    }
}
