//! What is in a folder, newest first, known again without opening what has not changed.
//!
//! A folder of ten thousand recordings that have ended takes a look at each file's and sidecar's metadata, not the
//! opening of any. Whoever asks while somebody else looks through the folder takes what that finds.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use cap_std::fs::{Dir, Metadata, MetadataExt};
use parking_lot::Mutex;

use super::catalogue::{ENDINGS, Folder};
use super::file::{State, Status};
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
    /// When it began, in milliseconds since 1970: as its sidecar says, or else, as near as can be told, by when it was last
    /// written to and how long it is.
    pub began: i64,
    stamps: Option<Stamps>,
}

impl Entry {
    /// Whether it stays as it is while its files do: one that grows ends by standing still, and what could not be read
    /// may be a moment later.
    fn is_settled(&self) -> bool {
        let ended = |status: &Status| matches!(status.extent.state, State::Ended { .. });
        self.stamps.is_some() && self.told.as_ref().is_ok_and(ended)
    }

    /// Whether there is nothing new in `other`, which was found later.
    pub(super) fn tells_the_same(&self, other: &Self) -> bool {
        match (&self.told, &other.told) {
            (Ok(a), Ok(b)) => a.extent.is_same(&b.extent) && a.sidecar == b.sidecar && a.spec == b.spec,
            (Err(a), Err(b)) => a.to_string() == b.to_string(),
            _ => false,
        }
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

/// The entries, newest first.
pub type Entries = Arc<[Arc<Entry>]>;

/// What was last found in the folder.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Held while the folder is looked through.
    looking: Mutex<()>,
    found: Mutex<Found>,
}

#[derive(Debug, Default, Clone)]
struct Found {
    entries: Entries,
    /// When the look began that found them.
    looked: Option<Instant>,
}

impl Index {
    /// The recordings as they were when the folder was last looked through.
    pub(super) fn known(&self) -> Entries {
        Arc::clone(&self.found.lock().entries)
    }

    /// The folder's recordings as they are now. Blocks.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub(super) fn look(&self, folder: &Folder) -> io::Result<Entries> {
        let asked = Instant::now();
        let _alone = self.looking.lock();
        let known = self.found.lock().clone();
        if known.looked.is_some_and(|looked| looked > asked) {
            return Ok(known.entries);
        }
        let looked = Some(Instant::now());
        let walk = Walk::through(folder.dir())?;
        folder.let_go_of_all_but(|name| walk.files.contains_key(name));
        let entries = entries(folder, walk, &known.entries);
        *self.found.lock() = Found { entries: Arc::clone(&entries), looked };
        Ok(entries)
    }
}

fn entries(folder: &Folder, walk: Walk, known: &Entries) -> Entries {
    let known: HashMap<&RecordingName, &Arc<Entry>> =
        known.iter().map(|entry| (&entry.name, entry)).collect();
    let Walk { files, sidecars } = walk;
    let current = files.into_iter().filter_map(|(name, (_, file))| {
        let sidecar = sidecars.get(name.as_str()).copied();
        let stamps = file.map(|file| Stamps { file, sidecar });
        match known.get(&name) {
            Some(entry) if entry.is_settled() && entry.stamps == stamps => Some(Arc::clone(entry)),
            _ => entry(folder, name, stamps).map(Arc::new),
        }
    });
    let mut entries: Vec<Arc<Entry>> = current.collect();
    entries.sort_by(|a, b| a.place().cmp(&b.place()));
    entries.into()
}

fn entry(folder: &Folder, name: RecordingName, stamps: Option<Stamps>) -> Option<Entry> {
    let told = match folder.look_up(&name) {
        Ok(recording) => Ok(recording.status()),
        // A link to a folder, a file that has gone since.
        Err(RecordingError::NotFound(_)) => return None,
        Err(error) => Err(error),
    };
    let written = stamps.map_or(0, |stamps| stamps.file.modified);
    let began = told.as_ref().map_or(written, |status| status.began(written));
    Some(Entry { name, told, began, stamps })
}

/// What a recording's two files were when the folder was looked through, before either was read: if they have changed
/// since, these will not be theirs the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamps {
    file: Stamp,
    sidecar: Option<Stamp>,
}

/// What tells a file from another, and from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    /// Of the last change of its content or metadata, which nothing sets but the system: seconds and nanoseconds.
    changed: (i64, i64),
    /// When it was last written to, in milliseconds since 1970.
    modified: i64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let since_1970 = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
        let modified = metadata.modified().ok().and_then(|at| since_1970(at.into_std()));
        Self {
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: modified.map_or(0, |at| i64::try_from(at.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// The files in a folder and those in it that are recordings or sidecars, by their names.
#[derive(Default)]
struct Walk {
    /// For each name the file that goes before the others: the place of its ending among [`ENDINGS`], and its stamp, if
    /// it has one.
    files: HashMap<RecordingName, (usize, Option<Stamp>)>,
    sidecars: HashMap<String, Stamp>,
}

impl Walk {
    fn through(dir: &Dir) -> io::Result<Self> {
        let mut walk = Self::default();
        walk.enter(dir, "", MAX_DEPTH)?;
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
            if kind.is_dir() {
                if depth > 0
                    && let Ok(inner) = entry.open_dir()
                {
                    // One folder that cannot be read hides none of the others.
                    let _ = self.enter(&inner, &format!("{prefix}{file_name}/"), depth - 1);
                }
            } else if kind.is_file() {
                self.take(prefix, &file_name, || entry.metadata());
            } else if kind.is_symlink() {
                self.take(prefix, &file_name, || dir.metadata(&file_name));
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
            Ok(_) => return,
            Err(_) => None,
        };
        match (rank, stamp) {
            (Some(rank), stamp) => self.take_file(&name, (rank, stamp)),
            (None, Some(stamp)) => drop(self.sidecars.insert(name, stamp)),
            (None, None) => {}
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
