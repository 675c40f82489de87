//! A bounded pool of threads for coding. What was just recorded goes first, then what a listener is waiting for, then
//! what is read ahead, then what nobody listens to; each of these gets a turn now and then all the same.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    fn rank(&self) -> usize {
        match self {
            Self::Live => 0,
            Self::Segment(segment) if segment.is_awaited() => 1,
            Self::Segment(_) => 2,
            Self::Idle => 3,
        }
    }

    /// Whether it is for nobody any more.
    fn is_over(&self) -> bool {
        matches!(self, Self::Segment(segment) if segment.is_unwanted())
    }
}

struct Job {
    urgency: Urgency,
    work: Box<dyn FnOnce() + Send>,
}

/// Ranks of urgency.
const RANKS: usize = 4;

/// Jobs that go before one of a lower rank, at most. So all get on, however much there is of what is more urgent: nobody
/// who listens is kept waiting for ever by those at the live edge, and what nobody hears takes a hundredth of the time (its
/// turns are a tenth as long) and comes to its end on a server that is never idle.
const PATIENCE: u32 = 8;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// For each rank the jobs of higher ones that went before it since the last of its own.
    passed_over: [u32; RANKS],
    closed: bool,
}

impl Queue {
    /// The most urgent job, of equals the first; or one of those whose patience is at an end. Before all of them one that
    /// nobody wants: it is over when that is seen, and no longer in anybody's way.
    fn next(&mut self) -> Option<Job> {
        if let Some(over) = self.jobs.iter().position(|job| job.urgency.is_over()) {
            return self.jobs.remove(over);
        }
        let mut first: [Option<usize>; RANKS] = [None; RANKS];
        for (place, job) in self.jobs.iter().enumerate() {
            if let Some(first) = first.get_mut(job.urgency.rank()) {
                first.get_or_insert(place);
            }
        }
        let ranks = || first.iter().zip(self.passed_over).enumerate();
        let waiting = || ranks().filter_map(|(rank, (place, passed))| Some((rank, (*place)?, passed)));
        let impatient = waiting().find(|(.., passed)| *passed >= PATIENCE);
        let (rank, place, _) = impatient.or_else(|| waiting().next())?;
        for (lower, passed) in self.passed_over.iter_mut().enumerate() {
            let waits = first.get(lower).is_some_and(Option::is_some);
            *passed = if waits && lower != rank { *passed + u32::from(lower > rank) } else { 0 };
        }
        self.jobs.remove(place)
    }

    /// Jobs of each rank.
    fn waiting(&self) -> [usize; RANKS] {
        let mut waiting = [0; RANKS];
        for job in &self.jobs {
            if let Some(count) = waiting.get_mut(job.urgency.rank()) {
                *count += 1;
            }
        }
        waiting
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    panicked: AtomicU64,
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

    /// Jobs that wait, the most urgent first: live, awaited, ahead, idle.
    pub(super) fn waiting(&self) -> [usize; RANKS] {
        self.shared.queue.lock().waiting()
    }

    /// Jobs that panicked.
    pub(super) fn panicked(&self) -> u64 {
        self.shared.panicked.load(Ordering::Relaxed)
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
            shared.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!("an encoder panicked; what it was at is given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinHandle;

    /// Has somebody wait for a segment, for as long as what is returned is not aborted.
    async fn wait_for(segment: &Arc<Segment>) -> JoinHandle<()> {
        let mut reader = segment.reader();
        let waits = tokio::spawn(async move { drop(reader.read(0).await) });
        while !segment.is_awaited() {
            tokio::task::yield_now().await;
        }
        waits
    }

    #[tokio::test]
    async fn what_was_just_recorded_goes_before_what_is_waited_for_and_that_before_the_rest() {
        let [ahead, awaited, over] = std::array::from_fn(|_| Arc::new(Segment::new()));
        let (_reads_ahead, waits) = (ahead.reader(), wait_for(&awaited).await);
        let segment = |segment: &Arc<Segment>| Urgency::Segment(Arc::clone(segment));
        let urgencies =
            [Urgency::Idle, segment(&ahead), segment(&awaited), Urgency::Idle, Urgency::Live, segment(&over)];
        let jobs = urgencies.map(|urgency| Job { urgency, work: Box::new(|| ()) });
        let mut queue = Queue { jobs: jobs.into(), ..Queue::default() };
        assert!(queue.next().unwrap().urgency.is_over(), "what nobody wants takes no time");
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

    #[tokio::test]
    async fn nobody_starves_however_much_there_is_of_what_is_more_urgent() {
        let job = |urgency| Job { urgency, work: Box::new(|| ()) };
        let [ahead, awaited] = std::array::from_fn(|_| Arc::new(Segment::new()));
        let (_reads_ahead, waits) = (ahead.reader(), wait_for(&awaited).await);
        let of = |segment: &Arc<Segment>| job(Urgency::Segment(Arc::clone(segment)));
        let mut queue = Queue::default();
        let mut served = [0; RANKS];
        for _ in 0..1100 {
            // There always is one of each of these.
            queue.jobs.extend([job(Urgency::Live), of(&awaited), of(&ahead), job(Urgency::Idle)]);
            served[queue.next().unwrap().urgency.rank()] += 1;
        }
        assert_eq!(served, [800, 100, 100, 100]);
        waits.abort();
    }
}
