//! One opened recording: its format, its frames, whether it grows, and that it still is itself.

use std::fs::{File, Metadata};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cap_std::fs::MetadataExt;
use parking_lot::{Mutex, MutexGuard};
use tailcast_codecs::PcmSpec;
use tailcast_codecs::grid::scale;
use tokio::sync::watch;

use super::cover::Found;
use super::decoded::Decoded;
use super::near;
use super::reading::{self, Read, Witness};
use super::riff::{self, Riff, RiffHeader};
use super::sidecar::{Beside, Rule, Sidecar};
use super::stamp::{STEP, Sighting, Stamp};
use super::{RecordingError, RecordingName};
use crate::time::seconds;

/// Whether more is to come.
#[derive(Debug, Clone)]
pub enum State {
    /// The recorder is at work, or has paused for less than the growth timeout.
    Growing,
    /// It has ended.
    Ended {
        /// Said so by the sidecar, rather than inferred from a file that stands still.
        declared: bool,
    },
    /// It shrank, was replaced or cannot be read: nothing more of *this* recording can be served.
    Lost(RecordingError),
}

/// How far a recording goes, and whether it goes on.
#[derive(Debug, Clone)]
pub struct Extent {
    /// Whole source frames.
    pub frames: u64,
    /// Growing, ended or lost.
    pub state: State,
    /// When the last of them was written, as well as that can be told.
    pub written: Instant,
}

impl Extent {
    /// Whether more is to come.
    pub fn is_growing(&self) -> bool {
        matches!(self.state, State::Growing)
    }

    /// As clients are told of it: `growing` or `finished`.
    pub fn name(&self) -> &'static str {
        if self.is_growing() { "growing" } else { "finished" }
    }

    /// Whether `other` is no news.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_state = match (&self.state, &other.state) {
            (State::Growing, State::Growing) => true,
            (State::Ended { declared: a }, State::Ended { declared: b }) => a == b,
            _ => false,
        };
        self.frames == other.frames && same_state
    }
}

/// What is known of a recording, apart from its being open.
#[derive(Debug, Clone)]
pub struct Status {
    /// Its name.
    pub name: RecordingName,
    /// What its bytes are.
    pub spec: PcmSpec,
    /// How far it goes; it is not lost.
    pub extent: Extent,
    /// What its sidecar says.
    pub sidecar: Sidecar,
    /// When it was last written to, by the file's own time.
    pub modified: Option<SystemTime>,
    /// Answers with its sound that were under way when it was looked at.
    pub listeners: usize,
}

impl Status {
    /// Seconds that it lasts so far.
    pub fn duration(&self) -> f64 {
        seconds(self.extent.frames, self.spec.rate)
    }

    /// Milliseconds that it lasts so far.
    pub(super) fn milliseconds(&self) -> i64 {
        let rate = u64::from(self.spec.rate);
        i64::try_from(scale(self.extent.frames, 1000, rate)).unwrap_or(i64::MAX)
    }
}

/// How the bytes in the file are to be taken.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// Raw PCM from the first byte on.
    Raw(PcmSpec),
    /// Behind a WAV header.
    Riff(RiffHeader),
    /// Coded, from the first byte on.
    Decoded(Arc<Decoded>),
}

impl Layout {
    pub(super) fn spec(&self) -> PcmSpec {
        match self {
            Self::Raw(spec) => *spec,
            Self::Riff(header) => header.spec,
            Self::Decoded(decoded) => decoded.spec(),
        }
    }

    pub(super) fn data_offset(&self) -> u64 {
        match self {
            Self::Raw(_) | Self::Decoded(_) => 0,
            Self::Riff(header) => header.data_offset,
        }
    }

    /// Whole frames in so many bytes behind the offset.
    fn frames(&self, data: u64) -> u64 {
        match self {
            Self::Raw(_) | Self::Riff(_) => self.spec().frames_in(data),
            Self::Decoded(decoded) => decoded.frames(),
        }
    }

