//! The pyramids of recordings: each computed once however many look, no further than anyone wants it, and from where it
//! was when its recording has grown.
//!
//! A pyramid is extended by one driver at a time. Sound is read in turns on threads that may wait for a slow disk, and
//! computed by the encoders' threads when they have nothing to code, several turns at once; what each gives is appended
//! in order. Who wants what is there already does not wait for the rest. When nobody looks any more the driver stops, and
//! the next one goes on from there.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use super::peaks::{Meter, Peak};
use super::pyramid::{BLOCK, Pyramid};
use super::walk::{Plan, TURN_BYTES, Walk};
use super::{View, WaveformError};
use crate::recording::{Mark, Recording, RecordingName, State};
use crate::segments::Segments;

/// Pyramids take as much of memory as a fourth of what segments may,
const SHARE_OF_CACHE: u64 = 4;
/// and so many bytes at least: those of one must have room, or it is computed anew for each look.
const LEAST_BYTES: u64 = 16 << 20;
/// Bytes that an entry takes beside its pyramid.
const ENTRY_OVERHEAD: usize = 512;
/// Turns that are read or computed at a time for one pyramid.
const IN_FLIGHT: usize = 4;

/// What has been done so far, for tests and for whoever watches the server.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames that were read into pyramids.
    pub gathered: AtomicU64,
    /// Frames that were read for one answer: at the edges of pixels, and where pixels are shorter than blocks.
    pub read: AtomicU64,
    /// Drivers at work.
    drivers: AtomicUsize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: RecordingName,
    /// Lanes would not do: the mean of one channel is that channel, but that of two is not their first.
    split: bool,
}

/// The pyramids of every recording.
#[derive(Debug)]
pub struct Waveforms {
    segments: Arc<Segments>,
    pyramids: moka::sync::Cache<Key, Arc<Entry>>,
    /// As many as there are encoders, so that however many look, those who listen have a processor as often, and threads
    /// that wait for a disk.
    turns: Arc<Semaphore>,
    most_turns: usize,
    counters: Counters,
}

/// A pyramid and who works on it.
#[derive(Debug)]
struct Entry {
    owner: Mutex<Owner>,
    pyramid: RwLock<Pyramid>,
    work: Mutex<Work>,
    /// Changes when there is more of it, or never will be.
    progress: watch::Sender<Option<WaveformError>>,
}

/// The recording that a pyramid is of: open perhaps, and what it is known by when it was closed and is opened anew.
#[derive(Debug)]
struct Owner {
    recording: Weak<Recording>,
    mark: Mark,
}

impl Owner {
    fn new(recording: &Arc<Recording>) -> Self {
        Self { recording: Arc::downgrade(recording), mark: recording.mark() }
    }
}

impl Entry {
    /// Whether it is the pyramid of a recording, which then owns it. Blocks.
    fn is_of(&self, recording: &Arc<Recording>) -> bool {
        let mut owner = self.owner.lock();
        let same = owner.recording.ptr_eq(&Arc::downgrade(recording)) || recording.had(&owner.mark);
        if same {
            *owner = Owner::new(recording);
        }
        same
    }

    fn is_lost(&self) -> bool {
        let recording = self.owner.lock().recording.upgrade();
        recording.is_some_and(|recording| matches!(recording.extent().state, State::Lost(_)))
    }
}

/// Held for moments; what decides whether a driver goes on.
#[derive(Debug, Default)]
struct Work {
    /// Frames that it is to go up to.
    goal: u64,
    driven: bool,
}

