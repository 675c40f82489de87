//! Notices what changes in the list of recordings while somebody watches it, once for all who do.
//!
//! The folder is looked through, rather than its notifications collected: it has to be anyway where there are none (network
//! file systems), and to see a recording end by standing still; and what has not changed is not opened for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

use super::RecordingName;
use super::catalogue::Folder;
use super::index::{self, Entries, Entry};

/// The shortest time between two looks.
const TICK: Duration = Duration::from_secs(1);
/// Looks take this part of one thread's time at most, however large the folder.
const SHARE: u32 = 20;
/// Changes that somebody who is slow to take them may be behind.
const BACKLOG: usize = 16;

/// What has changed since the last look.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Entries that are new or no longer the same.
    pub changed: Vec<Arc<Entry>>,
    /// Names that are in the list no longer.
    pub gone: Vec<RecordingName>,
    /// How many are in the list now.
    pub total: usize,
}

/// What has changed since the last look, for each of those who may know more or less.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// All of it.
    pub all: Changes,
    /// That of recordings that take no pass: one that takes one since is gone from among them.
    pub public: Changes,
}

/// The one who watches, if anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Watch {
    teller: Mutex<Option<broadcast::Sender<Arc<News>>>>,
}

/// Has the folder watched for as long as a receiver lives, which is told of what is no longer as it was last found.
pub(super) fn watch(folder: &Arc<Folder>) -> broadcast::Receiver<Arc<News>> {
    let mut teller = folder.changes.teller.lock();
    if let Some(teller) = &*teller {
        return teller.subscribe();
    }
    let (sender, receiver) = broadcast::channel(BACKLOG);
    *teller = Some(sender.clone());
    // Now, rather than by a look of its own: whoever watches may have asked for the list by then.
    let known = folder.index.known();
    tokio::spawn(run(Arc::clone(folder), sender, known));
    receiver
}

async fn run(folder: Arc<Folder>, teller: broadcast::Sender<Arc<News>>, mut last: Entries) {
    let mut last_public = public(&last, Timestamp::now());
    let mut cost = Duration::ZERO;
    loop {
        sleep(TICK.max(cost * SHARE)).await;
        if is_unwatched(&folder, &teller) {
            return;
        }
        let begun = Instant::now();
        // A folder that cannot be read just now may be in a moment.
        let Ok(now) = index::look(&folder).await else { continue };
        cost = begun.elapsed();
        let now_public = public(&now, Timestamp::now());
        let news = News { all: changes(&last, &now), public: changes(&last_public, &now_public) };
        // An embargo that ends changes nothing but who may know.
        if !news.all.is_empty() || !news.public.is_empty() {
            // Nobody left to tell is seen above.
            let _ = teller.send(Arc::new(news));
        }
        (last, last_public) = (now, now_public);
    }
}

/// Whether nobody watches any more; whoever comes then has somebody else set to it.
fn is_unwatched(folder: &Folder, teller: &broadcast::Sender<Arc<News>>) -> bool {
    let mut current = folder.changes.teller.lock();
    let unwatched = teller.receiver_count() == 0;
    if unwatched {
        *current = None;
    }
    unwatched
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.gone.is_empty()
    }
}

/// Those that take no pass at a moment.
pub(crate) fn public(entries: &Entries, at: Timestamp) -> Entries {
    if entries.iter().all(|entry| !entry.rule.is_closed(at)) {
        return Arc::clone(entries);
    }
    entries.iter().filter(|entry| !entry.rule.is_closed(at)).cloned().collect()
}

fn changes(before: &Entries, now: &Entries) -> Changes {
    let mut known: HashMap<&RecordingName, &Arc<Entry>> =
        before.iter().map(|entry| (&entry.name, entry)).collect();
    let mut changed = Vec::new();
    for entry in now.iter() {
        let known = known.remove(&entry.name);
        // Not by what is told: somebody else may have looked meanwhile, and found it otherwise for a moment.
        if known.is_none_or(|known| known.since != entry.since) {
            changed.push(Arc::clone(entry));
        }
    }
    let gone = known.into_keys().cloned().collect();
    Changes { changed, gone, total: now.len() }
}
