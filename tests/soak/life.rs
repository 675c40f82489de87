//! The lives of recordings: what was ever in a file, when it got there, and when it was no more. Kept
//! until all are judged who may have heard of it.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tailcast_codecs::PcmSpec;

/// When something was done to a file: somewhere between these.
#[derive(Debug, Clone, Copy)]
struct Deed {
    begun: Instant,
    /// Not yet, while it is being done.
    done: Option<Instant>,
}

impl Deed {
    fn begin() -> Self {
        Self { begun: Instant::now(), done: None }
    }

    fn was_done_by(self, at: Instant) -> bool {
        self.done.is_some_and(|done| done <= at)
    }

    fn may_be_within(self, from: Instant, until: Instant) -> bool {
        self.begun <= until && self.done.is_none_or(|done| done >= from)
    }
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Truncated,
    Edited,
    Replaced,
    Removed,
}

/// How it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// There was no file.
    New,
    /// A file was renamed to where another was.
    InPlace,
    /// It is the first bytes of the life before.
    Cut,
    /// It is the life before with other sound in it.
    Edited,
}

/// A file from its first byte until it is cut short, edited, replaced or removed.
pub struct Life {
    pub number: usize,
    pub name: String,
    pub spec: PcmSpec,
    /// Bytes before the sound, if it is a WAV file.
    pub header: u64,
    /// What its file is called like, if that is coded: its bytes are then counted as those of the sound in it.
    pub coded: Option<&'static str>,
    /// Bytes that are written at once, if somebody else writes it.
    pub piece: Option<u64>,
    pub birth: Birth,
    /// Every byte that was ever in it; of a coded file all of them.
    pub truth: PathBuf,
    history: Mutex<History>,
}

struct History {
    born: Deed,
    /// How long the file was after each write.
    written: Vec<(Deed, u64)>,
    /// When its sidecar began to say that it has ended.
    declared: Option<Instant>,
    lost: Option<(Deed, Loss)>,
}

// What is done to the file is noted before and after: nobody is to hear of it before it is known that it may be there.
impl Life {
    /// Begins by a `deed` that makes `bytes` of the truth the file's.
    pub fn be_born(&self, bytes: u64, deed: impl FnOnce()) {
        {
            let mut history = self.history.lock();
            history.born = Deed::begin();
            let born = history.born;
            history.written.push((born, bytes));
        }
        deed();
        let mut history = self.history.lock();
        history.born.done = Some(Instant::now());
        history.written[0].0 = history.born;
    }

    /// Writes to the end of the file by a `deed`.
    pub fn write(&self, bytes: &[u8], deed: impl FnOnce(&[u8])) {
        self.keep(bytes);
        self.grow(bytes.len() as u64, || deed(bytes));
    }

    /// Grows by as many bytes of the truth by a `deed`.
    pub fn grow(&self, bytes: u64, deed: impl FnOnce()) {
        let at = {
            let mut history = self.history.lock();
            let len = history.written.last().map_or(0, |(_, len)| *len) + bytes;
            history.written.push((Deed::begin(), len));
            history.written.len() - 1
        };
        deed();
        self.history.lock().written[at].0.done = Some(Instant::now());
    }

    /// Is written by somebody else, who may come to no more than `most` bytes in all before it is looked again. The first time
    /// it is born by that. `look` tells how long the file is, and from when on it was as long as that.
    pub fn be_written(&self, most: u64, look: impl FnOnce() -> (Instant, u64)) {
        {
            let mut history = self.history.lock();
            match history.written.last_mut() {
                Some((_, len)) => *len = most,
                None => {
                    history.born = Deed::begin();
                    let born = history.born;
                    history.written.push((born, most));
                }
            }
        }
        let (looked, len) = look();
        let mut history = self.history.lock();
        let begun = history.written.pop().map_or(looked, |(deed, _)| deed.begun);
        let deed = Deed { begun, done: Some(Instant::now()) };
        history.born.done = history.born.done.or(deed.done);
        if history.written.last().is_none_or(|(_, before)| *before != len) {
            history.written.push((deed, len));
        }
        // It may have gone on since.
        history.written.push((Deed { begun: looked, done: None }, most));
    }

    /// Nobody else writes it any more, since it was looked the last time.
    pub fn stand_still(&self) {
        self.history.lock().written.pop();
    }

    /// Adds to the truth.
    pub fn keep(&self, bytes: &[u8]) {
        let mut truth = OpenOptions::new().create(true).append(true).open(&self.truth).unwrap();
        truth.write_all(bytes).unwrap();
    }

