//! `/metrics`: what is counted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use super::{App, fresh};
use crate::access::Pass;
use crate::error::Problem;

/// The media type of OpenMetrics' text (its specification, 3.1).
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The same, where listeners ask too: for who may read all that there is for anybody.
pub async fn among_others(State(app): State<App>, pass: Pass) -> Result<Response, Problem> {
    app.catalogue.check_lists(&pass)?;
    metrics(State(app)).await
}

/// Everything that is counted. Nothing is waited for, so that it can be had while all threads that may wait do so, for a disk
/// that does not answer.
pub async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = app.metrics.text().map_err(Problem::internal)?;
    Ok(fresh(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()))
}
