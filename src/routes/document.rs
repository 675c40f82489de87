//! A document that is made anew for each request and is known by its bytes: whoever has it already is told so.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::headers::{joined, refusal, text};
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
}

/// The last of some changes, if there are any.
pub(super) fn last(changes: &[i64]) -> Option<Timestamp> {
    changes.iter().max().copied().map(from_millis)
}

impl Document {
    /// The answer to a request with these headers. Conditions on dates never hold: a recording that is removed makes the
    /// document another one, and none of what is left is newer for that.
    pub(super) fn answer(self, asked: &HeaderMap) -> Response {
        let headers = self.headers();
        let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let (if_match, if_none_match) =
            (joined(asked, &header::IF_MATCH), joined(asked, &header::IF_NONE_MATCH));
        let request = Request {
            if_match: if_match.as_deref(),
            if_none_match: if_none_match.as_deref(),
            ..Request::default()
        };
        let (status, body) = match verdict(&request, etag) {
            Verdict::PreconditionFailed => return refusal(StatusCode::PRECONDITION_FAILED, headers, asked),
            Verdict::NotModified => (StatusCode::NOT_MODIFIED, no_body()),
            Verdict::Proceed => (StatusCode::OK, Body::from(self.body)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if status == StatusCode::OK {
            let media_type = HeaderValue::from_static(self.media_type);
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        }
        response
    }

    /// Those that do not depend on whether the client has it already.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.body);
        for change in &self.changes {
            hasher.update(&change.to_le_bytes());
        }
        let digest: String = hasher.finalize().to_hex().chars().take(32).collect();
        headers.insert(header::ETAG, text(&format!("\"{digest}\"")));
        // It may change at any moment, and to ask costs little.
        let freshness = Freshness::InferredEnd.cache_control();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness));
        // A clock elsewhere may be ahead; a date in the future is none (RFC 9110 8.8.2.1).
        let modified = last(&self.changes).filter(|at| *at <= Timestamp::now()).and_then(http_date);
        if let Some(modified) = modified {
            headers.insert(header::LAST_MODIFIED, text(&modified));
        }
        headers
    }
}
