//! `GET|HEAD /recordings/{name}/chapters.json`: the chapters that a sidecar has, in the format of Podcasting 2.0
//! (JSON chapters 1.2).

use std::time::Duration;

use axum::response::Response;
use http::HeaderMap;
use serde::Serialize;

use super::document::Document;
use super::words::title;
use crate::error::Problem;
use crate::http::Freshness;
use crate::recording::{Recording, sidecar};

/// What they are told as, here and in the feed.
pub(super) const MEDIA_TYPE: &str = "application/json+chapters";

#[derive(Debug, Serialize)]
struct Chapters<'a> {
    version: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    chapters: Vec<Chapter<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Chapter<'a> {
    /// Seconds.
    start_time: f64,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    img: Option<&'a str>,
}

/// The chapters of a recording, for a request with these headers.
///
/// # Errors
/// When it has none, or is lost.
pub(super) fn of(recording: &Recording, asked: &HeaderMap) -> Result<Response, Problem> {
    let status = recording.status()?;
    let sidecar = &status.sidecar;
    if sidecar.chapters.is_empty() {
        let detail = format!("`{}` has no chapters (its sidecar has no `[[chapters]]`)", status.name);
        return Err(Problem::not_found(detail));
    }
    let chapters = Chapters {
        version: "1.2.0",
        title: title(&status),
        author: sidecar.author.as_deref(),
        chapters: sidecar.chapters.iter().map(Chapter::of).collect(),
    };
    let body = serde_json::to_vec(&chapters).map_err(Problem::internal)?;
    Ok(Document { media_type: MEDIA_TYPE, body, changes: Vec::new(), freshness: Freshness::InferredEnd }
        .answer(asked))
}

impl<'a> Chapter<'a> {
    fn of(chapter: &'a sidecar::Chapter) -> Self {
        let sidecar::Chapter { start, title, url, image } = chapter;
        let start_time = Duration::from_nanos(*start).as_secs_f64();
        Self { start_time, title, url: url.as_deref(), img: image.as_deref() }
    }
}
