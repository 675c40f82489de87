//! A recording as clients are told of it, wherever they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tailcast_codecs::format::Format;

use crate::hls::playlist::MULTIVARIANT;
use crate::recording::{Entry, RecordingName, State, Status};

/// A recording.
#[derive(Debug, Serialize)]
pub struct Summary {
    name: String,
    /// `growing` or `finished`.
    state: &'static str,
    /// How a finished one is known to be: `declared` by its sidecar, or `inferred` from standing still.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
    /// Seconds.
    duration: f64,
    /// The last whole frame's end, in seconds; only while growing.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_edge: Option<f64>,
    frames: u64,
    pcm: Pcm,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    /// When it was last written to, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    audio: BTreeMap<&'static str, String>,
    /// kbit/s with default parameters.
    bitrate: BTreeMap<&'static str, f64>,
    waveform: BTreeMap<&'static str, String>,
    page: String,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<String>,
}

#[derive(Debug, Serialize)]
struct Pcm {
    format: String,
    rate: u32,
    channels: u16,
}

/// A recording that is there and cannot be had.
#[derive(Debug, Serialize)]
pub struct Unusable {
    name: String,
    error: String,
}

impl Summary {
    /// What is known of a recording.
    pub fn of(status: &Status) -> Self {
        let Status { name, spec, extent, sidecar, .. } = status;
        let duration = status.duration();
        let end = match extent.state {
            State::Growing | State::Lost(_) => None,
            State::Ended { declared: true } => Some("declared"),
            State::Ended { declared: false } => Some("inferred"),
        };
        Self {
            name: name.to_string(),
            state: extent.name(),
            end,
            duration,
            live_edge: extent.is_growing().then_some(duration),
            frames: extent.frames,
            pcm: Pcm { format: spec.format.to_string(), rate: spec.rate, channels: spec.channels },
            title: sidecar.title.clone(),
            started: sidecar.started.clone(),
            modified: modified(status),
            audio: Format::ALL.iter().map(|format| (format.name(), audio_path(name, *format))).collect(),
            bitrate: Format::ALL.iter().map(|format| (format.name(), format.usual_bitrate(*spec))).collect(),
            waveform: ["json", "dat"].map(|form| (form, waveform_path(name, form))).into(),
            page: page_path(name),
            cover: cover_path(status),
        }
    }
}

impl Unusable {
    /// Why a recording cannot be had.
    pub fn of(name: &RecordingName, error: &impl ToString) -> Self {
        Self { name: name.to_string(), error: error.to_string() }
    }
}

/// Recordings and those that cannot be had, each in the order of the list.
pub fn of_entries(entries: &[Arc<Entry>]) -> (Vec<Summary>, Vec<Unusable>) {
    let (mut recordings, mut unusable) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.told {
            Ok(status) => recordings.push(Summary::of(status)),
            Err(error) => unusable.push(Unusable::of(&entry.name, error)),
        }
    }
    (recordings, unusable)
}

/// When a recording was last written to, to the second.
pub fn modified(status: &Status) -> Option<String> {
    let at = jiff::Timestamp::try_from(status.modified?).ok()?;
    Some(format!("{at:.0}"))
}

/// The path at which a recording is heard.
pub fn audio_path(name: &RecordingName, format: Format) -> String {
    format!("/audio/{}.{}", escaped(name), format.name())
}

/// The path of a recording's page.
pub fn page_path(name: &RecordingName) -> String {
    format!("/play/{}", escaped(name))
}

/// The path of the playlist that HLS begins with.
pub fn hls_path(name: &RecordingName) -> String {
    format!("/hls/{}/{MULTIVARIANT}", escaped(name))
}

/// The path of a recording's chapters.
pub fn chapters_path(name: &RecordingName) -> String {
    format!("/recordings/{}/chapters.json", escaped(name))
}

/// The path of a recording's cover, if its sidecar names one.
pub fn cover_path(status: &Status) -> Option<String> {
    let ending = status.sidecar.cover_ending()?;
    Some(format!("/recordings/{}/cover.{ending}", escaped(&status.name)))
}

/// A path with those parameters that have a value.
pub fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given =
        parameters.iter().filter_map(|(name, value)| Some((name, value.filter(|it| !it.is_empty())?)));
    let given: Vec<String> = given.map(|(name, value)| format!("{name}={}", escape(value))).collect();
    if given.is_empty() { path.to_owned() } else { format!("{path}?{}", given.join("&")) }
}

fn waveform_path(name: &RecordingName, form: &str) -> String {
    format!("/waveform/{}.{form}", escaped(name))
}

/// A name as it stands in a URL's path.
fn escaped(name: &RecordingName) -> String {
    let parts: Vec<String> = name.as_str().split('/').map(escape).collect();
    parts.join("/")
}

/// A part of a path, or a parameter's value, as it stands in a URL.
pub fn escape(part: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(part, PLAIN).to_string()
}
