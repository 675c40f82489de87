//! `show.toml` beside `show.pcm`: what the file itself does not say.

use serde::Deserialize;
use tailcast_codecs::PcmSpec;

/// What a sidecar may hold. Every key may be left out; one that is not known is an error, so that a slip of
/// the pen is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The format of a raw recording.
    pub pcm: Option<PcmSpec>,
    /// A title for people.
    pub title: Option<String>,
    /// When frame 0 was recorded, RFC 3339, as it was written.
    pub started: Option<String>,
    /// Set when the recorder is done. Without it a recording ends by standing still.
    pub ended: bool,
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
        // It quotes the line, however long that is.
        let told =
            |error: toml::de::Error| error.to_string().trim().chars().take(TOLD_MOST).collect::<String>();
        let written: Written = toml::from_str(text).map_err(told)?;
        let pcm = written.pcm.map(|pcm| pcm.parse().map_err(|error| format!("{error}"))).transpose()?;
        let started = written.started.map(timestamp).transpose()?;
        Ok(Self { pcm, title: written.title, started, ended: written.ended.unwrap_or(false) })
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
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("started `{text}`: not a date and time as in RFC 3339 ({error})")),
    }
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
        assert!(Sidecar::parse("started = '2026-11-23T20:00:00Z'").is_ok());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("pcm = 's17le:44100:2'", "s17le"),
            ("started = 'yesterday'", "yesterday"),
            ("started = 2026-11-23", "2026-11-23"),
            ("titel = 'x'", "titel"),
            ("ended = 'yes'", "ended"),
            ("pcm = ", "pcm"),
        ] {
            let error = Sidecar::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
