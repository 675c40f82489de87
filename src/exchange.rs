//! Every exchange of a request and its answer: counted, bounded for each client, and logged when the last of the answer is
//! out, one line each.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::connections::{Client, Clients, Counted, Peer};
use crate::error::Problem;
use crate::metrics::Metrics;

/// What all exchanges share.
#[derive(Debug)]
pub(crate) struct Exchanges {
    pub(crate) clients: Arc<Clients>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Sound that was sent in an answer so far: an extension of it that the log tells of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    /// Adds so many frames at so many a second.
    pub(crate) fn add(&self, frames: u64, rate: u32) {
        // In nanoseconds, of which there is less than one lost each time.
        let nanos = u128::from(frames) * 1_000_000_000 / u128::from(rate.max(1));
        self.0.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// To the millisecond.
    #[allow(clippy::cast_precision_loss, reason = "for a log")]
    fn seconds(&self) -> f64 {
        (self.0.load(Ordering::Relaxed) as f64 / 1e6).round() / 1000.0
    }
}

/// Answers by `next`, within what one client may have.
pub(crate) async fn exchange(
    State(exchanges): State<Arc<Exchanges>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(peer)| *peer);
    let client = exchanges.clients.client(peer, request.headers());
    request.extensions_mut().insert(Client(client));
    let mut record = Record::new(&exchanges, client, &request);
    let response = match exchanges.clients.asked(peer, client) {
        Ok(_) if !names_one_host(&request) => Problem::host(&hosts(&request)).into_response(),
        Ok(counted) => {
            record.counted = counted;
            next.run(request).await
        }
        Err(_) => Problem::address(client, exchanges.clients.most()).into_response(),
    };
    record.begin(&response);
    response.map(|body| Body::new(Recorded { body, record }))
}

/// Whether there is no doubt for whom a request is, as RFC 9112 3.2 has it.
fn names_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_authority(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// What stands where the host should, as far as it is told.
fn hosts(request: &Request) -> Vec<String> {
    let hosts = request.headers().get_all(header::HOST).iter();
    let host = |host: &HeaderValue| {
        // Whoever is named before it may have said his password, too.
        let host = host.as_bytes().rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        logged(&String::from_utf8_lossy(host))
    };
    hosts.map(host).collect()
}

/// A host, perhaps with a port.
pub(crate) fn is_authority(host: &[u8]) -> bool {
    // Nobody is named in it.
    !host.contains(&b'@') && Authority::try_from(host).is_ok()
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that its headers promised was sent.
    Whole,
    /// The client went before.
    Left,
    /// It could not be given to its end.
    BrokenOff,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Left => "left",
            Self::BrokenOff => "broken off",
        }
    }
}

/// What is known of one exchange; logged when dropped.
struct Record {
    exchanges: Arc<Exchanges>,
    counted: Option<Counted>,
    begun: Instant,
    client: IpAddr,
    method: Method,
    target: String,
    agent: Option<String>,
    /// `None` if the client went before there was one.
    status: Option<u16>,
    problem: Option<Problem>,
    heard: Option<Heard>,
    promised: Option<u64>,
    sent: u64,
    end: End,
}

/// Characters of a path, a header or a problem that are logged.
const LOGGED: usize = 200;

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(logged(&String::from_utf8_lossy(value.as_bytes())))
}

/// A text without what would open something to whoever reads the log: each value of `sig`, wherever it stands and however
/// often it is escaped, since a URL that was mangled on its way, or stands within another, still has a signature in it.
fn without_signature(text: &str) -> String {
    let letters = unescaped(text);
    let mut told = String::with_capacity(text.len());
    let mut from = 0;
    for (at, window) in letters.windows(4).enumerate() {
        let [(s, _), (i, _), (g, _), (b'=', _)] = *window else { continue };
        let value = letters.get(at + 4).map_or(text.len(), |letter| letter.1);
        if ![s, i, g].eq_ignore_ascii_case(b"sig") || value < from {
            continue;
        }
        told.extend([text.get(from..value).unwrap_or_default(), "..."]);
        let behind = text.get(value..).unwrap_or_default();
        from = behind.find(['&', ';', '#', '`', ' ']).map_or(text.len(), |end| value + end);
    }
    told + text.get(from..).unwrap_or_default()
}

/// The bytes that are meant in the end however often they are escaped, each with where it begins in the text.
fn unescaped(text: &str) -> Vec<(u8, usize)> {
    let mut letters: Vec<(u8, usize)> = Vec::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        letters.push((byte, at));
        // What that makes may be the last letter of another one. Each time there are two letters less, so this ends soon.
        while let [.., (b'%', at), (high, _), (low, _)] = *letters.as_slice()
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            letters.truncate(letters.len() - 3);
            letters.push((high * 16 + low, at));
        }
    }
    letters
}

/// What a hexadecimal digit stands for.
fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What came from outside, as the log has it.
fn logged(text: &str) -> String {
    let text = without_signature(text);
    text.chars().take(LOGGED).collect()
}

