//! The waking of those who share a segment: the server's own files, with locks that shuttle schedules, in thousands
//! of interleavings of whoever writes, reads, comes and goes. A wake-up that is lost leaves nobody who could go on,
//! and shuttle calls that a deadlock.
//!
//! Tasks take turns at every lock, before every call of the `watch` between them, wherever they wait and at each
//! [`turn`] below, so between any two steps that others can see. But for `awaited`: that is a hint to the pool, and
//! who reads it too early codes in another order.
//!
//! The seed is always the same, so that a change fails or does not. This looks elsewhere:
//! `SHUTTLE_RANDOM_SEED=17 cargo test -p tailcast-waking`. A failure names its schedule, which `shuttle::replay` takes.

#![allow(dead_code)] // what only the rest of the server calls

// Where those files look for `tokio::sync::watch`.
extern crate self as tokio;
pub mod sync {
    pub use super::watch;
}
pub mod watch;

#[path = "../../src/segments/segment.rs"]
mod segment;
#[path = "../../src/segments/table.rs"]
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use segment::{Found, Segment, SegmentReader, Status};
use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use table::{Origin, Table};

/// What the files above know by this name in the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentError {
    Codec,
    Gone,
}

const SEED: u64 = 1;
/// For each of the schedulers.
const SCHEDULES: usize = 2_000;

/// What is appended. Each byte is its own position.
const CHUNKS: [&[u8]; 3] = [&[0], &[1, 2, 3], &[4, 5]];
const LEN: u64 = 6;
/// A reader that takes all it finds.
const ALL: usize = LEN as usize;

/// A scenario in schedules by chance, and in such as prefer one task until, a few times, they change their mind: a
/// task that is held up for long while the others get on is what chance hardly ever makes.
fn check<S: Future<Output = ()> + 'static>(scenario: fn() -> S) {
    let run = move || block_on(scenario());
    Runner::new(RandomScheduler::new_from_seed(SEED, SCHEDULES), Config::default()).run(run);
    for changes in [1, 2, 4] {
        Runner::new(PctScheduler::new_from_seed(SEED, changes + 1, SCHEDULES), Config::default()).run(run);
    }
}

/// Lets any other task run first.
fn turn() {
    shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
}

fn write(segment: &Segment) {
    for chunk in CHUNKS {
        turn();
        segment.append(Bytes::from_static(chunk));
    }
    turn();
}

/// Reads from byte `from` to byte `to`, at most `most` at once.
async fn follow(reader: &mut SegmentReader, from: u64, to: u64, most: usize) {
    let mut at = from;
    while at < to {
        turn();
        match reader.read(at).await {
            Ok(Found::Bytes(bytes)) => at = taken(at, &bytes, most),
            other => panic!("{other:?} at byte {at}"),
        }
    }
    turn();
}

/// Reads from byte `from` until it is told that no more is to come, which has to be said behind the last byte.
async fn follow_to_end(reader: &mut SegmentReader, from: u64, most: usize) -> Result<(), SegmentError> {
    let mut at = from;
    loop {
        turn();
        match reader.read(at).await {
            Ok(Found::Bytes(bytes)) => at = taken(at, &bytes, most),
            other => {
                assert_eq!(at, LEN, "{other:?}");
                return other.map(|_| ());
            }
        }
    }
}

/// Where a reader is that takes at most `most` of the bytes that it found at byte `at`, which are held against
/// those appended.
fn taken(at: u64, bytes: &Bytes, most: usize) -> u64 {
    let to = at + bytes.len() as u64;
    assert!(
        at < to && to <= LEN && bytes.iter().map(|byte| u64::from(*byte)).eq(at..to),
        "{bytes:?} at byte {at}"
    );
    at + bytes.len().min(most) as u64
}

/// Readers that come at any time, and what is done meanwhile.
async fn readers_beside(work: impl FnOnce(&Segment)) {
    let segment = Arc::new(Segment::new());
    let readers = [(0, ALL), (2, 1), (4, ALL)].map(|(from, most)| {
        let segment = Arc::clone(&segment);
        spawn(async move {
            turn();
            follow(&mut segment.reader(), from, LEN, most).await;
        })
    });
    work(&segment);
    for reader in readers {
        reader.await.unwrap();
    }
}

/// The same, and each reads on until it is told the end.
async fn readers_until(status: Status, sealed: bool, told: Result<(), SegmentError>) {
    let segment = Arc::new(Segment::new());
    let readers = [(0, 1), (2, ALL), (LEN, ALL)].map(|(from, most)| {
        let (segment, told) = (Arc::clone(&segment), told.clone());
        spawn(async move {
            turn();
            assert_eq!(follow_to_end(&mut segment.reader(), from, most).await, told);
        })
    });
    write(&segment);
    if sealed {
        segment.seal();
    }
    segment.end(status);
    for reader in readers {
        reader.await.unwrap();
    }
}

