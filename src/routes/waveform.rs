//! `GET|HEAD /waveform/{name}.json` and `.dat`: the least and the greatest sample of each pixel of a recording.

use std::sync::Arc;

use axum::body::Body as AxumBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::headers::{freshness, joined, refusal, text};
use super::{App, FromPath, blocking, may_break_off, no_body, query};
use crate::access::Pass;
use crate::error::Problem;
use crate::http::{Request, Verdict, verdict};
use crate::recording::{Extent, Recording};
use crate::time::Position;
use crate::waveform::{Bits, Form, View, Wanted, WaveformBody, WaveformError};

/// The first source frame that an answer covers.
pub const START_FRAME: HeaderName = HeaderName::from_static("tailcast-start-frame");
/// The source frame behind the last that an answer covers.
pub const END_FRAME: HeaderName = HeaderName::from_static("tailcast-end-frame");
/// `growing` or `finished`, of the recording when it was asked for.
pub const STATE: HeaderName = HeaderName::from_static("tailcast-state");

/// Frames of a pixel if nobody says: audiowaveform's own.
const DEFAULT_SAMPLES_PER_PIXEL: u32 = 256;
/// The fewest that make sense.
const FEWEST_SAMPLES_PER_PIXEL: u32 = 2;
/// The most that the binary form has room for.
const MOST_SAMPLES_PER_PIXEL: u32 = i32::MAX.unsigned_abs();

/// What may stand behind the `?`. Everything is text here, so that each can be refused by its own name; what is not
/// known is left alone.
#[derive(Debug, Default, Deserialize)]
pub struct WaveformQuery {
    samples_per_pixel: Option<String>,
    start: Option<String>,
    end: Option<String>,
    bits: Option<String>,
    split_channels: Option<String>,
}

/// Answers a request for a waveform.
pub async fn waveform(
    State(app): State<App>,
    pass: Pass,
    method: Method,
    FromPath(path): FromPath<String>,
    query: Result<Query<WaveformQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query::checked(query)?;
    app.check_running()?;
    let (name, form) = parts(&path)?;
    let recording = app.find(&pass, name).await?;
    let extent = recording.known()?;
    let wanted = query.wanted(&recording, &extent)?;
    let view = View::new(recording, extent, wanted);
    check_count(&view, form)?;
    let etag = etag(&view, form).await?;
    answer(app, view, form, etag.as_deref(), &Asked { head: method == Method::HEAD, headers })
}

/// The recording's name and the form that a path's extension means.
fn parts(path: &str) -> Result<(&str, Form), Problem> {
    let parts = path.rsplit_once('.').and_then(|(name, extension)| {
        let form = Form::from_extension(extension)?;
        (!name.is_empty() && !name.ends_with('/')).then_some((name, form))
    });
    parts.ok_or_else(|| {
        let path: String = path.chars().take(200).collect();
        Problem::not_found(format!("`{path}` says no form of a waveform (there are .json and .dat)"))
    })
}

impl WaveformQuery {
    fn wanted(&self, recording: &Recording, extent: &Extent) -> Result<Wanted, Problem> {
        let frame = |position: Position| position.frame(extent.frames, recording.spec().rate);
        let start = query::position("start", self.start.as_deref())?.map_or(0, frame);
        let end = query::position("end", self.end.as_deref())?.map_or(u64::MAX, frame);
        Ok(Wanted {
            samples_per_pixel: self.samples_per_pixel()?,
            frames: start..end,
            bits: self.bits()?,
            split: self.split()?,
        })
    }

    fn samples_per_pixel(&self) -> Result<u32, Problem> {
        const ALLOWED: std::ops::RangeInclusive<u32> = FEWEST_SAMPLES_PER_PIXEL..=MOST_SAMPLES_PER_PIXEL;
        let Some(text) = &self.samples_per_pixel else { return Ok(DEFAULT_SAMPLES_PER_PIXEL) };
        text.parse().ok().filter(|number| ALLOWED.contains(number)).ok_or_else(|| {
            let allowed = format!("{FEWEST_SAMPLES_PER_PIXEL} to {MOST_SAMPLES_PER_PIXEL}");
            query::refused("samples_per_pixel", text, "a number of samples that a pixel can have", &allowed)
        })
    }