impl Record {
    fn new(exchanges: &Arc<Exchanges>, client: IpAddr, request: &Request) -> Self {
        let target = request.uri().path_and_query().map(|target| target.as_str()).unwrap_or_default();
        Self {
            exchanges: Arc::clone(exchanges),
            counted: None,
            begun: Instant::now(),
            client,
            method: request.method().clone(),
            target: logged(target),
            agent: text(request.headers(), &header::USER_AGENT),
            status: None,
            problem: None,
            heard: None,
            promised: None,
            sent: 0,
            end: End::Left,
        }
    }

    /// Takes note of an answer whose body is still to be sent.
    fn begin(&mut self, response: &Response) {
        self.status = Some(response.status().as_u16());
        self.problem = response.extensions().get().cloned();
        self.heard = response.extensions().get().cloned();
        let length = response.headers().get(header::CONTENT_LENGTH);
        self.promised = length.and_then(|length| length.to_str().ok()?.parse().ok());
        // Nothing comes behind the head of these.
        if self.method == Method::HEAD
            || matches!(self.status, Some(204 | 304))
            || response.body().is_end_stream()
        {
            self.end = End::Whole;
        }
        self.exchanges.metrics.answered(response.status().as_u16());
        if let Some(problem) = &self.problem {
            self.exchanges.metrics.refused(problem.slug());
        }
    }

    /// Takes note of what the body gave.
    fn gave(&mut self, frame: &Option<Result<Frame<Bytes>, axum::Error>>, over: bool) {
        match frame {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(_)) => return self.end = End::BrokenOff,
            None => {}
        }
        if frame.is_none() || over || self.promised == Some(self.sent) {
            self.end = End::Whole;
        }
    }

    /// Whether it is asked for over and over by a machine.
    fn is_routine(&self) -> bool {
        matches!(self.target.as_str(), "/healthz" | "/readyz" | "/metrics")
    }
}

/// Logs an event with the fields of a record, and more.
macro_rules! log {
    ($level:ident, $record:ident, $message:literal $(, $field:ident = $value:expr)*) => {
        tracing::$level!(
            target: "tailcast::access",
            client = %$record.client,
            method = %$record.method,
            path = $record.target,
            status = $record.status,
            bytes = $record.sent,
            seconds = $record.begun.elapsed().as_secs_f64(),
            end = $record.end.name(),
            $($field = $value,)*
            agent = $record.agent,
            $message
        )
    };
}

impl Drop for Record {
    fn drop(&mut self) {
        let record = &*self;
        let heard = record.heard.as_ref().map(Heard::seconds);
        match &record.problem {
            // The client's own slip is none of the operator's.
            Some(problem) if problem.status().is_server_error() => {
                log!(warn, record, "refused", kind = problem.slug(), detail = logged(problem.detail()));
            }
            Some(problem) => {
                log!(info, record, "refused", kind = problem.slug(), detail = logged(problem.detail()))
            }
            None if record.is_routine() => log!(debug, record, "answered"),
            None => log!(info, record, "answered", listened = heard),
        }
    }
}

/// A body and the record of its exchange.
struct Recorded {
    body: Body,
    record: Record,
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = &frame {
            let over = self.body.is_end_stream();
            self.record.gave(frame, over);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_not_logged_however_it_is_written() {
        for (target, told) in [
            ("/audio/show?sig=secret", "/audio/show?sig=..."),
            ("/audio/show?expires=1&sig=secret&pos=5", "/audio/show?expires=1&sig=...&pos=5"),
            ("/audio/show?s%69g=secret&%73%69%67=secret&sig", "/audio/show?s%69g=...&%73%69%67=...&sig"),
            ("/audio/show?sig=secret=secret?secret", "/audio/show?sig=..."),
            ("/audio/show?Sig=secret;x=1", "/audio/show?Sig=...;x=1"),
            ("/audio/show?expires=1&amp;sig=secret", "/audio/show?expires=1&amp;sig=..."),
            ("/audio/show%3Fexpires=1&sig%3Dsecret", "/audio/show%3Fexpires=1&sig%3D..."),
            ("there is no recording `show?sig=secret` here", "there is no recording `show?sig=...` here"),
            ("/audio/show?%2573ig=secret&x=1", "/audio/show?%2573ig=...&x=1"),
            ("/audio/show?sig%253Dsecret", "/audio/show?sig%253D..."),
            ("/audio/show?%25%37%33ig%2525253dsecret", "/audio/show?%25%37%33ig%2525253d..."),
            (
                "/x?u=%252Faudio%252Fé%253Fx%253D1%2526sig%253Dsecret&y=2",
                "/x?u=%252Faudio%252Fé%253Fx%253D1%2526sig%253D...&y=2",
            ),
            ("/audio/show?sig=", "/audio/show?sig=..."),
            ("/audio/é=1?signal=1&é%3", "/audio/é=1?signal=1&é%3"),
        ] {
            assert_eq!(without_signature(target), told);
        }
    }

    #[test]
    fn a_long_text_is_looked_through_once() {
        // All of it is one letter that is escaped over and over.
        let text = format!("%{}73ig=secret", "25".repeat(200_000));
        assert!(without_signature(&text).ends_with("ig=..."));
        let text = "sig=x&".repeat(100_000);
        assert_eq!(without_signature(&text), "sig=...&".repeat(100_000));
    }
}
