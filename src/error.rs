//! Kinds of failure, and the one place where they become HTTP: problem documents (RFC 9457).

use axum::body::Body;
use axum::extract::Request;
use axum::extract::rejection::PathRejection;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tailcast_codecs::format::FormatError;

use crate::recording::RecordingError;
use crate::time::TimeError;

/// What a client is told.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// A name for the kind of problem, as a URI reference.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What was wrong this time, with the value.
    detail: String,
    /// The query parameter at fault, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, slug: &str, title: &'static str, detail: impl ToString) -> Self {
        Self {
            kind: format!("/problems/{slug}"),
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            parameter: None,
        }
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
    fn path(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "path", "The path cannot be used", detail)
    }

    /// A method that the path does not have.
    pub fn method(method: &http::Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "Recordings are read here, with GET or HEAD",
            format!("`{method}` is not allowed (allowed: GET, HEAD, OPTIONS)"),
        )
    }

    /// A condition of the request's headers that does not hold, with the header.
    pub fn refused(status: StatusCode, slug: &str, detail: impl ToString) -> Response {
        let title = match status {
            StatusCode::RANGE_NOT_SATISFIABLE => "The recording does not have these bytes",
            _ => "The recording is not the one asked for",
        };
        Self::new(status, slug, title, detail).into_response()
    }

    /// The server is stopping.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "The server is stopping", "try again soon")
    }

    /// Something that must not happen did.
    pub fn internal(detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here", detail)
    }

    /// What it is, and what was wrong this time.
    pub fn words(&self) -> [&str; 2] {
        [self.title, &self.detail]
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Logs that a request was refused, if that is its answer: one line, at a level by whose concern it is. The client's own
/// slip is none of the operator's.
pub async fn log_refusals(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let target = request.uri().path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let target: String = target.chars().take(200).collect();
    let response = next.run(request).await;
    if let Some(Problem { kind, status, detail, .. }) = response.extensions().get() {
        if response.status().is_server_error() {
            tracing::warn!(%method, target, status, kind, detail, "refused");
        } else {
            tracing::info!(%method, target, status, kind, detail, "refused");
        }
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::path(rejection.body_text())
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
            E::Truncated(_) | E::Replaced(_) | E::Removed(_) | E::SidecarBeingWritten(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "changed", "The recording has just been changed")
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
