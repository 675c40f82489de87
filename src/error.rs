//! Kinds of failure, and the one place where they become HTTP: problem documents (RFC 9457).

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer};
use tailcast_codecs::format::FormatError;

use crate::recording::RecordingError;
use crate::time::TimeError;

/// What a client is told.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// A name for the kind of problem, told as a URI reference.
    #[serde(rename = "type", serialize_with = "reference")]
    slug: &'static str,
    title: &'static str,
    status: u16,
    /// What was wrong this time, with the value.
    detail: String,
    /// The query parameter at fault, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
    /// A header that goes with it.
    #[serde(skip)]
    extra: Option<Box<(HeaderName, String)>>,
    /// Seconds after which to come again, if that may help.
    #[serde(skip)]
    retry_after: Option<u32>,
}

fn reference<S: Serializer>(slug: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("/problems/{slug}"))
}

/// Seconds after which to come again when there was too much to do.
const WHEN_BUSY: u32 = 5;

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self {
            slug,
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            parameter: None,
            extra: None,
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
        }
    }

    /// Somebody who may read nothing here, for what is wrong with his token.
    pub fn reading(why: impl fmt::Display) -> Self {
        let detail = format!(
            "{why}: `Authorization` is to have a token of --read-token-file, `Bearer TOKEN` or `Basic` with it as the password, \
             or the URL is to be signed"
        );
        Self::new(StatusCode::UNAUTHORIZED, "reading", "Reading takes a token", detail)
    }

    /// A signed URL that does not open what it leads to.
    pub fn signature(detail: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "signature", "The signed URL does not open this", detail)
    }

    /// A query parameter that cannot be used.
    pub fn parameter(name: &'static str, detail: impl ToString) -> Self {
        let mut problem =
            Self::new(StatusCode::BAD_REQUEST, "parameter", "A parameter cannot be used", detail);
        problem.parameter = Some(name);
        problem
    }

    /// A position that the recording does not have.
    pub fn past_the_end(detail: impl ToString) -> Self {
        let mut problem = Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "past-the-end",
            "The recording does not go that far",
            detail,
        );
        problem.parameter = Some("pos");
        problem
    }

    /// A path that leads nowhere.
    pub fn not_found(detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing here", detail)
    }

    /// A path that is not written properly.
    pub fn path(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "path", "The path cannot be used", detail)
    }

    /// A request of which it is in doubt for whom it is.
    pub fn host(given: &[String]) -> Self {
        let detail = match given {
            [] => "a `Host` is wanted, and there is none".to_owned(),
            [host] => format!("`{host}` is no `Host`: a name or an address, and perhaps a port"),
            [one, other, ..] => {
                format!("there is to be one `Host`, and there are {}: `{one}`, `{other}`", given.len())
            }
        };
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be understood", detail)
    }

    /// A method that the path does not have.
    pub fn method(method: &http::Method, allowed: &'static str) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "The path does not have this method",
            format!("`{method}` is not allowed (allowed: {allowed})"),
        );
        problem.extra = Some(Box::new((header::ALLOW, allowed.to_owned())));
        problem
    }

    /// Somebody who may not write here.
    pub fn writing(detail: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "writing", "Recordings may not be written from there", detail)
    }

    /// Somebody who has not said that he may write.
    pub fn token() -> Self {
        let detail = "`Authorization` is to have a token of --ingest-token-file: `Bearer TOKEN`, or `Basic` with it as the \
                      password";
        Self::new(StatusCode::UNAUTHORIZED, "token", "Writing takes a token", detail)
    }

    /// Something that is in the way of writing.
    pub fn conflict(detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "The recording cannot be written to now", detail)
    }

    /// A place in a recording at which it does not go on.
    pub fn offset(given: u64, len: u64) -> Self {
        let detail = format!("`Upload-Offset` is {given}, and the recording goes on at {len}");
        let mut problem =
            Self::new(StatusCode::CONFLICT, "offset", "The recording goes on elsewhere", detail);
        problem.extra = Some(Box::new((HeaderName::from_static("upload-offset"), len.to_string())));
        problem
    }

    /// A body of a kind that is not taken.
    pub fn media_type(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body is not taken", detail)
    }

    /// A body that is compressed.
    pub fn content_coding(detail: impl ToString) -> Self {
        let mut problem = Self::media_type(detail);
        problem.extra = Some(Box::new((header::ACCEPT_ENCODING, "identity".to_owned())));
        problem
    }

    /// A body or a header of whoever writes that cannot be used.
    pub fn upload(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "upload", "The upload cannot be used", detail)
    }

    /// There is no room for more of a recording.
    pub fn no_space(detail: impl ToString) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "no-space", "There is no room for more of it", detail)
    }

    /// The system does not take what is written.
    pub fn unwritable(detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unwritable", "The recording cannot be written", detail)
    }

    /// A condition of the request's headers that does not hold, with the header.
    pub fn refused(status: StatusCode, slug: &'static str, detail: impl ToString) -> Response {
        let title = match status {
            StatusCode::RANGE_NOT_SATISFIABLE => "The recording does not have these bytes",
            _ => "The recording is not the one asked for",
        };
        Self::new(status, slug, title, detail).into_response()
    }

    /// A condition under which somebody writes that does not hold.
    pub fn precondition(detail: impl ToString) -> Self {
        let title = "The recording is not the one asked for";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition", title, detail)
    }

    /// The server is stopping.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The server is stopping", "try again soon")
    }

    /// The folder of recordings cannot be read.
    pub fn not_ready(detail: impl ToString) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "The folder of recordings cannot be read",
            detail,
        )
    }

    /// There are as many connections as there may be.
    pub fn connections(most: u32) -> Self {
        let detail = format!("there are {most} connections, as many as there may be");
        Self::busy(StatusCode::SERVICE_UNAVAILABLE, "connections", "The server is full", detail)
    }

    /// A client has as much under way as one may have.
    pub fn address(address: IpAddr, most: NonZeroUsize) -> Self {
        let detail = format!("`{address}` has {most} requests under way, as many as one address may have");
        Self::busy(StatusCode::TOO_MANY_REQUESTS, "address", "Too many requests", detail)
    }

    /// The encoders have as much to do as they may have.
    pub fn queue() -> Self {
        let detail = "too many listeners wait for sound that is not coded yet";
        Self::busy(StatusCode::SERVICE_UNAVAILABLE, "queue", "The server is at its limit", detail)
    }

    /// A client has as much coded as one may have, though others may yet come.
    pub fn share(address: IpAddr, most: usize) -> Self {
        let detail =
            format!("`{address}` waits for {most} pieces of sound already, as many as one address may");
        Self::busy(StatusCode::SERVICE_UNAVAILABLE, "queue", "The server is at its limit", detail)
    }

    fn busy(status: StatusCode, slug: &'static str, title: &'static str, detail: impl ToString) -> Self {
        Self { retry_after: Some(WHEN_BUSY), ..Self::new(status, slug, title, detail) }
    }

    /// Something that must not happen did.
    pub fn internal(detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here", detail)
    }

    /// What it is, and what was wrong this time.
    pub fn words(&self) -> [&str; 2] {
        [self.title, &self.detail]
    }

    /// A short name for the kind of problem; there are few.
    pub fn slug(&self) -> &'static str {
        self.slug
    }

    /// What was wrong this time.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response.extensions_mut().insert(self);
        response
    }
}

