//! The recordings as feeds and playlists tell of them: those that can be had, and each format of one with its whole URL.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use tailcast_codecs::format::{Format, Parameters};

use super::document::Document;
use super::list::{ListQuery, usable};
use super::site::Base;
use super::summary::{audio_path, cover_path};
use super::{App, blocking};
use crate::access::{Links, Pass};
use crate::error::Problem;
use crate::recording::{Entries, Entry, RecordingName, Status};
use crate::rendition::whole_len;

/// What may stand behind the `?` of a feed or a playlist.
#[derive(Debug, Default, Deserialize)]
pub struct LibraryQuery {
    /// How many are wanted at most.
    pub limit: Option<String>,
    /// Words that are searched for.
    pub q: Option<String>,
    /// What is linked to.
    pub format: Option<String>,
}

/// What a query asks for.
#[derive(Debug)]
pub(super) struct Library {
    /// Those that can be had, newest first.
    pub(super) entries: Vec<Arc<Entry>>,
    /// How many are wanted at most.
    pub(super) limit: usize,
    /// What is linked to.
    pub(super) format: Format,
}

impl Library {
    /// Looks through the folder, and makes URLs of the paths of what it finds. The list may be signed.
    ///
    /// # Errors
    /// When a parameter is not one, the folder cannot be read, or somebody has come for something else.
    pub(super) async fn find(
        app: &App,
        pass: &Pass,
        base: Base,
        query: &LibraryQuery,
    ) -> Result<(Self, Urls), Problem> {
        let words = query.q.as_deref().unwrap_or_default();
        let (entries, links) = app.catalogue.library(pass, words).await?;
        Ok((Self::of(entries, query).await?, Urls { base, links }))
    }

    /// What a query asks for of these.
    ///
    /// # Errors
    /// When a parameter is not one.
    pub(super) async fn of(entries: Entries, query: &LibraryQuery) -> Result<Self, Problem> {
        let format = query.format.as_deref().map_or(Ok(Format::Mp3), str::parse)?;
        let list = ListQuery { limit: query.limit.clone(), q: query.q.clone(), after: None };
        let (entries, limit) = usable(entries, &list).await?;
        Ok(Self { entries, limit, format })
    }

    /// Those of which `is_wanted` holds, as many as are wanted.
    pub(super) fn told(&self, is_wanted: impl Fn(&Status) -> bool) -> Vec<Told<'_>> {
        let told =
            self.entries.iter().filter_map(|entry| Some(Told { entry, status: entry.told.as_ref().ok()? }));
        told.filter(|told| is_wanted(told.status)).take(self.limit).collect()
    }
}

/// Answers a request with these headers by a document with whole URLs. It is made, and compressed, where that may take its
/// time.
pub(super) async fn answer(
    base: &Base,
    headers: HeaderMap,
    document: impl FnOnce() -> Result<Document, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let answer = blocking(move || Ok::<_, Problem>(document()?.answer(&headers))).await??;
    Ok(base.vary(answer))
}

/// A recording that can be had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) entry: &'a Entry,
    pub(super) status: &'a Status,
}

/// Makes whole URLs that open what they lead to.
#[derive(Debug, Clone)]
pub(super) struct Urls {
    pub(super) base: Base,
    links: Links,
}

impl Urls {
    /// That of a path which leads to a recording.
    pub(super) fn to(&self, name: &RecordingName, path: String) -> String {
        self.base.whole(&self.links.to(name, path))
    }

    /// That of a recording's picture, if its sidecar says that there is one.
    pub(super) fn image(&self, status: &Status) -> Option<String> {
        let cover = || Some(self.to(&status.name, cover_path(status)?));
        status.sidecar.image.clone().or_else(cover)
    }
}

/// A recording in one format, if nothing else is asked for.
#[derive(Debug)]
pub(super) struct Sound {
    /// Where it is heard: from its start, or at the live edge while it grows.
    pub(super) url: String,
    pub(super) media_type: &'static str,
    /// Bytes in all, if it is finished.
    pub(super) len: Option<u64>,
    /// kbit/s.
    pub(super) bitrate: f64,
    /// Frames a second of what is decoded.
    pub(super) rate: u32,
}

impl Sound {
    /// Blocks: a resampler's table may have to be made.
    ///
    /// # Errors
    /// When the recording cannot be had in the format.
    pub(super) fn of(urls: &Urls, status: &Status, format: Format) -> Result<Self, Problem> {
        let codec = format.codec(status.spec, Parameters::default())?;
        let is_growing = status.extent.is_growing();
        let path = audio_path(&status.name, format);
        Ok(Self {
            url: urls.to(&status.name, if is_growing { format!("{path}?pos=live") } else { path }),
            media_type: codec.media_type(),
            len: (!is_growing).then(|| whole_len(&*codec, status.extent.frames, status.sidecar.cover_room)),
            bitrate: format.usual_bitrate(status.spec),
            rate: codec.grid().rates.coded,
        })
    }
}
