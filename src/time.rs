//! Positions and lengths in time, as people write them, without floating point: what is parsed here decides
//! which sample a rendition starts at.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tailcast_codecs::grid::{NANOS, scale};

/// Where a rendition starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Nanoseconds from the recording's start.
    FromStart(u64),
    /// Nanoseconds before its live edge, or its end.
    BeforeEdge(u64),
    /// At its live edge.
    Live,
}

/// A time that cannot be understood. Says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a position.
    #[error(
        "`{0}` is not a position: seconds (`25`, `25.5`), `h:mm:ss.sss`, either with a minus before the live edge, or `live`"
    )]
    Position(String),
    /// Not a length of time.
    #[error(
        "`{0}` is not a length of time: seconds (`10`, `2.5`), `h:mm:ss.sss`, or with a unit (`500ms`, `10s`, `2m`, `1h`)"
    )]
    Length(String),
    /// No time at all, where there must be some.
    #[error("`{0}` is no time at all: it must be more than 0")]
    Zero(String),
}

/// Cuts what is quoted in an error: it may be as long as a URL.
fn quoted(text: &str) -> String {
    text.chars().take(60).collect()
}

impl FromStr for Position {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.eq_ignore_ascii_case("live") {
            return Ok(Self::Live);
        }
        let error = || TimeError::Position(quoted(text));
        match text.strip_prefix('-') {
            Some(before) => clock(before).map(Self::BeforeEdge).ok_or_else(error),
            None => clock(text).map(Self::FromStart).ok_or_else(error),
        }
    }
}

impl Position {
    /// The source frame meant, in a recording of `frames` frames at `rate` frames a second.
    pub fn frame(self, frames: u64, rate: u32) -> u64 {
        match self {
            Self::FromStart(nanos) => frames_in(nanos, rate),
            Self::BeforeEdge(nanos) => frames.saturating_sub(frames_in(nanos, rate)),
            Self::Live => frames,
        }
    }
}

/// Frames in so many nanoseconds, to the nearest.
pub fn frames_in(nanos: u64, rate: u32) -> u64 {
    scale(nanos, rate.into(), NANOS)
}

/// Nanoseconds as seconds, exactly.
pub fn in_seconds(nanos: u64) -> String {
    format!("{}.{:09}", nanos / NANOS, nanos % NANOS)
}

/// Seconds that so many frames last, for people and JSON.
pub fn seconds(frames: u64, rate: u32) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "2^53 frames at 192 kHz are 1487 years")]
    let frames = frames as f64;
    frames / f64::from(rate.max(1))
}

/// A length of time of at least a nanosecond, in nanoseconds: a clip's `duration`.
///
/// # Errors
/// When the text is none.
pub fn length(text: &str) -> Result<u64, TimeError> {
    match clock(text).or_else(|| with_unit(text)) {
        None => Err(TimeError::Length(quoted(text))),
        Some(0) => Err(TimeError::Zero(quoted(text))),
        Some(nanos) => Ok(nanos),
    }
}

/// A length of time from a setting.
///
/// # Errors
/// When the text is none.
pub fn duration(text: &str) -> Result<Duration, TimeError> {
    length(text).map(Duration::from_nanos)
}

/// `10s`, `500ms`, `1.5h`.
fn with_unit(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("ms", NANOS / 1000), ("s", NANOS), ("min", 60 * NANOS), ("m", 60 * NANOS), ("h", 3600 * NANOS)];
    UNITS.iter().find_map(|(unit, nanos)| {
        let number = decimal(text.strip_suffix(unit)?.trim_end())?;
        Some(scale(number, *nanos, NANOS))
    })
}

/// `25`, `25.5`, `1:02:03.25` or `62:03`: nanoseconds. Parts after the first have two digits and are below 60.
fn clock(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut parts = text.split(':').peekable();
    let mut first = true;
    let mut count = 0;
    while let Some(part) = parts.next() {
        count += 1;
        let whole_len = part.split('.').next().map_or(0, str::len);
        let is_last = parts.peek().is_none();
        if (!is_last && part.contains('.')) || (!first && whole_len != 2) || count > 3 {
            return None;
        }
        let value = decimal(part)?;
        if !first && value >= 60 * NANOS {
            return None;
        }
        total = total.saturating_mul(60).saturating_add(value);
        first = false;
    }
    Some(total)
}

/// Digits, perhaps with a point and more digits: in billionths. Digits beyond the ninth are dropped; a number
/// too large for any recording becomes a very large one.
fn decimal(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || !digits(whole) || !digits(fraction) || (text.ends_with('.') && fraction.is_empty()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let billionths: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some(whole.saturating_mul(NANOS).saturating_add(billionths.parse().ok()?))
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromStart(nanos) => write!(f, "{}", Duration::from_nanos(*nanos).as_secs_f64()),
            Self::BeforeEdge(nanos) => write!(f, "-{}", Duration::from_nanos(*nanos).as_secs_f64()),
            Self::Live => f.write_str("live"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_as_people_write_them() {
        for (text, nanos) in [
            ("0", 0),
            ("25", 25 * NANOS),
            ("25.5", 25 * NANOS + NANOS / 2),
            (".5", NANOS / 2),
            ("1:02:03.25", 3723 * NANOS + NANOS / 4),
            ("62:03", 3723 * NANOS),
            ("0.0000000019", 1),
            // Months in, as a logger is.
            ("10000000", 10_000_000 * NANOS),
            ("2777:46:40", 10_000_000 * NANOS),
            ("99999999999999999999", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Position::FromStart(nanos)), "{text}");
            assert_eq!(format!("-{text}").parse(), Ok(Position::BeforeEdge(nanos)), "-{text}");
        }
        assert_eq!("LIVE".parse(), Ok(Position::Live));
    }

    #[test]
    fn what_is_no_position_is_refused_by_name() {
        for text in [
            "",
            "abc",
            "1e300",
            "NaN",
            "inf",
            "--5",
            "+5",
            " 5",
            "5 ",
            "1:2:3",
            "1:60",
            "1.5:00",
            "5.",
            "٣",
            "1:00:00:00",
        ] {
            let error = text.parse::<Position>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{text}: {error}");
        }
    }

    #[test]
    fn lengths_have_units_or_are_seconds_and_are_not_nothing() {
        assert_eq!(length("10"), Ok(10 * NANOS));
        assert_eq!(length("500ms"), Ok(NANOS / 2));
        assert_eq!(length("2m"), Ok(120 * NANOS));
        assert_eq!(length("1.5h"), Ok(5400 * NANOS));
        assert!(matches!(length("0"), Err(TimeError::Zero(_))));
        assert!(matches!(length("-5"), Err(TimeError::Length(_))));
        assert!(matches!(length("10 parsecs"), Err(TimeError::Length(_))));
    }

    #[test]
    fn every_sample_can_be_named() {
        // 1/44100 s in nine digits rounds back to the frame it came from.
        for frame in [0u64, 1, 2, 44_099, 44_101, 1_234_567] {
            let text = format!("{:.9}", frame as f64 / 44_100.0);
            let position: Position = text.parse().unwrap();
            assert_eq!(position.frame(u64::MAX, 44_100), frame);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", digits in "[-0-9:.a-z]{0,40}", frames: u64, rate in 1u32..400_000) {
            for text in [text, digits] {
                if let Ok(position) = text.parse::<Position>() {
                    position.frame(frames, rate);
                }
                let _ = duration(&text);
            }
        }
    }
}
