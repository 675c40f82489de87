//! `SOURCE /MOUNT` and `PUT /MOUNT`, as Icecast's encoders send, and the titles that they tell at `/admin/metadata`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{TryFutureExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ingest::{Sending, Writer, busy};
use super::sent::Sent;
use super::{App, blocking, fresh, may_break_off, query};
use crate::error::Problem;
use crate::ingest::coded::{Coding, Source};
use crate::ingest::kind::{check_plain, content_type, media_type, quoted};
use crate::ingest::source::{Recorder, Titled, check_mount};
use crate::ingest::store;
use crate::metrics::Metrics;
use crate::recording::RecordingName;

/// Pieces of a body that wait to be decoded.
const WAITING: usize = 16;

/// How long nothing may come: the connection is taken for dead then, so that the encoder may come again.
const SILENCE: Duration = Duration::from_secs(10);

/// Records what an encoder sends for as long as it is connected.
pub async fn source(
    State(app): State<App>,
    Writer(pass): Writer,
    uri: Uri,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    app.check_running()?;
    check_plain(&headers)?;
    let coding = coding(&headers)?;
    let mount = mount(uri.path())?;
    check_mount(&mount)?;
    let turn = app.ingest.turn(&mount).ok_or_else(|| busy(&mount))?;
    let sending = Sending::new(&app, body, &turn);
    let (ingest, guarded) = (Arc::clone(&app.ingest), app.catalogue.clone());
    let recorder = Recorder::new(ingest, guarded, pass, mount, turn, title(&headers));
    let (pieces, waiting) = mpsc::channel(WAITING);
    let recorded = recorder.spawn(Source::new(waiting), coding).map_err(Problem::internal)?;
    // Also when the client is gone: some close the connection behind the last byte.
    let passed = tokio::spawn(pass_on(sending, pieces, Arc::clone(&app.metrics)));
    let done = async {
        let bug = || Err(Problem::internal("this source hit a bug"));
        let (recorded, passed) =
            (recorded.await.unwrap_or_else(|_| bug()), passed.await.unwrap_or_else(|_| bug()));
        recorded.and(passed)
    };
    if headers.contains_key(header::EXPECT) {
        // It is told to go on by the first look at the body, and need not be told more: an answer that nobody has read when
        // the connection is closed takes with it what was sent last.
        return done.await.map(|()| fresh(StatusCode::OK));
    }
    // The others wait for the head before they send, and read no further; those that do are told the end only if it is one.
    let end = stream::once(
        done.map_ok(|()| Bytes::new()).map_err(|problem| io::Error::other(problem.detail().to_owned())),
    );
    Ok(fresh(may_break_off(end)))
}

/// Hands on what comes until it ends or is taken no more.
///
/// # Errors
/// When it was not the encoder who ended it, or nobody can tell.
async fn pass_on(
    mut sending: Sending,
    pieces: mpsc::Sender<Bytes>,
    metrics: Arc<Metrics>,
) -> Result<(), Problem> {
    loop {
        let next = match timeout(SILENCE, sending.next(None)).await {
            Ok(Ok(Some(next))) => next,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(problem)) => {
                tracing::debug!(why = problem.detail(), "a source broke off");
                return Err(problem);
            }
            Err(_) => {
                tracing::info!("a source that has sent nothing for {SILENCE:?} is let go");
                return Ok(());
            }
        };
        let len = next.len() as u64;
        if pieces.send(next).await.is_err() {
            // Who recorded it says why.
            return Ok(());
        }
        metrics.received.inc_by(len);
    }
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    Coding::of(&media_type(headers)).ok_or_else(|| {
        let given = content_type(headers);
        let given = quoted(&given);
        Problem::media_type(format!(
            "`{given}` is not taken of a source (taken: audio/mpeg, application/ogg, audio/ogg, audio/aac, audio/flac; PCM goes \
             to /audio/NAME)"
        ))
    })
}

/// The recording that a mount means: its path, without the ending that says how it is coded.
fn mount(path: &str) -> Result<RecordingName, Problem> {
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|error| Problem::path(format!("`{path}`: {error}")))?;
    let name = path.trim_start_matches('/');
    let stem = name
        .rsplit_once('.')
        .filter(|(_, ending)| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)));
    Ok(RecordingName::parse(stem.map_or(name, |(stem, _)| stem))?)
}

