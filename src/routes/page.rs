//! `/`: a plain page that lists the recordings; `/healthz`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use maud::{DOCTYPE, Markup, html};
use tailcast_codecs::PcmSpec;
use tailcast_codecs::format::Format;

use super::summary::audio_path;
use super::{App, blocking};
use crate::error::Problem;
use crate::recording::{Entry, Status};

/// Nothing but what is in the page itself and sound from here.
const POLICY: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors *";

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
article { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: 1rem 0; }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0 .5rem; opacity: .8; }
.error { white-space: pre-wrap; overflow-wrap: anywhere; }
audio { width: 100%; }
.live { color: #fff; background: #b3261e; border-radius: .3rem; padding: .1rem .4rem; font-size: .8rem; }
a { color: inherit; margin-right: .5rem; }
time { white-space: nowrap; }
";

/// That the server answers.
pub async fn healthz(State(app): State<App>) -> Response {
    if *app.stop.borrow() {
        return Problem::stopping().into_response();
    }
    let mut response = "ok\n".into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The list of recordings, by name.
pub async fn index(State(app): State<App>) -> Result<Response, Problem> {
    let catalogue = app.catalogue.clone();
    let entries = blocking(move || catalogue.list()).await?.map_err(Problem::internal)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Recordings" }
                link rel="icon" href="data:,";
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "Recordings" }
                main {
                    @if entries.is_empty() { p { "There are none yet." } }
                    @for entry in entries.iter() { (article(entry)) }
                }
            }
        }
    };
    let mut response = page.into_string().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn article(entry: &Entry) -> Markup {
    match &entry.told {
        Ok(status) => player(status),
        Err(error) => html! { article { h2 { (entry.name) } p.error { (error) } } },
    }
}

fn player(status: &Status) -> Markup {
    let Status { name, extent, sidecar, .. } = status;
    let title = sidecar.title.clone().unwrap_or_else(|| name.to_string());
    let length = clock(status.duration());
    html! {
        article {
            h2 { (title) @if extent.is_growing() { " " span.live { "live" } } }
            p {
                (length) @if extent.is_growing() { " so far" }
                @if let Some(started) = &sidecar.started { " · started " time datetime=(started) { (readable(started)) } }
                " · " (sound(status.spec))
            }
            audio controls preload="none" src=(audio_path(name, Format::Mp3)) aria-label=(title) {}
            p {
                @for (format, title) in [(Format::Mp3, "MP3"), (Format::Opus, "Opus"), (Format::Wav, "WAV")] {
                    a href=(audio_path(name, format)) { (title) } " "
                }
                @if extent.is_growing() {
                    a href={ (audio_path(name, Format::Mp3)) "?pos=live" } { "from now on" }
                }
            }
        }
    }
}

/// A date and time as in RFC 3339, for people: without the `T`, and without seconds.
fn readable(timestamp: &str) -> String {
    let date_and_minutes = timestamp.get(..16).unwrap_or(timestamp).replace(['T', 't'], " ");
    let zone =
        timestamp.get(19..).unwrap_or_default().trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    format!("{date_and_minutes} {}", if zone.eq_ignore_ascii_case("z") { "UTC" } else { zone })
}

/// What kind of sound it is, for people.
fn sound(spec: PcmSpec) -> String {
    let channels = match spec.channels {
        1 => "mono".to_owned(),
        2 => "stereo".to_owned(),
        more => format!("{more} channels"),
    };
    format!("{} kHz {channels}", f64::from(spec.rate) / 1000.0)
}

/// Seconds as `h:mm:ss`.
fn clock(seconds: f64) -> String {
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
