//! `show.toml` beside `show.pcm`: what the file itself does not say.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use serde::Deserialize;
use tailcast_codecs::PcmSpec;

use super::RecordingName;
use super::cover::{COVER_MOST, Found};
use super::stamp::Stamp;
use crate::time::Position;
use crate::web;

/// What a sidecar may hold. Every key may be left out; one that is not known is an error, so that a slip of
/// the pen is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The format of a raw recording.
    pub pcm: Option<PcmSpec>,
    /// A title for people; a blank one is none.
    pub title: Option<String>,
    /// What is said in it, for people; a blank one is none.
    pub description: Option<String>,
    /// Who made it, for people; a blank one is none.
    pub author: Option<String>,
    /// The URL of a picture.
    pub image: Option<String>,
    /// A picture's file, from the sidecar's folder on.
    pub cover: Option<String>,
    /// Bytes of it for which there is room in the headers that have tags.
    pub cover_room: u32,
    /// Its chapters, each beginning after the one before.
    pub chapters: Arc<[Chapter]>,
    /// When frame 0 was recorded, as RFC 3339 has it, with the offset that it was written with.
    pub started: Option<String>,
    /// Set when the recorder is done. Without it a recording ends by standing still.
    pub ended: bool,
    /// Who may know of it.
    pub rule: Rule,
}

/// Who may know of a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// Only who has a pass.
    pub private: bool,
    /// Only who has a pass, before then.
    pub embargo: Option<Timestamp>,
}

impl Rule {
    /// Whether it takes a pass at a moment.
    pub fn is_closed(&self, at: Timestamp) -> bool {
        self.private || self.embargo.is_some_and(|until| at < until)
    }

    /// That of a sidecar which cannot be read: it may say anything.
    pub(super) const CLOSED: Self = Self { private: true, embargo: None };

    /// That of a sidecar's text which cannot be understood: closed if the beginning of one of the words is anywhere in it,
    /// since that may be what it says.
    pub(super) fn of_broken(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        if text.contains("priv") || text.contains("emb") { Self::CLOSED } else { Self::default() }
    }
}

/// A part of a recording that has a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Nanoseconds from the recording's start.
    pub start: u64,
    /// What it is called; never blank.
    pub title: String,
    /// A page about it.
    pub url: Option<String>,
    /// The URL of a picture.
    pub image: Option<String>,
}

/// What was found beside a recording.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) sidecar: Sidecar,
    /// What became of its cover, if it has one and that was looked for.
    pub(super) cover: Option<Found>,
    /// `None` if there is no file.
    pub(super) stamp: Option<Stamp>,
    /// After the stamp, and before what it is of was read.
    pub(super) looked: Instant,
}

/// Characters that are told of what is wrong.
const TOLD_MOST: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    pcm: Option<String>,
    title: Option<String>,
    description: Option<String>,
    author: Option<String>,
    image: Option<String>,
    cover: Option<String>,
    cover_room: Option<i64>,
    #[serde(default)]
    chapters: Vec<WrittenChapter>,
    started: Option<Started>,
    ended: Option<bool>,
    #[serde(default)]
    private: bool,
    embargo: Option<Started>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenChapter {
    start: Start,
    title: String,
    url: Option<String>,
    image: Option<String>,
}

/// Seconds are a number to most people, and `00:05:00` is a time of day to TOML.
#[derive(Deserialize)]
#[serde(untagged)]
enum Start {
    Text(String),
    Whole(u64),
    Number(f64),
    Time(toml::value::Datetime),
}

/// TOML has dates of its own; a string is what most people write.
#[derive(Deserialize)]
#[serde(untagged)]
enum Started {
    Date(toml::value::Datetime),
    Text(String),
}