/// What encoders put behind a mount.
const ENDINGS: [&str; 8] = ["mp3", "ogg", "oga", "opus", "aac", "flac", "m4a", "wav"];

/// What a source calls itself.
fn title(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("ice-name").or_else(|| headers.get("icy-name"))?;
    // Old encoders say it in ISO 8859-1.
    let latin = || given.as_bytes().iter().copied().map(char::from).collect();
    let title = std::str::from_utf8(given.as_bytes()).map_or_else(|_| latin(), str::to_owned);
    let title = title.trim().to_owned();
    (!title.is_empty()).then_some(title)
}

/// What an encoder tells of what it plays.
#[derive(Debug, Deserialize)]
pub struct MetadataQuery {
    mount: Option<String>,
    mode: Option<String>,
    song: Option<String>,
    title: Option<String>,
    artist: Option<String>,
}

impl MetadataQuery {
    fn read(query: &str) -> Result<Self, Problem> {
        let uri: Uri =
            format!("/?{}", in_utf8(query)).parse().map_err(|error| Problem::parameter("query", error))?;
        query::checked(Query::try_from_uri(&uri))
    }
}

/// A query all of which is UTF-8. As in `ice-name`, what is none is ISO 8859-1.
fn in_utf8(query: &str) -> String {
    let mut told = String::with_capacity(query.len());
    for pair in query.split_inclusive('&') {
        match percent_decode_str(pair).decode_utf8() {
            Ok(_) => told.push_str(pair),
            Err(_) => from_latin(pair, &mut told),
        }
    }
    told
}

/// Escapes anew what stands escaped for letters beyond ASCII.
fn from_latin(pair: &str, told: &mut String) {
    let mut pieces = pair.split('%');
    told.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|code| !code.is_ascii()) {
            Some(code) => {
                let letter = char::from(code).to_string();
                told.extend(utf8_percent_encode(&letter, NON_ALPHANUMERIC));
                told.push_str(piece.get(2..).unwrap_or_default());
            }
            None => told.extend(["%", piece]),
        }
    }
}

/// Makes a title that an encoder tells a chapter of what it sends.
pub async fn metadata(
    State(app): State<App>,
    Writer(pass): Writer,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = MetadataQuery::read(&query.unwrap_or_default())?;
    let mode = query.mode.as_deref().unwrap_or_default();
    if mode != "updinfo" {
        return Err(query::refused("mode", mode, "a mode", "updinfo"));
    }
    let given = query.mount.as_deref().unwrap_or_default();
    let mount = mount(given)?;
    let Some(song) = query.song.or_else(|| joined(query.artist, query.title)) else {
        return Err(Problem::parameter("song", "there is no `song`, and neither `artist` nor `title`"));
    };
    let song: String = song.trim().chars().take(LONGEST).collect();
    if song.is_empty() {
        return Ok(told());
    }
    let nothing = Problem::not_found(format!("nothing is sent to `{given}`"));
    match app.ingest.sources.titled(&mount, &pass, &song) {
        None => return Err(nothing),
        Some(Titled::Waits) => {}
        Some(Titled::At { recording, at, is_read }) => {
            let (ingest, guarded) = (Arc::clone(&app.ingest), app.catalogue.clone());
            let added = blocking(move || {
                // What he may not read is not there for him, unless nobody who may read it sends it.
                if is_read && guarded.file_of(&pass, &recording).is_err() {
                    return Err(nothing);
                }
                store::add_title(&ingest, guarded.unguarded(), &recording, at, song)
            });
            added.await??;
        }
    }
    Ok(told())
}

/// Characters of a title that are kept.
const LONGEST: usize = 500;

fn joined(artist: Option<String>, title: Option<String>) -> Option<String> {
    let parts: Vec<String> =
        [artist, title].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" - "))
}

/// As Icecast answers.
fn told() -> Response {
    let body = "<?xml version=\"1.0\"?>\n<iceresponse><message>Metadata update successful</message><return>1</return></iceresponse>\n";
    let mut response = fresh(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
