//! Notices a recording's growth while somebody listens, once for all who do.
//!
//! The system's file notification wakes the follower; a look every half second stands in for it where there
//! is none (network file systems accept a watch and never report what other machines write). However often
//! the recorder writes, there are at most five looks a second, and fewer where hundreds listen.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::RecordingError;
use super::catalogue::Folder;
use super::file::{Extent, Recording};

/// The shortest time between two looks.
const TICK: Duration = Duration::from_millis(200);
/// The same when more than [`CROWD`] follow: each look wakes them all, and that is most of what they cost.
const TICK_OF_A_CROWD: Duration = Duration::from_millis(400);
/// Bodies that follow a recording, and segments that are coded of it, from which on it is a crowd.
const CROWD: usize = 256;
/// The longest while it grows.
const POLL: Duration = Duration::from_millis(500);
/// The longest when it has ended: it may grow again, and those who wait for that may be a thousand, of as many recordings.
const POLL_ENDED: Duration = Duration::from_secs(5);

type Wakers = Arc<Mutex<HashMap<PathBuf, Arc<Notify>>>>;

/// The system's file notification, for the files that are followed.
pub(super) struct Notifier {
    /// `None` where the system has none to give, for example when all inotify instances are taken.
    watcher: Mutex<Option<RecommendedWatcher>>,
    wakers: Wakers,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

impl Notifier {
    pub(super) fn new() -> Self {
        let wakers = Wakers::default();
        let told = Arc::clone(&wakers);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let wakers = told.lock();
            event.paths.iter().filter_map(|path| wakers.get(path)).for_each(|waker| waker.notify_one());
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no file notification; growing recordings are polled");
        }
        Self { watcher: Mutex::new(watcher.ok()), wakers }
    }

    /// Watches a file. Blocks.
    fn watch(&self, path: &Path) -> Arc<Notify> {
        let waker = Arc::new(Notify::new());
        // Before the table, which the watcher's own thread wants; held on, so that no watch is ended by the one before.
        let mut watcher = self.watcher.lock();
        self.wakers.lock().insert(path.to_owned(), Arc::clone(&waker));
        if let Some(watcher) = watcher.as_mut()
            && let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive)
        {
            tracing::debug!(%error, path = %path.display(), "not watched, polled");
        }
        waker
    }

    /// Ends a watch, unless somebody else has taken it over since. Blocks.
    fn unwatch(&self, path: &Path, waker: &Arc<Notify>) {
        let mut watcher = self.watcher.lock();
        let mut wakers = self.wakers.lock();
        if !wakers.get(path).is_some_and(|current| Arc::ptr_eq(current, waker)) {
            return;
        }
        wakers.remove(path);
        drop(wakers);
        if let Some(watcher) = watcher.as_mut() {
            // It fails when the file is gone, and its watch with it.
            let _ = watcher.unwatch(path);
        }
    }
}

/// Follows a recording for as long as anybody listens, as `_listener` does: so there is one from the first.
pub(super) fn follow(folder: &Arc<Folder>, recording: &Arc<Recording>, _listener: &watch::Receiver<Extent>) {
    let mut followed = recording.followed.lock();
    if !*followed {
        *followed = true;
        tokio::spawn(run(Arc::clone(folder), Arc::clone(recording)));
    }
}

async fn run(folder: Arc<Folder>, recording: Arc<Recording>) {
    let watch = blocking(&folder, &recording, |folder, recording| {
        let path = folder.path_of(recording)?;
        let waker = folder.notifier().watch(&path);
        Some((path, waker))
    });
    let watch = watch.await.flatten();
    loop {
        let looked = Instant::now();
        if !look(&folder, &recording).await {
            // The last of what was removed may take the file system its time.
            blocking(&folder, &recording, |folder, recording| folder.shelf().forget(recording)).await;
            break;
        }
        // One that stands still is looked at when it counts as ended. (It may go on even then.)
        let still_growing = recording.extent().is_growing();
        let poll = if still_growing { POLL.min(recording.ends_in()).max(TICK) } else { POLL_ENDED };
        tokio::select! {
            () = recording.unfollowed() => {}
            () = notified(watch.as_ref().map(|(_, waker)| &**waker)) => {
                let tick = if recording.followers() > CROWD { TICK_OF_A_CROWD } else { TICK };
                sleep_until(looked + tick).await;
            }
            () = sleep(poll) => {}
        }
        // Under the lock that `follow` takes, so that nobody starts to listen unnoticed.
        let mut followed = recording.followed.lock();
        if recording.followers() == 0 {
            *followed = false;
            break;
        }
    }
    if let Some((path, waker)) = watch {
        blocking(&folder, &recording, move |folder, _| folder.notifier().unwatch(&path, &waker)).await;
    }
}

/// Does on a thread that may wait what asks something of the file system; `None` if it panicked.
async fn blocking<T: Send + 'static>(
    folder: &Arc<Folder>,
    recording: &Arc<Recording>,
    work: impl FnOnce(&Folder, &Arc<Recording>) -> T + Send + 'static,
) -> Option<T> {
    let (folder, recording) = (Arc::clone(folder), Arc::clone(recording));
    tokio::task::spawn_blocking(move || work(&folder, &recording)).await.ok()
}

async fn notified(waker: Option<&Notify>) {
    match waker {
        Some(waker) => waker.notified().await,
        None => std::future::pending().await,
    }
}

/// One look; false if the recording is lost. A sidecar that is broken for a while is no reason to stop.
async fn look(folder: &Arc<Folder>, recording: &Arc<Recording>) -> bool {
    // If it can be had at once: threads that may wait may all be waiting, for another disk than this one's.
    let at_hand = folder.at_hand(recording.name());
    if !at_hand.is_some_and(|found| Arc::ptr_eq(&found, recording)) {
        let looked = blocking(folder, recording, |folder, recording| drop(folder.look_again(recording)));
        if looked.await.is_none() {
            let error = io::Error::other("a look at it panicked");
            recording.lose(RecordingError::io(recording.name().as_str(), error));
        }
    }
    !recording.is_lost()
}
