//! What the pages say of a recording, in words for people.

use maud::{Markup, html};
use tailcast_codecs::PcmSpec;
use tailcast_codecs::format::Format;

use super::summary::modified;
use crate::recording::Status;

/// The formats as people know them, the one that everything plays first.
pub const FORMATS: [(Format, &str); 3] = [(Format::Mp3, "MP3"), (Format::Opus, "Opus"), (Format::Wav, "WAV")];

/// What a recording is called.
pub fn title(status: &Status) -> String {
    status.sidecar.title_or(&status.name)
}

/// When a recording began, or else when it was last written to, unless it still is.
pub fn when(status: &Status) -> Option<Markup> {
    let told = |what, at: &str| html! { (what) " " time datetime=(at) { (readable(at)) } };
    match &status.sidecar.started {
        Some(started) => Some(told("started", started)),
        None if status.extent.is_growing() => None,
        None => Some(told("last written to", &modified(status)?)),
    }
}

/// The badge of one that grows.
pub fn live(status: &Status) -> Markup {
    html! { span.live hidden[!status.extent.is_growing()] { "live" } }
}

/// A date and time as in RFC 3339, for people: without the `T`, and without seconds.
fn readable(timestamp: &str) -> String {
    let date_and_minutes = timestamp.get(..16).unwrap_or(timestamp).replace(['T', 't'], " ");
    let zone =
        timestamp.get(19..).unwrap_or_default().trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    format!("{date_and_minutes} {}", if zone.eq_ignore_ascii_case("z") { "UTC" } else { zone })
}

/// What kind of sound it is, for people.
pub fn sound(spec: PcmSpec) -> String {
    let channels = match spec.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    format!("{} kHz {channels}", f64::from(spec.rate) / 1000.0)
}

/// Seconds as `h:mm:ss`.
pub fn clock(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length is not negative")]
    let seconds = seconds as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_readable() {
        assert_eq!(readable("2026-11-23T22:00:37Z"), "2026-11-23 22:00 UTC");
        assert_eq!(readable("2026-11-23T22:00:37.5+01:00"), "2026-11-23 22:00 +01:00");
        assert_eq!(readable("2026-11-23T22:00:37-05:00"), "2026-11-23 22:00 -05:00");
        assert_eq!(sound("s16le:44100:2".parse().unwrap()), "44.1 kHz stereo");
        assert_eq!(clock(3723.9), "1:02:03");
    }
}
