//! What is in a folder, newest first, known again without opening what has not changed.
//!
//! A folder of ten thousand recordings that have ended takes a look at each file's and sidecar's metadata, not the
//! opening of any. Whoever asks while somebody else looks through the folder takes what that finds.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use cap_std::fs::{Dir, Metadata, MetadataExt};
use parking_lot::Mutex;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::catalogue::{ENDINGS, Folder, is_absent, is_not_there};
use super::file::{State, Status, age};
use super::sidecar::Rule;
use super::{RecordingError, RecordingName};

/// How many folders deep it goes.
const MAX_DEPTH: usize = 16;

/// A recording in the list, or one that cannot be had.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: RecordingName,
    /// What is known of it, or why it cannot be had.
    pub told: Result<Status, RecordingError>,
    /// Who may know of it.
    pub rule: Rule,
    /// When it began, in milliseconds since 1970: as its sidecar says, or else as near as can be told.
    pub began: i64,
    /// When that was by its file: by when it was last written to and how long it was when it was first seen. Later looks
    /// would each tell it a little otherwise, and who goes from page to page would find it twice or not at all.
    began_by_file: Option<i64>,
    stamps: Stamps,
    still: Still,
    folded: OnceLock<String>,
    /// When the look began that first found what is told. Of one that has changed and changed back it is another.
    pub(super) since: Instant,
}

impl Entry {
    /// Whether it stays as it is while its files do: one that grows ends by standing still, and what could not be read
    /// may be a moment later.
    fn is_settled(&self) -> bool {
        let ended = |status: &Status| matches!(status.extent.state, State::Ended { .. });
        self.stamps.are_telling() && self.told.as_ref().is_ok_and(ended)
    }

    /// What its file was when the folder was looked through, and when that was.
    fn was(&self, looked: Instant) -> Option<(Stamp, Still, Instant)> {
        Some((self.stamps.file?, self.still, looked))
    }

    /// Whether there is nothing new in `other`, which was found later.
    fn tells_the_same(&self, other: &Self) -> bool {
        match (&self.told, &other.told) {
            (Ok(a), Ok(b)) => {
                let of_file = |entry: &Self| entry.stamps.file.map(|file| file.identity);
                let same_file = of_file(self) == of_file(other) && a.modified == b.modified;
                same_file && a.extent.is_same(&b.extent) && a.sidecar == b.sidecar && a.spec == b.spec
            }
            (Err(a), Err(b)) => a.to_string() == b.to_string() && self.rule == other.rule,
            _ => false,
        }
    }

    /// When what is to be told of it was last another, in milliseconds since 1970 by the files' own times. That it grows is
    /// nothing new of one that does.
    pub fn changed(&self) -> i64 {
        let growing = self.told.as_ref().is_ok_and(|status| status.extent.is_growing());
        let written = |stamp: Stamp| millis_since_1970(stamp.modified);
        let file = if growing { Some(self.began) } else { self.stamps.file.map(written) };
        file.into_iter().chain(self.stamps.sidecar.flatten().map(written)).max().unwrap_or(self.began)
    }

    /// Its name and its title, [folded], as they are searched: once for as long as it stays what it is.
    pub fn folded(&self) -> &str {
        self.folded.get_or_init(|| {
            let title = self.told.as_ref().ok().and_then(|status| status.sidecar.title.as_deref());
            folded(&format!("{}\n{}", self.name, title.unwrap_or_default()))
        })
    }

    /// The place in the list: newest first, and by name where they began at once.
    fn place(&self) -> (std::cmp::Reverse<i64>, &RecordingName) {
        (std::cmp::Reverse(self.began), &self.name)
    }

    /// Whether it comes behind an entry that began then and has that name.
    pub fn is_behind(&self, began: i64, name: &RecordingName) -> bool {
        self.place() > (std::cmp::Reverse(began), name)
    }
}

