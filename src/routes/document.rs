//! A document that is made anew for each request and is known by its bytes: whoever has it already is told so, and it is
//! compressed for who takes that.

use std::io::Write;

use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::headers::{joined, refusal, text, weighted};
use super::no_body;
use super::times::{from_millis, http_date};
use crate::http::{Freshness, Request, Verdict, verdict};

/// A whole document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) body: Vec<u8>,
    /// When each thing that it tells of was last another, in milliseconds since 1970. A file may be written to without
    /// anything that is told of it being another, and is another all the same.
    pub(super) changes: Vec<i64>,
    /// How sure it is that it stays as it is.
    pub(super) freshness: Freshness,
}

/// Bytes from which on it pays to compress: fewer go in one packet anyway.
const WORTH_COMPRESSING: usize = 1400;

/// Whether a client takes gzip (RFC 9110 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    weighted(asked, &header::ACCEPT_ENCODING)
        .iter()
        .any(|(coding, weight)| coding.eq_ignore_ascii_case("gzip") && *weight > 0.0)
}

/// At the speed at which it costs no more than what it saves.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The last of some changes, if there are any.
pub(super) fn last(changes: &[i64]) -> Option<Timestamp> {
    changes.iter().max().copied().map(from_millis)
}

impl Document {
    /// The answer to a request with these headers. Conditions on dates never hold: a recording that is removed makes the
    /// document another one, and none of what is left is newer for that.
    pub(super) fn answer(self, asked: &HeaderMap) -> Response {
        // Pictures are compressed.
        let is_text = !self.media_type.starts_with("image/");
        let compresses = is_text && self.body.len() > WORTH_COMPRESSING && takes_gzip(asked);
        let headers = self.headers(compresses);
        let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let (if_match, if_none_match) =
            (joined(asked, &header::IF_MATCH), joined(asked, &header::IF_NONE_MATCH));
        let request = Request {
            if_match: if_match.as_deref(),
            if_none_match: if_none_match.as_deref(),
            ..Request::default()
        };
        match verdict(&request, etag) {
            Verdict::PreconditionFailed => refusal(StatusCode::PRECONDITION_FAILED, headers, asked),
            Verdict::NotModified => response(StatusCode::NOT_MODIFIED, headers, no_body()),
            Verdict::Proceed => self.whole(headers, compresses),
        }
    }

    fn whole(self, mut headers: HeaderMap, compresses: bool) -> Response {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        let body = match compresses.then(|| gzip(&self.body)).flatten() {
            Some(compressed) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                compressed
            }
            None => self.body,
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        response(StatusCode::OK, headers, Body::from(body))
    }

    /// Those that do not depend on whether the client has it already.
    fn headers(&self, compresses: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.freshness != Freshness::Growing {
            headers.insert(header::ETAG, text(&self.etag(compresses)));
        }
        let freshness = self.freshness.cache_control();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // A clock elsewhere may be ahead; a date in the future is none (RFC 9110 8.8.2.1).
        let modified = last(&self.changes).filter(|at| *at <= Timestamp::now()).and_then(http_date);
        if let Some(modified) = modified {
            headers.insert(header::LAST_MODIFIED, text(&modified));
        }
        headers
    }

    /// Another for another form, since it is a strong one.
    fn etag(&self, compresses: bool) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.body);
        for change in &self.changes {
            hasher.update(&change.to_le_bytes());
        }
        let digest: String = hasher.finalize().to_hex().chars().take(32).collect();
        format!("\"{digest}{}\"", if compresses { "-gzip" } else { "" })
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_say_that_they_take_it() {
        let asked = |accepted: &str| {
            let accepted = HeaderValue::from_str(accepted).unwrap();
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, accepted)]))
        };
        for accepted in ["gzip", "deflate, GZIP;q=0.5", "br , gzip ; q=1"] {
            assert!(asked(accepted), "{accepted}");
        }
        for accepted in ["", "identity", "gzip;q=0", "br", "gzip;q=0.0", "gzip;q=x", "xgzip"] {
            assert!(!asked(accepted), "{accepted}");
        }
    }
}
