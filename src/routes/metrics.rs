//! `/metrics`: what is counted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use super::{App, fresh};
use crate::error::Problem;

/// The media type of OpenMetrics' text (its specification, 3.1).
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted. Nothing is waited for, so that it can be had while all threads that may wait do so, for a disk
/// that does not answer.
pub async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = app.metrics.text().map_err(Problem::internal)?;
    Ok(fresh(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()))
}