/// A text as it is searched: without marks on its letters (which are written in two ways), and without case, letter by
/// letter. What is typed finds the same whether or not another letter follows.
pub fn folded(text: &str) -> String {
    let letters = text.nfkd().filter(|letter| canonical_combining_class(*letter) == 0);
    // Lower first, for the one capital that is its own upper case (ẞ).
    letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The entries, newest first.
pub type Entries = Arc<[Arc<Entry>]>;

/// What was last found in the folder.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Held while the folder is looked through. Whoever waits for it does so without a thread: those that may block are
    /// wanted by listeners.
    looking: tokio::sync::Mutex<()>,
    found: Mutex<Found>,
}

#[derive(Debug, Default, Clone)]
struct Found {
    entries: Entries,
    by_name: Arc<HashMap<RecordingName, Arc<Entry>>>,
    /// When the look began that found them.
    looked: Option<Instant>,
}

impl Index {
    /// The recordings as they were when the folder was last looked through.
    pub(super) fn known(&self) -> Entries {
        Arc::clone(&self.found.lock().entries)
    }

    /// Who might know of a recording when the folder was last looked through.
    pub(super) fn rule(&self, name: &RecordingName) -> Rule {
        let by_name = Arc::clone(&self.found.lock().by_name);
        by_name.get(name).map(|entry| entry.rule).unwrap_or_default()
    }

    /// How long a file has stood still that is there now under a name.
    pub(super) fn still(&self, name: &RecordingName, file: &Metadata) -> Duration {
        let found = self.found.lock().clone();
        let before = found.by_name.get(name).zip(found.looked);
        Still::of(&Stamp::of(file), before.and_then(|(entry, looked)| entry.was(looked))).until_now()
    }
}

/// How long a file had stood still at a moment.
#[derive(Debug, Clone, Copy)]
struct Still {
    at: Instant,
    long: Duration,
}

impl Still {
    /// By the file's own time when it is first seen, which may be of another machine's clock, and after that by what is
    /// seen of it. `before` is what was found then, and when.
    fn of(file: &Stamp, before: Option<(Stamp, Self, Instant)>) -> Self {
        let at = Instant::now();
        let long = match before {
            Some((was, still, _)) if was.is_same(file) => return still,
            // Cut short, which gives it its new length first and its new time after (some milliseconds on ext4).
            Some((was, ..)) if (was.identity, was.modified) == (file.identity, file.modified) => {
                Duration::ZERO
            }
            // Whatever has changed has not stood still for longer than nobody looked.
            Some((was, _, looked)) if was.identity == file.identity => {
                age(Ok(file.modified)).min(at - looked)
            }
            _ => age(Ok(file.modified)),
        };
        Self { at, long }
    }

    fn until_now(self) -> Duration {
        self.long + self.at.elapsed()
    }
}

/// The folder's recordings as they are now.
///
/// # Errors
/// When the folder itself cannot be read.
pub(super) async fn look(folder: &Arc<Folder>) -> io::Result<Entries> {
    let asked = Instant::now();
    let _alone = folder.index.looking.lock().await;
    let known = folder.index.found.lock().clone();
    if known.looked.is_some_and(|looked| looked > asked) {
        return Ok(known.entries);
    }
    let folder = Arc::clone(folder);
    tokio::task::spawn_blocking(move || look_through(&folder, &known)).await.map_err(io::Error::other)?
}

fn look_through(folder: &Folder, known: &Found) -> io::Result<Entries> {
    let looked = Instant::now();
    let walk = Walk::through(folder.dir())?;
    folder.let_go_of_all_but(|name| walk.files.contains_key(name));
    let entries = entries(folder, walk, known, looked);
    let by_name = entries.iter().map(|entry| (entry.name.clone(), Arc::clone(entry))).collect();
    let found = Found { entries: Arc::clone(&entries), by_name: Arc::new(by_name), looked: Some(looked) };
    *folder.index.found.lock() = found;
    Ok(entries)
}

fn entries(folder: &Folder, walk: Walk, known: &Found, looked: Instant) -> Entries {
    let Walk { files, sidecars, .. } = walk;
    let current = files.into_iter().filter_map(|(name, (_, file))| {
        let stamps = Stamps { file, sidecar: sidecars.get(name.as_str()).copied() };
        match known.by_name.get(&name) {
            Some(entry) if entry.is_settled() && entry.stamps == stamps => Some(Arc::clone(entry)),
            before => {
                let before = before.map(AsRef::as_ref).zip(known.looked);
                entry(folder, name, stamps, before, looked).map(Arc::new)
            }
        }
    });
    let mut entries: Vec<Arc<Entry>> = current.collect();
    entries.sort_by(|a, b| a.place().cmp(&b.place()));
    entries.into()
}

