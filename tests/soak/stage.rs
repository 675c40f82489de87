//! What everybody knows: the plan, what was recorded, what is to be judged, and how far the end has come.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::coded::Coded;
use crate::life::Archive;
use crate::request::Answer;
use crate::tally::Tally;

/// Bytes that wait to be judged, beyond which nobody asks for more.
const UNJUDGED: usize = 400 << 20;

/// How much goes on, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub time: Duration,
    pub recorders: usize,
    pub listeners: usize,
    /// The longest that a recorder writes before something becomes of its recording, in milliseconds.
    pub growth: u64,
    /// How long the end takes, at each of its steps.
    pub close: Duration,
}

/// What everybody knows.
pub struct Soak {
    pub plan: Plan,
    pub root: PathBuf,
    pub address: SocketAddr,
    pub archive: Archive,
    /// What there is to be put among the recordings.
    pub coded: Vec<Coded>,
    /// What sources send.
    pub mp3: Vec<u8>,
    /// Of each recorder the name under which it records.
    pub names: Mutex<Vec<String>>,
    pub tally: Tally,
    unjudged: Mutex<Vec<Answer>>,
    unjudged_bytes: AtomicUsize,
    /// How far the end has come.
    closing: AtomicU8,
    failed: AtomicBool,
}

/// Listeners begin nothing new.
pub const LAST_ORDERS: u8 = 1;
/// Recorders take away what they have.
pub const RECORDERS_GO: u8 = 2;
/// Whoever still listens leaves.
pub const ALL_LEAVE: u8 = 3;
/// There is nothing more to come.
pub const ALL_GONE: u8 = 4;

impl Soak {
    pub fn new(
        plan: Plan,
        root: &Path,
        kept: &Path,
        address: SocketAddr,
        coded: Vec<Coded>,
        mp3: Vec<u8>,
    ) -> Self {
        Self {
            plan,
            root: root.to_owned(),
            address,
            archive: Archive::new(kept),
            coded,
            mp3,
            names: Mutex::new(vec![String::new(); plan.recorders]),
            tally: Tally::default(),
            unjudged: Mutex::default(),
            unjudged_bytes: AtomicUsize::new(0),
            closing: AtomicU8::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Goes on to a step of the end.
    pub fn close(&self, step: u8) {
        self.closing.store(step, Ordering::Relaxed);
    }

    /// Something is wrong: all the others stop too.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub fn is_closing(&self, step: u8) -> bool {
        self.closing.load(Ordering::Relaxed) >= step || self.has_failed()
    }

    pub fn listeners_stop(&self) -> bool {
        self.is_closing(LAST_ORDERS)
    }

    pub fn recorders_stop(&self) -> bool {
        self.is_closing(RECORDERS_GO)
    }

    pub fn listeners_leave(&self) -> bool {
        self.is_closing(ALL_LEAVE)
    }

    /// Lets time go by, unless something is wrong.
    pub fn pass(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.has_failed() {
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn judge_later(&self, answer: Answer) {
        self.unjudged_bytes.fetch_add(answer.reply.body.len(), Ordering::Relaxed);
        self.unjudged.lock().push(answer);
    }

    /// Until there is room for what one more gets; whether that took any time.
    pub fn wait_for_the_judge(&self) -> bool {
        let mut waited = false;
        while self.unjudged_bytes.load(Ordering::Relaxed) > UNJUDGED && !self.listeners_stop() {
            self.tally.count("waits for the judge");
            thread::sleep(Duration::from_millis(200));
            waited = true;
        }
        waited
    }

    /// What has come to be judged since this was called the last time.
    pub fn to_judge(&self) -> Vec<Answer> {
        std::mem::take(&mut *self.unjudged.lock())
    }

    pub fn judged(&self, answer: &Answer) {
        self.tally.answer(answer);
        self.unjudged_bytes.fetch_sub(answer.reply.body.len(), Ordering::Relaxed);
    }

    /// MiB that wait for the judge.
    pub fn unjudged(&self) -> usize {
        self.unjudged_bytes.load(Ordering::Relaxed) >> 20
    }
}
