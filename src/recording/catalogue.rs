//! The catalogue of a folder: names -> recordings, and what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;
use tailcast_codecs::pcm::Endian;
use tailcast_codecs::{PcmSpec, SampleFormat};
use tokio::sync::{broadcast, watch};

use super::changes::{self, News, Watch};
use super::cover::{Cover, Found};
use super::decoded::{Cache as DecodedCache, Decoded, DecodedError};
use super::file::{Extent, Layout, Opened, Recording, Turn, age};
use super::follow::{self, Notifier};
use super::index::{self, Entries, Index};
use super::near::{self, Near};
use super::reading;
use super::riff::{self, Riff};
use super::shelf::Shelf;
use super::sidecar::{Beside, Rule, Sidecar};
use super::stamp::{Stamp, changed};
use super::{RecordingError, RecordingName};

/// Endings of files that are recordings, in the order in which they are looked for: as computers write them, as some
/// field recorders do, none; and those of coded files, so that what is recorded goes before what was made of it.
pub(super) const ENDINGS: [&str; 19] = [
    ".pcm", ".raw", ".wav", ".PCM", ".RAW", ".WAV", "", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a",
    ".FLAC", ".MP3", ".OGG", ".OGA", ".OPUS", ".M4A",
];

/// Those of coded files.
const CODED: [&str; 6] = ["flac", "mp3", "ogg", "oga", "opus", "m4a"];

/// What a raw recording is if nobody says: what most sound cards and programs record.
const DEFAULT_PCM: PcmSpec =
    PcmSpec { format: SampleFormat::S16(Endian::Little), rate: 48_000, channels: 2, mask: 0 };

/// How long a sidecar may stay empty on its way to being written again.
const REWRITE: Duration = Duration::from_secs(2);

/// How often a sidecar is looked for beside a file that changes meanwhile.
const TRIES: usize = 10;

/// Bytes that a sidecar may have.
pub(crate) const SIDECAR_MOST: u64 = 64 * 1024;

/// The folder that recordings are in.
#[derive(Debug)]
pub(super) struct Folder {
    dir: Dir,
    /// For file notification only; files are opened through `dir`.
    path: PathBuf,
    pcm: PcmSpec,
    growth_timeout: Duration,
    notifier: Notifier,
    shelf: Shelf,
    decoded: Arc<DecodedCache>,
    pub(super) index: Index,
    pub(super) changes: Watch,
}

/// The recordings of a folder.
#[derive(Debug, Clone)]
pub struct Catalogue {
    folder: Arc<Folder>,
}

impl Catalogue {
    /// Opens a folder. `pcm` is what a raw recording without a sidecar is.
    ///
    /// # Errors
    /// When it is not a folder that can be read.
    pub fn open(root: &Path, pcm: PcmSpec, growth_timeout: Duration) -> io::Result<Self> {
        Self::open_with(root, pcm, growth_timeout, DecodedCache::new(None, 0))
    }

