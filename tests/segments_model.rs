//! The segments against a model that is slow and obvious: a straight encode of the same sound. Listeners come, read and are
//! gone at any moment while a recorder appends, ends, goes on, cuts its file short or puts another in its place, and the
//! cache is small. No byte is another than the model's, nobody waits for ever, and at last nothing is under way.
//!
//! Each case is made of a seed, which is told when it fails: `SEED=17 cargo test --test segments_model`.

mod support;

use std::fs::{self, OpenOptions};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use support::{Root, eventually, sound, wait};
use tailcast::recording::{Catalogue, Extent, RecordingName, State};
use tailcast::segments::segment::{Found, SegmentReader};
use tailcast::segments::{SegmentError, Segments, Track};
use tailcast_codecs::grid::{PacketSizes, Rates, VirtualTotal};
use tailcast_codecs::{Codec, CodecError, Cut, Feed, Grid, PcmSpec, SegmentEncoder, Sound, Tags};
use tokio::task::JoinSet;

const CASES: u64 = 300;
/// What a recorder does, at most.
const STEPS: u64 = 10;
/// Cases that run side by side.
const SIDE_BY_SIDE: usize = 8;
/// Longer than anyone waits who is not forgotten.
const FOR_EVER: Duration = Duration::from_secs(60);

// ---- A codec of which every byte depends on all the sound before it

/// Packets of eight bytes: a digest of all that the segment's encoder was fed.
#[derive(Debug)]
struct Chain {
    feed: Feed,
    grid: Grid,
}

impl Chain {
    fn new(pcm: &str, packet_frames: u64, segment_packets: u64) -> Self {
        let spec: PcmSpec = pcm.parse().unwrap();
        let grid = Grid {
            rates: Rates { source: spec.rate, coded: spec.rate },
            packet_frames,
            segment_packets,
            preroll_packets: 2,
            preroll_before_zero: true,
            delay: 3,
            lookahead: 5,
            least_packets: 1,
            warmup_packets: 0,
            sizes: PacketSizes::constant(8),
            paging: None,
            header_len: 0,
            tagged_header_len: 0,
            virtual_total: VirtualTotal::Unknown,
        };
        Self { feed: Feed::new(spec, 1, spec.rate).unwrap(), grid }
    }

    /// What a segment is, with sound that ends (or is not known) behind `pcm`.
    fn straight(&self, number: u64, pcm: &[u8], ended: bool) -> Vec<u8> {
        let grid = &self.grid;
        let frame_bytes = self.feed.spec().frame_bytes();
        let frames = (pcm.len() / frame_bytes) as i64;
        let silence = vec![self.feed.spec().format.silence(); frame_bytes];
        let first = (number * grid.segment_packets) as i64;
        let packets =
            if ended { grid.packets_until(frames as u64) } else { grid.codable(frames as u64) } as i64;
        let (mut digest, mut out) = (SEED, Vec::new());
        let mut at = (first - grid.preroll_packets as i64) * grid.packet_frames as i64;
        for packet in first - grid.preroll_packets as i64..(first + grid.segment_packets as i64).min(packets)
        {
            while at < (packet + 1) * grid.packet_frames as i64 + grid.lookahead as i64 {
                let known = (0..frames).contains(&at);
                let frame = if known { &pcm[at as usize * frame_bytes..][..frame_bytes] } else { &silence };
                digest = mixed(digest, frame);
                at += 1;
            }
            if packet >= first {
                out.extend(digest.to_le_bytes());
            }
        }
        out
    }
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

fn mixed(digest: u64, frame: &[u8]) -> u64 {
    frame.chunks(8).fold(digest, |digest, bytes| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        (digest ^ u64::from_le_bytes(word)).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(29)
    })
}

impl Codec for Chain {
    fn id(&self) -> String {
        format!("chain-{}", self.feed.spec())
    }

    fn media_type(&self) -> &'static str {
        "audio/x-chain"
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn header(&self, _cut: &Cut, _frames: Option<u64>, _tags: &Tags<'_>) -> Vec<u8> {
        Vec::new()
    }