    /// Ends by a `deed`.
    pub fn lose(&self, how: Loss, deed: impl FnOnce()) {
        self.history.lock().lost = Some((Deed::begin(), how));
        deed();
        let mut history = self.history.lock();
        history.lost.as_mut().unwrap().0.done = Some(Instant::now());
    }

    pub fn declare(&self) {
        self.history.lock().declared = Some(Instant::now());
    }

    pub fn is_declared(&self) -> bool {
        self.history.lock().declared.is_some()
    }

    /// Whether nothing more will become of it.
    pub fn is_over(&self) -> bool {
        self.history.lock().lost.is_some_and(|(deed, _)| deed.done.is_some())
    }

    /// Whether it may have been lost by a moment.
    pub fn may_be_lost_by(&self, at: Instant) -> bool {
        self.history.lock().lost.is_some_and(|(deed, _)| deed.begun <= at)
    }

    /// Whether it may have been by being removed.
    pub fn may_be_removed_by(&self, at: Instant) -> bool {
        let history = self.history.lock();
        history.lost.is_some_and(|(deed, how)| deed.begun <= at && how == Loss::Removed)
    }

    pub fn begun(&self) -> Instant {
        self.history.lock().born.begun
    }

    /// Whether it surely had begun by a moment.
    pub fn was_born_by(&self, at: Instant) -> bool {
        self.history.lock().born.was_done_by(at)
    }

    /// Whether it was surely there from one moment to another.
    pub fn was_there(&self, from: Instant, until: Instant) -> bool {
        self.history.lock().born.was_done_by(from) && !self.may_be_lost_by(until)
    }

    /// Bytes in the file, with all that is being written.
    pub fn len(&self) -> u64 {
        self.history.lock().written.last().map_or(0, |(_, len)| *len)
    }

    /// Whole frames in so many bytes of the file.
    pub fn frames_in(&self, bytes: u64) -> u64 {
        self.spec.frames_in(bytes.saturating_sub(self.header))
    }

    pub fn frames(&self) -> u64 {
        self.frames_in(self.len())
    }

    /// Frames that were surely there at a moment.
    pub fn frames_at_least(&self, at: Instant) -> u64 {
        let history = self.history.lock();
        let written = history.written.iter().rev().find(|(deed, _)| deed.was_done_by(at));
        self.frames_in(written.map_or(0, |(_, len)| *len))
    }

    /// Frames that may have been there at a moment.
    pub fn frames_at_most(&self, at: Instant) -> u64 {
        let history = self.history.lock();
        let written = history.written.iter().rev().find(|(deed, _)| deed.begun <= at);
        self.frames_in(written.map_or(0, |(_, len)| *len))
    }

    /// All lengths in frames at which the file may have been seen from one moment to another: before and after each
    /// write, and where the system goes on to another page in the middle of it, or who writes to another piece.
    pub fn frames_between(&self, from: Instant, until: Instant) -> Vec<u64> {
        const PAGE: u64 = 4096;
        let history = self.history.lock();
        let mut lengths = vec![];
        let mut before = 0;
        for (deed, len) in &history.written {
            if deed.may_be_within(from, until) {
                lengths.extend([before, *len]);
                for piece in [Some(PAGE), self.piece].into_iter().flatten() {
                    lengths.extend((before / piece + 1..=len / piece).map(|number| number * piece));
                }
            } else if deed.begun < from {
                lengths = vec![*len];
            }
            before = *len;
        }
        let mut frames: Vec<u64> = lengths.into_iter().map(|len| self.frames_in(len)).collect();
        frames.sort_unstable();
        frames.dedup();
        frames
    }

    /// The lengths in bytes at which it may have counted as ended: where it stood still for nearly `timeout`, and
    /// where its sidecar said so.
    pub fn ends(&self, timeout: Duration) -> Vec<u64> {
        let history = self.history.lock();
        let now = Instant::now();
        let done = |deed: &Deed| deed.done.unwrap_or(now);
        let lost = history.lost.as_ref().map_or(now, |(deed, _)| done(deed));
        let next = history.written.iter().skip(1).map(|(deed, _)| done(deed)).chain([lost]);
        let stood_still =
            |begun: Instant, next: Instant| next.saturating_duration_since(begun) >= timeout * 3 / 4;
        let stood =
            history.written.iter().zip(next).filter(|((deed, _), next)| stood_still(deed.begun, *next));
        let mut ends: Vec<u64> = stood.map(|((_, len), _)| *len).collect();
        let last = history.written.last().map(|(_, len)| *len);
        ends.extend(last.filter(|len| history.declared.is_some() && !ends.contains(len)));
        ends
    }

    /// Whether the file's header was surely all there at a moment.
    pub fn had_header(&self, at: Instant) -> bool {
        let history = self.history.lock();
        let has = |(deed, len): &(Deed, u64)| deed.was_done_by(at) && *len >= self.header;
        self.header == 0 || history.written.iter().any(has)
    }

