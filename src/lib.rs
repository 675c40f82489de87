//! tailcast serves a recording **while it grows**: a recorder appends PCM to a file, and anyone listens from
//! any second of it, in WAV, MP3 or Opus, with byte ranges that map to time by arithmetic.
//!
//! # The one idea
//!
//! The coded stream is deterministic and randomly accessible. Packets have a size that is known beforehand,
//! and come in segments that are each coded by a fresh encoder after a short preroll, so that bytes are a
//! pure function of the sound. See [`tailcast_codecs`] for that, `docs/design.md` for why, and
//! `docs/glossary.md` for the words.
//!
//! # The way of a request
//!
//! ```text
//! GET /audio/show.mp3?pos=25   Range: bytes=1000-
//!   connections      room for one more?                  -> HTTP/1, time-outs
//!   exchange         count it, bound it, log its end     -> who asks
//!   routes::audio    parse the path and the query        -> which recording, which rendition
//!   recording        open it, look at its length         -> frames so far, growing or ended
//!   rendition        header and grid                     -> length, ETag, media type
//!   http             conditions and ranges               -> status, headers, bytes
//!   body             header, packets or pages, trailer   -> waiting at the live edge
//!   segments         get a segment, or have it coded     -> bytes as they are coded
//! ```
//!
//! # The rooms
//!
//! | module | what is there |
//! |---|---|
//! | [`connections`] | accepting, bounds, time-outs |
//! | [`icy`] | titles between the bytes of an MP3, for radio players |
//! | `exchange`, `listener` | what is counted and logged of a request, and of a body of sound |
//! | [`metrics`] | everything that is counted |
//! | `memory` | what is not used any more is given back |
//! | [`config`] | settings from flags, environment and file |
//! | [`error`] | problem documents |
//! | [`time`] | positions and lengths in time, exactly |
//! | `web` | URLs that are written down to be followed elsewhere |
//! | [`recording`] | the catalogue, a growing file, its end, its watch |
//! | [`rendition`] | a recording in one format as a space of bytes |
//! | [`segments`] | segments: coded once, shared, bounded |
//! | [`body`] | the stream of a response |
//! | [`hls`] | a rendition as files of some seconds, and their playlists |
//! | [`waveform`] | the least and the greatest sample of each pixel, and their stream |
//! | [`access`] | who may read what |
//! | [`ingest`] | recordings that are sent here |
//! | `decoder` | sound that other programs have coded |
//! | [`http`] | decisions about conditions and ranges, without a socket |
//! | [`routes`] | the endpoints; what the pages show is in `web/` |
//! | [`encode`], [`demo`] | the other two commands |
//!
//! [`Server`] puts them together.

// Nothing that comes from outside (a request, a recording, a sidecar) may be able to reach a panic, and a length
// that wraps is a wrong byte position. Tests are let off in clippy.toml.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![warn(missing_docs)]

pub mod access;
pub mod body;
pub mod config;
pub mod connections;
mod decoder;
pub mod demo;
pub mod encode;
pub mod error;
mod exchange;
pub mod hls;
pub mod http;
pub mod icy;
pub mod ingest;
mod listener;
mod memory;
pub mod metrics;
pub mod recording;
pub mod rendition;
pub mod routes;
pub mod segments;
pub mod time;
pub mod waveform;
mod web;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;
use tokio::sync::watch;

