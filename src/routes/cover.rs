//! `GET|HEAD /recordings/{name}/cover.jpg`, or `.png`: the picture that a sidecar names.

use axum::response::Response;
use http::HeaderMap;

use super::document::Document;
use crate::error::Problem;
use crate::http::Freshness;
use crate::recording::Recording;

/// The cover of a recording, for a request with these headers. What it is called says nothing of what it is.
///
/// # Errors
/// When it has none that can be had.
pub(super) fn of(recording: &Recording, asked: &HeaderMap) -> Result<Response, Problem> {
    let name = recording.name();
    let none = || Problem::not_found(format!("`{name}` has no cover (its sidecar has no `cover`)"));
    let cover = recording.cover().ok_or_else(none)?;
    let cover = cover.map_err(|why| Problem::not_found(format!("`{name}` has no cover: {why}")))?;
    let (media_type, body) = (cover.media_type, cover.bytes.to_vec());
    Ok(Document { media_type, body, changes: Vec::new(), freshness: Freshness::InferredEnd }.answer(asked))
}