    /// A sidecar, with what the tags of a coded file say where it says nothing.
    fn described(&self, mut sidecar: Sidecar) -> Sidecar {
        if let Self::Decoded(decoded) = self {
            let (title, author) = decoded.title_and_author();
            sidecar.title = sidecar.title.or_else(|| title.clone());
            sidecar.author = sidecar.author.or_else(|| author.clone());
        }
        sidecar
    }

    /// Whether it is a coded file's: that is all there from the first, and nothing is decoded to know it.
    pub(super) fn is_decoded(&self) -> bool {
        matches!(self, Self::Decoded(_))
    }
}

/// What was last seen of the file.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    bytes: u64,
    /// Bytes of sound in it, coded or not.
    data: u64,
    /// The same by a WAV file's header, which need not be true.
    declared: Option<u64>,
    pub(super) file: Sighting,
    /// The sidecar's.
    beside: Sighting,
    /// When the last look at it began.
    looked: Instant,
    /// When the last look began that found what is beside the file in order, too.
    vouched: Instant,
    /// When it was last seen to change.
    since: Instant,
    /// How long it had stood still by then.
    still: Duration,
    /// When it was last written to, by its own time.
    modified: Option<SystemTime>,
    sidecar: Sidecar,
    cover: Option<Found>,
    /// Bytes of the sound at places all over it.
    pub(super) witnesses: Arc<[Witness]>,
}

impl Seen {
    /// Bytes of sound in the file, coded or not.
    pub(super) fn data(&self) -> u64 {
        self.data
    }

    /// When the last of it was written, as well as that can be told.
    fn written(&self) -> Instant {
        self.since.checked_sub(self.still).unwrap_or(self.since)
    }
}

/// A recording that is open. It stays the same recording for good: if the file shrinks or is replaced it
/// becomes [`State::Lost`], and the next request for the name opens another one.
#[derive(Debug)]
pub struct Recording {
    name: RecordingName,
    id: u64,
    pub(super) file: Arc<File>,
    inode: (u64, u64),
    layout: Layout,
    cover_room: u32,
    /// The last ones with a cover.
    headers: Mutex<Vec<(blake3::Hash, Bytes)>>,
    /// Whether the file is where what the system has at hand can be had without waiting.
    is_near: bool,
    growth_timeout: Duration,
    /// Held while the file is looked at, which may take as long as a disk takes. Only [`next_turn`](Self::next_turn) and
    /// [`glance`](Self::glance) take it.
    looking: Mutex<()>,
    /// Held for moments, by whoever asks.
    pub(super) seen: Mutex<Seen>,
    extent: watch::Sender<Extent>,
    /// Whether its file was found to have other sound, so that whatever is read of it from then on may be that.
    spoiled: Arc<AtomicBool>,
    pub(super) digest: Mutex<Option<(u64, blake3::Hash)>>,
    /// Of one place after another, each with those before it.
    pub(super) identities: Mutex<Vec<blake3::Hash>>,
    began_about: OnceLock<Option<i64>>,
    pub(super) followed: Mutex<bool>,
    /// One more for each answer with its sound.
    heard: Arc<()>,
}

/// Somebody who listens to a recording, until dropped.
#[derive(Debug)]
pub(crate) struct Hearing(#[allow(dead_code, reason = "it is counted")] Arc<()>);

/// The right to look at a recording's file. One has it at a time: of two looks at once the older could be taken for the
/// newer, and a file that grew in between for one that was cut short.
pub(super) struct Turn<'a> {
    _alone: MutexGuard<'a, ()>,
    begun: Instant,
}

/// How long a look takes that need not wait for a disk, and more.
const MOMENT: Duration = Duration::from_micros(200);

/// More than passes while a write has set a file's time and not yet its length: in between it may wait for the disk. By our
/// own clock, since the file's time may be another machine's, or in steps of seconds.
const SETTLED: Duration = Duration::from_millis(500);

/// A file in which other sound was found than had been there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoiled {
    inode: (u64, u64),
    how: HowSpoiled,
}