use access::{Access, Guarded};
use config::{Config, Limits, Names, Origin};
use connections::{Clients, Connections};
use exchange::Exchanges;
use http::MostRanges;
use ingest::Ingest;
use metrics::{Gathered, Metrics};
use recording::{Catalogue, DecodedCache};
use routes::App;
use routes::site::Site;
use segments::Segments;
use waveform::Waveforms;

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    admin: Option<(TcpListener, SocketAddr)>,
    limits: Limits,
    app: App,
    stop: watch::Sender<bool>,
    shutdown_timeout: Duration,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be opened.
    #[error("{name} {path}: {error}")]
    Root {
        /// The option.
        name: Origin,
        /// The folder.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("{name} {address}: {error}")]
    Listen {
        /// The option.
        name: Origin,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The encoders' threads cannot be started.
    #[error("{name} {threads}: {error}")]
    Threads {
        /// The option.
        name: Origin,
        /// How many.
        threads: usize,
        /// What the system said.
        error: io::Error,
    },
}

impl Server {
    /// Opens the folder and the socket. From then on clients can connect; they are answered by [`run`](Self::run).
    ///
    /// # Errors
    /// When one of them cannot be opened.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let Names { root, listen, admin_listen, threads, .. } = config.names.clone();
        let path = config.root.display().to_string();
        let decoded = DecodedCache::new(config.decoded_cache.clone(), config.decoded_cache_size);
        let kept = Arc::clone(&decoded);
        let catalogue = Catalogue::open_with(&config.root, config.pcm, config.growth_timeout, kept)
            .map_err(|error| StartError::Root { name: root, path, error })?;
        let limits = config.limits.clone();
        let segments = Segments::new(config.threads, config.cache, limits.queue.get())
            .map_err(|error| StartError::Threads { name: threads, threads: config.threads, error })?;
        let (listener, address) = listen_on(config.listen, &listen)?;
        let admin = config.admin_listen.map(|address| listen_on(address, &admin_listen)).transpose()?;
        let (stop, stopping) = watch::channel(false);
        let waveforms = Waveforms::new(Arc::clone(&segments), config.cache);
        let (metrics, clients) = (Metrics::new(), Clients::new(&limits));
        metrics.gather(Gathered::new(config, &segments, &waveforms, &clients, &decoded));
        let most_ranges = MostRanges(limits.ranges);
        let site = Arc::new(Site::of(config));
        let (catalogue, access) =
            (Guarded::new(catalogue), Access::new(config.access.clone(), config.ingest.tokens.clone()));
        let ingest = Ingest::new(&config.ingest, address, config.public_url.as_deref());
        let cors = config.cors.clone();
        let app = App {
            catalogue,
            access,
            cors,
            segments,
            waveforms,
            metrics,
            clients,
            site,
            ingest,
            most_ranges,
            stop: stopping,
        };
        let shutdown_timeout = config.shutdown_timeout;
        Ok(Self { listener, address, admin, limits, app, stop, shutdown_timeout })
    }

    /// The address that is listened on, with the port that was given if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin address, if there is one, with the port that was given if 0 was asked for.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(_, address)| *address)
    }

    /// The segments, for their counters.
    pub fn segments(&self) -> &Arc<Segments> {
        &self.app.segments
    }

    /// The waveforms, for their counters.
    pub fn waveforms(&self) -> &Arc<Waveforms> {
        &self.app.waveforms
    }

    /// Handlers and bodies that panicked so far, for a test that it stays zero.
    pub fn panics(&self) -> impl Fn() -> u64 + use<> {
        let metrics = Arc::clone(&self.app.metrics);
        move || metrics.panics.get()
    }

    /// Answers requests until `shutdown`. Then no new ones are taken, bodies that follow a recording end in
    /// order, and the others have the shutdown timeout to get to their end.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let Self { listener, admin, limits, app, stop, shutdown_timeout, .. } = self;
        let (mut stopping, metrics) = (app.stop.clone(), Arc::clone(&app.metrics));
        let clients = Arc::clone(&app.clients);
        tokio::spawn(async move {
            shutdown.await;
            tracing::info!("stopping");
            stop.send_replace(true);
        });
        let exchanges = Exchanges { clients: Arc::clone(&clients), metrics: Arc::clone(&metrics) };
        let listeners = routes::listeners(app.clone(), exchanges, admin.is_none());
        let connections =
            Connections::new(&limits, Arc::clone(&metrics), clients, app.catalogue.unguarded().clone());
        let served = connections.serve(listener, listeners, stopping.clone());
        // With room of its own, so that whoever watches gets in when the server is full; and to the last.
        let (_never, open) = watch::channel(false);
        let admin = admin.map(|(listener, _)| {
            // Whoever watches is not to be kept out by those who listen from the same address.
            let limits = Limits { connections: FOR_WATCHERS, ..limits.clone() };
            let clients = Clients::new(&limits);
            let (metrics, catalogue) = (Arc::clone(&metrics), app.catalogue.unguarded().clone());
            let connections =
                Connections::new(&limits, Arc::clone(&metrics), Arc::clone(&clients), catalogue);
            let exchanges = Exchanges { clients, metrics };
            tokio::spawn(connections.serve(listener, routes::admin(app, exchanges), open))
        });
        let tidying = tokio::spawn(memory::give_back(Arc::clone(&metrics)));
        let overdue = async {
            // An error means that the signal came and went.
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(shutdown_timeout).await;
        };
        tokio::select! {
            () = served => {}
            () = overdue => tracing::warn!("some answers were not finished in time"),
        }
        tidying.abort();
        if let Some(admin) = admin {
            admin.abort();
        }
    }
}

/// Connections to the admin address.
const FOR_WATCHERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Connections that may wait to be accepted: after a restart all the pages that were open come at once.
const BACKLOG: u32 = 4096;

fn listen_on(address: SocketAddr, name: &Origin) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A server that was killed is to be able to come back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|error| StartError::Listen { name: name.clone(), address, error })
}

/// Threads that wait for a disk at a time. More would not make it faster, and each keeps memory when it is done.
const MOST_BLOCKING: usize = 32;

/// How long it may take to drop what has not come to its end, so that who is deceived by a connection's end has it reset.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Runs a program's future to its end. Work that waits for a slow disk or a reader then keeps the process for a moment only.
///
/// # Errors
/// When the runtime cannot be started.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    memory::keep_together();
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(MOST_BLOCKING).build()?;
    let result = runtime.block_on(future);
    runtime.shutdown_timeout(LAST_MOMENT);
    Ok(result)
}

/// Waits for a signal to stop: Ctrl-C, SIGTERM, or the terminal's end unless that is ignored, as under `nohup`. From this
/// call on (not only from when it is waited for) these signals do not end the process by themselves.
///
/// # Errors
/// When signals cannot be received.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    Ok(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
    })
}

/// Waits until the server is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops nothing.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether the process was started with SIGHUP ignored, where the system tells (proc(5): a mask, signal 1 its lowest bit).
pub fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