    fn encoder(&self, _segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        Ok(Box::new(ChainEncoder {
            digest: SEED,
            fed: 0,
            due: self.grid.packet_frames + self.grid.lookahead,
            grid: self.grid,
        }))
    }
}

struct ChainEncoder {
    digest: u64,
    fed: u64,
    /// Frames fed when the next packet is whole.
    due: u64,
    grid: Grid,
}

impl SegmentEncoder for ChainEncoder {
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        for frame in sound.source.chunks(sound.feed.spec().frame_bytes()) {
            self.digest = mixed(self.digest, frame);
            self.fed += 1;
            if self.fed == self.due {
                out.extend(self.digest.to_le_bytes());
                self.due += self.grid.packet_frames;
            }
        }
        Ok(())
    }
}

// ---- The world of a case

/// A recording until something happens to its file.
#[derive(Clone)]
struct Take {
    track: Track,
    /// All the sound that it can ever have.
    plan: Arc<Vec<u8>>,
    /// Set before it is told to have ended for the first time.
    ended: Arc<AtomicBool>,
    /// Set before anything is done to its file.
    damaged: Arc<AtomicBool>,
}

struct World {
    seed: u64,
    root: Root,
    catalogue: Catalogue,
    codec: Arc<Chain>,
    segments: Arc<Segments>,
    take: Mutex<Take>,
    opened: AtomicU64,
}

/// Numbers below a bound.
struct Dice(Box<dyn FnMut() -> u64 + Send>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Box::new(sound::random(seed)))
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.0)() % bound.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| (self.0)().to_le_bytes()).collect();
        bytes.truncate(len as usize);
        bytes
    }
}

impl World {
    /// A folder with a recording that has a part of its plan, and segments with hardly any cache, or some.
    fn new(seed: u64, dice: &mut Dice) -> Self {
        // Frames so wide that a segment is read in several turns, now and then.
        let (pcm, packet_frames, segment_packets) =
            if dice.one_in(4) { ("s32le:8000:32", 7, 320) } else { ("s16le:8000:1", 16, 24) };
        let codec = Arc::new(Chain::new(pcm, packet_frames, segment_packets));
        let root = Root::new();
        let catalogue = Catalogue::open(root.path(), pcm.parse().unwrap(), Duration::from_secs(600)).unwrap();
        let segment_bytes = codec.feed.spec().frame_bytes() as u64 * packet_frames * segment_packets;
        let plan = dice.below(segment_bytes * 7 / 2) + 1;
        let plan = dice.bytes(plan);
        let begun = dice.below(plan.len() as u64 + 1) as usize;
        root.write("show.pcm", &plan[..begun]);
        let cache = [0, 2_000, 1 << 20][dice.below(3) as usize];
        let segments = Segments::new(1 + dice.below(2) as usize, cache, usize::MAX).unwrap();
        let take = Mutex::new(take(&catalogue, &codec, plan));
        Self { seed, root, catalogue, codec, segments, take, opened: AtomicU64::new(0) }
    }

    fn now(&self) -> Take {
        self.take.lock().clone()
    }

    fn open(&self, take: &Take, number: u64, extent: &Extent) -> SegmentReader {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.segments.open(&take.track, number, extent, None)
    }

    /// Has the server look at the file.
    fn look(&self) {
        self.catalogue.find(&name()).unwrap();
    }

    fn end(&self, ended: bool) {
        if ended {
            self.now().ended.store(true, Ordering::SeqCst);
        }
        self.root.write("show.toml", format!("ended = {ended}\n"));
        self.look();
    }

    fn append(&self, dice: &mut Dice) {
        let plan = self.now().plan;
        let there = fs::metadata(self.root.file("show.pcm")).unwrap().len() as usize;
        let more = dice.below(plan.len() as u64 / 3 + 2) as usize;
        self.root.append("show.pcm", &plan[there..(there + more).min(plan.len())]);
        self.look();
    }