impl Waveforms {
    /// None yet; what they take to compute is done by the encoders of `segments`, and `cache` is how many bytes of segments are
    /// kept.
    pub fn new(segments: Arc<Segments>, cache: u64) -> Arc<Self> {
        let pyramids = moka::sync::Cache::builder()
            .max_capacity((cache / SHARE_OF_CACHE).max(LEAST_BYTES))
            .weigher(|_: &Key, entry: &Arc<Entry>| {
                u32::try_from(entry.pyramid.read().bytes() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        let most_turns = segments.threads();
        let turns = Arc::new(Semaphore::new(most_turns));
        Arc::new(Self { segments, pyramids, turns, most_turns, counters: Counters::default() })
    }

    /// Reads, or whatever else may take its time, when its turn comes.
    pub(super) async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, WaveformError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| WaveformError::Gone)?;
        let working = tokio::task::spawn_blocking(move || {
            // To the end of the work, though nobody may wait for it any more.
            let _turn = turn;
            work()
        });
        working.await.map_err(|_| WaveformError::Gone)
    }

    /// Turns at this moment.
    pub fn turns(&self) -> usize {
        self.most_turns.saturating_sub(self.turns.available_permits())
    }

    /// What has been done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Pyramids that are being extended.
    pub fn under_way(&self) -> usize {
        self.counters.drivers.load(Ordering::Relaxed)
    }

    /// Bytes of pyramids that are kept at most.
    pub fn most_bytes(&self) -> u64 {
        self.pyramids.policy().max_capacity().unwrap_or(u64::MAX)
    }

    /// Bytes of the pyramids that are kept.
    pub fn cached_bytes(&self) -> u64 {
        self.pyramids.run_pending_tasks();
        self.pyramids.weighted_size()
    }

    /// Frames of a view's recording that its pyramid has already. Blocks.
    pub(super) fn there(&self, view: &View) -> u64 {
        let entry = self.pyramids.get(&Key::of(view)).filter(|entry| entry.is_of(view.recording()));
        entry.map_or(0, |entry| entry.pyramid.read().frames())
    }

    /// The pyramid of a view's recording, which is extended to the view's end for as long as anybody follows it.
    /// Blocks.
    pub(super) fn follow(self: &Arc<Self>, view: &View) -> Follower {
        let entry = self.entry(view);
        let mut work = entry.work.lock();
        let progress = entry.progress.subscribe();
        work.goal = work.goal.max(view.window().frames.end / BLOCK * BLOCK);
        if !work.driven && entry.pyramid.read().frames() < work.goal {
            work.driven = true;
            tokio::spawn(self.driver(view, Arc::clone(&entry)).run());
        }
        drop(work);
        Follower { entry, progress }
    }

    fn entry(&self, view: &View) -> Arc<Entry> {
        let make = || {
            Arc::new(Entry {
                owner: Mutex::new(Owner::new(view.recording())),
                pyramid: RwLock::new(Pyramid::new(view.meter().lanes())),
                work: Mutex::default(),
                progress: watch::Sender::new(None),
            })
        };
        let is_anothers = |entry: &Arc<Entry>| !entry.is_of(view.recording());
        let made = self.pyramids.entry(Key::of(view)).or_insert_with_if(make, is_anothers);
        if made.is_fresh() {
            self.drop_lost();
        }
        made.into_value()
    }

    /// Nobody can ask for those of recordings that are lost.
    fn drop_lost(&self) {
        for (key, entry) in &self.pyramids {
            if entry.is_lost() {
                self.pyramids.invalidate(&*key);
            }
        }
    }

    fn driver(self: &Arc<Self>, view: &View, entry: Arc<Entry>) -> Driver {
        self.counters.drivers.fetch_add(1, Ordering::Relaxed);
        Driver {
            waveforms: Arc::clone(self),
            key: Key::of(view),
            entry,
            recording: Arc::clone(view.recording()),
            meter: view.meter(),
        }
    }
}

impl Key {
    fn of(view: &View) -> Self {
        Self { name: view.recording().name().clone(), split: view.wanted.split }
    }
}

/// Reads a pyramid, and keeps it from standing still.
#[derive(Debug)]
pub(super) struct Follower {
    entry: Arc<Entry>,
    progress: watch::Receiver<Option<WaveformError>>,
}

impl Follower {
    /// Goes on along a walk as far as the pyramid is there by now. Blocks for moments.
    pub(super) fn plan(&mut self, walk: &mut Walk) -> Plan {
        self.progress.mark_unchanged();
        walk.plan(Some(&*self.entry.pyramid.read()))
    }

    /// Waits until there is more than at the last plan.
    ///
    /// # Errors
    /// When there never will be.
    pub(super) async fn more(&mut self) -> Result<(), WaveformError> {
        // It may have come between the plan and now.
        self.failure()?;
        self.progress.changed().await.map_err(|_| WaveformError::Gone)?;
        self.failure()
    }

