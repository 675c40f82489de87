//! Chunks that were decoded: in a folder of bounded size, and those that are at hand.
//!
//! A chunk is a file of its own, `KEY/NUMBER.pcm`, that gets its name when it is whole and has a digest at its end. So
//! several servers can share the folder, whatever a crash leaves is found out, and anybody may delete anything at any time.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use tailcast_codecs::{PcmSpec, SampleFormat};

use super::super::reading::Read;
use super::super::stamp::Stamp;
use super::about::{About, Link};
use super::chunk::Walker;

/// Chunks at hand, of all recordings: each keeps a file open.
const AT_HAND: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);
/// Those of them that are in memory, for want of a folder.
const IN_MEMORY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
/// Files that are kept open where they were decoded last.
const WALKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
/// What was learnt of files, kept in memory.
const ABOUTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// Bytes of the digest at the end of a file.
const DIGEST: u64 = 32;
/// A file without its name that is older is what a crash has left.
const ABANDONED: Duration = Duration::from_secs(60);
/// Bytes that a file takes at least.
const BLOCK: u64 = 4096;
/// Bytes of what was learnt of a file that are read: there may be thousands of links.
const ABOUT_BYTES: u64 = 1 << 20;

/// What a file's sound is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(blake3::Hash);

impl Key {
    /// Of a file as it is now, decoded by a version.
    pub(super) fn of(stamp: &Stamp, version: &str) -> Self {
        Self(blake3::hash(format!("{version}\n{stamp:?}").as_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.to_hex().fmt(f)
    }
}

/// What a file is, or why it is of no use.
pub(super) type Learnt = Result<About, String>;

/// A chunk that can be read.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// Though its file may be deleted.
    File(Arc<File>),
    /// That could not be written.
    Memory(Arc<[u8]>),
}

impl Held {
    /// Fills a buffer from a byte of it on.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8], read: Read) -> io::Result<()> {
        match self {
            Self::File(file) => read(file, buffer, at),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let to = from.saturating_add(buffer.len());
                buffer.copy_from_slice(bytes.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// What has happened to chunks.
#[derive(Debug, Default)]
pub struct Counters {
    /// That were decoded.
    pub decoded: AtomicU64,
    /// That were found on the disk instead.
    pub hits: AtomicU64,
    /// That made room for others.
    pub evictions: AtomicU64,
    /// Nanoseconds of sound that were decoded.
    sound: AtomicU64,
    /// Nanoseconds that it took.
    decoding: AtomicU64,
}

impl Counters {
    /// Seconds of sound that were decoded.
    pub fn sound_seconds(&self) -> f64 {
        seconds(&self.sound)
    }

    /// Seconds that it took.
    pub fn decode_seconds(&self) -> f64 {
        seconds(&self.decoding)
    }

    /// Counts a chunk of so much sound, which took so long to decode.
    pub(super) fn count(&self, sound: Duration, took: Duration) {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        for (counter, time) in [(&self.sound, sound), (&self.decoding, took)] {
            counter.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(0), Ordering::Relaxed);
        }
    }
}

fn seconds(nanoseconds: &AtomicU64) -> f64 {
    Duration::from_nanos(nanoseconds.load(Ordering::Relaxed)).as_secs_f64()
}

/// The chunks of all recordings.
#[derive(Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    most: u64,
    /// Bytes in the folder, as far as is known; `None` before it was first looked into.
    used: Mutex<Option<u64>>,
    at_hand: Mutex<LruCache<(Key, u64), Held>>,
    in_memory: Mutex<LruCache<(Key, u64), Held>>,
    walkers: Mutex<LruCache<Key, Walker>>,
    abouts: Mutex<LruCache<Key, Learnt>>,
    counters: Counters,
    /// Whether it was said that nothing can be kept.
    complained: AtomicBool,
}

impl Cache {
    /// In a folder, which is made when something is first kept there. Without one nothing is kept but the last few chunks.
    pub fn new(folder: Option<PathBuf>, most: u64) -> Arc<Self> {
        Arc::new(Self {
            folder,
            most,
            used: Mutex::default(),
            at_hand: Mutex::new(LruCache::new(AT_HAND)),
            in_memory: Mutex::new(LruCache::new(IN_MEMORY)),
            walkers: Mutex::new(LruCache::new(WALKERS)),
            abouts: Mutex::new(LruCache::new(ABOUTS)),
            counters: Counters::default(),
            complained: AtomicBool::new(false),
        })
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes in the folder, as far as is known: not before somebody has listened.
    pub fn bytes(&self) -> Option<u64> {
        *self.used.lock()
    }

    /// The most of them that there may be.
    pub fn most_bytes(&self) -> u64 {
        self.most
    }

    /// A chunk that can be had without waiting, but for the disk.
    pub(super) fn held(&self, key: &Key, chunk: u64) -> Option<Held> {
        let found = self.at_hand.lock().get(&(*key, chunk)).cloned();
        found.or_else(|| self.in_memory.lock().get(&(*key, chunk)).cloned())
    }

    /// A chunk of so many bytes that is in the folder. Blocks.
    pub(super) fn open(&self, key: &Key, chunk: u64, bytes: u64) -> Option<Held> {
        let file = open_whole(&self.path(key, &chunk_name(chunk))?, bytes)?;
        self.look();
        Some(self.hold(key, chunk, Held::File(Arc::new(file))))
    }

    /// Keeps a chunk. Blocks.
    pub(super) fn keep(&self, key: &Key, chunk: u64, pcm: Vec<u8>) -> Held {
        let name = chunk_name(chunk);
        let written = self.write(key, &name, &pcm);
        let kept = written.then(|| self.open(key, chunk, pcm.len() as u64)).flatten();
        kept.unwrap_or_else(|| self.hold(key, chunk, Held::Memory(pcm.into())))
    }

    fn hold(&self, key: &Key, chunk: u64, held: Held) -> Held {
        let place = match held {
            Held::File(_) => &self.at_hand,
            Held::Memory(_) => &self.in_memory,
        };
        place.lock().put((*key, chunk), held.clone());
        held
    }

    /// What was learnt of a file. Blocks.
    pub(super) fn about(&self, key: &Key) -> Option<Learnt> {
        if let Some(known) = self.abouts.lock().get(key) {
            return Some(known.clone());
        }
        let path = self.path(key, ABOUT)?;
        let bytes =
            fs::metadata(&path).ok()?.len().checked_sub(DIGEST).filter(|bytes| *bytes < ABOUT_BYTES)?;
        let mut text = String::new();
        open_whole(&path, bytes)?.take(bytes).read_to_string(&mut text).ok()?;
        let learnt = Ok(parse(&text)?);
        self.abouts.lock().put(*key, learnt.clone());
        Some(learnt)
    }

    /// Keeps what was learnt of a file, so that a folder of thousands is not gone through again after a restart; that one is of
    /// no use until then, since it is looked at again with each list. Blocks.
    pub(super) fn keep_about(&self, key: &Key, learnt: &Learnt) {
        self.abouts.lock().put(*key, learnt.clone());
        if let Ok(about) = learnt {
            self.write(key, ABOUT, written(about).as_bytes());
        }
    }

    /// What was decoding a file, if nobody else has taken it.
    pub(super) fn take_walker(&self, key: &Key) -> Option<Walker> {
        self.walkers.lock().pop(key)
    }

    pub(super) fn put_walker(&self, key: &Key, walker: Walker) {
        self.walkers.lock().put(*key, walker);
    }

    fn path(&self, key: &Key, name: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(key.to_string()).join(name))
    }

