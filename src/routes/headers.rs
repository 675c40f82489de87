//! Headers, as all endpoints read and write them.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::Problem;

/// To nginx, which collects answers otherwise: to send on at once what comes.
pub(super) const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// The lines of a header as one, as RFC 9110 5.3 has it.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// 412 and 416 with the headers that were decided and a document that says why.
pub(super) fn refusal(status: StatusCode, headers: HeaderMap, asked: &HeaderMap) -> Response {
    let (name, slug) = match status {
        StatusCode::RANGE_NOT_SATISFIABLE => (&header::RANGE, "range"),
        _ => (&header::IF_MATCH, "precondition"),
    };
    let value = joined(asked, name).unwrap_or_default();
    let value: String = value.chars().take(200).collect();
    let mut response = Problem::refused(status, slug, format!("{name}: {value}"));
    for (name, value) in &headers {
        if *name != header::CACHE_CONTROL && *name != header::CONTENT_TYPE {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A header's value made of something that only has characters that one may have.
pub(super) fn text(value: &impl ToString) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or(HeaderValue::from_static(""))
}