    /// Whether the file may have been this one at some time between two moments.
    pub fn overlaps(&self, from: Instant, until: Instant) -> bool {
        let history = self.history.lock();
        let over_before = history.lost.is_some_and(|(deed, _)| deed.was_done_by(from));
        history.born.begun <= until && !over_before
    }

    /// Whether it may have begun or ended between two moments.
    pub fn changed_between(&self, from: Instant, until: Instant) -> bool {
        let history = self.history.lock();
        let lost = history.lost.is_some_and(|(deed, _)| deed.may_be_within(from, until));
        lost || history.born.may_be_within(from, until)
    }

    /// Copies its first bytes; of a coded file, which does not grow, all of them.
    pub fn copy(&self, bytes: u64, to: &Path) {
        if self.coded.is_some() {
            fs::copy(&self.truth, to).unwrap();
            return;
        }
        let mut to = File::create(to).unwrap();
        let copied = std::io::copy(&mut File::open(&self.truth).unwrap().take(bytes), &mut to).unwrap();
        assert_eq!(copied, bytes, "the soak itself is wrong: {self:?}");
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, name, spec, header, coded, birth, truth, history, .. } = self;
        let History { born, written, declared, lost } = &*history.lock();
        let since = |at: Instant| at.saturating_duration_since(born.begun).as_secs_f64();
        let truth = truth.display();
        let coded = coded.unwrap_or("PCM");
        write!(
            f,
            "life {number} of {name} ({coded} of {spec}, {header} bytes of header, {birth:?}, in {truth}):"
        )?;
        for (deed, len) in written {
            write!(f, " {:.3}:{len}", since(deed.begun))?;
        }
        if let Some(at) = declared {
            write!(f, " {:.3}:declared to have ended", since(*at))?;
        }
        if let Some((deed, how)) = lost {
            write!(f, " {:.3}:{how:?}", since(deed.begun))?;
        }
        Ok(())
    }
}

/// When each recording says that it began: replicas are to say so, too.
pub const STARTED: &str = "2026-11-01T20:00:00Z";

/// What stands in the sidecar of a recording.
pub fn sidecar(spec: PcmSpec, ended: bool) -> String {
    format!("pcm = \"{spec}\"\nstarted = \"{STARTED}\"\nended = {ended}\n")
}

/// What a life is of.
#[derive(Debug, Clone)]
pub struct Sort {
    pub name: String,
    pub spec: PcmSpec,
    /// Bytes before the sound.
    pub header: u64,
    /// The extension, if it is a coded file's.
    pub coded: Option<&'static str>,
    /// Bytes that are written at once, if somebody else writes it.
    pub piece: Option<u64>,
}

/// All lives of all names.
pub struct Archive {
    folder: PathBuf,
    lives: Mutex<HashMap<String, Vec<Arc<Life>>>>,
    count: AtomicUsize,
}

impl Archive {
    /// Keeps every byte in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), lives: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// A life that is about to begin. Its number makes its sound another than any other's.
    pub fn conceive(&self, sort: &Sort, birth: Birth) -> Arc<Life> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let Sort { name, spec, header, coded, piece } = sort.clone();
        let truth = self.folder.join(number.to_string());
        File::create(&truth).unwrap();
        let history = History { born: Deed::begin(), written: vec![], declared: None, lost: None };
        let history = Mutex::new(history);
        let life = Life { number, name, spec, header, coded, piece, birth, truth, history };
        let life = Arc::new(life);
        self.lives.lock().entry(sort.name.clone()).or_default().push(Arc::clone(&life));
        life
    }

    /// All that a name ever meant, the last one last.
    pub fn lives(&self, name: &str) -> Vec<Arc<Life>> {
        self.lives.lock().get(name).cloned().unwrap_or_default()
    }

    /// The lives of which a life is the first bytes, the last one first.
    pub fn cut_off(&self, life: &Life) -> Vec<Arc<Life>> {
        let mut lives = self.lives(&life.name);
        lives.retain(|other| other.number <= life.number);
        let cut = lives.iter().rev().take_while(|life| life.birth == Birth::Cut).count();
        lives.into_iter().rev().skip(1).take(cut).collect()
    }

    /// Throws away what was over before anybody asked who is not judged yet.
    pub fn forget(&self, asked: Instant) {
        for life in self.lives.lock().values().flatten() {
            let lost = life.history.lock().lost;
            if lost.is_some_and(|(deed, _)| deed.was_done_by(asked)) {
                // It may have been before.
                let _ = fs::remove_file(&life.truth);
            }
        }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
