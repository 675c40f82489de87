//! `GET|HEAD /status-json.xsl`: what is live, as Icecast 2.4 tells it to those who gather listeners from many servers.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tailcast_codecs::format::Format;

use super::library::{Library, LibraryQuery, Sound, Told, Urls};
use super::site::Base;
use super::times::from_millis;
use super::words::title;
use super::{App, blocking, fresh};
use crate::access::Pass;
use crate::error::Problem;

#[derive(Debug, Serialize)]
struct Answer {
    icestats: Status,
}

#[derive(Debug, Serialize)]
struct Status {
    admin: String,
    host: String,
    location: &'static str,
    server_id: &'static str,
    server_start: String,
    server_start_iso8601: String,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "alone_or_in_a_list")]
    source: Vec<Source>,
}

/// A recording that grows.
#[derive(Debug, Serialize)]
struct Source {
    /// kbit/s.
    bitrate: u32,
    channels: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    genre: Option<String>,
    /// Answers with its sound that are under way, in any format.
    listeners: usize,
    listenurl: String,
    samplerate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_description: Option<String>,
    server_name: String,
    server_type: &'static str,
    stream_start: String,
    stream_start_iso8601: String,
    title: String,
}

/// What is live.
pub async fn status(State(app): State<App>, pass: Pass, base: Base) -> Result<Response, Problem> {
    let (library, urls) = Library::find(&app, &pass, base, &LibraryQuery::default()).await?;
    let library = Library { limit: usize::MAX, ..library };
    let status = blocking(move || Status::of(&app, &urls, &library)).await??;
    Ok(fresh(Json(Answer { icestats: status })))
}

impl Status {
    fn of(app: &App, urls: &Urls, library: &Library) -> Result<Self, Problem> {
        let genre = app.site.feed.category.as_ref().map(|category| category.name.as_str());
        let growing = library.told(|status| status.extent.is_growing()).into_iter();
        let source = growing.map(|told| Source::of(told, urls, genre)).collect::<Result<_, _>>()?;
        Ok(Self {
            // Icecast's own, where nobody says.
            admin: app.site.feed.email.clone().unwrap_or_else(|| "icemaster@localhost".to_owned()),
            location: "Earth",
            host: urls.base.host().to_owned(),
            server_id: concat!("tailcast ", env!("CARGO_PKG_VERSION")),
            server_start: for_people(app.site.began),
            server_start_iso8601: iso8601(app.site.began),
            source,
        })
    }
}

impl Source {
    fn of(told: Told<'_>, urls: &Urls, genre: Option<&str>) -> Result<Self, Problem> {
        let (status, began) = (told.status, from_millis(told.entry.began));
        let sound = Sound::of(urls, status, Format::Mp3)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one of those on offer")]
        let bitrate = sound.bitrate as u32;
        Ok(Self {
            bitrate,
            channels: status.spec.channels.min(2),
            genre: genre.map(str::to_owned),
            listeners: status.listeners,
            listenurl: sound.url,
            samplerate: sound.rate,
            server_description: status.sidecar.description.clone(),
            server_name: title(status),
            server_type: sound.media_type,
            stream_start: for_people(began),
            stream_start_iso8601: iso8601(began),
            title: title(status),
        })
    }
}

/// One is an object and several are a list: so it comes from Icecast, and so it is read.
fn alone_or_in_a_list<S: Serializer>(sources: &[Source], serializer: S) -> Result<S::Ok, S::Error> {
    match sources {
        [source] => source.serialize(serializer),
        sources => sources.serialize(serializer),
    }
}

/// `Mon, 23 Nov 2026 19:00:00 +0000`
fn for_people(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// `2026-11-23T19:00:00+0000`, without a colon, as Icecast has it.
fn iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}
