//! Bodies of sound: what it was decided to answer, as a response that counts and bounds what it takes.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body as AxumBody;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tailcast_codecs::format::Format;
use tokio::sync::watch;

use super::headers::{joined, refusal, text};
use super::{App, may_break_off, no_body};
use crate::body::{BodyError, BodyReader, End, Until};
use crate::connections::Client;
use crate::error::Problem;
use crate::exchange::Heard;
use crate::http::{
    ACCEPT_RANGES, Answer, Body, Boundary, Decision, Entity, Multipart, Piece, Request, decide,
};
use crate::icy::{Interleaver, Titles};
use crate::listener::Listener;
use crate::recording::Extent;
use crate::rendition::Rendition;
use crate::segments::SegmentError;
use crate::segments::share::Share;

/// What a request with these headers gets of an entity.
pub(super) fn decided(app: &App, head: bool, headers: &HeaderMap, entity: &Entity) -> Decision {
    let line = |name: &HeaderName| joined(headers, name);
    let (range, if_range) = (line(&header::RANGE), line(&header::IF_RANGE));
    let (if_match, if_none_match) = (line(&header::IF_MATCH), line(&header::IF_NONE_MATCH));
    let request = Request {
        head,
        range: range.as_deref(),
        most_ranges: app.most_ranges,
        if_range: if_range.as_deref(),
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
    };
    decide(&request, entity)
}

/// Of what an answer is made.
pub(super) struct Sound {
    pub(super) app: App,
    pub(super) client: Client,
    pub(super) rendition: Arc<Rendition>,
    pub(super) extent: watch::Receiver<Extent>,
    /// Where it ends, if that is decided.
    pub(super) end: Option<End>,
    pub(super) format: Format,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// To be put between its bytes, if it is the whole from the first on.
    pub(super) titles: Option<Titles>,
}

impl Sound {
    /// The answer with the headers that do not depend on it; `asked` are those of the request.
    pub(super) fn respond(
        self,
        answer: Answer,
        mut headers: HeaderMap,
        asked: &HeaderMap,
    ) -> Result<Response, Problem> {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let boundary = Boundary::from(rand::random::<u128>());
        // Positions between which titles stand are nobody's.
        let ranges = if self.titles.is_some() { "none" } else { ACCEPT_RANGES };
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ranges));
        if let Some(range) = &answer.content_range {
            headers.insert(header::CONTENT_RANGE, text(range));
        }
        if let Some(length) = answer.content_length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if status.is_success() {
            let media_type = match &answer.body {
                Body::Multipart(_) => text(&Multipart::content_type(boundary)),
                _ => HeaderValue::from_static(self.rendition.codec().media_type()),
            };
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        if status.is_client_error() {
            return Ok(refusal(status, headers, asked));
        }
        let reading = Reading {
            rendition: self.rendition,
            share: self.app.clients.share(self.client),
            app: self.app,
            extent: self.extent,
            end: self.end,
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
        let body = body(reading, answer.body, first, boundary, self.titles);
        let mut response = Response::new(body);
        response.extensions_mut().insert(heard);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
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
        let heard = (self.heard.clone(), self.rendition.recording().hear());
        let listener = Listener::new(&self.app.metrics, self.format.name(), heard, asked);
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
fn body(
    mut reading: Reading,
    body: Body,
    first: Option<BodyReader>,
    boundary: Boundary,
    titles: Option<Titles>,
) -> AxumBody {
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
        _ => match titles.map(Interleaver::new) {
            Some(mut titles) => reading.stream(first).map_ok(move |bytes| titles.interleave(bytes)).boxed(),
            None => reading.stream(first).boxed(),
        },
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
