//! `tailcast sign`: a URL that opens one recording, or a list of them, until a moment, for whoever has it.

use std::fmt;

use axum::extract::Query;
use clap::{Arg, ArgMatches, Command};
use http::Uri;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tailcast_codecs::format::Format;

use super::{Grant, Listing, Part};
use crate::config;
use crate::hls::playlist::MULTIVARIANT;
use crate::recording::RecordingName;
use crate::time::{self, Position};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// An option cannot be used.
    #[error("--{0}: {1}")]
    Option(&'static str, String),
}

/// The options, for a command line.
pub fn arguments(command: Command) -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).allow_hyphen_values(true)
    };
    command
        .about("Make a URL that opens one recording, or a feed of them, without a token, until a moment")
        .arg(option("key-file", "FILE", "The server's --sign-key-file").required(true))
        .arg(
            option(
                "url",
                "URL",
                "What to open: whole or from its path on, of /audio, /hls, /waveform, /play or /recordings; or \
                 /feed.xml or a playlist, with its ?q=",
            )
            .required(true),
        )
        .arg(
            option("expires", "WHEN", "Until when: from now (7d, 12h, 30min), or RFC 3339")
                .default_value("7d"),
        )
        .arg(option("from", "TIME", "Nothing before this: seconds or h:mm:ss (/audio only)"))
        .arg(option("to", "TIME", "Nothing from this on: seconds or h:mm:ss (/audio only)"))
}

/// A signed URL.
///
/// # Errors
/// When an option cannot be used.
pub fn run(matches: &ArgMatches) -> Result<String, SignError> {
    let text = |name| matches.get_one::<String>(name).map(String::as_str);
    let wrong = |name| move |why| SignError::Option(name, why);
    let key = config::key(text("key-file").unwrap_or_default()).map_err(wrong("key-file"))?;
    let expires = expires(text("expires").unwrap_or_default(), Timestamp::now()).map_err(wrong("expires"))?;
    let bound = |name| text(name).map(position).transpose().map_err(wrong(name));
    let part = Part { from: bound("from")?, to: bound("to")? };
    if let (Some(from), Some(to)) = (part.from, part.to)
        && from >= to
    {
        let given = text("to").unwrap_or_default();
        return Err(SignError::Option("to", format!("`{given}` is not behind --from")));
    }
    let url = text("url").unwrap_or_default();
    let parameters = match opened(url, part).map_err(wrong("url"))? {
        Opened::Recording(name) => key.sign(&Grant { name, part, expires }),
        Opened::List(q) => key.sign_list(&Listing { q: &q, expires }),
    };
    Ok(with_parameters(url, &parameters))
}

/// What a URL leads to.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    Recording(RecordingName),
    /// Those that have some words.
    List(String),
}

/// The lists that can be signed.
const LISTS: [&str; 5] = ["/feed.xml", "/recordings.m3u8", "/recordings.pls", "/recordings.xspf", WORDLESS];

/// The list that has no words: what is signed with some opens nothing there.
const WORDLESS: &str = "/status-json.xsl";

/// What stands behind the name of a recording at `/recordings`.
const OF_ONE: [&str; 4] = ["/events", "/chapters.json", "/cover.jpg", "/cover.png"];

/// What may stand behind the `?` of a list.
#[derive(Debug, Deserialize)]
struct ListQuery {
    q: Option<String>,
}

/// The moment that is meant, in seconds since 1970, if it is now `now`.
fn expires(text: &str, now: Timestamp) -> Result<i64, String> {
    let days = |text: &str| text.strip_suffix('d')?.trim_end().parse::<i64>().ok()?.checked_mul(24 * 60 * 60);
    let from_now = days(text).or_else(|| i64::try_from(time::duration(text).ok()?.as_secs()).ok());
    let at = match from_now {
        Some(seconds) => now.as_second().checked_add(seconds),
        None => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
    };
    let at = at.ok_or_else(|| {
        format!("`{text}` is neither a time from now (7d, 12h, 30min) nor a moment (2026-12-01T20:00:00Z)")
    })?;
    if at <= now.as_second() { Err(format!("`{text}` is over")) } else { Ok(at) }
}

fn position(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(Position::FromStart(nanos)) => Ok(nanos),
        Ok(_) => Err(format!("`{text}` moves with the live edge; a part of a recording is where it is")),
        Err(error) => Err(error.to_string()),
    }
}

fn opened(url: &str, part: Part) -> Result<Opened, String> {
    let (path, query) = url.split_once(['?', '#']).unwrap_or((url, ""));
    let has = |name: &str| query.split(['&', '#']).any(|pair| pair.split('=').next() == Some(name));
    if let Some(name) = ["sig", "expires", "from", "to"].into_iter().find(|name| has(name)) {
        return Err(format!("`{url}` has a `{name}` already"));
    }
    // A host may be called like a path.
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => path,
    };
    let found = ["/audio/", "/hls/", "/waveform/", "/play/", "/recordings/"]
        .into_iter()
        .filter_map(|kind| Some((path.find(kind)?, kind)))
        .min();
    let Some((at, kind)) = found else {
        if LISTS.iter().any(|list| path.ends_with(list)) {
            return list(url, part);
        }
        return Err(format!(
            "`{url}` leads to no recording and no feed (/audio/NAME.mp3, /hls/NAME/{MULTIVARIANT}, /feed.xml, …)"
        ));
    };
    if !part.is_whole() && kind != "/audio/" {
        return Err(format!("`{url}` is not at /audio, where alone a part can be opened"));
    }
    let rest = path.get(at + kind.len()..).unwrap_or_default();
    let decoded = percent_decode_str(rest).decode_utf8().map_err(|_| format!("`{url}` is not UTF-8"))?;
    let name = name_in(kind, &decoded)
        .ok_or_else(|| format!("`{url}` has nothing behind {kind} that can be signed"))?;
    RecordingName::parse(name).map(Opened::Recording).map_err(|error| error.to_string())
}