#[derive(Debug, Clone, Copy)]
enum HowSpoiled {
    /// Written over. It has had the length that it has since then.
    Edited { bytes: u64, since: Instant },
    /// Cut short, at the latest then.
    Cut { noticed: Instant },
}

impl Spoiled {
    /// How long the file with this device, inode and length has stood still, for all that is known. By its own time that is
    /// `by_time`, which holds of another file. Of this one it need not: a change that makes it no longer is no growth, and
    /// a file that is cut short has its new length first and its new time after (some milliseconds on ext4).
    pub(super) fn still(&self, device: u64, inode: u64, bytes: u64, by_time: Duration) -> Duration {
        match self.how {
            _ if self.inode != (device, inode) => by_time,
            HowSpoiled::Edited { bytes: was, since } if bytes == was => by_time.max(since.elapsed()),
            HowSpoiled::Edited { .. } => by_time,
            HowSpoiled::Cut { noticed } => by_time.min(noticed.elapsed()),
        }
    }
}

/// What a recording was, by which it is known again when it has been opened anew.
#[derive(Debug, Clone)]
pub struct Mark {
    inode: (u64, u64),
    layout: (PcmSpec, u64),
    bytes: u64,
    modified: Option<SystemTime>,
    witnesses: Arc<[Witness]>,
    spoiled: Arc<AtomicBool>,
}

/// What the catalogue has found out when it opens a recording.
pub(super) struct Opened {
    pub(super) name: RecordingName,
    pub(super) file: Arc<File>,
    pub(super) layout: Layout,
    pub(super) beside: Beside,
    /// Of the file, after it was opened.
    pub(super) metadata: cap_std::fs::Metadata,
    /// How long it had stood still by then.
    pub(super) still: Duration,
    pub(super) growth_timeout: Duration,
}