impl Sidecar {
    /// Reads a sidecar's text.
    ///
    /// # Errors
    /// A sentence that names the key and the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        // It quotes a line or a value, however long that is.
        Self::understood(text).map_err(|why| why.trim().chars().take(TOLD_MOST).collect())
    }

    fn understood(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        let pcm = written.pcm.map(|pcm| pcm.parse().map_err(|error| format!("{error}"))).transpose()?;
        let started = written.started.map(|started| timestamp("started", started)).transpose()?;
        let embargo = written.embargo.map(|until| timestamp("embargo", until)).transpose()?;
        // It was just written from one.
        let embargo =
            embargo.map(|until| until.parse().map_err(|error| format!("embargo `{until}`: {error}")));
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Ok(Self {
            pcm,
            title: said(written.title),
            description: said(written.description),
            author: said(written.author),
            image: url("image", written.image)?,
            cover_room: cover_room(written.cover_room, written.cover.is_some())?,
            cover: written.cover.map(cover).transpose()?,
            chapters: chapters(written.chapters)?.into(),
            started,
            ended: written.ended.unwrap_or(false),
            rule: Rule { private: written.private, embargo: embargo.transpose()? },
        })
    }
}

fn url(key: &str, text: Option<String>) -> Result<Option<String>, String> {
    if let Some(text) = &text {
        web::url(text).map_err(|why| format!("{key} {why}"))?;
    }
    Ok(text)
}

/// Room for a cover, where nobody says how much.
const COVER_ROOM: u32 = 64 * 1024;

fn cover_room(written: Option<i64>, is_wanted: bool) -> Result<u32, String> {
    let Some(written) = written else { return Ok(if is_wanted { COVER_ROOM } else { 0 }) };
    u32::try_from(written)
        .ok()
        .filter(|bytes| *bytes <= COVER_MOST)
        .ok_or_else(|| format!("cover_room {written}: not a number of bytes from 0 to {COVER_MOST}"))
}

/// What a picture's file ends in; players know pictures by it.
fn picture_ending(path: &str) -> Option<&'static str> {
    const ENDINGS: [(&str, &str); 3] = [(".jpg", "jpg"), (".jpeg", "jpg"), (".png", "png")];
    let path = path.to_ascii_lowercase();
    ENDINGS.into_iter().find(|(ending, _)| path.ends_with(ending)).map(|(_, usual)| usual)
}

/// A path that leads out of the folder of recordings is refused when it is opened.
fn cover(written: String) -> Result<String, String> {
    let why = match written.as_str() {
        "" => "it is empty",
        path if path.contains('\0') => "it has a NUL in it",
        path if path.starts_with('/') => "it does not start in the sidecar's folder",
        path if picture_ending(path).is_none() => "a picture ends in .jpg, .jpeg or .png",
        _ => return Ok(written),
    };
    Err(format!("cover `{written}`: {why}"))
}

fn chapters(written: Vec<WrittenChapter>) -> Result<Vec<Chapter>, String> {
    let mut chapters: Vec<Chapter> = Vec::with_capacity(written.len());
    for written in written {
        let text = written.start.to_string();
        let start = start(&text)?;
        if chapters.last().is_some_and(|before| start <= before.start) {
            return Err(format!("chapters: start `{text}` is not after that of the chapter before"));
        }
        if written.title.trim().is_empty() {
            return Err(format!("chapters: title `{}` of the one at `{text}` says nothing", written.title));
        }
        chapters.push(Chapter {
            start,
            title: written.title,
            url: url("chapters: url", written.url)?,
            image: url("chapters: image", written.image)?,
        });
    }
    Ok(chapters)
}

