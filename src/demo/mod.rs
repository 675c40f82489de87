//! `tailcast demo`: a recorder that plays something, a server, a page; nothing else is needed, and nothing is
//! left behind.

pub mod piece;
mod synth;

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    let address = server.address();
    // Set by the signal, and in any case when this function is left.
    let stopping = Arc::new(AtomicBool::new(false));
    let _stop_when_left = SetWhenDropped(Arc::clone(&stopping));
    let (begun, head_start_written) = oneshot::channel();
    let recorder = Recorder::create(root.path(), Arc::clone(&stopping))?;
    let recording = tokio::task::spawn_blocking(move || recorder.record(begun));
    let stop = async {
        stop.await;
        stopping.store(true, Ordering::Relaxed);
    };
    tokio::pin!(stop);
    tokio::select! {
        () = &mut stop => {}
        // An error means that writing failed, which is told below.
        written = head_start_written => if written.is_ok() {
            // That nobody reads it is no reason not to serve.
            let _ = tell(address, &mut io::stdout());
            serve_until(server, &mut stop).await?;
        },
    }
    stopping.store(true, Ordering::Relaxed);
    recording.await.map_err(io::Error::other)??;
    Ok(())
}

/// Serves until `stop`, which is waited for here: it borrows what the recorder is stopped by.
async fn serve_until(server: Server, stop: &mut (impl Future<Output = ()> + Unpin)) -> io::Result<()> {
    let (signal, signalled) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(server.run(async {
        let _ = signalled.await;
    }));
    tokio::select! {
        () = stop => {}
        served = &mut serving => return served.map_err(io::Error::other),
    }
    drop(signal);
    serving.await.map_err(io::Error::other)
}

struct SetWhenDropped(Arc<AtomicBool>);

impl Drop for SetWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn tell(address: SocketAddr, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "A recording, ten minutes old and growing, that tells the time every ten seconds:")?;
    writeln!(out)?;
    writeln!(out, "  a page            http://{address}/")?;
    writeln!(out, "  from 25 s on      http://{address}/audio/demo.mp3?pos=25")?;
    writeln!(out, "  the last 30 s     http://{address}/audio/demo.opus?pos=-30")?;
    writeln!(out, "  the live edge     http://{address}/audio/demo.wav?pos=live")?;
    writeln!(out, "  about it          http://{address}/recordings/demo")?;
    writeln!(out)?;
    writeln!(
        out,
        "The clock, every ten seconds: low beeps are minutes, high ones tens of seconds, a long one counts five."
    )?;
    writeln!(out)?;
    writeln!(out, "Ctrl-C ends it and removes the recording.")?;
    out.flush()
}

/// Appends the piece to a file, in real time.
struct Recorder {
    file: File,
    stopping: Arc<AtomicBool>,
    written: u64,
    bytes: Vec<u8>,
}

impl Recorder {
    fn create(root: &Path, stopping: Arc<AtomicBool>) -> io::Result<Self> {
        let started = jiff::Timestamp::now() - jiff::SignedDuration::try_from(HEAD_START).unwrap_or_default();
        let spec = format!("s16le:{}:{}", piece::RATE, piece::CHANNELS);
        let sidecar = format!("title = \"Ten minutes ago\"\npcm = \"{spec}\"\nstarted = \"{started:.0}\"\n");
        std::fs::write(root.join("demo.toml"), sidecar)?;
        let file = File::create(root.join("demo.pcm"))?;
        Ok(Self { file, stopping, written: 0, bytes: Vec::new() })
    }

    /// Writes the head start as fast as it can, says so, and goes on in real time until it is stopped.
    fn record(mut self, begun: oneshot::Sender<()>) -> io::Result<()> {
        self.write_until(HEAD_START)?;
        let start = Instant::now();
        let _ = begun.send(());
        while !self.stopping.load(Ordering::Relaxed) {
            thread::sleep(PERIOD);
            let due = HEAD_START + start.elapsed();
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
        while self.written < due && !self.stopping.load(Ordering::Relaxed) {
            let frames = (due - self.written).min(u64::from(piece::RATE) * 10);
            self.bytes.clear();
            piece::render(self.written, usize::try_from(frames).unwrap_or(0), &mut self.bytes);
            self.file.write_all(&self.bytes)?;
            self.written += frames;
        }
        Ok(())
    }
}