impl Recording {
    /// Takes an opened file's first look.
    pub(super) fn new(opened: Opened) -> Result<Self, RecordingError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let Opened { name, file, layout, beside, metadata, still, growth_timeout } = opened;
        let now = Instant::now();
        let seen = Seen {
            bytes: metadata.len(),
            data: 0,
            declared: None,
            // What is read of it comes with the first look.
            file: Sighting::first(None, now),
            beside: Sighting::first(beside.stamp, beside.looked),
            looked: now,
            vouched: now,
            since: now,
            still,
            modified: metadata.modified().ok().map(cap_std::time::SystemTime::into_std),
            sidecar: layout.described(beside.sidecar.clone()),
            cover: beside.cover.clone(),
            witnesses: Arc::default(),
        };
        let recording = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            inode: (metadata.dev(), metadata.ino()),
            cover_room: beside.sidecar.cover_room,
            headers: Mutex::default(),
            extent: watch::Sender::new(Extent { frames: 0, state: State::Growing, written: now }),
            spoiled: Arc::default(),
            digest: Mutex::new(None),
            identities: Mutex::default(),
            began_about: OnceLock::new(),
            followed: Mutex::new(false),
            heard: Arc::default(),
            looking: Mutex::new(()),
            seen: Mutex::new(seen),
            is_near: near::is_near(&file),
            name,
            file,
            layout,
            growth_timeout,
        };
        recording.look(&recording.next_turn(), Some(beside))?;
        Ok(recording)
    }

    /// Its name.
    pub fn name(&self) -> &RecordingName {
        &self.name
    }

    /// A number that no other recording of this process has, so that what was coded of this one is never
    /// taken for another of the same name.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What its bytes are.
    pub fn spec(&self) -> PcmSpec {
        self.layout.spec()
    }

    /// What its sidecar says.
    pub fn sidecar(&self) -> Sidecar {
        self.seen.lock().sidecar.clone()
    }

    /// What became of the cover that its sidecar names.
    pub fn cover(&self) -> Option<Found> {
        self.seen.lock().cover.clone()
    }

    /// What its sidecar says, with the cover, of one moment.
    pub(crate) fn described(&self) -> (Sidecar, Option<Found>) {
        let seen = self.seen.lock();
        (seen.sidecar.clone(), seen.cover.clone())
    }

    /// Bytes of a cover for which there is room in the headers of its renditions: as long as it is this recording.
    pub fn cover_room(&self) -> u32 {
        self.cover_room
    }

    /// A header with a cover, which one of the last that were made may be: whoever begins to listen has it.
    pub(crate) fn header(&self, key: blake3::Hash, make: impl FnOnce() -> Bytes) -> Bytes {
        const KEPT: usize = 4;
        if let Some((_, header)) = self.headers.lock().iter().find(|(of, _)| *of == key) {
            return header.clone();
        }
        let header = make();
        let mut headers = self.headers.lock();
        headers.truncate(KEPT - 1);
        headers.insert(0, (key, header.clone()));
        header
    }

    /// Who may know of it, by its sidecar.
    pub fn rule(&self) -> Rule {
        self.seen.lock().sidecar.rule
    }

    /// What is known of it.
    ///
    /// # Errors
    /// When it is lost.
    pub fn status(&self) -> Result<Status, RecordingError> {
        let (sidecar, modified) = {
            let seen = self.seen.lock();
            (seen.sidecar.clone(), seen.modified)
        };
        let (name, spec, extent) = (self.name.clone(), self.spec(), self.known()?);
        let listeners = Arc::strong_count(&self.heard) - 1;
        Ok(Status { name, spec, extent, sidecar, modified, listeners })
    }

    /// Counts somebody who listens for as long as what is returned lives.
    pub(crate) fn hear(&self) -> Hearing {
        Hearing(Arc::clone(&self.heard))
    }

    /// When frame 0 was recorded, in milliseconds since 1970: as the sidecar says, or else about when, by the file's time when
    /// this was first asked.
    pub fn began(&self) -> Option<i64> {
        let seen = self.seen.lock();
        seen.sidecar.began().or_else(|| {
            *self.began_about.get_or_init(|| {
                let since = seen.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                let lasts = scale(self.layout.frames(seen.data), 1000, self.spec().rate.into());
                i64::try_from(since.as_millis()).ok()?.checked_sub(i64::try_from(lasts).ok()?)
            })
        })
    }

    /// How long it may stand still before it counts as ended.
    pub fn growth_timeout(&self) -> Duration {
        self.growth_timeout
    }

    /// How far it goes, as last seen.
    pub fn extent(&self) -> Extent {
        self.extent.borrow().clone()
    }

    /// Tells of changes that somebody else notices, those of the sidecar too ([`follow`](super::follow) is who notices by
    /// itself).
    pub fn subscribe(&self) -> watch::Receiver<Extent> {
        self.extent.subscribe()
    }

    pub(super) fn followers(&self) -> usize {
        self.extent.receiver_count()
    }

    pub(super) async fn unfollowed(&self) {
        self.extent.closed().await;
    }

    /// Whether its file is nothing but sound, so that more can be appended to it.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.layout, Layout::Raw(_))
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a file found under the recording's name still is the one that is open.
    pub fn is_file(&self, device: u64, inode: u64) -> bool {
        self.inode == (device, inode)
    }

    /// What to know it again by, with all the sound that it had when it was last looked at.
    pub fn mark(&self) -> Mark {
        let seen = self.seen.lock();
        Mark {
            inode: self.inode,
            layout: (self.spec(), self.layout.data_offset()),
            bytes: seen.bytes,
            modified: seen.modified,
            witnesses: Arc::clone(&seen.witnesses),
            spoiled: Arc::clone(&self.spoiled),
        }
    }

    /// Whether it is the one that had a mark, which may have been shorter then. Blocks.
    pub fn had(&self, mark: &Mark) -> bool {
        let same_file = mark.inode == self.inode && mark.layout == (self.spec(), self.layout.data_offset());
        let may_be_it = {
            let seen = self.seen.lock();
            mark.bytes < seen.bytes || (mark.bytes, mark.modified) == (seen.bytes, seen.modified)
        };
        let is_sound = !mark.spoiled.load(Ordering::Acquire);
        same_file && may_be_it && is_sound && self.check(&mark.witnesses, reading::patiently).is_ok()
    }

    /// Whether nothing more of it can be served.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.extent.borrow().state, State::Lost(_))
    }

    /// Whether whatever is read of its file now may be other sound. That is not so of one that is lost since its name means
    /// another file.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled.load(Ordering::Acquire)
    }

    /// What is known of its file if that has other sound now. (One without sound may be a recorder's that has just begun.)
    pub(super) fn spoiled(&self) -> Option<Spoiled> {
        let State::Lost(error) = self.extent().state else { return None };
        let seen = self.seen.lock();
        let how = match error {
            RecordingError::Replaced(_) if seen.data > 0 => {
                HowSpoiled::Edited { bytes: seen.bytes, since: seen.written() }
            }
            RecordingError::Truncated(_) => HowSpoiled::Cut { noticed: Instant::now() },
            _ => return None,
        };
        self.is_spoiled().then_some(Spoiled { inode: self.inode, how })
    }

    /// Says that nothing more can be served, and why.
    pub(super) fn lose(&self, error: RecordingError) {
        self.extent.send_if_modified(|extent| {
            let first = !matches!(extent.state, State::Lost(_));
            if first {
                // Once, however many listen.
                let recording = self.name.as_str();
                match self.extent.receiver_count() {
                    0 => tracing::debug!(recording, %error, "a recording that was open is lost"),
                    _ => tracing::warn!(recording, %error, "a recording is lost to those who listen to it"),
                }
                extent.state = State::Lost(error);
            }
            first
        });
    }

    /// Waits for the right to look; `None` if somebody else has looked from beginning to end meanwhile, so that
    /// [`known`](Self::known) is as good as what a look would tell. Blocks.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        let asked = Instant::now();
        let turn = self.next_turn();
        (self.seen.lock().vouched < asked).then_some(turn)
    }

    fn next_turn(&self) -> Turn<'_> {
        let alone = self.looking.lock();
        Turn { _alone: alone, begun: Instant::now() }
    }

    /// What the last look told.
    ///
    /// # Errors
    /// When the recording is lost.
    pub fn known(&self) -> Result<Extent, RecordingError> {
        let extent = self.extent();
        match extent.state {
            State::Lost(error) => Err(error),
            _ => Ok(extent),
        }
    }

    /// Looks at the file and tells who listens if there is news. Without a sidecar that could be read the one known
    /// still holds. Blocks.
    ///
    /// # Errors
    /// When the recording is lost; it then is for good.
    pub(super) fn look(&self, turn: &Turn<'_>, beside: Option<Beside>) -> Result<Extent, RecordingError> {
        self.until_certain(|| self.try_look(turn, beside.clone(), reading::patiently))
    }

    /// Takes a look without waiting, if that can be had: at a recording whose name and sidecar have had these stamps since
    /// it was `asked` for. False if it cannot, or if anything is wrong, which is for a [`look`](Self::look) to say.
    pub(super) fn glance(&self, file: Stamp, beside: Option<Stamp>, asked: Instant) -> bool {
        if !file.is_of(self.inode) || !self.seen.lock().beside.vouches_for(beside) {
            return false;
        }
        if self.is_as_seen(file, asked) {
            return true;
        }
        let Some(alone) = self.looking.try_lock_for(MOMENT) else { return false };
        let turn = Turn { _alone: alone, begun: Instant::now() };
        // Somebody else may have looked meanwhile.
        let has_been_looked_at = self.seen.lock().looked >= asked;
        has_been_looked_at && !self.is_lost() || self.try_look(&turn, None, near::read).is_ok()
    }

    fn try_look(
        &self,
        turn: &Turn<'_>,
        beside: Option<Beside>,
        read: Read,
    ) -> Result<Extent, RecordingError> {
        self.known()?;
        let beside = beside.map(|beside| Beside { sidecar: self.layout.described(beside.sidecar), ..beside });
        let metadata = self.file.metadata().map_err(|error| self.io(error))?;
        let (bytes, now, stamp) = (metadata.len(), Instant::now(), Some(Stamp::of(&metadata)));
        let mut seen = self.seen.lock().clone();
        if bytes < seen.bytes {
            return Err(RecordingError::Truncated(self.name.to_string()));
        }
        if bytes > seen.bytes && self.layout.is_decoded() {
            return Err(RecordingError::Replaced(self.name.to_string()));
        }
        self.check_time(&seen, &metadata, read)?;
        if bytes > seen.bytes {
            // It may have grown and stood still since while nobody looked. Not for longer than that, whatever the
            // file's time says: it may be that of another machine's clock.
            (seen.still, seen.since, seen.bytes) =
                (age(metadata.modified()).min(now - seen.looked), now, bytes);
        }
        if !self.vouches_for(&seen, stamp) {
            (seen.data, seen.declared) = self.data_bytes(bytes, read)?;
            self.check(&seen.witnesses, read)?;
            seen.witnesses = self.witnesses(seen.data, &seen.witnesses, read)?;
        }
        seen.file = seen.file.then(stamp, now);
        seen.modified = metadata.modified().ok();
        seen.looked = turn.begun;
        let is_described_anew = beside
            .as_ref()
            .is_some_and(|beside| (&beside.sidecar, &beside.cover) != (&seen.sidecar, &seen.cover));
        if let Some(Beside { sidecar, cover, stamp, looked }) = beside {
            (seen.sidecar, seen.cover, seen.vouched) = (sidecar, cover, turn.begun);
            seen.beside = seen.beside.then(stamp, looked);
        }
        let extent = Extent {
            frames: self.layout.frames(seen.data),
            state: self.state(&seen),
            written: seen.written(),
        };
        *self.seen.lock() = seen;
        self.extent.send_if_modified(|last| replace_if_new(last, &extent) || is_described_anew);
        Ok(extent)
    }

    /// That the file was not written over since it has ended: what is written to it then makes it longer, or puts into a WAV
    /// file's header for the first time how long it is. The witnesses may all lie elsewhere.
    pub(super) fn check_time(&self, seen: &Seen, now: &Metadata, read: Read) -> Result<(), RecordingError> {
        let ended = matches!(self.state(seen), State::Ended { .. });
        if !ended || now.len() != seen.bytes || now.modified().ok() == seen.modified {
            return Ok(());
        }
        let was_open = seen.declared != Some(seen.data);
        let declared = if was_open { self.data_bytes(seen.bytes, read)?.1 } else { seen.declared };
        if declared == seen.declared {
            return Err(RecordingError::Replaced(self.name.to_string()));
        }
        self.closed(seen, declared, now);
        Ok(())
    }

    /// Takes note that a WAV file was closed since it was `before`: what is written to it from now on is something else. The
    /// rest is for the next look.
    fn closed(&self, before: &Seen, declared: Option<u64>, now: &Metadata) {
        let mut seen = self.seen.lock();
        if (seen.bytes, seen.modified) == (before.bytes, before.modified) {
            (seen.declared, seen.modified) = (declared, now.modified().ok());
        }
    }

    /// Tries what may wait until it succeeds or it is certain that the recording is lost.
    pub(super) fn until_certain<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, RecordingError>,
    ) -> Result<T, RecordingError> {
        let begun = Instant::now();
        loop {
            match attempt() {
                // The recorder may be going on, in the middle of a write.
                Err(RecordingError::Replaced(_))
                    if begun.elapsed() < SETTLED && !self.is_lost() && self.may_be_written_to() =>
                {
                    thread::sleep(SETTLED / 10);
                }
                Err(error) => {
                    let has_other_sound =
                        matches!(error, RecordingError::Replaced(_) | RecordingError::Truncated(_));
                    // Not if it is lost by its name.
                    if has_other_sound && !self.is_lost() {
                        self.spoiled.store(true, Ordering::Release);
                    }
                    self.lose(error.clone());
                    return Err(error);
                }
                done => return done,
            }
        }
    }

    /// Whether a write to the file may be under way: not if the last one was long ago, where its times are of our clock.
    fn may_be_written_to(&self) -> bool {
        let is_recent = |metadata: Metadata| age(metadata.modified()) < STEP;
        !self.is_near || self.file.metadata().is_ok_and(is_recent)
    }

    /// Whether it has ended and is as it was when it was last looked at, by its file's stamp.
    fn is_as_seen(&self, file: Stamp, asked: Instant) -> bool {
        let mut seen = self.seen.lock();
        let ended = matches!(self.extent.borrow().state, State::Ended { .. });
        let same = ended && self.vouches_for(&seen, Some(file));
        if same {
            seen.looked = seen.looked.max(asked);
        }
        same
    }

    /// Whether the file, which has this stamp now, is as it was when it was last looked at. On a network what is told of it may
    /// be old, and newer bytes come with it.
    pub(super) fn vouches_for(&self, seen: &Seen, stamp: Option<Stamp>) -> bool {
        self.is_near && seen.file.vouches_for(stamp)
    }

    /// Whether what the system has at hand of its file can be had without waiting.
    pub(super) fn is_near(&self) -> bool {
        self.is_near
    }

    fn state(&self, seen: &Seen) -> State {
        if seen.sidecar.ended || self.layout.is_decoded() {
            State::Ended { declared: true }
        } else if seen.still + seen.since.elapsed() >= self.growth_timeout {
            State::Ended { declared: false }
        } else {
            State::Growing
        }
    }

    /// How long until the recording counts as ended if it stands still.
    pub(super) fn ends_in(&self) -> Duration {
        let seen = self.seen.lock();
        self.growth_timeout.saturating_sub(seen.still + seen.since.elapsed())
    }

    pub(super) fn frame_bytes(&self) -> u64 {
        self.spec().frame_bytes() as u64
    }

    pub(super) fn io(&self, error: io::Error) -> RecordingError {
        RecordingError::io(self.name.as_str(), error)
    }

    /// Bytes of sound in a file of `bytes` bytes, and what a WAV file's header says of that.
    fn data_bytes(&self, bytes: u64, read: Read) -> Result<(u64, Option<u64>), RecordingError> {
        let Layout::Riff(header) = &self.layout else { return Ok((bytes, None)) };
        // The recorder may have written the true sizes since the header was first read.
        let header = match riff::read(&self.file, read).map_err(|error| self.io(error))? {
            Ok(Riff::Header(now)) if now.spec == header.spec && now.data_offset == header.data_offset => now,
            _ => return Err(RecordingError::Replaced(self.name.to_string())),
        };
        let mut failed = None;
        // The id and size of a RIFF chunk at a byte of the file.
        let chunk_head = |offset| {
            let mut head = [0; 8];
            read(&self.file, &mut head, offset).map_err(|error| failed = Some(error)).ok()?;
            Some(head)
        };
        let data = riff::data_len(&header, bytes, chunk_head);
        match failed {
            // There may be one that is not at hand.
            Some(error) if error.kind() == io::ErrorKind::WouldBlock => Err(self.io(error)),
            _ => Ok((data, header.declared)),
        }
    }
}

/// How long ago a file's time is: no time at all if it lies ahead, or cannot be told.
pub(super) fn age(at: io::Result<SystemTime>) -> Duration {
    at.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default()
}

fn replace_if_new(last: &mut Extent, now: &Extent) -> bool {
    // Whoever read in the meantime may have found it lost, which it stays.
    let new = !matches!(last.state, State::Lost(_)) && !last.is_same(now);
    if new {
        *last = now.clone();
    }
    new
}
