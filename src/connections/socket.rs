//! A socket that gives up on a client that takes nothing.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Bytes that the system takes beyond what is on its way. Left to itself it takes megabytes for each client that stopped
/// reading; in the way of one that reads this is not, since it can always be on its way.
const NOT_SENT: u32 = 128 * 1024;

/// How long nothing comes or goes before the other end is asked whether it is there still. Who follows a recording that has
/// paused may be gone without a word: a phone in a tunnel.
const QUIET: Duration = Duration::from_secs(60);

/// What the end of a connection would say, as told by whoever has handed on its socket.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether a client would take an answer that breaks off now for a whole one.
    pub(super) fn deceives(&self, so: bool) {
        self.0.store(so, Ordering::Relaxed);
    }
}

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    timeout: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    ending: Ending,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.ending.0.load(Ordering::Relaxed) {
            // So that the client is told of a failure, not of an end; what the system has not sent yet is lost.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// That a client took nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the client took nothing for {0:?}")]
struct Stall(Duration);

/// Whether that is why a connection broke off.
pub(super) fn is_stall(error: &(dyn Error + 'static)) -> bool {
    let stalled = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<Stall>());
    error.downcast_ref().is_some_and(stalled) || error.source().is_some_and(is_stall)
}

impl Socket {
    pub(super) fn new(stream: TcpStream, timeout: Duration, ending: Ending) -> Self {
        // What a live listener gets are small writes, each worth sending at once.
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET));
        #[cfg(target_os = "linux")]
        {
            let _ = socket.set_tcp_notsent_lowat(NOT_SENT);
            // What was sent and not received for so long, or an answer to whether it is there.
            let _ = socket.set_tcp_user_timeout(Some(timeout));
        }
        Self { stream, timeout, stalled: None, ending }
    }

    /// What became of a write, and that it was not put off for too long.
    fn written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stall(timeout))))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_system_is_told_to_give_up_on_who_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let timeout = Duration::from_secs(7);
        let socket = Socket::new(listener.accept().await.unwrap().0, timeout, Ending::default());
        let socket = SockRef::from(&socket.stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(timeout));
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), QUIET);
    }
}