    /// Cuts the file short, and has the recorder go on with other sound.
    fn truncate(&self, dice: &mut Dice) {
        let there = fs::metadata(self.root.file("show.pcm")).unwrap().len();
        // So much that what takes its place cannot be the same by chance.
        let Some(kept) = there.checked_sub(16 + dice.below(there)) else { return };
        self.now().damaged.store(true, Ordering::SeqCst);
        let file = OpenOptions::new().write(true).open(self.root.file("show.pcm")).unwrap();
        file.set_len(kept).unwrap();
        let mut plan = self.now().plan[..kept as usize].to_vec();
        let more = dice.below(there) + 32;
        plan.extend(dice.bytes(more));
        if dice.one_in(2) {
            self.root.append("show.pcm", &plan[kept as usize..][..dice.below(more) as usize]);
        }
        *self.take.lock() = take(&self.catalogue, &self.codec, plan);
    }

    /// Puts another file in its place.
    fn replace(&self, dice: &mut Dice) {
        self.now().damaged.store(true, Ordering::SeqCst);
        let plan = dice.bytes(self.now().plan.len() as u64);
        self.root.write("new.tmp", &plan[..dice.below(plan.len() as u64) as usize]);
        fs::rename(self.root.file("new.tmp"), self.root.file("show.pcm")).unwrap();
        *self.take.lock() = take(&self.catalogue, &self.codec, plan);
    }
}

fn name() -> RecordingName {
    RecordingName::parse("show").unwrap()
}

fn take(catalogue: &Catalogue, codec: &Arc<Chain>, plan: Vec<u8>) -> Take {
    let recording = catalogue.find(&name()).unwrap();
    let has_ended = !recording.extent().is_growing();
    let codec: Arc<dyn Codec> = Arc::<Chain>::clone(codec);
    Take {
        track: Track::new(recording, codec),
        plan: Arc::new(plan),
        ended: Arc::new(AtomicBool::new(has_ended)),
        damaged: Arc::default(),
    }
}

/// Does what recorders do, and what is done to them; at last it ends.
async fn record(world: Arc<World>, mut dice: Dice) {
    let steps = dice.below(STEPS);
    for _ in 0..steps {
        let step = {
            let world = Arc::clone(&world);
            let mut dice = Dice::new(dice.below(u64::MAX));
            move || match dice.below(12) {
                0 => world.truncate(&mut dice),
                1 => world.replace(&mut dice),
                2 => world.end(true),
                3 => world.end(false),
                _ => world.append(&mut dice),
            }
        };
        tokio::task::spawn_blocking(step).await.unwrap();
        if dice.one_in(3) {
            tokio::time::sleep(Duration::from_micros(dice.below(2_000))).await;
        }
    }
    tokio::task::spawn_blocking(move || world.end(true)).await.unwrap();
}

// ---- Listeners

async fn listen(world: Arc<World>, mut dice: Dice) {
    let rounds = 1 + dice.below(6);
    for _ in 0..rounds {
        let take = world.now();
        let extent = take.track.recording.extent();
        let grid = world.codec.grid;
        let segment_frames = grid.packet_frames * grid.segment_packets;
        let all = take.plan.len() as u64 / world.codec.feed.spec().frame_bytes() as u64;
        let number = dice.below(all / segment_frames + 2);
        read(&world, &mut dice, &take, &extent, number).await;
    }
}

