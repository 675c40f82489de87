//! `GET|HEAD /audio/{name}`: a recording from any second of it, in any format.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Body as AxumBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tailcast_codecs::format::Format;
use tokio::sync::watch;

use super::headers::{UNBUFFERED, joined, refusal, text};
use super::query::{self, RenditionQuery, coming};
use super::{App, FromPath, blocking, fresh, may_break_off, no_body};
use crate::body::{BodyError, BodyReader, End, Until};
use crate::connections::Client;
use crate::error::Problem;
use crate::exchange::Heard;
use crate::http::{
    ACCEPT_RANGES, Answer, Body, Boundary, Decision, Entity, Finished as FinishedEntity, Freshness,
    Growing as GrowingEntity, Multipart, Piece, Request, decide,
};
use crate::listener::Listener;
use crate::recording::{
    Catalogue, Extent, Recording, RecordingError, RecordingName, State as RecordingState,
};
use crate::rendition::{Decided, Finished, Rendition, Shape};
use crate::segments::SegmentError;
use crate::segments::share::Share;
use crate::stopped;

/// Answers a request for sound.
pub async fn audio(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    method: Method,
    FromPath(path): FromPath<String>,
    query: Result<Query<RenditionQuery>, QueryRejection>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Instant::now();
    let query = query::checked(query)?;
    app.check_running()?;
    let moving = query.is_relative()?;
    let wanted = Wanted {
        path,
        raw: raw.unwrap_or_default(),
        accepted: accepted(&headers),
        settled: moving && headers.contains_key(header::RANGE),
        query,
    };
    let found = match wanted.at_hand(&app.catalogue) {
        Some((recording, named)) => wanted.of(recording, named)?,
        None => {
            let catalogue = app.catalogue.clone();
            // All that asks something of the file system at once: each time costs more than what is asked.
            blocking(move || wanted.find(&catalogue)).await??
        }
    };
    let (rendition, format, named) = match found {
        Found::Elsewhere(query) => return Ok(elsewhere(&query)),
        Found::Sound { rendition, format, named } => (rendition, format, named),
    };
    let exchange =
        Exchange { app, client, rendition, moving, head: method == Method::HEAD, headers, format, asked };
    let mut response = exchange.answer().await?;
    if !named {
        // A cache must not give one client's format to another (RFC 9110 12.5.5).
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    }
    Ok(response)
}

/// Sends a client to where what it asks for stays. Whoever asks for a range will ask for another, and has to find there what
/// goes with the first, though `pos=-30` means another second by then.
fn elsewhere(query: &str) -> Response {
    let mut response = fresh(StatusCode::TEMPORARY_REDIRECT);
    response.headers_mut().insert(header::LOCATION, text(&query));
    response
}

/// What a request wants, before it is known whether there is such a thing.
struct Wanted {
    path: String,
    query: RenditionQuery,
    /// The query as it came.
    raw: String,
    /// The format that its `Accept` header prefers.
    accepted: Option<Format>,
    /// Whether a place that moves with the live edge has to be settled first.
    settled: bool,
}

/// What that is.
enum Found {
    /// To be asked for by another query.
    Elsewhere(String),
    Sound {
        rendition: Arc<Rendition>,
        format: Format,
        /// By the URL; else it is the client's headers that decide.
        named: bool,
    },
}

impl Wanted {
    /// Finds it. Blocks.
    fn find(&self, catalogue: &Catalogue) -> Result<Found, Problem> {
        let (recording, named) = self.recording(catalogue)?;
        self.of(recording, named)
    }

    /// What is wanted of a recording. `named` is the format if the URL names one.
    fn of(&self, recording: Arc<Recording>, named: Option<Format>) -> Result<Found, Problem> {
        if self.settled
            && recording.extent().is_growing()
            && let Some(settled) = self.query.settled(&self.raw, &recording)?
        {
            return Ok(Found::Elsewhere(settled));
        }
        let format = named.or(self.accepted).unwrap_or(Format::Wav);
        let rendition = Arc::new(self.query.rendition(recording, format)?);
        Ok(Found::Sound { rendition, format, named: named.is_some() })
    }