    /// The same with a place for what is decoded.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        root: &Path,
        pcm: PcmSpec,
        growth_timeout: Duration,
        decoded: Arc<DecodedCache>,
    ) -> io::Result<Self> {
        let path = root.canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        dir.entries()?;
        let folder = Folder {
            dir,
            path,
            pcm,
            growth_timeout,
            notifier: Notifier::new(),
            shelf: Shelf::new(),
            decoded,
            index: Index::default(),
            changes: Watch::default(),
        };
        Ok(Self { folder: Arc::new(folder) })
    }

    /// That the folder can be read. Blocks.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> io::Result<()> {
        let dir = &self.folder.dir;
        // One that was removed can be read like an empty one by whoever has it open.
        if dir.dir_metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the folder was removed"));
        }
        dir.entries().map(drop)
    }

    /// The recording of a name, just looked at. Blocks.
    ///
    /// # Errors
    /// When there is none, or it cannot be read or understood.
    pub fn find(&self, name: &RecordingName) -> Result<Arc<Recording>, RecordingError> {
        match self.folder.find(name) {
            Err(error) if error.is_out_of_descriptors() => {
                self.let_go();
                self.folder.find(name)
            }
            found => found,
        }
    }

    /// Who may know of what has a name, though it cannot be had: as far as its sidecar can be read. Blocks.
    pub fn rule(&self, name: &RecordingName) -> Rule {
        self.folder.rule(name)
    }

    /// Lets go of the recordings that nobody listens to, which are kept open for whoever asks next. True if there were any.
    /// Blocks.
    pub fn let_go(&self) -> bool {
        self.folder.shelf.let_go()
    }

    /// The recording of a name, just looked at, if that can be had without waiting for a disk: it is open, and what has changed
    /// since it was last looked at is at hand.
    pub fn at_hand(&self, name: &RecordingName) -> Option<Arc<Recording>> {
        self.folder.at_hand(name)
    }

    /// Sees to it that a recording's growth is told to `listener`, for as long as it (or a copy of it) lives.
    pub fn follow(&self, recording: &Arc<Recording>, listener: &watch::Receiver<Extent>) {
        follow::follow(&self.folder, recording, listener);
    }

    /// Every recording in the folder and those in it, newest first, with what is known of it or why it cannot be had.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub async fn list(&self) -> io::Result<Entries> {
        index::look(&self.folder).await
    }

    /// The folder, for whoever writes to it.
    pub(crate) fn dir(&self) -> &Dir {
        self.folder.dir()
    }

    /// The file that a recording is, relative to the folder, and its bytes. Blocks.
    ///
    /// # Errors
    /// When there is none, or it cannot be told.
    pub(crate) fn file_of(&self, name: &RecordingName) -> Result<(String, u64), RecordingError> {
        self.folder.locate(name).map(|(file_name, metadata)| (file_name, metadata.len()))
    }

    /// All files that have a name, the recording first; the next is what the name would mean without it. Blocks.
    ///
    /// # Errors
    /// When there is none, or it cannot be told.
    pub(crate) fn files_of(&self, name: &RecordingName) -> Result<Vec<String>, RecordingError> {
        self.file_of(name)?;
        let is_file = |file_name: &String| self.dir().metadata(file_name).is_ok_and(|file| file.is_file());
        Ok(file_names(name).filter(is_file).collect())
    }

    /// Tells of what changes in the list, for as long as what is returned lives.
    pub fn watch_list(&self) -> broadcast::Receiver<Arc<News>> {
        changes::watch(&self.folder)
    }
}

impl Folder {
    fn find(&self, name: &RecordingName) -> Result<Arc<Recording>, RecordingError> {
        match self.still_good(name)? {
            Some(known) => Ok(known),
            None => {
                let mut opened = false;
                let found = self.shelf.get_or_open(name, || {
                    opened = true;
                    self.open(name, true)
                });
                match found {
                    // By whoever was looking for it already, perhaps before it was there.
                    Err(RecordingError::NotFound(_)) if !opened => {
                        self.shelf.get_or_open(name, || self.open(name, true))
                    }
                    found => found,
                }
            }
        }
    }

