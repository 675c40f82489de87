//! Moments, as the formats of others write them.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// `Mon, 23 Nov 2026 19:00:00 GMT`: as HTTP has it, which RSS (RFC 822) takes too. None of a year before 0.
pub(super) fn http_date(at: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

/// `2026-11-23T19:00:00Z`
pub(super) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A moment in milliseconds since 1970, as far as there are years for it.
pub(super) fn from_millis(millis: i64) -> Timestamp {
    let nearest = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(millis).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_each_wants_it() {
        let at = from_millis(1_795_460_400_500);
        assert_eq!(http_date(at).unwrap(), "Mon, 23 Nov 2026 19:00:00 GMT");
        assert_eq!(rfc3339(at), "2026-11-23T19:00:00Z");
        assert_eq!(from_millis(i64::MAX), Timestamp::MAX);
        assert_eq!(http_date(from_millis(i64::MIN)), None);
    }
}