    /// The name in the path without the extension that is a format's, if it has one.
    fn by_extension(&self) -> Option<(&str, Format)> {
        let (stem, extension) = self.path.rsplit_once('.')?;
        let format = Format::from_extension(extension)?;
        (!stem.is_empty() && !stem.ends_with('/')).then_some((stem, format))
    }

    /// The recording that the path means, and the format if the parameter or else the path's extension names one; if all
    /// that can be told without waiting for a disk.
    fn at_hand(&self, catalogue: &Catalogue) -> Option<(Arc<Recording>, Option<Format>)> {
        // What is wrong with it is said by who looks for it in earnest.
        let chosen = self.query.format().ok()?;
        let by_extension = self.by_extension();
        let name = RecordingName::parse(by_extension.map_or(&self.path, |(stem, _)| stem)).ok()?;
        let named = chosen.or(by_extension.map(|(_, format)| format));
        Some((catalogue.at_hand(&name)?, named))
    }

    /// The same, however long it takes. Blocks.
    fn recording(&self, catalogue: &Catalogue) -> Result<(Arc<Recording>, Option<Format>), Problem> {
        let chosen = self.query.format()?;
        let find = |name: &str| catalogue.find(&RecordingName::parse(name)?);
        let by_extension = self.by_extension();
        if let Some((stem, format)) = by_extension {
            match find(stem) {
                Ok(recording) => return Ok((recording, chosen.or(Some(format)))),
                // The extension may be part of the name: `show.mp3.pcm` is a recording `show.mp3`.
                Err(RecordingError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let recording = find(&self.path).map_err(|error| match (&error, by_extension) {
            (RecordingError::NotFound(_), Some((stem, _))) => {
                RecordingError::NotFound(stem.to_owned()).into()
            }
            _ => Problem::from(error),
        })?;
        Ok((recording, chosen))
    }
}

/// The format that the `Accept` header prefers; wildcards prefer none.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let accept = joined(headers, &header::ACCEPT)?;
    let mut best: Option<(f32, Format)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some(format) = parts.next().and_then(Format::from_media_type) else { continue };
        let weight =
            parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("q")));
        let quality: f32 = weight.map_or(1.0, |(_, q)| q.parse().unwrap_or(0.0));
        // RFC 9110 12.4.2: from 0 to 1.
        if quality <= 1.0 && quality > best.map_or(0.0, |(quality, _)| quality) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format)
}

/// One request for a rendition.
struct Exchange {
    app: App,
    client: Client,
    rendition: Arc<Rendition>,
    /// Whether the URL means another place when the live edge has moved.
    moving: bool,
    head: bool,
    headers: HeaderMap,
    format: Format,
    /// When it came.
    asked: Instant,
}

/// What a decision was made on.
struct Facts {
    extent: Extent,
    finished: Option<(Finished, String)>,
    growing: Option<GrowingEntity>,
}

impl Exchange {
    /// Decides, waiting for the first byte if it may still come, and renders the answer.
    async fn answer(self) -> Result<Response, Problem> {
        let recording = Arc::clone(self.rendition.recording());
        let mut extent = recording.subscribe();
        loop {
            let now = extent.borrow_and_update().clone();
            // Only then: a finished recording's file need not be watched.
            if now.is_growing() {
                self.app.catalogue.follow(&recording, &extent);
            }
            if let RecordingState::Lost(error) = now.state {
                return Err(error.into());
            }
            let facts = self.facts(&now).await?;
            match self.decide(&facts) {
                Decision::Answer(answer) => return self.render(answer, facts, extent),
                Decision::Wait { .. } => self.wait(&mut extent).await?,
            }
        }
    }

