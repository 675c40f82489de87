//! Bodies that go on until the connection ends, as Icecast's encoders send them.
//!
//! HTTP has none: a request without a length and without chunks has no body (RFC 9112 6.3). So what comes is looked at before
//! hyper gets it, and such a request is handed on as one of HTTP/1.1 whose body comes in chunks. An end of the connection then
//! is the last chunk, a failure remains one.
//!
//! Some of these encoders also tell a title and are gone (butt): they close the connection behind the request, which hyper takes
//! for that there is nobody to answer and drops. The end of such a connection is told when the request has been answered.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What begins a request that tells a title.
const TITLE: &[u8] = b"GET /admin/metadata";

/// How long the end of a connection is held back at the most, whose last request is not answered.
const HELD: Duration = Duration::from_secs(1);

/// Bytes that are handed on as one chunk at the most: a quarter of a second of the best MP3.
const CHUNK: usize = 16 * 1024;

/// A connection, on which HTTP is spoken to whoever reads from here.
#[derive(Debug)]
pub(super) struct Endless<S> {
    inner: S,
    at: At,
    /// As much of a head as has come, if it may be one that has such a body.
    head: Vec<u8>,
    /// What is handed on before anything else is read, from a place on.
    ready: Vec<u8>,
    from: usize,
    /// Bytes that a head may have.
    head_most: usize,
    /// The end of the connection on this side.
    local: Option<SocketAddr>,
    /// Whether a title was told, and no answer has begun.
    is_unanswered: bool,
    /// Runs while the end of the connection is held back for that.
    held: Option<Pin<Box<Sleep>>>,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum At {
    /// The head of a request.
    Head,
    /// More of a head that may have such a body.
    Within,
    /// Such a body.
    Body,
    /// Nothing of interest.
    Rest,
}

impl<S> Endless<S> {
    /// `local` is where the connection ends here, and `head_most` how many bytes a head may have.
    pub(super) fn new(inner: S, local: Option<SocketAddr>, head_most: usize) -> Self {
        Self {
            inner,
            at: At::Head,
            head: Vec::new(),
            ready: Vec::new(),
            from: 0,
            head_most,
            local,
            is_unanswered: false,
            held: None,
        }
    }

    /// Whether the end of the connection, which has come, is not to be told yet.
    fn holds(&mut self, context: &mut Context<'_>) -> bool {
        let held = self.held.get_or_insert_with(|| Box::pin(sleep(HELD)));
        self.is_unanswered && held.as_mut().poll(context).is_pending()
    }

    /// Takes note of an answer, or a piece of one.
    fn answered(&mut self, written: &Poll<io::Result<usize>>, context: &Context<'_>) {
        if written.is_ready() && std::mem::take(&mut self.is_unanswered) && self.held.is_some() {
            // The end can be told now.
            context.waker().wake_by_ref();
        }
    }

    /// Hands on what is ready; whether there was something.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = self.ready.get(self.from..).unwrap_or_default();
        let piece = rest.get(..rest.len().min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(piece);
        let len = piece.len();
        self.from += len;
        if self.from >= self.ready.len() {
            self.ready.clear();
            self.from = 0;
        }
        len > 0
    }

    /// What comes behind `came`, which begins a request; `None` if that is to be looked at more closely.
    fn behind(came: &[u8]) -> Option<At> {
        if [SOURCE, "PUT "].iter().any(|method| begins(came, method.as_bytes())) {
            return None;
        }
        // The next head begins where this one ends, if this is one and no more, and has no body: what is in a body is not to
        // be taken for a request, whatever it looks like.
        let is_read = ["GET ", "HEAD ", "OPTIONS "].iter().any(|method| came.starts_with(method.as_bytes()));
        match is_read.then(|| Head::parse(came)).flatten() {
            Some(head) if !head.tells_of_a_body() => Some(At::Head),
            _ => Some(At::Rest),
        }
    }

    /// Decides what is to become of the head, as far as it is there.
    fn gathered(&mut self) {
        let end = end_of_head(&self.head);
        // What comes behind a head may be anything.
        let head = self.head.get(..end.unwrap_or(self.head.len())).unwrap_or_default();
        self.at = match end {
            // As some write by hand: whether it is a head is for hyper to say.
            _ if has_bare_line_feed(head) => self.as_it_is(At::Rest),
            None if self.head.len() < self.head_most => At::Within,
            None => self.as_it_is(At::Rest),
            Some(end) => self.whole(end),
        };
    }