fn entry(
    folder: &Folder,
    name: RecordingName,
    stamps: Stamps,
    before: Option<(&Entry, Instant)>,
    looked: Instant,
) -> Option<Entry> {
    let told = match folder.look_up(&name).and_then(|recording| recording.status()) {
        Ok(status) => Ok(status),
        // A link to a folder, a file that has gone since.
        Err(RecordingError::NotFound(_)) => return None,
        Err(error) => Err(error),
    };
    let still = match &stamps.file {
        Some(file) => Still::of(file, before.and_then(|(entry, looked)| entry.was(looked))),
        None => Still { at: looked, long: Duration::ZERO },
    };
    let before = before.map(|(entry, _)| entry);
    let rule = match &told {
        Ok(status) => status.sidecar.rule,
        Err(_) => folder.rule(&name),
    };
    let (began, began_by_file) = began(&told, &stamps, before);
    let mut entry = Entry {
        name,
        told,
        rule,
        began,
        began_by_file,
        stamps,
        still,
        folded: OnceLock::new(),
        since: looked,
    };
    if let Some(before) = before.filter(|before| before.tells_the_same(&entry)) {
        entry.since = before.since;
    }
    Some(entry)
}

/// When a recording began, and when it did by its file. `before` is what was found under its name the last time.
fn began(
    told: &Result<Status, RecordingError>,
    stamps: &Stamps,
    before: Option<&Entry>,
) -> (i64, Option<i64>) {
    let is_same =
        |before: &&Entry| before.stamps.file.zip(stamps.file).is_some_and(|(was, now)| was.is_part_of(&now));
    let before = before.filter(is_same);
    let by_file = match told {
        Ok(status) => {
            // Its length was another where the sidecar has only now said what it is.
            let is_as_long =
                |before: &&Entry| before.told.as_ref().map_or(true, |was| was.spec == status.spec);
            let first = |at| millis_since_1970(at).saturating_sub(status.milliseconds());
            let known = before.filter(is_as_long).and_then(|before| before.began_by_file);
            known.or_else(|| status.modified.map(first))
        }
        Err(_) => before.and_then(|before| before.began_by_file),
    };
    let began = match told {
        Ok(status) => status.sidecar.began().or(by_file),
        // Where it was, as long as nothing is known.
        Err(_) => before.map(|before| before.began),
    };
    let written = || stamps.file.map(|file| millis_since_1970(file.modified));
    (began.or_else(written).unwrap_or_default(), by_file)
}

fn millis_since_1970(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a recording's two files were when the folder was looked through, before either was read: if they have changed
/// since, these will not be theirs the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamps {
    /// None if it cannot be seen from here.
    file: Option<Stamp>,
    /// The same of the sidecar, if there is one.
    sidecar: Option<Option<Stamp>>,
}

impl Stamps {
    /// Whether a recording stays as it is while they do: not if one of the files cannot be seen, or the sidecar is empty, as
    /// it is on its way to being written again.
    fn are_telling(&self) -> bool {
        let is_whole = |sidecar: Option<Stamp>| sidecar.is_some_and(|sidecar| sidecar.bytes > 0);
        self.file.is_some() && self.sidecar.is_none_or(is_whole)
    }
}

/// What tells a file from another, and from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Device and inode, and when it was made, if the file system tells that: inodes are used again.
    identity: (u64, u64, Option<i64>),
    bytes: u64,
    /// Of the last change of its content or metadata, which nothing sets but the system: seconds and nanoseconds.
    changed: (i64, i64),
    /// When it was last written to, by its own time.
    modified: SystemTime,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let made = metadata.created().ok().map(|at| millis_since_1970(at.into_std()));
        Self {
            identity: (metadata.dev(), metadata.ino(), made),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: metadata.modified().map_or(SystemTime::UNIX_EPOCH, |at| at.into_std()),
        }
    }

    /// Whether the file has not been written to since.
    fn is_same(&self, now: &Self) -> bool {
        (self.identity, self.bytes, self.modified) == (now.identity, now.bytes, now.modified)
    }

    /// Whether the file has only grown since, if anything.
    fn is_part_of(&self, now: &Self) -> bool {
        self.identity == now.identity && self.bytes <= now.bytes && self.modified <= now.modified
    }
}