    /// Writes a file whole, or not at all: then false, and the first time it is said why.
    fn write(&self, key: &Key, name: &str, bytes: &[u8]) -> bool {
        let Some(folder) = &self.folder else { return false };
        if bytes.len() as u64 + DIGEST > self.most {
            return false;
        }
        let written = self.try_write(folder, &folder.join(key.to_string()), name, bytes);
        match &written {
            Ok(()) => self.complained.store(false, Ordering::Relaxed),
            Err(error) if !self.complained.swap(true, Ordering::Relaxed) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "decoded sound cannot be kept: it is decoded each time it is wanted");
            }
            Err(_) => {}
        }
        written.is_ok()
    }

    fn try_write(&self, folder: &Path, within: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        make(folder)?;
        DirBuilder::new().recursive(true).mode(0o700).create(within)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let part = within.join(format!("{name}.{}-{number}.part", std::process::id()));
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.write_all(blake3::hash(bytes).as_bytes())?;
            fs::rename(&part, within.join(name))
        });
        if written.is_err() {
            // It may be there, and not be what fails.
            let _ = fs::remove_file(&part);
        }
        written.map(|()| self.grown(folder, bytes.len() as u64 + DIGEST))
    }

    /// Finds out how much is there, unless that is known.
    fn look(&self) {
        let mut used = self.used.lock();
        if let (None, Some(folder)) = (*used, &self.folder) {
            *used = Some(files(folder).iter().map(|file| file.bytes).sum());
        }
    }

    /// Takes note of what was written, and makes room.
    fn grown(&self, folder: &Path, by: u64) {
        let mut used = self.used.lock();
        let now = used.map_or(u64::MAX, |used| used.saturating_add(by.max(BLOCK)));
        // Looked at anew: another server may have written, or somebody deleted.
        if now <= self.most {
            *used = Some(now);
            return;
        }
        let (bytes, deleted) = tidied(folder, self.most);
        *used = Some(bytes);
        self.counters.evictions.fetch_add(deleted, Ordering::Relaxed);
        drop(used);
        self.let_go_of_deleted();
    }

    /// Closes files that were deleted, which keep their place on the disk as long as they are open.
    fn let_go_of_deleted(&self) {
        let mut at_hand = self.at_hand.lock();
        let is_deleted = |held: &Held| match held {
            Held::File(file) => file.metadata().is_ok_and(|metadata| metadata.nlink() == 0),
            Held::Memory(_) => false,
        };
        let deleted: Vec<_> =
            at_hand.iter().filter(|(_, held)| is_deleted(held)).map(|(name, _)| *name).collect();
        for name in &deleted {
            at_hand.pop(name);
        }
    }
}