    /// What is known of the rendition when its recording goes as far as `extent`.
    async fn facts(&self, extent: &Extent) -> Result<Facts, Problem> {
        match self.rendition.shape(extent) {
            Shape::Finished(finished) => {
                let etag = match self.rendition.known_etag(&finished) {
                    Some(etag) => etag,
                    None => {
                        let rendition = Arc::clone(&self.rendition);
                        blocking(move || rendition.etag(&finished)).await??
                    }
                };
                Ok(Facts { extent: extent.clone(), finished: Some((finished, etag)), growing: None })
            }
            Shape::Growing { exists } => {
                let reach = self.rendition.reach(coming(self.rendition.recording(), extent));
                let virtual_total = self.rendition.cut().virtual_total();
                let growing = GrowingEntity { exists, reach, virtual_total };
                Ok(Facts { extent: extent.clone(), finished: None, growing: Some(growing) })
            }
        }
    }

    fn decide(&self, facts: &Facts) -> Decision {
        let line = |name: &HeaderName| joined(&self.headers, name);
        let (range, if_range) = (line(&header::RANGE), line(&header::IF_RANGE));
        let (if_match, if_none_match) = (line(&header::IF_MATCH), line(&header::IF_NONE_MATCH));
        let request = Request {
            head: self.head,
            range: range.as_deref(),
            most_ranges: self.app.most_ranges,
            if_range: if_range.as_deref(),
            if_match: if_match.as_deref(),
            if_none_match: if_none_match.as_deref(),
        };
        let media_type = self.rendition.codec().media_type();
        let entity = match (&facts.finished, facts.growing) {
            (Some((finished, etag)), _) => {
                Entity::Finished(FinishedEntity { len: finished.len, etag, media_type })
            }
            (None, growing) => {
                Entity::Growing(growing.unwrap_or(GrowingEntity { exists: 0, reach: 0, virtual_total: None }))
            }
        };
        decide(&request, &entity)
    }

    /// Waits for news of the recording. The end comes after a growth timeout at the latest.
    async fn wait(&self, extent: &mut watch::Receiver<Extent>) -> Result<(), Problem> {
        let mut stop = self.app.stop.clone();
        tokio::select! {
            _ = extent.changed() => Ok(()),
            () = stopped(&mut stop) => Err(Problem::stopping()),
        }
    }

