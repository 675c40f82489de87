//! `GET /recordings/{name}`: how far a recording goes, what it is in each format, and where in it a byte is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tailcast_codecs::format::{Format, Parameters};

use super::query::{self, RenditionQuery};
use super::summary::Summary;
use super::{App, FromPath, blocking, chapters, cover, events, fresh};
use crate::access::{Part, Pass};
use crate::error::Problem;
use crate::recording::{Extent, Recording};
use crate::rendition::{Rendition, Shape};
use crate::time::{Position, frames_in, seconds};

/// The shape of a recording in one format (`docs/http.md` explains each).
#[derive(Debug, Serialize)]
struct GridDescription {
    media_type: &'static str,
    header_bytes: u64,
    /// Frames a second of what is decoded.
    rate: u32,
    packet_frames: u64,
    /// Bytes of each packet, or of the shorter ones where some have one byte more.
    packet_bytes: u64,
    packets_vary: bool,
    segment_packets: u64,
    segment_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageDescription>,
    /// Bytes in all, once the recording is finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Bytes that are there for good, while it grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<u64>,
    /// Bytes that a growing rendition claims to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_total: Option<u64>,
    /// Those on offer, in kbit/s.
    bitrates: &'static [u32],
}

#[derive(Debug, Serialize)]
struct PageDescription {
    packets: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Details {
    #[serde(flatten)]
    summary: Summary,
    /// Why there is no cover, though there is to be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cover_error: Option<String>,
    formats: BTreeMap<&'static str, GridDescription>,
}

/// Where something is in a rendition.
#[derive(Debug, Serialize)]
struct Place {
    format: &'static str,
    byte: u64,
    /// Seconds from the recording's start.
    time: f64,
    /// Source frames from the recording's start.
    frame: u64,
}

/// What may stand behind the `?` of one recording.
#[derive(Debug, Default, Deserialize)]
pub struct PlaceQuery {
    byte: Option<String>,
    time: Option<String>,
}

/// One recording; with `byte` or `time`, a place in one rendition of it; or its events, its chapters or its cover.
pub async fn show(
    State(app): State<App>,
    pass: Pass,
    FromPath(name): FromPath<String>,
    place: Result<Query<PlaceQuery>, QueryRejection>,
    rendition: Result<Query<RenditionQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (place, rendition) = (query::checked(place)?, query::checked(rendition)?);
    if let Some(recording) = stem(&app, &pass, &name, "/events").await? {
        return Ok(events::of_recording(app, pass, recording));
    }
    if let Some(recording) = stem(&app, &pass, &name, "/chapters.json").await? {
        return chapters::of(&recording, &headers);
    }
    for cover in ["/cover.jpg", "/cover.png"] {
        if let Some(recording) = stem(&app, &pass, &name, cover).await? {
            return cover::of(&recording, &headers);
        }
    }
    let recording = app.find(&pass, &name).await?;
    if place.byte.is_none() && place.time.is_none() {
        return Ok(fresh(Json(blocking(move || Details::of(&recording)).await??)));
    }
    let format = rendition.format()?.ok_or_else(|| {
        Problem::parameter(
            "format",
            "`byte` and `time` are places in one format, so `format` is needed (wav, mp3, opus)",
        )
    })?;
    let rendition = blocking(move || rendition.rendition(recording, format, Part::default())).await??;
    Ok(fresh(Json(place_in(&rendition, format, &place)?)))
}

/// The recording of which what `ending` says is asked for, if it is. (`show/events` may be the name of a recording, too.)
async fn stem(app: &App, pass: &Pass, name: &str, ending: &str) -> Result<Option<Arc<Recording>>, Problem> {
    let Some(stem) = name.strip_suffix(ending) else { return Ok(None) };
    match app.find(pass, stem).await {
        Ok(recording) => Ok(Some(recording)),
        Err(error) if error.is_elsewhere() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn place_in(rendition: &Rendition, format: Format, query: &PlaceQuery) -> Result<Place, Problem> {
    let rates = rendition.cut().grid().rates;
    let place = |byte: u64, coded: u64| {
        // The time is the coded frame's, which is finer than the nearest source frame's.
        Place {
            format: format.name(),
            byte,
            time: seconds(coded, rates.coded),
            frame: rates.to_source(coded),
        }
    };
    match (&query.byte, &query.time) {
        (Some(text), None) => {
            let byte: u64 = text.parse().map_err(|_| {
                let text: String = text.chars().take(60).collect();
                Problem::parameter("byte", format!("`{text}` is not a byte's position"))
            })?;
            Ok(place(byte, rendition.cut().frame_at_byte(byte)))
        }
        (None, Some(text)) => {
            let position: Position = text.parse().map_err(|error| Problem::time("time", &error))?;
            let coded = match position {
                Position::FromStart(nanos) => frames_in(nanos, rates.coded),
                other => rates.to_coded(other.frame(rendition.recording().extent().frames, rates.source)),
            };
            Ok(place(rendition.cut().byte_at_frame(coded), coded))
        }
        _ => Err(Problem::parameter("byte", "`byte` and `time` are two questions; ask one")),
    }
}

impl Details {
    fn of(recording: &Arc<Recording>) -> Result<Self, Problem> {
        let (status, mut formats) = (recording.status()?, BTreeMap::new());
        for format in Format::ALL {
            let codec = format.codec(recording.spec(), Parameters::default())?;
            let rendition = Rendition::new(Arc::clone(recording), codec, 0, None);
            formats.insert(format.name(), GridDescription::of(&rendition, format, &status.extent));
        }
        let cover_error = recording.cover().and_then(Result::err);
        Ok(Self { summary: Summary::of(&status), cover_error, formats })
    }
}

impl GridDescription {
    fn of(rendition: &Rendition, format: Format, extent: &Extent) -> Self {
        let (cut, grid) = (rendition.cut(), rendition.cut().grid());
        let (length, exists) = match rendition.shape(extent) {
            Shape::Finished(finished) => (Some(finished.len), None),
            Shape::Growing { exists } => (None, Some(exists)),
        };
        Self {
            media_type: rendition.codec().media_type(),
            header_bytes: cut.header_len(),
            rate: grid.rates.coded,
            packet_frames: grid.packet_frames,
            packet_bytes: grid.sizes.base,
            packets_vary: grid.sizes.carry != 0,
            segment_packets: grid.segment_packets,
            segment_bytes: grid.segment_len(),
            page: grid.paging.map(|paging| PageDescription {
                packets: paging.packets,
                bytes: cut.body_len(paging.packets),
            }),
            length,
            exists,
            virtual_total: if exists.is_some() { cut.virtual_total() } else { None },
            bitrates: format.bitrates(rendition.recording().spec()),
        }
    }
}