/// What was learnt of a file.
const ABOUT: &str = "about";

fn chunk_name(chunk: u64) -> String {
    format!("{chunk}.pcm")
}

/// Opens a file that has so many bytes and is as it was written, and marks it as used.
fn open_whole(path: &Path, bytes: u64) -> Option<File> {
    let mut file = File::open(path).ok()?;
    if file.metadata().ok()?.len() != bytes + DIGEST {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut (&file).take(bytes), &mut hasher).ok()?;
    let mut digest = [0; 32];
    file.read_exact(&mut digest).ok()?;
    if hasher.finalize() != digest {
        return None;
    }
    io::Seek::rewind(&mut file).ok()?;
    // It is of use all the same if that may not be told.
    let _ = file.set_modified(SystemTime::now());
    Some(file)
}

/// Makes the folder, for its owner only. One that others could put sound in is not taken: the system's folder for temporary
/// files is everybody's.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if !metadata.is_dir() || owner != own && owner != 0 || metadata.mode() & 0o002 != 0 {
        return Err(io::Error::other("others may write there"));
    }
    Ok(())
}

/// Deletes what was not used for longest until there is room, and what crashes have left. Gives how many bytes there are, and
/// how many chunks were deleted.
fn tidied(folder: &Path, most: u64) -> (u64, u64) {
    let mut files = files(folder);
    files.sort_by_key(|file| file.used);
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    // A tenth more than is needed, so that it need not be done again at once.
    let goal = if bytes > most { most - most / 10 } else { most };
    let mut deleted = 0;
    for file in &files {
        let is_abandoned = file.path.extension().is_some_and(|extension| extension == "part")
            && file.used.elapsed().is_ok_and(|age| age > ABANDONED);
        if (is_abandoned || bytes > goal) && fs::remove_file(&file.path).is_ok() {
            bytes = bytes.saturating_sub(file.bytes);
            deleted += u64::from(file.path.extension().is_some_and(|extension| extension == "pcm"));
            // If it is empty then.
            let _ = file.path.parent().map(fs::remove_dir);
        }
    }
    (bytes, deleted)
}

