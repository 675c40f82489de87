//! Connections: accepted while there is room for them, told to come again when there is none, closed when nothing comes
//! or goes, and brought to an end when the server stops.
//!
//! axum's own server has no bounds to any of this, so HTTP/1 is spoken by hyper here.

mod clients;
mod descriptors;
mod endless;
mod refusal;
mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures_util::TryFutureExt;
use http::Version;
use http::header::CONTENT_LENGTH;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;

use crate::config::Limits;
use crate::metrics::Metrics;
use crate::recording::Catalogue;
use crate::stopped;
pub use clients::Client;
pub(crate) use clients::{Clients, Counted};
pub use descriptors::room_for_connections;
use endless::Endless;
use socket::{Ending, Socket};

/// The other end of a connection, as an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// How long nothing is accepted after the system had nothing left for another connection, unless one is closed before.
const BREATH: Duration = Duration::from_secs(1);

/// How long that is not said again.
const SILENCE: Duration = Duration::from_secs(10);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    metrics: Arc<Metrics>,
    clients: Arc<Clients>,
    /// What else has files open.
    catalogue: Catalogue,
    /// One permit for each that may yet come.
    room: Arc<Semaphore>,
    most: u32,
    refusals: refusal::Refusals,
    /// Told when one has ended.
    closed: Notify,
    /// When it was said last that none can be accepted.
    said: Mutex<Option<Instant>>,
}

impl Connections {
    /// With room for so many as the limits say.
    pub(crate) fn new(
        limits: &Limits,
        metrics: Arc<Metrics>,
        clients: Arc<Clients>,
        catalogue: Catalogue,
    ) -> Arc<Self> {
        let most = u32::try_from(limits.connections.get()).unwrap_or(u32::MAX);
        let most = most.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let room = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        let refusals = refusal::Refusals::default();
        let (limits, closed, said) = (limits.clone(), Notify::new(), Mutex::default());
        Arc::new(Self { limits, metrics, clients, catalogue, room, most, refusals, closed, said })
    }

    /// Has `router` answer what comes, until `stop` turns true; returns when the last answer has come to its end.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        router: Router,
        mut stop: watch::Receiver<bool>,
    ) {
        let ending = stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer, &router, &ending),
                    Err(error) => self.pause(&error).await,
                },
                () = stopped(&mut stop) => break,
            }
        }
        // Who connects from now on is refused by the system, and can go elsewhere at once.
        drop(listener);
        let _ = self.room.acquire_many(self.most).await;
    }

    /// Takes a connection on, if there is room.
    fn take(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        router: &Router,
        stop: &watch::Receiver<bool>,
    ) {
        let peer = peer.ip().to_canonical();
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            self.metrics.refused("connections");
            return self.refusals.connections(stream, self.most);
        };
        let Ok(counted) = self.clients.connected(peer) else {
            self.metrics.refused("address");
            return self.refusals.address(stream, peer, self.limits.requests_per_address);
        };
        let (connections, router, stop) = (Arc::clone(self), router.clone(), stop.clone());
        tokio::spawn(connections.converse(Held { stream, permit, counted }, peer, router, stop));
    }

    async fn converse(
        self: Arc<Self>,
        held: Held,
        peer: IpAddr,
        router: Router,
        mut stop: watch::Receiver<bool>,
    ) {
        let Held { stream, permit, counted } = held;
        let _open = Open::new(&self.metrics);
        let ending = Ending::default();
        let local = stream.local_addr().ok();
        let socket = Socket::new(stream, self.limits.stall_timeout, ending.clone());
        let socket = Endless::new(socket, local, self.limits.header_size);
        let asked = ending.clone();
        let answer = service_fn(move |mut request: http::Request<Incoming>| {
            let (asked, is_old) = (asked.clone(), request.version() < Version::HTTP_11);
            request.extensions_mut().insert(Peer(peer));
            // Cloned as it is ready: it always is.
            let answering = router.clone().call(request.map(Body::new));
            // Before HTTP/1.1 an answer without a length ends with the connection.
            answering.inspect_ok(move |answer| {
                asked.deceives(is_old && !answer.headers().contains_key(CONTENT_LENGTH));
            })
        });
        let ended = {
            let mut connection = pin!(self.http().serve_connection(TokioIo::new(socket), answer));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stop) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // While the socket is still there. (One that is given up has not been told.)
            if ended.is_ok() {
                ending.deceives(false);
            }
            ended
        };
        self.closed.notify_one();
        if let Err(error) = ended {
            self.broke_off(&error, peer);
        }
        drop((permit, counted));
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // From the end of one answer to the head of the next request, too.
            .header_read_timeout(self.limits.idle_timeout)
            .max_header_size(self.limits.header_size)
            // What is held for a client that does not read, beside what is in the system's hands.
            .max_buf_size(self.limits.header_size.max(MOST_BUFFERED));
        http
    }

    /// Counts what the client or its silence brought about; a connection that is simply gone is none of it.
    fn broke_off(&self, error: &hyper::Error, peer: IpAddr) {
        let reason = if error.is_timeout() {
            "idle"
        } else if error.is_parse_too_large() {
            "header-size"
        } else if error.is_parse() {
            "malformed"
        } else if socket::is_stall(error) {
            "stalled"
        } else {
            return tracing::trace!(%peer, %error, "a connection broke off");
        };
        self.metrics.refused(reason);
        tracing::debug!(%peer, %error, reason, "a connection was closed");
    }

    /// When the system has nothing left for another connection: closes recordings that nobody hears, or if there are none
    /// lets a moment pass, in which those that wait to be accepted wait on.
    async fn pause(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        let catalogue = self.catalogue.clone();
        if matches!(tokio::task::spawn_blocking(move || catalogue.let_go()).await, Ok(true)) {
            return;
        }
        self.metrics.refused("descriptors");
        if self.may_say_so() {
            tracing::error!(%error, "no connection can be accepted for now; those that wait go on waiting");
        }
        tokio::select! {
            () = self.closed.notified() => {}
            () = tokio::time::sleep(BREATH) => {}
        }
    }

    /// Whether it was not said just now.
    fn may_say_so(&self) -> bool {
        let mut said = self.said.lock();
        let may = said.is_none_or(|said| said.elapsed() > SILENCE);
        if may {
            *said = Some(Instant::now());
        }
        may
    }
}

/// Counts a connection for as long as it is there, whatever it ends by.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
        // A body did; it is sent by whoever serves the connection.
        if thread::panicking() {
            self.0.panics.inc();
            tracing::error!("a body panicked; its connection is closed");
        }
    }
}

/// Bytes of an answer with which hyper asks for no more of it until the socket takes them.
const MOST_BUFFERED: usize = 64 * 1024;

/// A connection and what is given back when it ends.
struct Held {
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    counted: Option<Counted>,
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_connection_that_ends_by_a_panic_is_counted_as_one() {
        let metrics = Metrics::new();
        drop(Open::new(&metrics));
        assert_eq!((metrics.connections.get(), metrics.panics.get()), (0, 0));
        let open = Open::new(&metrics);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _open = open;
            panic!("as a body might");
        }));
        assert!(ended.is_err());
        assert_eq!((metrics.connections.get(), metrics.panics.get()), (0, 1));
    }
}
