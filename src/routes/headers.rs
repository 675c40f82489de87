//! Headers, as all endpoints read and write them.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::Problem;
use crate::http::Freshness;
use crate::recording::{Extent, State};

/// To nginx, which collects answers otherwise: to send on at once what comes.
pub(super) const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// The lines of a header as one, as RFC 9110 5.3 has it.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// What a header that states preferences names, each with its weight (RFC 9110 12.4.2): 1 if it has none, 0 if that is no
/// number.
pub(super) fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, f32)> {
    let line = joined(headers, name).unwrap_or_default();
    let of_part = |part: &str| {
        let mut parts = part.split(';').map(str::trim);
        let named = parts.next().unwrap_or_default().to_owned();
        let weight =
            parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q")));
        (named, weight.map_or(1.0, |(_, weight)| weight.parse().unwrap_or(0.0)))
    };
    line.split(',').map(of_part).collect()
}

/// How long what is finished may be kept, of a recording that goes as far as `extent`: it depends on where that ended, or all
/// of it was there before; and its URL may mean another place when the live edge has moved.
pub(super) fn freshness(extent: &Extent, by_end: bool, is_moving: bool) -> Freshness {
    match extent.state {
        State::Ended { declared: true } => Freshness::DeclaredEnd,
        State::Ended { .. } if by_end || is_moving => Freshness::InferredEnd,
        _ if is_moving => Freshness::Growing,
        _ => Freshness::DeclaredEnd,
    }
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