/// The list of a URL.
fn list(url: &str, part: Part) -> Result<Opened, String> {
    if !part.is_whole() {
        return Err(format!("`{url}` is not at /audio, where alone a part can be opened"));
    }
    let unsigned = |why: &dyn fmt::Display| format!("`{url}` cannot be understood: {why}");
    let (path, query) = url.split('#').next().and_then(|url| url.split_once('?')).unwrap_or((url, ""));
    let uri: Uri = format!("/?{query}").parse().map_err(|error| unsigned(&error))?;
    let Query(query) = Query::<ListQuery>::try_from_uri(&uri).map_err(|error| unsigned(&error))?;
    let words = query.q.unwrap_or_default();
    if !words.is_empty() && path.ends_with(WORDLESS) {
        return Err(format!("`{url}` has a `q`, which {WORDLESS} does not take: it tells all that is live"));
    }
    Ok(Opened::List(words))
}

/// The name of the recording in what stands behind the beginning of a path.
fn name_in<'a>(kind: &str, rest: &'a str) -> Option<&'a str> {
    let without = |ending| rest.strip_suffix(ending);
    match kind {
        // As the server takes it, where there is a recording of that name.
        "/audio/" => Some(Format::split_extension(rest).map_or(rest, |(stem, _)| stem)),
        "/hls/" => rest.strip_suffix(MULTIVARIANT)?.strip_suffix('/'),
        "/waveform/" => without(".json").or_else(|| without(".dat")),
        "/recordings/" => Some(OF_ONE.into_iter().find_map(without).unwrap_or(rest)),
        _ => Some(rest),
    }
}

/// A URL with more parameters, before its fragment.
fn with_parameters(url: &str, more: &str) -> String {
    let (rest, fragment) = match url.find('#') {
        Some(at) => url.split_at(at),
        None => (url, ""),
    };
    let joint = match rest.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{rest}{joint}{more}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part { from: Some(0), to: None };

    #[test]
    fn the_recording_is_the_one_that_the_server_takes_the_url_for() {
        for (url, name) in [
            ("https://radio.example/audio/show.mp3", "show"),
            ("/audio/show", "show"),
            ("/audio/show.mp3.wav?pos=3", "show.mp3"),
            ("/audio/a%20b/%C3%A9.opus", "a b/é"),
            ("http://h/radio/audio/hls/x.mp3", "hls/x"),
            ("http://audio/recordings/show", "show"),
            ("/hls/a/show/master.m3u8", "a/show"),
            ("/waveform/show.json", "show"),
            ("/play/show.mp3#t=5", "show.mp3"),
            ("/recordings/show/chapters.json", "show"),
            ("/recordings/a/show/cover.jpg", "a/show"),
            ("/recordings/show/cover.png?v=1", "show"),
            ("/recordings/show", "show"),
            ("/audio/feed.xml", "feed.xml"),
        ] {
            let name = RecordingName::parse(name).unwrap();
            assert_eq!(opened(url, Part::default()), Ok(Opened::Recording(name)), "{url}");
        }
        for url in [
            "/",
            "/feed.rss",
            "/recordings",
            "/audio/",
            "/audio/../x",
            "/hls/a/b/playlist.m3u8",
            "/waveform/show",
            "/audio/%ff",
            "/audio/x?sig=1",
        ] {
            assert!(opened(url, Part::default()).is_err(), "{url}");
        }
        assert!(opened("/hls/a/master.m3u8", PART).is_err() && opened("/audio/a", PART).is_ok());
    }

    #[test]
    fn a_list_is_signed_with_its_words() {
        for (url, q) in [
            ("https://radio.example/feed.xml", ""),
            ("/feed.xml?", ""),
            ("/feed.xml?limit=5#x?q=y", ""),
            ("http://h/radio/recordings.m3u8?format=opus&q=evening+show", "evening show"),
            ("/recordings.pls?q=%C3%A9", "é"),
            ("/status-json.xsl", ""),
        ] {
            assert_eq!(opened(url, Part::default()), Ok(Opened::List(q.to_owned())), "{url}");
        }
        for url in ["/feed.xml?q=a&q=b", "/feed.xml?q=a&sig=b", "http://h/status-json.xsl?q=a"] {
            assert!(opened(url, Part::default()).is_err(), "{url}");
        }
        assert!(opened("/feed.xml", PART).is_err());
    }

    #[test]
    fn parameters_go_behind_those_that_are_there_and_before_the_fragment() {
        for (url, whole) in [
            ("/a", "/a?x"),
            ("/a?", "/a?x"),
            ("/a?b=c", "/a?b=c&x"),
            ("/a#t=1?", "/a?x#t=1?"),
            ("/a?b#c", "/a?b&x#c"),
        ] {
            assert_eq!(with_parameters(url, "x"), whole);
        }
    }

    #[test]
    fn it_ends_so_long_from_now_or_at_a_moment_that_is_to_come() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(expires("7d", now), Ok(1_000_000 + 604_800));
        assert_eq!(expires("12h", now), Ok(1_000_000 + 43_200));
        assert_eq!(expires("1970-01-12T13:46:41Z", now), Ok(1_000_001));
        for wrong in ["1970-01-12T13:46:40Z", "soon", "-1d", "0d", "", "99999999999999999d"] {
            assert!(expires(wrong, now).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