/// The files in a folder and those in it that are recordings or sidecars, by their names. Where a file cannot be seen it
/// has no stamp.
struct Walk<'a> {
    root: &'a Dir,
    /// For each name the file that goes before the others: the place of its ending among [`ENDINGS`], and its stamp.
    files: HashMap<RecordingName, (usize, Option<Stamp>)>,
    sidecars: HashMap<String, Option<Stamp>>,
}

impl<'a> Walk<'a> {
    fn through(root: &'a Dir) -> io::Result<Self> {
        let mut walk = Self { root, files: HashMap::new(), sidecars: HashMap::new() };
        walk.enter(root, "", MAX_DEPTH)?;
        Ok(walk)
    }

    /// Folders behind symbolic links are left out: they might lead in circles.
    fn enter(&mut self, dir: &Dir, prefix: &str, depth: usize) -> io::Result<()> {
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(file_name) = entry.file_name().into_string() else { continue };
            // No name of a recording begins with a dot, nor does a folder's in one.
            if file_name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type()?;
            let is_unknown = !(kind.is_file() || kind.is_dir() || kind.is_symlink());
            // Some file systems tell no kind with the name.
            if kind.is_dir() || is_unknown && entry.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                if depth > 0
                    && let Ok(inner) = entry.open_dir()
                {
                    // One folder that cannot be read hides none of the others.
                    let _ = self.enter(&inner, &format!("{prefix}{file_name}/"), depth - 1);
                }
            } else if kind.is_symlink() {
                // From the root, as it is opened: it may lead up out of this folder, though not out of that.
                let root = self.root;
                self.take(prefix, &file_name, || root.metadata(format!("{prefix}{file_name}")));
            } else {
                self.take(prefix, &file_name, || entry.metadata());
            }
        }
        Ok(())
    }

    fn take(&mut self, prefix: &str, file_name: &str, metadata: impl FnOnce() -> io::Result<Metadata>) {
        let (stem, ending) = file_name.split_at(file_name.rfind('.').unwrap_or(file_name.len()));
        let (name, rank) =
            (format!("{prefix}{stem}"), ENDINGS.iter().position(|possible| *possible == ending));
        if rank.is_none() && ending != ".toml" {
            return;
        }
        let stamp = match metadata() {
            Ok(metadata) if metadata.is_file() => Some(Stamp::of(&metadata)),
            Ok(_) if rank.is_some() => return,
            Err(error) if rank.is_some() && is_absent(&error) => return,
            Err(error) if is_not_there(&error) => return,
            _ => None,
        };
        match rank {
            Some(rank) => self.take_file(&name, (rank, stamp)),
            None => drop(self.sidecars.insert(name, stamp)),
        }
    }

    fn take_file(&mut self, name: &str, file: (usize, Option<Stamp>)) {
        let Ok(name) = RecordingName::parse(name) else { return };
        let best = self.files.entry(name).or_insert(file);
        if file.0 < best.0 {
            *best = file;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_stands_still_since_it_may_have() {
        let (now, long) = (Instant::now(), Duration::from_secs(3600));
        let stamp = |bytes, ago: u64| Stamp {
            identity: (1, 2, None),
            bytes,
            changed: (0, 0),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - ago),
        };
        let looked = now.checked_sub(Duration::from_secs(60)).unwrap();
        let before = (stamp(1000, 30), Still { at: looked, long }, looked);
        let still = |file: Stamp| Still::of(&file, Some(before)).long;
        assert_eq!(still(before.0), long);
        // Its time is long ago, and nobody has looked for a minute.
        assert!((60..100).contains(&still(stamp(2000, 20)).as_secs()));
        // Cut short, with the time that it had.
        assert_eq!(still(stamp(500, 30)), Duration::ZERO);
        let another = Stamp { identity: (1, 3, None), ..stamp(500, 30) };
        assert!(still(another) > long);
    }
}
