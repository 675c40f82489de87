//! `/openapi.json`: what all endpoints take and answer, for programs (OpenAPI 3.1). `tests/openapi.rs` sees that it is true.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

/// The description.
pub async fn openapi() -> Response {
    let mut response = include_str!("../../docs/openapi.json").into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