// Nothing comes after the last byte here, so that nothing else wakes whoever slept through it.
#[test]
fn each_reader_gets_every_byte_from_where_it_begins_in_order_and_is_woken_for_it() {
    check(|| readers_beside(write));
}

#[test]
fn who_lags_gets_all_while_the_chunks_are_joined_and_waits_for_nothing_that_was_there() {
    check(|| {
        readers_beside(|segment| {
            write(segment);
            segment.seal();
        })
    });
}

#[test]
fn who_lags_gets_all_of_a_whole_segment() {
    check(|| readers_until(Status::Whole, true, Err(SegmentError::Gone)));
}

#[test]
fn that_the_recording_ended_is_told_to_all_behind_the_last_byte() {
    check(|| readers_until(Status::Ended, false, Ok(())));
}

#[test]
fn that_coding_failed_is_told_to_all_behind_the_last_byte() {
    check(|| readers_until(Status::Failed(SegmentError::Codec), false, Err(SegmentError::Codec)));
}

/// Of a segment that somebody waits to be unwanted: three readers, one of whom comes when the others may have gone,
/// but for the one who lets it in.
async fn unwanted() {
    let (segment, gone) = (Arc::new(Segment::new()), Arc::new(AtomicUsize::new(0)));
    let go = |reader: SegmentReader, gone: &AtomicUsize| {
        gone.fetch_add(1, Ordering::SeqCst);
        drop(reader);
    };
    let (mut host, mut other) = (segment.reader(), segment.reader());
    let tasks = [
        spawn({
            let (segment, gone) = (Arc::clone(&segment), Arc::clone(&gone));
            async move {
                follow(&mut host, 0, 1, ALL).await;
                let mut guest = segment.reader();
                go(host, &gone);
                follow(&mut guest, 0, LEN, ALL).await;
                go(guest, &gone);
            }
        }),
        spawn({
            let gone = Arc::clone(&gone);
            async move {
                follow(&mut other, 0, 4, 1).await;
                go(other, &gone);
            }
        }),
        spawn({
            let segment = Arc::clone(&segment);
            async move { write(&segment) }
        }),
    ];
    segment.unwanted().await;
    assert_eq!(gone.load(Ordering::SeqCst), 3);
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_segment_is_unwanted_when_the_last_of_its_readers_goes_and_not_before() {
    check(unwanted);
}

// ---- Whoever comes and whoever gives up

const KEY: u8 = 0;

/// One segment with its places, and the recording that it is of.
struct World {
    under_way: Table<u8>,
    /// In place of the cache.
    sealed: Mutex<Option<Bytes>>,
    /// How many of the chunks there are.
    recorded: watch::Sender<usize>,
}

/// What the server's `Driver` does in `run`, of which this has the turns, the wait and the end.
async fn drive(world: Arc<World>, segment: Arc<Segment>) {
    let mut recorded = world.recorded.subscribe();
    let mut coded = 0;
    loop {
        let there = *recorded.borrow_and_update();
        while coded < there {
            turn();
            if segment.is_unwanted() && world.under_way.abandon(&KEY, &segment) {
                return;
            }
            segment.append(Bytes::from_static(CHUNKS[coded]));
            coded += 1;
        }
        if coded == CHUNKS.len() {
            let other = world.sealed.lock().replace(segment.seal());
            assert!(other.is_none(), "coded twice");
            world.under_way.remove(&KEY, &segment);
            return segment.end(Status::Whole);
        }
        let over = real_tokio::select! {
            biased; // chance is shuttle's here
            _ = recorded.changed() => false,
            () = segment.unwanted() => world.under_way.abandon(&KEY, &segment),
        };
        if over {
            return;
        }
    }
}

/// Opens the segment, and has it driven if it is new; reads to byte `to` and goes.
async fn listen(world: Arc<World>, to: u64) {
    turn();
    let (mut reader, origin) = world.under_way.open(&KEY, || world.sealed.lock().clone());
    let driver = match origin {
        Origin::New(segment) => Some(spawn(drive(Arc::clone(&world), segment))),
        Origin::UnderWay | Origin::Sealed => None,
    };
    follow(&mut reader, 0, to, ALL).await;
    drop(reader);
    if let Some(driver) = driver {
        driver.await.unwrap();
    }
}

async fn listeners() {
    let world = Arc::new(World {
        under_way: Table::new(),
        sealed: Mutex::new(None),
        recorded: watch::Sender::new(0),
    });
    let listeners = [0, 1, LEN].map(|to| spawn(listen(Arc::clone(&world), to)));
    for chunks in 1..=CHUNKS.len() {
        turn();
        world.recorded.send_modify(|recorded| *recorded = chunks);
    }
    for listener in listeners {
        listener.await.unwrap();
    }
    assert_eq!(world.under_way.len(), 0);
}

#[test]
fn who_comes_while_a_segment_is_given_up_gets_all_of_it_and_it_is_whole_once_and_not_left_under_way() {
    check(listeners);
}