    /// The recording that is open under a name, if it still is what the folder has.
    fn still_good(&self, name: &RecordingName) -> Result<Option<Arc<Recording>>, RecordingError> {
        let Some(known) = self.shelf.get(name) else { return Ok(None) };
        match self.look_again(&known) {
            Ok(_) => Ok(Some(known)),
            // For good; what the name means now is opened anew.
            Err(_) if known.is_lost() => {
                self.shelf.forget(&known);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Catalogue::at_hand`].
    pub(super) fn at_hand(&self, name: &RecordingName) -> Option<Arc<Recording>> {
        let asked = Instant::now();
        let known = self.shelf.get(name).filter(|known| known.is_near())?;
        let file = self.locate_at_hand(name)?;
        let beside = match near::metadata(&self.dir, &sidecar_name(name)) {
            Near::Absent => None,
            Near::Known(metadata) => Some(Stamp::of(&metadata)),
            Near::Far => return None,
        };
        (known.glance(file, beside, asked) && self.has_its_cover(&known)).then_some(known)
    }

    /// Whether a recording's cover is as it was read, if that can be told without waiting.
    fn has_its_cover(&self, recording: &Recording) -> bool {
        let (path, known) = match recording.cover() {
            None => return true,
            Some(Ok(known)) => (recording.sidecar().cover, known),
            // It may be there now.
            Some(Err(_)) => return false,
        };
        let now = path.map(|path| near::metadata(&self.dir, &beside(recording.name(), &path)));
        matches!(now, Some(Near::Known(now)) if known.is_in(Stamp::of(&now)))
    }

    /// The stamp of the file that [`locate`](Self::locate) would find, if that can be told without waiting.
    fn locate_at_hand(&self, name: &RecordingName) -> Option<Stamp> {
        for file_name in file_names(name) {
            match near::metadata(&self.dir, &file_name) {
                Near::Known(metadata) if metadata.is_file() => return Some(Stamp::of(&metadata)),
                Near::Known(_) | Near::Absent => {}
                Near::Far => return None,
            }
        }
        None
    }

    /// As [`Catalogue::find`], but a recording that nobody has asked for is not kept open.
    pub(super) fn look_up(&self, name: &RecordingName) -> Result<Arc<Recording>, RecordingError> {
        match self.still_good(name)? {
            Some(known) => Ok(known),
            None => self.open(name, false).map(Arc::new),
        }
    }

    /// Lets go of recordings that are gone and that nobody listens to.
    pub(super) fn let_go_of_all_but(&self, is_there: impl Fn(&RecordingName) -> bool) {
        for gone in self.shelf.names().into_iter().filter(|name| !is_there(name)) {
            // Lets go of it if that is so.
            let _ = self.still_good(&gone);
        }
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Where a recording's file is, for file notification.
    pub(super) fn path_of(&self, recording: &Recording) -> Option<PathBuf> {
        let (file_name, _) = self.locate(recording.name()).ok()?;
        Some(self.path.join(file_name))
    }

    /// The recording's file (relative to the folder) and its metadata.
    fn locate(&self, name: &RecordingName) -> Result<(String, Metadata), RecordingError> {
        for file_name in file_names(name) {
            match self.dir.metadata(&file_name) {
                Ok(metadata) if metadata.is_file() => return Ok((file_name, metadata)),
                Ok(_) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(RecordingError::io(name.as_str(), error)),
            }
        }
        Err(RecordingError::NotFound(name.to_string()))
    }

    /// Without its cover, if that is not wanted: for one that is to be told of, and not to be heard.
    fn open(&self, name: &RecordingName, with_cover: bool) -> Result<Recording, RecordingError> {
        let (file_name, _) = self.locate(name)?;
        let file = self.open_file(&file_name).map(Arc::new).map_err(|error| match error {
            // Since it was found. (One that is there and may not be read is another matter.)
            error if is_not_there(&error) || leads_out(&error) => RecordingError::NotFound(name.to_string()),
            error => RecordingError::io(name.as_str(), error),
        })?;
        let (mut beside, metadata) = self.described(name, &file)?;
        if with_cover {
            beside.cover = self.cover(name, &beside.sidecar, None);
        }
        let still = self.shelf.still(name, &metadata, self.index.still(name, &metadata));
        if is_coded(&file_name) && still < self.growth_timeout && !beside.sidecar.ended {
            return Err(RecordingError::BeingWritten(file_name));
        }
        let pcm = beside.sidecar.pcm.unwrap_or(self.pcm);
        let layout = layout(name, &file_name, &file, pcm, &self.decoded)?;
        Recording::new(Opened {
            name: name.clone(),
            file,
            layout,
            beside,
            metadata,
            still,
            growth_timeout: self.growth_timeout,
        })
    }

    /// What is beside a file that was just opened, and the file as it is by then: it may have been cut short, or grown, since it
    /// was found.
    fn described(&self, name: &RecordingName, file: &File) -> Result<(Beside, Metadata), RecordingError> {
        let metadata = || Metadata::from_file(file).map_err(|error| RecordingError::io(name.as_str(), error));
        for _ in 0..TRIES {
            let before = metadata()?;
            let beside =
                self.sidecar(name)?.ok_or_else(|| RecordingError::SidecarBeingWritten(name.to_string()))?;
            if beside.stamp.is_some() || self.has_stayed(name, &before)? {
                return Ok((beside, metadata()?));
            }
        }
        Err(RecordingError::Replaced(name.to_string()))
    }

    /// Whether a file has its name as it had `before`, and had it since: what is removed or renamed has its sidecar until then,
    /// and without it would be public, and PCM of another kind. (A recorder's write changes its time as well.)
    fn has_stayed(&self, name: &RecordingName, before: &Metadata) -> Result<bool, RecordingError> {
        let what = |file: &Metadata| (file.dev(), file.ino(), file.ctime(), file.ctime_nsec());
        Ok(what(&self.locate(name)?.1) == what(before))
    }

    fn open_file(&self, file_name: &str) -> io::Result<File> {
        // A pipe that was put there since would otherwise be waited on.
        let options =
            OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).clone();
        let file = self.dir.open_with(file_name, &options)?.into_std();
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a plain file")) }
    }

    /// As [`Catalogue::rule`].
    pub(super) fn rule(&self, name: &RecordingName) -> Rule {
        match self.sidecar(name) {
            Ok(Some(beside)) => beside.sidecar.rule,
            // It is on its way from one to another.
            Ok(None) => self.index.rule(name),
            Err(_) => self.broken_rule(name).unwrap_or(Rule::CLOSED),
        }
    }

    /// The rule of a sidecar that is broken, if all of it can be read. What is no file says nothing.
    fn broken_rule(&self, name: &RecordingName) -> io::Result<Rule> {
        let mut text = String::new();
        let sidecar = sidecar_name(name);
        if self.dir.metadata(&sidecar).is_ok_and(|metadata| !metadata.is_file()) {
            return Ok(Rule::default());
        }
        let read = self.open_file(&sidecar)?.take(SIDECAR_MOST + 1).read_to_string(&mut text)?;
        Ok(if read as u64 > SIDECAR_MOST { Rule::CLOSED } else { Rule::of_broken(&text) })
    }

    /// Whether there is a link, which may lead nowhere just now.
    fn is_link(&self, file_name: &str) -> bool {
        self.dir.symlink_metadata(file_name).is_ok_and(|metadata| metadata.is_symlink())
    }

    /// The recording's sidecar; `None` if it is empty and was emptied just now, which is what a file looks like
    /// that somebody is about to write again.
    fn sidecar(&self, name: &RecordingName) -> Result<Option<Beside>, RecordingError> {
        let broken = |why: String| RecordingError::Sidecar { name: name.to_string(), why };
        let file = match self.open_file(&sidecar_name(name)) {
            Ok(file) => file,
            // Only these: a sidecar that is there and cannot be read may say what the recording is.
            Err(error) if is_not_there(&error) && !self.is_link(&sidecar_name(name)) => {
                let (sidecar, looked) = (Sidecar::default(), Instant::now());
                return Ok(Some(Beside { sidecar, cover: None, stamp: None, looked }));
            }
            Err(error) => {
                let why = error.to_string();
                let error = RecordingError::io(name.as_str(), error);
                return Err(if error.is_out_of_descriptors() { error } else { broken(why) });
            }
        };
        let mut text = String::new();
        // By what nobody can set: it may have come with the time of another machine's clock.
        let metadata = file.metadata();
        let (stamp, looked) = (metadata.as_ref().ok().map(Stamp::of), Instant::now());
        let age = age(metadata.map(|metadata| changed(&metadata)));
        file.take(SIDECAR_MOST + 1).read_to_string(&mut text).map_err(|error| broken(error.to_string()))?;
        if text.len() as u64 > SIDECAR_MOST {
            return Err(broken(format!("it is longer than {SIDECAR_MOST} bytes")));
        }
        if text.is_empty() && age < REWRITE {
            return Ok(None);
        }
        let sidecar = Sidecar::parse(&text).map_err(broken)?;
        Ok(Some(Beside { sidecar, cover: None, stamp, looked }))
    }

    /// The picture that a recording's sidecar names, which is read if it is not the one that is `known`.
    fn cover(&self, name: &RecordingName, sidecar: &Sidecar, known: Option<Found>) -> Option<Found> {
        let path = beside(name, sidecar.cover.as_deref()?);
        if let Some(Ok(known)) = &known
            && self
                .open_file(&path)
                .and_then(|file| file.metadata())
                .is_ok_and(|now| known.is_in(Stamp::of(&now)))
        {
            return Some(Ok(Arc::clone(known)));
        }
        let told = |error: io::Error| error.to_string();
        let found = self.open_file(&path).map_err(told).and_then(Cover::read).and_then(|cover| {
            let room = sidecar.cover_room;
            let (bytes, fits) = (cover.bytes.len(), room == 0 || cover.bytes.len() <= room as usize);
            if fits {
                Ok(Arc::new(cover))
            } else {
                Err(format!("it has {bytes} bytes, and `cover_room` is {room}"))
            }
        });
        let found = found.map_err(|why| format!("cover `{path}`: {why}"));
        if let Err(why) = &found
            && known.as_ref() != Some(&found)
        {
            tracing::warn!(recording = name.as_str(), why, "a cover cannot be used");
        }
        Some(found)
    }

    /// Looks at a recording that is open: at its file, whether the name still means that file, and at its
    /// sidecar.
    ///
    /// # Errors
    /// When the recording is lost; or when its sidecar is broken or the folder cannot be looked into, for want of file
    /// descriptors perhaps, which loses nothing that is being listened to.
    pub(super) fn look_again(&self, recording: &Recording) -> Result<Extent, RecordingError> {
        let Some(turn) = recording.turn() else { return recording.known() };
        let name = recording.name();
        let mut beside = match self.described_still(recording) {
            Ok(beside) => beside,
            Err(error @ (RecordingError::Replaced(_) | RecordingError::Removed(_))) => {
                return Err(self.lost(recording, error));
            }
            Err(error) => return Err(look_without(recording, &turn, error)),
        };
        if let Some(beside) = &mut beside {
            if self.is_of_another(&beside.sidecar, recording) {
                return Err(self.lost(recording, RecordingError::Replaced(name.to_string())));
            }
            beside.cover = self.cover(name, &beside.sidecar, recording.cover());
        }
        recording.look(&turn, beside)
    }

    /// What is beside a recording that is open, if its name means its file still.
    fn described_still(&self, recording: &Recording) -> Result<Option<Beside>, RecordingError> {
        let name = recording.name();
        let gone = |error| match error {
            RecordingError::NotFound(name) => RecordingError::Removed(name),
            error => error,
        };
        for _ in 0..TRIES {
            let found = self.locate(name).map_err(gone)?;
            if !recording.is_file(found.1.dev(), found.1.ino()) {
                break;
            }
            let beside = self.sidecar(name)?;
            let may_be_gone = beside.as_ref().is_some_and(|beside| beside.stamp.is_none());
            if !may_be_gone || self.has_stayed(name, &found.1).map_err(gone)? {
                return Ok(beside);
            }
        }
        Err(RecordingError::Replaced(name.to_string()))
    }

    /// Whether what a sidecar says makes other bytes of a recording's file, or puts them elsewhere.
    fn is_of_another(&self, sidecar: &Sidecar, recording: &Recording) -> bool {
        let is_other_sound =
            matches!(recording.layout(), Layout::Raw(spec) if sidecar.pcm.unwrap_or(self.pcm) != *spec);
        is_other_sound || sidecar.cover_room != recording.cover_room()
    }

    fn lost(&self, recording: &Recording, error: RecordingError) -> RecordingError {
        recording.lose(error.clone());
        error
    }
}

/// Looks at an open recording's file alone, where what is beside it cannot be looked at.
fn look_without(recording: &Recording, turn: &Turn<'_>, error: RecordingError) -> RecordingError {
    recording.look(turn, None).err().unwrap_or(error)
}

/// How a file's bytes are to be taken.
fn layout(
    name: &RecordingName,
    file_name: &str,
    file: &Arc<File>,
    pcm: PcmSpec,
    cache: &Arc<DecodedCache>,
) -> Result<Layout, RecordingError> {
    if is_coded(file_name) {
        return decoded(name, file_name, file, cache);
    }
    let extension = Path::new(file_name).extension().unwrap_or_default();
    if !extension.eq_ignore_ascii_case("wav") {
        return Ok(Layout::Raw(pcm));
    }
    match riff::read(file, reading::patiently).map_err(|error| RecordingError::io(name.as_str(), error))? {
        Ok(Riff::Header(header)) => Ok(Layout::Riff(header)),
        // Some recorders call their raw PCM `.wav`.
        Ok(Riff::NotRiff) => Ok(Layout::Raw(pcm)),
        Ok(Riff::Incomplete) => Err(RecordingError::NoHeaderYet(name.to_string())),
        Err(error) => Err(RecordingError::Header { name: name.to_string(), why: error.to_string() }),
    }
}

/// Whether a file's name says that it is a coded one, which is whole: nothing can be appended to it.
pub(crate) fn is_coded(file_name: &str) -> bool {
    let extension = Path::new(file_name).extension().unwrap_or_default();
    CODED.iter().any(|coded| extension.eq_ignore_ascii_case(coded))
}

fn decoded(
    name: &RecordingName,
    file_name: &str,
    file: &Arc<File>,
    cache: &Arc<DecodedCache>,
) -> Result<Layout, RecordingError> {
    let decoded = Decoded::open(file, cache).map_err(|error| match error {
        DecodedError::Io(error) => RecordingError::io(name.as_str(), error),
        DecodedError::Unusable(why) => RecordingError::Coded { name: file_name.to_owned(), why },
        DecodedError::Changed => RecordingError::BeingWritten(file_name.to_owned()),
    })?;
    Ok(Layout::Decoded(Arc::new(decoded)))
}

impl Recording {
    /// Opens one file wherever it is, as it is now: it counts as ended. `pcm` goes before the sidecar's.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn open_path(path: &Path, pcm: Option<PcmSpec>) -> Result<Self, RecordingError> {
        let shown = path.display().to_string();
        let name = RecordingName::of_file(path);
        let io = |error| RecordingError::io(&shown, error);
        let file = Arc::new(open_plain(path).map_err(io)?);
        let metadata = Metadata::from_file(&file).map_err(io)?;
        let sidecar = match std::fs::read_to_string(path.with_extension("toml")) {
            // Nothing that it could say is of use then.
            _ if pcm.is_some() => Ok(Sidecar::default()),
            Ok(text) => Sidecar::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sidecar::default()),
            Err(error) => Err(error.to_string()),
        };
        let sidecar = sidecar.map_err(|why| RecordingError::Sidecar { name: shown.clone(), why })?;
        let pcm = pcm.or(sidecar.pcm).unwrap_or(DEFAULT_PCM);
        let layout = layout(&name, &shown, &file, pcm, &DecodedCache::new(None, 0))?;
        let cover = sidecar.cover.as_ref().map(|cover| {
            let file = open_plain(&path.with_file_name(cover)).map_err(|error| error.to_string());
            file.and_then(Cover::read).map(Arc::new).map_err(|why| format!("cover `{cover}`: {why}"))
        });
        let beside = Beside { sidecar, cover, stamp: None, looked: Instant::now() };
        let (still, growth_timeout) = (Duration::ZERO, Duration::ZERO);
        Self::new(Opened { name, file, layout, beside, metadata, still, growth_timeout })
    }
}

/// Opens a file wherever it is. Of a pipe or a device nobody can say how long it is; the one would be waited on.
fn open_plain(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a plain file")) }
}

/// What the file of a recording may be called, in the order in which it is looked for.
fn file_names(name: &RecordingName) -> impl Iterator<Item = String> {
    let base = name.as_str().rsplit('/').next().unwrap_or_default();
    let dotted = base.contains('.');
    ENDINGS
        .iter()
        .filter(move |ending| !(dotted && ending.is_empty()))
        .map(move |ending| format!("{name}{ending}"))
}

/// The path of what a recording's sidecar names, from the root.
fn beside(name: &RecordingName, path: &str) -> String {
    let folder = name.as_str().rsplit_once('/').map(|(folder, _)| folder);
    folder.map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"))
}

pub(crate) fn sidecar_name(name: &RecordingName) -> String {
    format!("{name}.toml")
}

/// Whether an error means that there is nothing there, as far as anyone outside may know: a link that leads
/// out of the folder is nothing too.
pub(super) fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, PermissionDenied};
    // cap-std says "permission denied" of paths that lead out; a file that is there but may not be read
    // has a metadata all the same, and fails when it is opened.
    is_not_there(error)
        || matches!(error.kind(), NotADirectory | PermissionDenied)
        || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Whether an error is cap-std's own, of a path that leads out of the folder; the system's have a number.
fn leads_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Whether an error means that there is no file of that name, or cannot be one since it would be too long.
pub(crate) fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename)
}