impl Problem {
    /// The document.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What stands above it.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            // Bearer first, since some look at the first alone; browsers ask their user for the other.
            for scheme in ["Bearer realm=\"tailcast\"", "Basic realm=\"tailcast\", charset=\"UTF-8\""] {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
        if let Some((name, value)) = self.extra.as_deref()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
        headers
    }
}

impl From<RecordingError> for Problem {
    fn from(error: RecordingError) -> Self {
        use RecordingError as E;
        let (status, slug, title) = match &error {
            E::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "There is no such recording"),
            // As if it were not there, which is the case: no recording can have that name.
            E::Name { .. } => (StatusCode::NOT_FOUND, "name", "No recording can have that name"),
            E::NoHeaderYet(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "no-header-yet", "The recording has only just begun")
            }
            E::Sidecar { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "sidecar", "The recording's description is broken")
            }
            E::Header { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "wav-header", "The recording's header is not usable")
            }
            E::Coded { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "undecodable", "The recording cannot be decoded")
            }
            E::BeingWritten(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "being-written", "The recording is not whole yet")
            }
            E::Truncated(_) | E::Replaced(_) | E::Removed(_) | E::SidecarBeingWritten(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "changed", "The recording has just been changed")
            }
            E::Io { .. } if error.is_out_of_descriptors() => {
                (StatusCode::SERVICE_UNAVAILABLE, "descriptors", "Too many files are open")
            }
            E::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "The recording cannot be read"),
        };
        Self::new(status, slug, title, error)
    }
}

impl From<FormatError> for Problem {
    fn from(error: FormatError) -> Self {
        Self::parameter(error.parameter(), error)
    }
}

impl Problem {
    /// A time in a parameter that cannot be understood.
    pub fn time(name: &'static str, error: &TimeError) -> Self {
        Self::parameter(name, error)
    }
}
