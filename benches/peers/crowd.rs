//! Thousands of listeners who take what comes at once, and tell how late it was. They share one thread and no processor time
//! with what is measured but the machine's own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::framing::Framing;
use super::recorder::Log;
use super::statistics::Delays;
use super::support::wait_for;
use super::timeline::Timeline;

/// What listeners got in a window of time.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// How long after its sound was written the oldest byte of each read came, weighted by the bytes of the read.
    pub delays: Delays,
    /// Bytes of all bodies.
    pub bytes: u64,
}

#[derive(Debug)]
struct Shared {
    log: Arc<Log>,
    heard: Mutex<Heard>,
    /// One for all: it holds nothing between two reads.
    buffer: Mutex<Vec<u8>>,
    begun: AtomicUsize,
    lost: AtomicUsize,
    /// Connections that may be on their way at a time.
    doors: Semaphore,
}

/// Connections on their way at a time: fewer than the shortest queue of connections to be accepted (icecast's, 64).
const DOORS: usize = 60;
/// How long it may take all of them to come.
const PATIENCE: Duration = Duration::from_secs(200);

pub struct Crowd {
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Arc<Notify>,
    thread: Option<thread::JoinHandle<()>>,
    asked: usize,
}

/// Whom to ask for what, and how to read the answer.
#[derive(Debug, Clone)]
pub struct Listening {
    pub address: SocketAddr,
    pub path: String,
    pub timeline: Timeline,
}

impl Crowd {
    /// Nobody yet. `log` tells when the sound was written that they will hear.
    pub fn new(log: &Arc<Log>) -> Self {
        let shared = Arc::new(Shared {
            log: Arc::clone(log),
            heard: Mutex::default(),
            buffer: Mutex::new(vec![0; 256 * 1024]),
            begun: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            doors: Semaphore::new(DOORS),
        });
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || runtime.block_on(stopped.notified()));
        Self { shared, runtime: handle, stop, thread: Some(thread), asked: 0 }
    }

    /// Lets as many more in, and returns when all of them hear something. `listening` is asked for each.
    pub fn join(&mut self, count: usize, listening: impl Fn() -> Listening + Send + Sync + 'static) {
        let listening = Arc::new(listening);
        for _ in 0..count {
            self.runtime.spawn(listen(Arc::clone(&self.shared), Arc::clone(&listening)));
        }
        self.asked += count;
        wait_for(PATIENCE, || self.shared.begun.load(Ordering::Relaxed) == self.asked);
    }

    /// Those who were thrown out so far.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// What they hear in so long a time.
    pub fn hear(&self, window: Duration) -> Heard {
        *self.shared.heard.lock() = Heard::default();
        thread::sleep(window);
        let heard = self.shared.heard.lock().clone();
        match self.lost() {
            0 => {}
            lost => eprintln!("{lost} listeners were thrown out"),
        }
        heard
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.notify_one();
        let _ = self.thread.take().unwrap().join();
    }
}

async fn listen(shared: Arc<Shared>, listening: Arc<impl Fn() -> Listening>) {
    let (socket, mut ear) = loop {
        let _door = shared.doors.acquire().await.unwrap();
        // Who is not let in, or not answered, tries again, as players do.
        match timeout(ANSWER, begin(&shared, listening())).await {
            Ok(Ok(begun)) => break begun,
            Ok(Err(error)) => eprintln!("a listener tries again: {error}"),
            Err(_) => eprintln!("a listener tries again: no answer"),
        }
    };
    shared.begun.fetch_add(1, Ordering::Relaxed);
    while socket.readable().await.is_ok() && ear.take(&socket, &shared) {}
    shared.lost.fetch_add(1, Ordering::Relaxed);
}

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks, and reads until there is the head of an answer.
async fn begin(shared: &Shared, listening: Listening) -> io::Result<(TcpStream, Ear)> {
    let mut socket = TcpStream::connect(listening.address).await?;
    let request = format!("GET {} HTTP/1.1\r\nhost: peers\r\n\r\n", listening.path);
    socket.write_all(request.as_bytes()).await?;
    let mut ear = Ear::new(listening.timeline);
    while !ear.framing.has_begun() {
        socket.readable().await?;
        if !ear.take(&socket, shared) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((socket, ear))
}

/// One listener's place in a stream.
struct Ear {
    framing: Framing,
    timeline: Timeline,
    /// The first bytes, until they tell where in the stream they are.
    start: Vec<u8>,
    position: Option<u64>,
}

impl Ear {
    fn new(timeline: Timeline) -> Self {
        Self { framing: Framing::new(), timeline, start: Vec::new(), position: None }
    }

    /// Reads once; false at the stream's end.
    fn take(&mut self, socket: &TcpStream, shared: &Shared) -> bool {
        let mut buffer = shared.buffer.lock();
        let read = match socket.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        let now = Instant::now();
        let before = self.position;
        let bytes = self.count(&buffer[..read]);
        let mut heard = shared.heard.lock();
        heard.bytes += bytes;
        let frames = before.filter(|_| bytes > 0).and_then(|oldest| self.timeline.frames_for(oldest));
        if let Some(written) = frames.and_then(|frames| shared.log.written(frames)) {
            heard.delays.add(now.saturating_duration_since(written), bytes);
        }
        true
    }

    /// Goes on by the body's bytes among these; how many they are.
    fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut count = 0;
        self.framing.feed(bytes, |piece| {
            count += piece.len() as u64;
            if self.position.is_none() {
                self.start.extend_from_slice(piece);
            }
        });
        match &mut self.position {
            Some(position) => *position += count,
            None if self.framing.has_begun() && self.start.len() >= self.timeline.needs() => {
                let begun = self.timeline.origin(&self.start[..self.timeline.needs()]);
                self.position = Some(begun + std::mem::take(&mut self.start).len() as u64);
            }
            None => {}
        }
        count
    }
}