    /// The same, of one that ends at a byte.
    fn whole(&mut self, end: usize) -> At {
        let (head, behind) = self.head.split_at(end.min(self.head.len()));
        match Head::parse(head) {
            Some(parsed) if parsed.is_endless() => {
                let (head, behind) = (parsed.in_chunks(self.local), behind.to_vec());
                (self.ready, self.head) = (head, Vec::new());
                self.chunk(&behind);
                At::Body
            }
            // libshout asks without a password first, and with an empty body.
            Some(parsed) if parsed.is_empty() && behind.is_empty() => self.as_it_is(At::Head),
            _ => self.as_it_is(At::Rest),
        }
    }

    /// Hands on what was held back.
    fn as_it_is(&mut self, then: At) -> At {
        self.ready = std::mem::take(&mut self.head);
        then
    }

    fn chunk(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // Writing to a vector does not fail.
        let _ = write!(self.ready, "{:x}\r\n", bytes.len());
        self.ready.extend_from_slice(bytes);
        self.ready.extend_from_slice(b"\r\n");
    }
}

const SOURCE: &str = "SOURCE ";
const HTTP_11: &str = "HTTP/1.1";

/// What ends a head.
const BLANK: &[u8] = b"\r\n\r\n";

/// Whether bytes begin with a word, or are the beginning of it.
fn begins(bytes: &[u8], word: &[u8]) -> bool {
    !bytes.is_empty() && (bytes.starts_with(word) || word.starts_with(bytes))
}

/// Where a head ends that is at the beginning of these bytes, if it is there.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(BLANK.len()).position(|window| window == BLANK)?;
    Some(at + BLANK.len())
}

/// Whether a line ends with `\n` alone. hyper takes that for an end as well, and nothing here does.
fn has_bare_line_feed(bytes: &[u8]) -> bool {
    let before = std::iter::once(&0).chain(bytes);
    bytes.iter().zip(before).any(|(byte, before)| *byte == b'\n' && *before != b'\r')
}