    fn render(
        self,
        answer: Answer,
        facts: Facts,
        extent: watch::Receiver<Extent>,
    ) -> Result<Response, Problem> {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let boundary = Boundary::from(rand::random::<u128>());
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ACCEPT_RANGES));
        if let Some(range) = &answer.content_range {
            headers.insert(header::CONTENT_RANGE, text(range));
        }
        if let Some(length) = answer.content_length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let freshness = freshness(&facts, self.moving);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness.cache_control()));
        if status.is_success() {
            let media_type = match &answer.body {
                Body::Multipart(_) => text(&Multipart::content_type(boundary)),
                _ => HeaderValue::from_static(self.rendition.codec().media_type()),
            };
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        match &facts.finished {
            Some((_, etag)) => headers.insert(header::ETAG, text(etag)),
            None => headers.insert(UNBUFFERED.0, UNBUFFERED.1),
        };
        if status.is_client_error() {
            return Ok(refusal(status, headers, &self.headers));
        }
        let reading = Reading {
            rendition: self.rendition,
            share: self.app.clients.share(self.client),
            app: self.app,
            extent,
            end: facts.finished.map(|(finished, _)| End { finished, extent: facts.extent }),
            format: self.format,
            heard: Heard::default(),
            asked: Some(self.asked),
        };
        let mut first = first_of(&answer.body).map(|(from, until)| reading.reader(from, until));
        if let Some(reader) = &mut first
            && reader.is_new_work()
        {
            reader.begin_in(reading.app.take_on(reading.share.as_ref())?);
        }
        let heard = reading.heard.clone();
        let mut response = Response::new(body(reading, answer.body, first, boundary));
        response.extensions_mut().insert(heard);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn freshness(facts: &Facts, moving: bool) -> Freshness {
    let Some((finished, _)) = &facts.finished else { return Freshness::Growing };
    match (finished.by, &facts.extent.state) {
        (Decided::ByEnd { declared: false, .. }, _) => Freshness::InferredEnd,
        (Decided::ByEnd { .. }, _) | (_, RecordingState::Ended { declared: true }) => Freshness::DeclaredEnd,
        (_, RecordingState::Ended { .. }) if moving => Freshness::InferredEnd,
        _ if moving => Freshness::Growing,
        _ => Freshness::DeclaredEnd,
    }
}

/// What bodies are read from.
struct Reading {
    rendition: Arc<Rendition>,
    /// What its client may have of the encoders.
    share: Option<Share>,
    app: App,
    extent: watch::Receiver<Extent>,
    end: Option<End>,
    format: Format,
    /// How much of it was sent.
    heard: Heard,
    /// When it was asked for, until there is somebody who gives the first byte.
    asked: Option<Instant>,
}

impl Reading {
    fn reader(&self, from: u64, until: Until) -> BodyReader {
        BodyReader::new(
            Arc::clone(&self.rendition),
            Arc::clone(&self.app.segments),
            self.extent.clone(),
            self.app.stop.clone(),
            self.end.clone(),
            (from, until),
        )
        .within(self.share.clone())
    }

    fn stream(&mut self, reader: BodyReader) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + use<> {
        let asked = self.asked.take();
        let listener = Listener::new(&self.app.metrics, self.format.name(), self.heard.clone(), asked);
        // Boxed, since what is unfolded is kept in two places.
        let begun = Box::new((reader, listener));
        stream::try_unfold(begun, async |mut begun| {
            let (reader, listener) = &mut *begun;
            let bytes = reader.next().await?;
            if let Some(bytes) = &bytes {
                listener.took(reader, bytes.len());
            }
            Ok(bytes.map(|bytes| (bytes, begun)))
        })
    }
}

/// The first byte of a body, and where it ends.
fn first_of(body: &Body) -> Option<(u64, Until)> {
    let exactly = |range: &Range<u64>| (range.start, Until::Byte(range.end));
    match body {
        Body::Empty => None,
        Body::Bytes(range) => Some(exactly(range)),
        Body::Follow { from, limit } => Some((*from, Until::End(Some(*limit)))),
        Body::Multipart(multipart) => multipart.parts.first().map(exactly),
    }
}

/// `first` reads the first of its ranges, if it has any.
fn body(mut reading: Reading, body: Body, first: Option<BodyReader>, boundary: Boundary) -> AxumBody {
    let Some(first) = first else { return no_body() };
    let name = reading.rendition.recording().name().to_string();
    let bytes = match body {
        Body::Multipart(multipart) => {
            let pieces: Vec<Piece> = multipart.pieces(boundary).collect();
            let mut first = Some(first);
            let parts = stream::iter(pieces).flat_map(move |piece| match piece {
                Piece::Text(text) => stream::once(async { Ok(Bytes::from(text)) }).boxed(),
                Piece::Bytes(range) => {
                    let reader = || reading.reader(range.start, Until::Byte(range.end));
                    let reader = first.take().unwrap_or_else(reader);
                    reading.stream(reader).boxed()
                }
            });
            parts.boxed()
        }
        _ => reading.stream(first).boxed(),
    };
    may_break_off(bytes.inspect_err(move |error| log_broken(&name, error)))
}

fn log_broken(name: &str, error: &BodyError) {
    match error {
        // That was told once, for all who listened.
        BodyError::Recording(_) | BodyError::Segment(SegmentError::Recording(_)) => {
            tracing::debug!(recording = name, %error, "a body was broken off");
        }
        _ => tracing::warn!(recording = name, %error, "a body was broken off"),
    }
}
