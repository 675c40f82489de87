//! `GET|HEAD /feed.xml`: the recordings as a podcast. RSS 2.0 with the elements that Apple and Podcasting 2.0 added.
//!
//! What has ended is an episode, whose length is exact before a byte of it is coded. What grows is a live item, of which
//! nothing is said that changes while it does. So the same feed is the same bytes for as long as nothing happens.

use std::io;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use jiff::Timestamp;
use tailcast_codecs::format::Format;
use uuid::Uuid;

use super::document::{Document, last};
use super::library::{self, Library, LibraryQuery, Sound, Told, Urls};
use super::site::{Base, Site};
use super::summary::{chapters_path, hls_path, page_path, with_query};
use super::times::{from_millis, http_date, rfc3339};
use super::words::title;
use super::xml::{self, Xml, element, element_with_text, empty, some_text, text};
use super::{App, chapters, query};
use crate::access::Pass;
use crate::config::Feed;
use crate::error::Problem;
use crate::hls::playlist;
use crate::http::Freshness;
use crate::recording::Status;

const MEDIA_TYPE: &str = "application/rss+xml; charset=utf-8";

const NAMESPACES: [(&str, &str); 4] = [
    ("version", "2.0"),
    ("xmlns:atom", "http://www.w3.org/2005/Atom"),
    ("xmlns:itunes", "http://www.itunes.com/dtds/podcast-1.0.dtd"),
    ("xmlns:podcast", "https://podcastindex.org/namespace/1.0"),
];

/// What Podcasting 2.0 names podcasts in.
const PODCASTS: Uuid = Uuid::from_u128(0xead4_c236_bf58_58c6_a2c6_a6b2_8d12_8cb6);

/// The podcast.
pub async fn feed(
    State(app): State<App>,
    pass: Pass,
    base: Base,
    query: Result<Query<LibraryQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query::checked(query)?;
    let (library, urls) = Library::find(&app, &pass, base.clone(), &query).await?;
    let path = path(&query);
    let myself = base.whole(&pass.carried(path.clone()));
    let channel = Channel { site: app.site, urls, name: base.whole(&path), myself, library };
    library::answer(&base, headers, move || channel.document()).await
}

/// Where a feed is found that a query asks for.
fn path(query: &LibraryQuery) -> String {
    let LibraryQuery { q, limit, format } = query;
    with_query(
        "/feed.xml",
        &[("q", q.as_deref()), ("limit", limit.as_deref()), ("format", format.as_deref())],
    )
}

/// What a feed is made of.
struct Channel {
    site: Arc<Site>,
    urls: Urls,
    /// Its URL, without a signature.
    name: String,
    /// Its URL.
    myself: String,
    library: Library,
}

/// What is told of a recording, each format in the order in which it is offered.
struct Item<'a> {
    told: Told<'a>,
    sounds: Vec<Sound>,
}

impl Channel {
    fn document(&self) -> Result<Document, Problem> {
        let growing = self.items(|status| status.extent.is_growing())?;
        let finished = self.items(|status| !status.extent.is_growing())?;
        let all = growing.iter().chain(&finished);
        let changes: Vec<i64> = all.map(|item| item.told.entry.changed()).collect();
        let body = xml::document(|xml| {
            element(xml, "rss", &NAMESPACES, |xml| {
                element(xml, "channel", &[], |xml| {
                    self.head(xml, last(&changes))?;
                    growing.iter().try_for_each(|item| self.live_item(xml, item))?;
                    // Behind the live items, since who does not know these takes what they say for the channel's.
                    self.about_all(xml)?;
                    finished.iter().try_for_each(|item| self.episode(xml, item))
                })
            })
        });
        Ok(Document {
            media_type: MEDIA_TYPE,
            body: body.map_err(Problem::internal)?,
            changes,
            freshness: Freshness::InferredEnd,
        })
    }

