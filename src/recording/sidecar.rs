//! `show.toml` beside `show.pcm`: what the file itself does not say.

use std::time::Instant;

use jiff::fmt::temporal::{Pieces, PiecesOffset};
use serde::Deserialize;
use tailcast_codecs::PcmSpec;

use super::stamp::Stamp;

/// What a sidecar may hold. Every key may be left out; one that is not known is an error, so that a slip of
/// the pen is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The format of a raw recording.
    pub pcm: Option<PcmSpec>,
    /// A title for people; a blank one is none.
    pub title: Option<String>,
    /// When frame 0 was recorded, as RFC 3339 has it, with the offset that it was written with.
    pub started: Option<String>,
    /// Set when the recorder is done. Without it a recording ends by standing still.
    pub ended: bool,
}

/// What was found beside a recording.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) sidecar: Sidecar,
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
    started: Option<Started>,
    ended: Option<bool>,
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
        let started = written.started.map(timestamp).transpose()?;
        let title = written.title.filter(|title| !title.trim().is_empty());
        Ok(Self { pcm, title, started, ended: written.ended.unwrap_or(false) })
    }
}

impl Sidecar {
    /// When frame 0 was recorded, in milliseconds since 1970.
    pub fn began(&self) -> Option<i64> {
        Some(self.started.as_deref()?.parse::<jiff::Timestamp>().ok()?.as_millisecond())
    }
}

fn timestamp(started: Started) -> Result<String, String> {
    let text = match started {
        Started::Date(date) => date.to_string(),
        Started::Text(text) => text,
    };
    let wrong = |why: &str| format!("started `{text}`: not a date and time as in RFC 3339 ({why})");
    let written = rfc3339(&text).map_err(|error| wrong(&error.to_string()))?;
    if written.starts_with('-') { Err(wrong("a year before 0")) } else { Ok(written) }
}

/// A moment that may be written in one of the other ways of ISO 8601, too.
fn rfc3339(text: &str) -> Result<String, jiff::Error> {
    let at: jiff::Timestamp = text.parse()?;
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
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("pcm = 's17le:44100:2'", "s17le"),
            ("started = 'yesterday'", "yesterday"),
            ("started = 2026-11-23", "2026-11-23"),
            ("started = '-000001-11-23T20:00:00Z'", "-000001"),
            ("titel = 'x'", "titel"),
            ("ended = 'yes'", "ended"),
            ("pcm = ", "pcm"),
        ] {
            let error = Sidecar::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
