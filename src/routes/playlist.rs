//! `GET|HEAD /recordings.m3u8`, `.pls` and `.xspf`: the recordings for players that take a list of what to play.

use std::fmt::Write;
use std::io;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;

use super::document::Document;
use super::library::{self, Library, LibraryQuery, Sound, Told, Urls};
use super::site::Base;
use super::summary::page_path;
use super::words::title;
use super::xml::{self, Xml, element, some_text, text};
use super::{App, query};
use crate::access::Pass;
use crate::error::Problem;
use crate::http::Freshness;

/// Extended M3U, in UTF-8.
pub async fn m3u8(
    State(app): State<App>,
    pass: Pass,
    base: Base,
    query: Result<Query<LibraryQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Not the media type of HLS, whose lists are written alike: this is none.
    answer(app, (pass, base), query, headers, "audio/x-mpegurl; charset=utf-8", |list| Ok(list.m3u8())).await
}

/// PLS, version 2.
pub async fn pls(
    State(app): State<App>,
    pass: Pass,
    base: Base,
    query: Result<Query<LibraryQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, (pass, base), query, headers, "audio/x-scpls; charset=utf-8", |list| Ok(list.pls())).await
}

/// XSPF, version 1.
pub async fn xspf(
    State(app): State<App>,
    pass: Pass,
    base: Base,
    query: Result<Query<LibraryQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(app, (pass, base), query, headers, "application/xspf+xml; charset=utf-8", |list| list.xspf()).await
}

async fn answer(
    app: App,
    (pass, base): (Pass, Base),
    query: Result<Query<LibraryQuery>, QueryRejection>,
    headers: HeaderMap,
    media_type: &'static str,
    write: fn(&Playlist<'_>) -> io::Result<Vec<u8>>,
) -> Result<Response, Problem> {
    let (library, urls) = Library::find(&app, &pass, base.clone(), &query::checked(query)?).await?;
    library::answer(&base, headers, move || {
        let playlist = Playlist::of(&app.site.feed.title, &urls, &library)?;
        let body = write(&playlist).map_err(Problem::internal)?;
        Ok(Document { media_type, body, changes: playlist.changes(), freshness: Freshness::InferredEnd })
    })
    .await
}

/// What there is to play.
struct Playlist<'a> {
    title: &'a str,
    tracks: Vec<Track<'a>>,
}

/// One recording.
struct Track<'a> {
    told: Told<'a>,
    title: String,
    url: String,
    page: String,
    image: Option<String>,
    /// Seconds that it lasts, if it has ended.
    seconds: Option<f64>,
}

impl<'a> Playlist<'a> {
    fn of(title: &'a str, urls: &Urls, library: &'a Library) -> Result<Self, Problem> {
        let told = library.told(|_| true).into_iter();
        let tracks = told.map(|told| Track::of(told, urls, library)).collect::<Result<_, _>>()?;
        Ok(Self { title, tracks })
    }

    fn changes(&self) -> Vec<i64> {
        self.tracks.iter().map(|track| track.told.entry.changed()).collect()
    }

    fn m3u8(&self) -> Vec<u8> {
        let mut text = format!("#EXTM3U\n#PLAYLIST:{}\n", one_line(self.title));
        for track in &self.tracks {
            let _ = write!(text, "#EXTINF:{},{}\n{}\n", track.length(), one_line(&track.title), track.url);
        }
        text.into_bytes()
    }

    fn pls(&self) -> Vec<u8> {
        let mut text = "[playlist]\n".to_owned();
        for (number, track) in self.tracks.iter().enumerate() {
            let (n, title) = (number + 1, one_line(&track.title));
            let _ = write!(text, "File{n}={}\nTitle{n}={title}\nLength{n}={}\n", track.url, track.length());
        }
        let _ = write!(text, "NumberOfEntries={}\nVersion=2\n", self.tracks.len());
        text.into_bytes()
    }

    fn xspf(&self) -> io::Result<Vec<u8>> {
        let root = [("version", "1"), ("xmlns", "http://xspf.org/ns/0/")];
        xml::document(|xml| {
            element(xml, "playlist", &root, |xml| {
                text(xml, "title", self.title)?;
                let tracks = |xml: &mut Xml| self.tracks.iter().try_for_each(|track| track.xspf(xml));
                element(xml, "trackList", &[], tracks)
            })
        })
    }
}

impl<'a> Track<'a> {
    fn of(told: Told<'a>, urls: &Urls, library: &Library) -> Result<Self, Problem> {
        let status = told.status;
        Ok(Self {
            told,
            title: title(status),
            url: Sound::of(urls, status, library.format)?.url,
            page: urls.to(&status.name, page_path(&status.name)),
            image: urls.image(status),
            seconds: (!status.extent.is_growing()).then(|| status.duration()),
        })
    }

    /// Whole seconds, or -1 of what grows, as M3U and PLS have it.
    fn length(&self) -> String {
        self.seconds.map_or_else(|| "-1".to_owned(), |seconds| format!("{:.0}", seconds.floor()))
    }

    fn xspf(&self, xml: &mut Xml) -> io::Result<()> {
        let sidecar = &self.told.status.sidecar;
        element(xml, "track", &[], |xml| {
            text(xml, "location", &self.url)?;
            text(xml, "title", &self.title)?;
            some_text(xml, "creator", sidecar.author.as_deref())?;
            some_text(xml, "annotation", sidecar.description.as_deref())?;
            text(xml, "info", &self.page)?;
            some_text(xml, "image", self.image.as_deref())?;
            let milliseconds = self.seconds.map(|seconds| format!("{:.0}", (seconds * 1000.0).floor()));
            some_text(xml, "duration", milliseconds.as_deref())
        })
    }
}

/// A title where a line means something: what would end it does not.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