/// A file in the folder.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// All files in the folder that are as they are named here: it may be somebody's who keeps others in it.
fn files(folder: &Path) -> Vec<Kept> {
    let within = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let is_key = |name: &str| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folders = within(folder).filter(|entry| entry.file_name().to_str().is_some_and(is_key));
    folders.flat_map(|entry| within(&entry.path())).filter_map(|entry| kept(&entry).ok()).collect()
}

fn kept(entry: &fs::DirEntry) -> io::Result<Kept> {
    let metadata = entry.metadata()?;
    let bytes = metadata.len().max(BLOCK);
    Ok(Kept { path: entry.path(), bytes, used: metadata.modified()? })
}

fn written(about: &About) -> String {
    let About { spec, frames, links, title, author } = about;
    let PcmSpec { format, rate, channels, mask } = spec;
    let line = |text: &Option<String>| text.clone().unwrap_or_default();
    let head = format!("{format} {rate} {channels} {mask} {frames}\n{}\n{}", line(title), line(author));
    let links = links
        .iter()
        .map(|Link { bytes, frames, origin }| format!("\n{} {} {frames} {origin}", bytes.start, bytes.end));
    std::iter::once(head).chain(links).collect()
}

fn parse(text: &str) -> Option<About> {
    let mut lines = text.split('\n');
    let fields: Vec<&str> = lines.next()?.split(' ').collect();
    let [format, rate, channels, mask, frames] = fields.as_slice() else { return None };
    let format: SampleFormat = format.parse().ok()?;
    let spec = PcmSpec::new(format, rate.parse().ok()?, channels.parse().ok()?).ok()?;
    let spec = spec.with_mask(mask.parse().ok()?);
    let mut line = || Some(lines.next()?).map(|line| Some(line.to_owned()).filter(|line| !line.is_empty()));
    let (title, author) = (line()?, line()?);
    let links = lines.map(parse_link).collect::<Option<_>>()?;
    Some(About { spec, frames: frames.parse().ok()?, links, title, author })
}

fn parse_link(line: &str) -> Option<Link> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [start, end, frames, origin] = fields.as_slice() else { return None };
    let bytes = start.parse().ok()?..end.parse().ok()?;
    Some(Link { bytes, frames: frames.parse().ok()?, origin: origin.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_is_read_as_it_was_written() {
        let words = |text: &str| Some(text.to_owned());
        let spec: PcmSpec = "s24le:96000:6".parse().unwrap();
        let about = About {
            spec: spec.with_mask(0x60F),
            frames: u64::MAX,
            links: vec![
                Link { bytes: 0..u64::MAX, frames: 7, origin: -1105 },
                Link { bytes: 1..2, frames: 0, origin: 312 },
            ],
            title: words("A show: the first"),
            author: None,
        };
        for about in [about.clone(), About { title: None, author: words("B"), ..about }] {
            assert_eq!(parse(&written(&about)), Some(about));
        }
        assert_eq!(parse("s24le 96000 6 0\n\n"), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("0".repeat(64));
        fs::create_dir(&key).unwrap();
        for (name, seconds) in [("0.pcm", 100), ("1.pcm", 300), ("2.pcm", 200)] {
            fs::write(key.join(name), [0; 8192]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(seconds);
            File::open(key.join(name)).unwrap().set_modified(used).unwrap();
        }
        let there = || fs::read_dir(&key).into_iter().flatten().count();
        assert_eq!((tidied(dir.path(), 3 * 8192), there()), ((3 * 8192, 0), 3));
        assert_eq!((tidied(dir.path(), 2 * 8192), there()), ((8192, 2), 1));
        assert!(key.join("0.pcm").exists());
        assert_eq!((tidied(dir.path(), 100), key.exists()), ((0, 1), false));
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_taken() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make(&folder).is_err());
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        assert!(make(&dir.path().join("link")).is_err());
    }
}