/// Opens a segment and reads of it, with as much patience as the dice give.
async fn read(world: &World, dice: &mut Dice, take: &Take, extent: &Extent, number: u64) {
    let (expected, len) = match &extent.state {
        State::Lost(_) => return,
        State::Growing => (world.codec.straight(number, &take.plan, false), world.codec.grid.segment_len()),
        State::Ended { .. } => {
            let had = extent.frames as usize * world.codec.feed.spec().frame_bytes();
            let expected = world.codec.straight(number, &take.plan[..had], true);
            let len = expected.len() as u64;
            (expected, len)
        }
    };
    if len == 0 {
        return;
    }
    let mut reader = world.open(take, number, extent);
    let mut from = if dice.one_in(2) { 0 } else { dice.below(len) };
    let mut asked_again = 0;
    while from < len {
        let found = match patiently(dice, reader.read(from)).await {
            // Gone, or only not waiting for just now.
            None if dice.one_in(2) => return,
            None => continue,
            Some(found) => found,
        };
        match found {
            Ok(Found::Bytes(bytes)) => {
                assert!(!bytes.is_empty());
                let right = expected.get(from as usize..).is_some_and(|rest| rest.starts_with(&bytes));
                assert!(right, "wrong bytes from {from} of segment {number}, {extent:?}");
                from += bytes.len() as u64;
            }
            Ok(Found::Ended) => {
                assert!(take.ended.load(Ordering::SeqCst), "it has not ended");
                if extent.is_growing() {
                    return;
                }
                // One that was begun before the end was known, and given up for it; there is another now.
                asked_again += 1;
                assert!(asked_again <= STEPS + 1, "segment {number} is not to be had, {from} of {len}");
                reader = world.open(take, number, extent);
            }
            Err(SegmentError::Recording(_)) => {
                assert!(take.damaged.load(Ordering::SeqCst), "nothing has happened to it");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        if dice.one_in(6) {
            return;
        }
    }
}

/// Waits for something, though perhaps only until it was asked some times: then it is dropped where it waits.
async fn patiently<T>(dice: &mut Dice, future: impl Future<Output = T>) -> Option<T> {
    let mut patience = if dice.one_in(3) { dice.below(3) } else { u64::MAX };
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if patience == 0 => Poll::Ready(None),
        Poll::Pending => {
            patience -= 1;
            Poll::Pending
        }
    })
    .await
}

// ---- Cases

async fn case(seed: u64) {
    let mut dice = Dice::new(seed);
    let world = Arc::new(World::new(seed, &mut dice));
    let quiet = dice.one_in(3);
    if quiet {
        world.end(true);
    }
    let mut all = JoinSet::new();
    for listener in 0..1 + dice.below(6) {
        all.spawn(listen(Arc::clone(&world), Dice::new(seed ^ (listener + 1) << 32)));
    }
    if !quiet {
        all.spawn(record(Arc::clone(&world), Dice::new(!seed)));
    }
    while let Some(done) =
        tokio::time::timeout(FOR_EVER, all.join_next()).await.expect("somebody waits for ever")
    {
        done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    }
    is_tidy(&world, quiet).await;
}

/// What holds when all have left.
async fn is_tidy(world: &World, quiet: bool) {
    let segments = &world.segments;
    eventually("nothing is under way", || segments.under_way() == 0).await;
    let counters = segments.counters();
    let [started, sealed, abandoned, hits, joined] =
        [&counters.started, &counters.sealed, &counters.abandoned, &counters.hits, &counters.joined]
            .map(|counter| counter.load(Ordering::Relaxed));
    assert_eq!(
        started + hits + joined,
        world.opened.load(Ordering::Relaxed),
        "whoever opens one is counted once"
    );
    assert!(sealed + abandoned <= started, "{sealed} sealed and {abandoned} abandoned of {started}");
    if quiet {
        assert_eq!(
            sealed + abandoned,
            started,
            "of a recording that nothing happens to, seed {}",
            world.seed
        );
    }
}

#[test]
fn whatever_listeners_and_recorders_do_every_byte_is_that_of_a_straight_encode() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..CASES).collect(),
    };
    wait(async {
        let (mut running, mut seeds) = (JoinSet::new(), seeds.into_iter());
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some(seed) = seeds.next()
            {
                running.spawn(async move {
                    let ended = tokio::spawn(case(seed)).await;
                    assert!(ended.is_ok(), "seed {seed} failed");
                });
            }
            let Some(ended) = running.join_next().await else { return };
            ended.unwrap();
        }
    });
}