    fn items(&self, is_wanted: impl Fn(&Status) -> bool) -> Result<Vec<Item<'_>>, Problem> {
        self.library.told(is_wanted).into_iter().map(|told| self.item(told)).collect()
    }

    fn item<'a>(&self, told: Told<'a>) -> Result<Item<'a>, Problem> {
        let first = self.library.format;
        let others = [Format::Mp3, Format::Opus].into_iter().filter(|format| *format != first);
        let sounds =
            [first].into_iter().chain(others).map(|format| Sound::of(&self.urls, told.status, format));
        Ok(Item { told, sounds: sounds.collect::<Result<_, _>>()? })
    }

    /// What the podcast is.
    fn head(&self, xml: &mut Xml, modified: Option<Timestamp>) -> io::Result<()> {
        let feed = &self.site.feed;
        text(xml, "title", &feed.title)?;
        text(xml, "description", &feed.description)?;
        some_text(xml, "language", feed.language.as_deref())?;
        text(xml, "generator", concat!("tailcast ", env!("CARGO_PKG_VERSION")))?;
        some_text(xml, "lastBuildDate", modified.and_then(http_date).as_deref())?;
        let itself = [("href", self.myself.as_str()), ("rel", "self"), ("type", "application/rss+xml")];
        empty(xml, "atom:link", &itself)?;
        text(xml, "podcast:guid", &podcast_guid(&self.name))
    }

    /// What a live item may have, too.
    fn about_all(&self, xml: &mut Xml) -> io::Result<()> {
        let (feed, home) = (&self.site.feed, self.urls.base.whole("/"));
        text(xml, "link", &home)?;
        if let Some(image) = &feed.image {
            empty(xml, "itunes:image", &[("href", image)])?;
            element(xml, "image", &[], |xml| {
                text(xml, "url", image)?;
                text(xml, "title", &feed.title)?;
                text(xml, "link", &home)
            })?;
        }
        directories(xml, feed)
    }

    fn live_item(&self, xml: &mut Xml, item: &Item<'_>) -> io::Result<()> {
        let Told { entry, status } = item.told;
        let start = status.sidecar.started.clone().unwrap_or_else(|| rfc3339(from_millis(entry.began)));
        // An `end` is recommended and not known.
        element(xml, "podcast:liveItem", &[("status", "live"), ("start", &start)], |xml| {
            self.about(xml, status)?;
            let page = self.urls.to(&status.name, page_path(&status.name));
            element_with_text(xml, "podcast:contentLink", &[("href", &page)], "Listen in a browser")?;
            enclosures(xml, item)?;
            // What players that know live streams at all know best.
            let stream = self.urls.to(&status.name, hls_path(&status.name));
            element(xml, "podcast:alternateEnclosure", &[("type", playlist::MEDIA_TYPE)], |xml| {
                empty(xml, "podcast:source", &[("uri", &stream)])
            })
        })
    }

    fn episode(&self, xml: &mut Xml, item: &Item<'_>) -> io::Result<()> {
        let status = item.told.status;
        let written = status.modified.and_then(|at| Timestamp::try_from(at).ok());
        let published = status.sidecar.began().map(from_millis).or(written);
        element(xml, "item", &[], |xml| {
            self.about(xml, status)?;
            some_text(xml, "pubDate", published.and_then(http_date).as_deref())?;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a length is not negative"
            )]
            let seconds = status.duration() as u64;
            text(xml, "itunes:duration", &seconds.to_string())?;
            enclosures(xml, item)
        })
    }

    /// What is said of a recording, whether it grows or not.
    fn about(&self, xml: &mut Xml, status: &Status) -> io::Result<()> {
        let sidecar = &status.sidecar;
        text(xml, "title", &title(status))?;
        some_text(xml, "description", sidecar.description.as_deref())?;
        text(xml, "link", &self.urls.to(&status.name, page_path(&status.name)))?;
        element_with_text(xml, "guid", &[("isPermaLink", "false")], &guid(status))?;
        some_text(xml, "itunes:author", sidecar.author.as_deref())?;
        if let Some(image) = self.urls.image(status) {
            empty(xml, "itunes:image", &[("href", &image)])?;
        }
        if !sidecar.chapters.is_empty() {
            let url = self.urls.to(&status.name, chapters_path(&status.name));
            empty(xml, "podcast:chapters", &[("url", &url), ("type", chapters::MEDIA_TYPE)])?;
        }
        Ok(())
    }
}

/// What directories of podcasts ask for.
fn directories(xml: &mut Xml, feed: &Feed) -> io::Result<()> {
    some_text(xml, "itunes:author", feed.author.as_deref())?;
    if let Some(email) = &feed.email {
        element(xml, "itunes:owner", &[], |xml| {
            text(xml, "itunes:name", feed.author.as_deref().unwrap_or(&feed.title))?;
            text(xml, "itunes:email", email)
        })?;
    }
    text(xml, "itunes:explicit", if feed.explicit { "true" } else { "false" })?;
    let Some(category) = &feed.category else { return Ok(()) };
    let name = [("text", category.name.as_str())];
    match &category.within {
        Some(within) => {
            element(xml, "itunes:category", &name, |xml| empty(xml, "itunes:category", &[("text", within)]))
        }
        None => empty(xml, "itunes:category", &name),
    }
}

/// The first sound for every player, and then all of them for those that can choose.
fn enclosures(xml: &mut Xml, item: &Item<'_>) -> io::Result<()> {
    for (number, sound) in item.sounds.iter().enumerate() {
        // One is wanted by RSS in any case; of what has no end it is 0.
        let len = sound.len.unwrap_or_default().to_string();
        let is_first = number == 0;
        if is_first {
            empty(xml, "enclosure", &[("url", &sound.url), ("length", &len), ("type", sound.media_type)])?;
        }
        let bitrate = format!("{:.0}", sound.bitrate * 1000.0);
        let mut attributes = vec![("type", sound.media_type), ("bitrate", bitrate.as_str())];
        attributes.extend(sound.len.is_some().then_some(("length", len.as_str())));
        attributes.extend(is_first.then_some(("default", "true")));
        element(xml, "podcast:alternateEnclosure", &attributes, |xml| {
            empty(xml, "podcast:source", &[("uri", &sound.url)])
        })?;
    }
    Ok(())
}

/// What makes an episode the same one wherever it is told of: the recording's name, and when it was recorded if its sidecar
/// says so, since a name may be given again. Not where it is served, since that may be several places, and not its sound,
/// since it is the same episode while it is live.
fn guid(status: &Status) -> String {
    match status.sidecar.began() {
        Some(began) => format!("{}@{}", status.name, from_millis(began)),
        None => status.name.to_string(),
    }
}

/// The podcast's name by the URL of its feed, as Podcasting 2.0 makes it: without the scheme and slashes at the end.
fn podcast_guid(url: &str) -> String {
    let seed = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    Uuid::new_v5(&PODCASTS, seed.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_podcast_has_the_name_that_its_namespace_gives_it() {
        // The examples of the namespace's own text.
        for (url, guid) in [
            ("https://mp3s.nashownotes.com/pc20rss.xml", "917393e3-1b1e-5cef-ace4-edaa54e1f810"),
            ("http://podnews.net/rss/", "9b024349-ccf0-5f69-a609-6b82873eab3c"),
        ] {
            assert_eq!(podcast_guid(url), guid);
        }
    }
}
