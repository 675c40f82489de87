//! `tailcast demo`: a recorder that plays something, a server, a page; nothing else is needed, and nothing is
//! left behind.

pub mod piece;

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::config::{Config, ConfigError};
use crate::{Server, StartError};

/// How old the recording is when the demo starts.
const HEAD_START: Duration = Duration::from_secs(600);
/// How long it gets at most: about 4 GiB.
const MOST: Duration = Duration::from_secs(6 * 3600);
/// How often the recorder writes, as a sound card's buffer would have it.
const PERIOD: Duration = Duration::from_millis(50);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The temporary folder cannot be served.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The recording cannot be written.
    #[error("the demo's recording: {0}")]
    Record(#[from] io::Error),
}

/// Runs the demo on `listen` until `stop`.
///
/// # Errors
/// When the address is taken, or the temporary folder has no room.
pub async fn run(
    listen: SocketAddr,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    // Removed when it goes out of scope, however this ends.
    let root = tempfile::Builder::new().prefix("tailcast-demo-").tempdir()?;
    let config = Config { listen, ..Config::for_root(root.path())? };
    let server = Server::bind(&config).await?;
    let mut recorder = Recorder::start(root.path())?;
    let (stop_recorder, stopped) = oneshot::channel::<()>();
    let recording = thread::spawn(move || recorder.record(stopped));
    tell(server.address());
    let served = server.run(stop).await;
    drop(stop_recorder);
    let recorded = tokio::task::spawn_blocking(move || recording.join()).await;
    served?;
    recorded.map_err(io::Error::other)?.map_err(|_| io::Error::other("the recorder panicked"))??;
    Ok(())
}

fn tell(address: SocketAddr) {
    println!("A recording, ten minutes old and growing, that tells the time every ten seconds:");
    println!();
    println!("  a page            http://{address}/");
    println!("  from 25 s on      http://{address}/audio/demo.mp3?pos=25");
    println!("  the last 30 s     http://{address}/audio/demo.opus?pos=-30");
    println!("  the live edge     http://{address}/audio/demo.wav?pos=live");
    println!("  about it          http://{address}/recordings/demo");
    println!();
    println!("Ctrl-C ends it and removes the recording.");
}

/// Appends the piece to a file, in real time.
struct Recorder {
    file: File,
    begun: Instant,
    written: u64,
    bytes: Vec<u8>,
}

impl Recorder {
    /// Writes the head start, at once.
    fn start(root: &Path) -> io::Result<Self> {
        let started = jiff::Timestamp::now() - jiff::SignedDuration::try_from(HEAD_START).unwrap_or_default();
        let spec = format!("s16le:{}:{}", piece::RATE, piece::CHANNELS);
        let sidecar = format!("title = \"Ten minutes ago\"\npcm = \"{spec}\"\nstarted = \"{started:.0}\"\n");
        std::fs::write(root.join("demo.toml"), sidecar)?;
        let file = File::create(root.join("demo.pcm"))?;
        let mut recorder = Self { file, begun: Instant::now(), written: 0, bytes: Vec::new() };
        recorder.write_until(HEAD_START)?;
        // What it took counts as part of the head start.
        recorder.begun = Instant::now();
        Ok(recorder)
    }

    fn record(&mut self, mut stopped: oneshot::Receiver<()>) -> io::Result<()> {
        while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            thread::sleep(PERIOD);
            let due = HEAD_START + self.begun.elapsed();
            if due > MOST {
                break;
            }
            self.write_until(due)?;
        }
        Ok(())
    }

    /// Writes what the recording lacks of being so long, in pieces that bound the memory.
    fn write_until(&mut self, due: Duration) -> io::Result<()> {
        let due = crate::time::frames_in(u64::try_from(due.as_nanos()).unwrap_or(u64::MAX), piece::RATE);
        while self.written < due {
            let frames = (due - self.written).min(u64::from(piece::RATE) * 10);
            self.bytes.clear();
            piece::render(self.written, usize::try_from(frames).unwrap_or(0), &mut self.bytes);
            self.file.write_all(&self.bytes)?;
            self.written += frames;
        }
        Ok(())
    }
}