    fn bits(&self) -> Result<Bits, Problem> {
        match self.bits.as_deref() {
            None | Some("16") => Ok(Bits::Sixteen),
            Some("8") => Ok(Bits::Eight),
            Some(text) => Err(query::refused("bits", text, "a number of bits to be had", "8, 16")),
        }
    }

    fn split(&self) -> Result<bool, Problem> {
        match self.split_channels.as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(text) => Err(query::refused(
                "split_channels",
                text,
                "yes or no",
                "true, 1, false, 0, or no value for true",
            )),
        }
    }
}

/// The binary form counts its pixels in 32 bits.
fn check_count(view: &View, form: Form) -> Result<(), Problem> {
    let (pixels, each) = (view.window().len(), view.samples_per_pixel());
    let most = u64::from(u32::MAX);
    if form == Form::Json || pixels <= most {
        return Ok(());
    }
    let frames = view.window().frames.end - view.window().frames.start;
    let least = frames.div_ceil(most);
    let detail = format!(
        "`{each}` gives {pixels} pixels, and .dat has {most} at most (allowed here: {least} and more)"
    );
    Err(Problem::parameter("samples_per_pixel", detail))
}

/// The tag of a finished recording's answer.
async fn etag(view: &View, form: Form) -> Result<Option<String>, Problem> {
    if view.extent().is_growing() {
        return Ok(None);
    }
    let view = view.clone();
    Ok(Some(blocking(move || view.etag(form)).await??))
}

/// What of the request decides how it is answered.
struct Asked {
    head: bool,
    headers: HeaderMap,
}

fn answer(app: App, view: View, form: Form, etag: Option<&str>, asked: &Asked) -> Result<Response, Problem> {
    let line = |name: &HeaderName| joined(&asked.headers, name);
    let (if_match, if_none_match) = (line(&header::IF_MATCH), line(&header::IF_NONE_MATCH));
    let request = Request {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        ..Request::default()
    };
    let mut headers = headers(&view, etag);
    match verdict(&request, etag) {
        Verdict::PreconditionFailed => Ok(refusal(StatusCode::PRECONDITION_FAILED, headers, &asked.headers)),
        Verdict::NotModified => Ok(response(StatusCode::NOT_MODIFIED, headers, no_body())),
        Verdict::Proceed => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
            if let Some(len) = form.len(&view) {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
            }
            let body = if asked.head { no_body() } else { body(app, view, form) };
            Ok(response(StatusCode::OK, headers, body))
        }
    }
}

/// Those that do not depend on whether the client has the answer already.
fn headers(view: &View, etag: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(START_FRAME, HeaderValue::from(view.window().frames.start));
    headers.insert(END_FRAME, HeaderValue::from(view.window().frames.end));
    headers.insert(STATE, HeaderValue::from_static(view.extent().name()));
    // All of it goes up to the end.
    let freshness = freshness(view.extent(), true, true);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness.cache_control()));
    if let Some(etag) = etag {
        headers.insert(header::ETAG, text(&etag));
    }
    headers
}

fn response(status: StatusCode, headers: HeaderMap, body: AxumBody) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn body(app: App, view: View, form: Form) -> AxumBody {
    let recording = Arc::clone(view.recording());
    let stream = WaveformBody::new(app.waveforms, view, form).into_stream();
    may_break_off(stream.inspect_err(move |error| log_broken(recording.name().as_str(), error)))
}

fn log_broken(name: &str, error: &WaveformError) {
    match error {
        // That was told once, for all who have to do with it.
        WaveformError::Recording(_) => tracing::debug!(recording = name, %error, "a waveform was broken off"),
        WaveformError::Gone => tracing::warn!(recording = name, %error, "a waveform was broken off"),
    }
}
