//! A recorder: appends sound at the pace of time, and remembers when it wrote which.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::sound;

/// When each stretch of sound was written. All have the same number of frames.
#[derive(Debug)]
pub struct Log {
    stretch: u64,
    written: RwLock<Vec<Instant>>,
}

impl Log {
    /// When the sound before `frame` was written, if it was.
    pub fn written(&self, frame: u64) -> Option<Instant> {
        let stretch = frame.saturating_sub(1) / self.stretch;
        self.written.read().get(usize::try_from(stretch).ok()?).copied()
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.written.read().len() as u64 * self.stretch
    }
}

pub struct Recorder {
    log: Arc<Log>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Writes to all of `to` what it records, every `period`.
    pub fn start(to: Vec<Box<dyn Write + Send>>, period: Duration) -> Self {
        let log = Arc::new(Log { stretch: sound::frames_in(period), written: RwLock::default() });
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
            move || record(to, period, &log, &stop)
        });
        Self { log, stop, thread: Some(thread) }
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

fn record(mut to: Vec<Box<dyn Write + Send>>, period: Duration, log: &Log, stop: &AtomicBool) {
    let begun = Instant::now();
    for number in 0.. {
        let pcm = sound::frames(u64::from(number) * log.stretch, log.stretch);
        // Sound can be written when it has been heard, not before.
        thread::sleep((begun + period * (number + 1)).saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // In the log first: nobody is to hear of sound before it says when that was written.
        log.written.write().push(Instant::now());
        for to in &mut to {
            to.write_all(&pcm).unwrap();
        }
    }
}