/// The head of a request.
struct Head<'a> {
    method: &'a [u8],
    target: &'a [u8],
    version: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Head<'a> {
    /// Of one head and nothing else, as far as need be: what is wrong with it is for hyper to say. Names of stations come in
    /// all encodings.
    fn parse(head: &'a [u8]) -> Option<Self> {
        let head = head.strip_suffix(BLANK)?;
        if has_bare_line_feed(head) || head.windows(BLANK.len()).any(|window| window == BLANK) {
            return None;
        }
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = lines.next()?.split(|byte| *byte == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let is_known = [HTTP_11, "HTTP/1.0", "ICE/1.0"].iter().any(|known| version == known.as_bytes())
            && words.next().is_none();
        let header = |line: &'a [u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            // What goes on from the line before, or has a space before its colon, is for hyper to refuse.
            let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            is_name.then_some((name, value.get(1..).unwrap_or_default()))
        };
        let headers = lines.map(header).collect::<Option<_>>()?;
        is_known.then_some(Self { method, target, version, headers })
    }

    fn header(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.trim_ascii())
    }

    fn tells_of_a_body(&self) -> bool {
        self.header("content-length").is_some() || self.header("transfer-encoding").is_some()
    }

    /// Whether its body has no length, but there is one. Where PCM is sent to, there is none then.
    fn is_endless(&self) -> bool {
        let is_sound = || {
            let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
            ["audio/", "application/ogg", "video/ogg"].iter().any(|sound| kind.starts_with(sound.as_bytes()))
        };
        // As the router will have it: there may be a host before the path (RFC 9112 3.2.2).
        let is_of_pcm = || Uri::try_from(self.target).is_ok_and(|uri| uri.path().starts_with("/audio/"));
        !self.tells_of_a_body() && (self.method == b"SOURCE" || is_sound() && !is_of_pcm())
    }

    fn is_empty(&self) -> bool {
        self.header("content-length") == Some(b"0") && self.header("transfer-encoding").is_none()
    }

    /// As one of HTTP/1.1 that comes in chunks.
    fn in_chunks(&self, local: Option<SocketAddr>) -> Vec<u8> {
        let mut head = [self.method, b" ", self.target, b" ", HTTP_11.as_bytes(), b"\r\n"].concat();
        for (name, value) in &self.headers {
            head.extend([*name, b":", *value, b"\r\n"].concat());
        }
        if self.version != HTTP_11.as_bytes() {
            // Which needs none: who says none means where he is.
            if let (None, Some(local)) = (self.header("host"), local) {
                head.extend(format!("host: {local}\r\n").into_bytes());
            }
            // It has been passed on here (RFC 9110 7.6.3), and may be a proxy's that says nothing else.
            head.extend(b"via: 1.0 tailcast\r\n");
        }
        head.extend(b"transfer-encoding: chunked\r\n\r\n");
        head
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Endless<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if buffer.remaining() == 0 || this.hand_on(buffer) {
                return Poll::Ready(Ok(()));
            }
            if matches!(this.at, At::Head | At::Rest) {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
                let came = buffer.filled().get(before..).unwrap_or_default();
                if came.is_empty() && this.is_unanswered && this.holds(context) {
                    return Poll::Pending;
                }
                this.is_unanswered = matches!(this.at, At::Head) && came.starts_with(TITLE);
                if matches!(this.at, At::Head) && !came.is_empty() {
                    match Self::behind(came) {
                        Some(at) => this.at = at,
                        None => {
                            this.head = came.to_vec();
                            buffer.set_filled(before);
                            this.gathered();
                            continue;
                        }
                    }
                }
                return Poll::Ready(Ok(()));
            }
            let mut space = [0; CHUNK];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut piece))?;
            match (this.at, piece.filled()) {
                (At::Body, []) => {
                    this.ready.extend_from_slice(b"0\r\n\r\n");
                    this.at = At::Rest;
                }
                (At::Body, came) => this.chunk(came),
                (_, []) => this.at = this.as_it_is(At::Rest),
                (_, came) => {
                    this.head.extend_from_slice(came);
                    this.gathered();
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Endless<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.answered(&written, context);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.answered(&written, context);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// What is handed on of what comes in these pieces, then the end.
    async fn handed_on(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut client, server) = duplex(1 << 20);
        let mut read = Vec::new();
        let mut endless = Endless::new(server, Some("127.0.0.1:8000".parse().unwrap()), 1024);
        let sending = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                // So that each is read by itself.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let (_, done) = tokio::join!(sending, endless.read_to_end(&mut read));
        done.unwrap();
        read
    }

    const SOURCE_HEAD: &[u8] = b"SOURCE /live.mp3 ICE/1.0\r\nContent-Type: audio/mpeg\r\n\r\n";

    #[tokio::test]
    async fn a_body_that_ends_with_the_connection_comes_in_chunks() {
        let wanted = b"SOURCE /live.mp3 HTTP/1.1\r\nContent-Type: audio/mpeg\r\nhost: 127.0.0.1:8000\r\n\
            via: 1.0 tailcast\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab\nde\r\n2\r\nfg\r\n0\r\n\r\n";
        // What comes with the head may look like a line.
        let whole = [SOURCE_HEAD, b"ab\nde"].concat();
        assert_eq!(handed_on(&[&whole, b"fg"]).await, wanted);
        // However it is cut.
        for cut in 1..SOURCE_HEAD.len() {
            let (one, two) = whole.split_at(cut);
            assert_eq!(handed_on(&[one, two, b"fg"]).await, wanted, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_put_of_sound_without_a_length_is_one_too() {
        let head =
            b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Type: application/ogg\r\nExpect: 100-continue\r\n\r\n";
        let absolute = b"PUT http://audio/x HTTP/1.1\r\nHost: h\r\nContent-Type: audio/mpeg\r\n\r\n";
        let read = handed_on(&[absolute, b"abc"]).await;
        assert!(read.ends_with(b"3\r\nabc\r\n0\r\n\r\n"), "the host is called like a path");
        let read = handed_on(&[head, b"abc"]).await;
        assert!(read.ends_with(b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert!(!read.windows(5).any(|window| window == b"host:"), "it has one");
    }

    #[tokio::test]
    async fn what_has_a_length_or_none_of_it_is_left_alone() {
        for head in [
            "PUT /x HTTP/1.1\r\nContent-Type: audio/mpeg\r\nContent-Length: 3\r\n\r\nabc",
            "PUT /x HTTP/1.1\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "PUT /x HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n",
            "PUT /x HTTP/2.0\r\nContent-Type: audio/mpeg\r\n\r\nabc",
            "PUT /x y HTTP/1.1\r\nContent-Type: audio/mpeg\r\n\r\nabc",
            "PUT /x HTTP/1.1\r\nContent-Type audio/mpeg\r\n\r\nabc",
            "SOURCE /x",
            "PATCH /x HTTP/1.1\r\nContent-Type: audio/mpeg\r\n\r\n",
            "SOURCERY / HTTP/1.1\r\n\r\nabc",
            "PUT /audio/x HTTP/1.1\r\nContent-Type: audio/wav\r\n\r\n",
            "PUT http://h/audio/x HTTP/1.1\r\nHost: h\r\nContent-Type: audio/wav\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "PUT HTTP://h:80/audio/x HTTP/1.1\r\nHost: h\r\nContent-Type: audio/wav\r\n\r\n",
            "PUT /x HTTP/1.1\nContent-Type: audio/mpeg\n\nabc",
            "PUT /x HTTP/1.1\r\nX: a\nContent-Length: 3\r\nContent-Type: audio/mpeg\r\n\r\nabc",
            "PUT /x HTTP/1.1\r\nContent-Type: audio/mpeg\r\n Content-Length: 3\r\n\r\nabc",
            "PUT /x HTTP/1.1\r\nContent-Type: audio/mpeg\r\nContent-Length : 3\r\n\r\nabc",
        ] {
            assert_eq!(handed_on(&[head.as_bytes()]).await, head.as_bytes(), "{head}");
        }
        let long = [b"SOURCE /x HTTP/1.1\r\nx: ".as_slice(), &[b'x'; 2000], b"\r\n\r\nabc"].concat();
        let (one, two) = long.split_at(1500);
        assert_eq!(handed_on(&[one, two]).await, long);
    }

    #[tokio::test]
    async fn who_tells_a_title_and_closes_is_there_until_that_is_answered() {
        for (request, is_held) in [
            (&b"GET /admin/metadata?mode=updinfo HTTP/1.0\r\n\r\n"[..], true),
            (b"GET /audio/show HTTP/1.0\r\n\r\n", false),
        ] {
            let (mut client, server) = duplex(1 << 20);
            client.write_all(request).await.unwrap();
            client.shutdown().await.unwrap();
            let (mut from, mut to) = tokio::io::split(Endless::new(server, None, 1024));
            let mut read = vec![0; 1024];
            assert_eq!(from.read(&mut read).await.unwrap(), request.len());
            assert_eq!(from.read(&mut read).now_or_never().is_none(), is_held);
            to.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
            assert_eq!(from.read(&mut read).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn who_is_not_answered_is_not_held_for_long() {
        let (mut client, server) = duplex(1 << 20);
        client.write_all(b"GET /admin/metadata HTTP/1.0\r\n\r\n").await.unwrap();
        drop(client);
        let mut read = Vec::new();
        let mut endless = Endless::new(server, None, 1024);
        let ended = tokio::time::timeout(Duration::from_secs(2), endless.read_to_end(&mut read));
        assert!(ended.await.is_ok());
    }

    #[tokio::test]
    async fn requests_without_a_body_may_stand_before_it() {
        for before in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
            "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Type: audio/mpeg\r\nContent-Length: 0\r\n\r\n",
        ] {
            let read = handed_on(&[before.as_bytes(), SOURCE_HEAD, b"abc"]).await;
            assert!(
                read.starts_with(before.as_bytes()) && read.ends_with(b"3\r\nabc\r\n0\r\n\r\n"),
                "{before}"
            );
        }
        // A body may look like anything.
        for before in [
            "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 100\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\nContent-Length: 100\r\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\nContent-Length: 100\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\r\n Content-Length: 100\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nContent-Length: 100\r\n\r\n",
        ] {
            let whole = [before.as_bytes(), SOURCE_HEAD].concat();
            assert_eq!(handed_on(&[before.as_bytes(), SOURCE_HEAD]).await, whole, "{before}");
        }
    }
}
