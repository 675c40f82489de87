//! A bounded pool of threads for coding. What was just recorded goes first, then what a listener is waiting for, then
//! what is read ahead, then what nobody listens to (which gets a turn now and then all the same).

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::segment::Segment;

/// Whom work keeps waiting.
#[derive(Debug, Clone)]
pub(super) enum Urgency {
    /// It continues a segment at the live edge: a few packets, and listeners to whom they come late otherwise.
    Live,
    /// It is for a segment, which somebody may be waiting for or not.
    Segment(Arc<Segment>),
    /// Nobody hears it if it comes late.
    Idle,
}

impl Urgency {
    /// Its place in the queue, the first at 0. Whether somebody waits for a segment may have changed since it was
    /// queued, so it is asked now.
    fn rank(&self) -> u8 {
        match self {
            Self::Live => 0,
            Self::Segment(segment) if segment.is_awaited() => 1,
            Self::Segment(_) => 2,
            Self::Idle => 3,
        }
    }
}

struct Job {
    urgency: Urgency,
    work: Box<dyn FnOnce() + Send>,
}

/// Jobs that go before one that nobody hears, at most: its turns are a tenth as long as theirs, so that it comes to its end
/// on a server that is never idle and takes a hundredth of its time.
const PATIENCE: u32 = 8;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Jobs that went before an idle one since the last of these.
    went_before: u32,
    closed: bool,
}

impl Queue {
    /// The most urgent job, of equals the first; or an idle one whose patience is at an end.
    fn next(&mut self) -> Option<Job> {
        let (first, _) = self.jobs.iter().enumerate().min_by_key(|(_, job)| job.urgency.rank())?;
        let idle = self.jobs.iter().position(|job| matches!(job.urgency, Urgency::Idle));
        let next = idle.filter(|_| self.went_before >= PATIENCE).unwrap_or(first);
        self.went_before = if idle.is_none_or(|idle| idle == next) { 0 } else { self.went_before + 1 };
        self.jobs.remove(next)
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

/// The threads. They end when the pool is dropped, after what they are at.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: usize,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(threads: usize) -> io::Result<Self> {
        let pool = Self { shared: Arc::new(Shared::default()), threads: threads.max(1) };
        for number in 0..pool.threads {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new().name(format!("encoder-{number}")).spawn(move || serve(&shared))?;
        }
        Ok(pool)
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` when its turn comes; `None` if it panicked or the pool is gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move || {
            // Nobody listening means that the work is not wanted any more.
            let _ = answer.send(work());
        });
        self.shared.queue.lock().jobs.push_back(Job { urgency, work });
        self.shared.more.notify_one();
        answered.await.ok()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.more.notify_all();
    }
}

fn serve(shared: &Shared) {
    loop {
        let job = {
            let mut queue = shared.queue.lock();
            loop {
                if queue.closed {
                    return;
                }
                match queue.next() {
                    Some(job) => break job,
                    None => shared.more.wait(&mut queue),
                }
            }
        };
        if catch_unwind(AssertUnwindSafe(job.work)).is_err() {
            tracing::error!("an encoder panicked; what it was at is given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_just_recorded_goes_before_what_is_waited_for_and_that_before_the_rest() {
        let [ahead, awaited] = std::array::from_fn(|_| Arc::new(Segment::new()));
        let mut reader = awaited.reader();
        let waits = tokio::spawn(async move { reader.read(0).await });
        while !awaited.is_awaited() {
            tokio::task::yield_now().await;
        }
        let urgencies =
            [Urgency::Idle, Urgency::Segment(ahead), Urgency::Segment(awaited), Urgency::Idle, Urgency::Live];
        let jobs = urgencies.map(|urgency| Job { urgency, work: Box::new(|| ()) });
        let mut queue = Queue { jobs: jobs.into(), ..Queue::default() };
        for expected in [0, 1, 2, 3, 3] {
            assert_eq!(queue.next().unwrap().urgency.rank(), expected);
        }
        assert!(queue.next().is_none());
        waits.abort();
    }

    #[test]
    fn what_nobody_hears_is_not_put_off_for_ever() {
        let job = |urgency| Job { urgency, work: Box::new(|| ()) };
        let mut queue = Queue { jobs: [job(Urgency::Idle), job(Urgency::Idle)].into(), ..Queue::default() };
        let mut ranks = Vec::new();
        for _ in 0..20 {
            queue.jobs.push_back(job(Urgency::Live));
            ranks.push(queue.next().unwrap().urgency.rank());
        }
        let expected = [vec![0; 8], vec![3], vec![0; 8], vec![3], vec![0; 2]].concat();
        assert_eq!(ranks, expected);
    }
}