    fn failure(&self) -> Result<(), WaveformError> {
        self.progress.borrow().clone().map_or(Ok(()), Err)
    }
}

/// Takes one pyramid to where it is wanted.
struct Driver {
    waveforms: Arc<Waveforms>,
    key: Key,
    entry: Arc<Entry>,
    recording: Arc<Recording>,
    meter: Meter,
}

impl Driver {
    async fn run(self) {
        while let Some(frames) = self.next() {
            if let Err(error) = self.extend(frames).await {
                // Whoever asks again begins again, if there still is something to ask for.
                if self.is_kept() {
                    self.waveforms.pyramids.invalidate(&self.key);
                }
                self.entry.progress.send_replace(Some(error));
                return;
            }
        }
    }

    /// The frames to go on with; `None` if there are none, or nobody wants them.
    fn next(&self) -> Option<Range<u64>> {
        let mut work = self.entry.work.lock();
        let frames = self.entry.pyramid.read().frames();
        if frames >= work.goal || self.is_unwanted() {
            *work = Work::default();
            return None;
        }
        Some(frames..work.goal)
    }

    /// Whether the pyramid still is the one that is kept for its name.
    fn is_kept(&self) -> bool {
        self.waveforms.pyramids.get(&self.key).is_some_and(|kept| Arc::ptr_eq(&kept, &self.entry))
    }

    fn is_unwanted(&self) -> bool {
        self.entry.progress.receiver_count() == 0
    }

    async fn extend(&self, frames: Range<u64>) -> Result<(), WaveformError> {
        let turns = turns(frames, self.meter.frame_bytes()).map(|frames| self.turn(frames));
        let mut turns = stream::iter(turns).buffered(IN_FLIGHT);
        while let Some(peaks) = turns.try_next().await? {
            self.append(&peaks);
            if self.is_unwanted() {
                break;
            }
        }
        Ok(())
    }

    /// Reads whole blocks and computes their peaks.
    async fn turn(&self, frames: Range<u64>) -> Result<Vec<Peak>, WaveformError> {
        let (recording, meter) = (Arc::clone(&self.recording), self.meter);
        let read = move || {
            let mut bytes = Vec::new();
            recording.read_each(&[frames], &mut bytes).map(|()| bytes)
        };
        let bytes = self.waveforms.turn(read).await??;
        let peaks = self.waveforms.segments.idle(move || peaks_of_blocks(meter, &bytes));
        peaks.await.ok_or(WaveformError::Gone)
    }

    fn append(&self, peaks: &[Peak]) {
        let mut pyramid = self.entry.pyramid.write();
        let (frames, bytes) = (pyramid.frames(), pyramid.bytes());
        pyramid.append(peaks);
        let (added, grown) = (pyramid.frames() - frames, pyramid.bytes() != bytes);
        drop(pyramid);
        if grown && self.is_kept() {
            // So that it is weighed again.
            self.waveforms.pyramids.insert(self.key.clone(), Arc::clone(&self.entry));
        }
        self.waveforms.counters.gathered.fetch_add(added, Ordering::Relaxed);
        self.entry.progress.send_replace(None);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.waveforms.counters.drivers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Frames in stretches of whole blocks, each of about as many bytes as a turn has.
fn turns(frames: Range<u64>, frame_bytes: usize) -> impl Iterator<Item = Range<u64>> {
    let blocks = (TURN_BYTES as u64 / (BLOCK * frame_bytes as u64).max(1)).max(1);
    let each = blocks * BLOCK;
    let starts = std::iter::successors(Some(frames.start), move |start| start.checked_add(each));
    starts.take_while(move |start| *start < frames.end).map(move |start| start..frames.end.min(start + each))
}

fn peaks_of_blocks(meter: Meter, bytes: &[u8]) -> Vec<Peak> {
    let (lanes, len) = (meter.lanes(), usize::try_from(BLOCK).unwrap_or(1) * meter.frame_bytes());
    let mut peaks = vec![Peak::NONE; bytes.len() / len * lanes];
    for (block, peaks) in bytes.chunks_exact(len).zip(peaks.chunks_exact_mut(lanes)) {
        meter.measure(block, peaks);
    }
    peaks
}