/// Nanoseconds from the recording's start.
fn start(text: &str) -> Result<u64, String> {
    match text.parse() {
        // What is larger was cut to this.
        Ok(Position::FromStart(nanos)) if nanos < u64::MAX => Ok(nanos),
        _ => {
            let wanted = "seconds (`25`, `25.5`) or `h:mm:ss.sss` from the recording's start";
            Err(format!("chapters: start `{text}` is not a time in a recording: {wanted}"))
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(seconds) => seconds.fmt(f),
            Self::Number(seconds) => seconds.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

impl Sidecar {
    /// What a recording of this name is called.
    pub fn title_or(&self, name: &RecordingName) -> String {
        self.title.clone().unwrap_or_else(|| name.to_string())
    }

    /// What its cover's file ends in, if there is to be one: `jpg` or `png`.
    pub fn cover_ending(&self) -> Option<&'static str> {
        picture_ending(self.cover.as_deref()?)
    }

    /// When frame 0 was recorded, in milliseconds since 1970.
    pub fn began(&self) -> Option<i64> {
        Some(self.started.as_deref()?.parse::<Timestamp>().ok()?.as_millisecond())
    }
}

fn timestamp(key: &str, written: Started) -> Result<String, String> {
    let text = match written {
        Started::Date(date) => date.to_string(),
        Started::Text(text) => text,
    };
    let wrong = |why: &str| format!("{key} `{text}`: not a date and time as in RFC 3339 ({why})");
    let written = rfc3339(&text).map_err(|error| wrong(&error.to_string()))?;
    if written.starts_with('-') { Err(wrong("a year before 0")) } else { Ok(written) }
}

/// A moment that may be written in one of the other ways of ISO 8601, too.
fn rfc3339(text: &str) -> Result<String, jiff::Error> {
    let at: Timestamp = text.parse()?;
    let offset = match Pieces::parse(text)?.offset() {
        Some(PiecesOffset::Numeric(offset)) => Some(offset.offset()),
        _ => None,
    };
    // RFC 3339 has no seconds in an offset.
    let offset = offset.filter(|offset| offset.seconds() % 60 == 0);
    Ok(offset.map_or_else(|| at.to_string(), |offset| at.display_with_offset(offset).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_understood_and_none_is_needed() {
        assert_eq!(Sidecar::parse("").unwrap(), Sidecar::default());
        let all = "pcm = 's16le:44100:2'\ntitle = 'Show'\nstarted = 2026-11-23T20:00:00+01:00\nended = true";
        let sidecar = Sidecar::parse(all).unwrap();
        assert_eq!(sidecar.pcm.unwrap().rate, 44_100);
        assert_eq!(sidecar.started.as_deref(), Some("2026-11-23T20:00:00+01:00"));
        assert!(sidecar.ended);
        assert_eq!(Sidecar::parse("title = ' \t'").unwrap().title, None);
        let notes = "description = 'A, B'\nauthor = 'C'\nimage = 'https://radio.example/c.jpg'";
        let sidecar = Sidecar::parse(notes).unwrap();
        assert_eq!(sidecar.description.as_deref(), Some("A, B"));
        assert_eq!(sidecar.author.as_deref(), Some("C"));
        assert_eq!(sidecar.image.as_deref(), Some("https://radio.example/c.jpg"));
        assert!(sidecar.chapters.is_empty());
    }

    #[test]
    fn a_cover_has_room_unless_it_is_said_that_it_has_none() {
        let room =
            |text: &str| Sidecar::parse(text).map(|sidecar| (sidecar.cover_room, sidecar.cover_ending()));
        assert_eq!(room(""), Ok((0, None)));
        assert_eq!(room("cover = 'a/b.JPEG'"), Ok((65_536, Some("jpg"))));
        assert_eq!(room("cover = '../b.png'\ncover_room = 0"), Ok((0, Some("png"))));
        assert_eq!(room("cover_room = 1048576"), Ok((1_048_576, None)));
        for (wrong, named) in [
            ("cover_room = 1048577", "1048577"),
            ("cover_room = -1", "-1"),
            ("cover_room = '64 KiB'", "64 KiB"),
            ("cover = ''", "``"),
            ("cover = '/c.jpg'", "/c.jpg"),
            ("cover = 'c.gif'", "c.gif"),
            ("cover = 'https://radio.example/c'", "https://radio.example/c"),
            ("cover = \"c\\u0000.jpg\"", "NUL"),
        ] {
            let error = room(wrong).unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn chapters_begin_at_times_as_people_write_them() {
        for (written, nanos) in [
            ("'0:05:00'", 300_000_000_000),
            ("'62:03.5'", 3_723_500_000_000),
            ("0", 0),
            ("12", 12_000_000_000),
            ("12.25", 12_250_000_000),
            ("00:05:00", 300_000_000_000),
        ] {
            let text = format!("[[chapters]]\nstart = {written}\ntitle = 'x'");
            assert_eq!(Sidecar::parse(&text).unwrap().chapters[0].start, nanos, "{written}");
        }
    }

    #[test]
    fn a_chapter_begins_after_the_one_before() {
        let two = |second: &str| {
            Sidecar::parse(&format!(
                "[[chapters]]\nstart = '1:00'\ntitle = 'a'\n[[chapters]]\nstart = {second}\ntitle = 'b'"
            ))
        };
        assert_eq!(two("60.000000001").unwrap().chapters.len(), 2);
        for second in ["60", "'0:59'"] {
            let error = two(second).unwrap_err();
            assert!(error.contains(second.trim_matches('\'')), "{error}");
        }
    }

    #[test]
    fn a_start_is_told_as_rfc_3339_has_it() {
        for (written, told) in [
            ("2026-11-23T20:00:00Z", "2026-11-23T20:00:00Z"),
            ("2026-11-23t20:00:00.5+01:00", "2026-11-23T20:00:00.5+01:00"),
            ("2026-11-23T20:00+01:00", "2026-11-23T20:00:00+01:00"),
            ("20261123T200000Z", "2026-11-23T20:00:00Z"),
            ("2026-11-23 20-05", "2026-11-23T20:00:00-05:00"),
            ("2026-11-23T20:00:00,5Z", "2026-11-23T20:00:00.5Z"),
            ("2026-11-23T20:00:00+01:00:30", "2026-11-23T18:59:30Z"),
            ("+002026-11-23T20:00:00Z", "2026-11-23T20:00:00Z"),
            ("2026-11-23T20:00:00+01:00[Europe/Berlin]", "2026-11-23T20:00:00+01:00"),
        ] {
            let started = Sidecar::parse(&format!("started = '{written}'")).unwrap().started;
            assert_eq!(started.as_deref(), Some(told), "{written}");
        }
    }

    #[test]
    fn an_embargo_is_over_from_its_second_on_and_private_is_for_good() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let rule = Sidecar::parse("embargo = 2026-12-01T20:00:00+01:00").unwrap().rule;
        assert!(rule.is_closed(at("2026-12-01T18:59:59.999Z")));
        assert!(!rule.is_closed(at("2026-12-01T19:00:00Z")));
        let both = Sidecar::parse("embargo = '2026-12-01T19:00:00Z'\nprivate = true").unwrap().rule;
        assert!(both.is_closed(at("2126-12-01T19:00:00Z")));
        assert!(!Sidecar::parse("private = false").unwrap().rule.is_closed(at("2026-12-01T19:00:00Z")));
    }

    #[test]
    fn what_may_say_that_it_is_private_is_taken_for_it() {
        assert!(Rule::of_broken("title = 'x\nPrivate = true").is_closed(Timestamp::UNIX_EPOCH));
        assert!(Rule::of_broken("privat = true").is_closed(Timestamp::UNIX_EPOCH));
        assert!(Rule::of_broken("embargo 2026").is_closed(Timestamp::UNIX_EPOCH));
        assert!(!Rule::of_broken("titel = 'x'").is_closed(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("pcm = 's17le:44100:2'", "s17le"),
            ("started = 'yesterday'", "yesterday"),
            ("started = 2026-11-23", "2026-11-23"),
            ("started = '-000001-11-23T20:00:00Z'", "-000001"),
            ("titel = 'x'", "titel"),
            ("ended = 'yes'", "ended"),
            ("private = 'yes'", "private"),
            ("embargo = 'tomorrow'", "embargo `tomorrow`"),
            ("embargo = 2026-12-01", "embargo `2026-12-01`"),
            ("pcm = ", "pcm"),
            ("image = 'cover.jpg'", "image `cover.jpg`"),
            ("[[chapters]]\nstart = 0", "title"),
            ("[[chapters]]\ntitle = 'x'", "start"),
            ("[[chapters]]\nstart = 0\ntitle = ' '", "title ` `"),
            ("[[chapters]]\nstart = -1\ntitle = 'x'", "start `-1`"),
            ("[[chapters]]\nstart = 'live'\ntitle = 'x'", "start `live`"),
            ("[[chapters]]\nstart = nan\ntitle = 'x'", "start `NaN`"),
            ("[[chapters]]\nstart = 99999999999999\ntitle = 'x'", "start `99999999999999`"),
            ("[[chapters]]\nstart = 0\ntitle = 'x'\nurl = 'javascript:x'", "url `javascript:x`"),
            ("[[chapters]]\nstart = 0\ntitle = 'x'\nimage = '/x'", "image `/x`"),
            ("[[chapters]]\nstart = 0\ntitle = 'x'\nend = 1", "end"),
        ] {
            let error = Sidecar::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
