//! `PUT|POST|PATCH|DELETE|HEAD /audio/{name}` and `PATCH /recordings/{name}`: recordings that are sent here, in the manner of
//! draft-ietf-httpbis-resumable-upload.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use tailcast_codecs::format::Format;

use super::query::{self, RenditionQuery};
use super::sent::Sent;
use super::summary::{Summary, audio_path};
use super::{App, FromPath, audio, blocking, fresh, headers::text};
use crate::access::{Guarded, Pass};
use crate::connections::Client;
use crate::error::Problem;
use crate::ingest::kind::{Kind, check_plain, media_type, quoted};
use crate::ingest::sink::Sink;
use crate::ingest::store::{self, Change};
use crate::ingest::{Ingest, TAKEN_OVER, Turn};
use crate::recording::catalogue::is_coded;
use crate::recording::{Catalogue, RecordingError, RecordingName};
use crate::stopped;

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// What goes on with a recording.
const PARTIAL: &str = "application/partial-upload";

/// Tells an OPTIONS how recordings are sent here, if no more than so many bytes of one are taken.
pub(super) fn tell_manner(headers: &mut HeaderMap, most: Option<u64>) {
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(PARTIAL));
    tell_limit(headers, most);
}

fn tell_limit(headers: &mut HeaderMap, most: Option<u64>) {
    if let Some(most) = most {
        headers.insert(LIMIT, text(&format!("max-size={most}")));
    }
}

/// Tells how far a recording is that is sent here, and whether that is all of it.
fn tell_state(headers: &mut HeaderMap, app: &App, len: u64, complete: bool) {
    headers.insert(OFFSET, HeaderValue::from(len));
    headers.insert(COMPLETE, HeaderValue::from_static(if complete { "?1" } else { "?0" }));
    tell_limit(headers, app.ingest.settings.most);
}

/// Somebody who may write: a handler that has one is not reached by anybody else. What he may not read is not there for him.
#[derive(Debug)]
pub struct Writer(pub(super) Pass);

impl FromRequestParts<App> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.ingest.writers.check(parts)?;
        Ok(Self(app.access.pass_of_writer(&parts.headers, Timestamp::now())))
    }
}

/// What the URL may say of what is sent.
#[derive(Debug, Deserialize)]
pub struct SentQuery {
    pcm: Option<String>,
    title: Option<String>,
}

/// Begins a recording with what is sent, for as long as it comes.
pub async fn put(
    State(app): State<App>,
    Writer(pass): Writer,
    client: Extension<Client>,
    FromPath(path): FromPath<String>,
    query: Result<Query<SentQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    app.check_running()?;
    check_conditions(&app, pass.clone(), client, &path, &headers).await?;
    to_its_end(begin(app, pass, path, query::checked(query)?, headers, body)).await
}

/// Runs what receives a body, also when the client is gone: some, as ffmpeg, close the connection behind the last byte
/// without waiting for the answer, and then nobody polls what makes it.
async fn to_its_end(
    receiving: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    tokio::spawn(receiving).await.unwrap_or_else(|error| {
        tracing::error!(%error, "what received a recording panicked");
        Err(Problem::internal("this request hit a bug"))
    })
}

async fn begin(
    app: App,
    pass: Pass,
    path: String,
    query: SentQuery,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    check_plain(&headers)?;
    let kind = Kind::of(&headers, query.pcm.as_deref())?;
    let complete = is_complete(&headers)?.unwrap_or(true);
    if offset(&headers)?.is_some_and(|offset| offset != 0) {
        return Err(Problem::upload(
            "what begins a recording has an `Upload-Offset` of 0, or none; PATCH goes on",
        ));
    }
    let (name, extension) = named(&path, kind)?;
    let turn = app.ingest.turn(&name).ok_or_else(|| busy(&name))?;
    let (guarded, of, his) = (app.catalogue.clone(), name.clone(), pass.clone());
    blocking(move || {
        store::check_free(guarded.unguarded(), &of, extension).map_err(|why| told(&guarded, &his, &of, why))
    })
    .await??;
    let mut sending = Sending::new(&app, body, &turn);
    // Until there is something it has not begun.
    let first = sending.next(None).await?;
    if first.is_none() && complete {
        return Err(Problem::upload("there is nothing in it"));
    }
    let pcm = if let Kind::Raw(Some(pcm)) = kind { Some(pcm.to_string()) } else { None };
    let started = Some(store::now());
    let change = Change { pcm, title: query.title, started, ended: Some(false), ..Change::default() };
    let (ingest, guarded, of) = (Arc::clone(&app.ingest), app.catalogue.clone(), name.clone());
    let begun = blocking(move || {
        let begun = store::begin(&ingest, guarded.unguarded(), &of, extension, change);
        let file = begun.map_err(|why| told(&guarded, &pass, &of, why))?;
        Sink::new(file, turn, ingest).map_err(Problem::unwritable)
    });
    let sink = match begun.await.map_err(Problem::from) {
        Ok(Ok(sink)) => sink,
        Ok(Err(problem)) | Err(problem) => return Err(problem),
    };
    sending.receive(&app, name, sink, first, complete, StatusCode::CREATED).await
}

/// Why a name cannot be had, for whoever wants it: what he may not read has neither a size nor a file for him. Blocks.
fn told(guarded: &Guarded, pass: &Pass, name: &RecordingName, why: Problem) -> Problem {
    let is_taken = why.status() == StatusCode::CONFLICT && guarded.unguarded().file_of(name).is_ok();
    if is_taken && guarded.file_of(pass, name).is_err() {
        return Problem::conflict(format!("there is a recording `{name}`"));
    }
    why
}

/// Goes on with a recording where it stopped.
pub async fn go_on(
    State(app): State<App>,
    Writer(pass): Writer,
    client: Extension<Client>,
    FromPath(path): FromPath<String>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    app.check_running()?;
    check_conditions(&app, pass.clone(), client, &path, &headers).await?;
    to_its_end(resume(app, pass, path, headers, body)).await
}

async fn resume(
    app: App,
    pass: Pass,
    path: String,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    if media_type(&headers) != PARTIAL {
        return Err(Problem::media_type(format!("what goes on with a recording is `{PARTIAL}`")));
    }
    check_plain(&headers)?;
    let offset = offset(&headers)?
        .ok_or_else(|| Problem::upload("`Upload-Offset` is to say at which byte it goes on"))?;
    let complete = is_complete(&headers)?.unwrap_or(true);
    let name = existing(&app, pass, &path).await?;
    // Or its end could not be told when it comes.
    name.check_room(0)?;
    // Its connection may be dead, and nobody knows yet.
    let turn = app.ingest.take_over(&name).await;
    let sending = Sending::new(&app, body, &turn);
    let (ingest, catalogue, of) = (Arc::clone(&app.ingest), app.catalogue.unguarded().clone(), name.clone());
    let sink = blocking(move || {
        if store::has_ended(catalogue.dir(), &of)? {
            return Err(Problem::conflict(format!("`{of}` has ended")));
        }
        let sink = Sink::new(store::go_on(&catalogue, &of)?, turn, ingest).map_err(Problem::unwritable)?;
        if sink.len() == offset { Ok(sink) } else { Err(Problem::offset(offset, sink.len())) }
    })
    .await??;
    sending.receive(&app, name, sink, None, complete, StatusCode::OK).await
}

/// What GET would be answered with, and to whoever may write where the recording goes on.
#[allow(clippy::too_many_arguments, reason = "each is a part of the request")]
pub async fn head(
    State(app): State<App>,
    writer: Result<Writer, Problem>,
    pass: Pass,
    client: Extension<Client>,
    FromPath(path): FromPath<String>,
    query: Result<Query<RenditionQuery>, QueryRejection>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (sound, named) = (State(app.clone()), FromPath(path.clone()));
    let answered = audio::audio(sound, pass.clone(), client, Method::HEAD, named, query, raw, headers).await;
    // It goes on though nobody can hear it yet, such as a WAV whose header is not whole; a condition is answered as it is.
    let is_of_recorders = match &answered {
        Ok(response) => response.status().is_success(),
        Err(problem) => problem.status().is_server_error(),
    };
    if writer.is_err() || !is_of_recorders {
        return answered;
    }
    let Ok(name) = existing(&app, pass.clone(), &path).await else { return answered };
    let guarded = app.catalogue.clone();
    let state = blocking(move || {
        let (file_name, len) = guarded.file_of(&pass, &name)?;
        if is_coded(&file_name) {
            return Ok(None);
        }
        Ok::<_, Problem>(Some((len, store::has_ended(guarded.unguarded().dir(), &name).unwrap_or(false))))
    });
    let Ok(Some((len, ended))) = state.await? else { return answered };
    let mut response = fresh(answered.unwrap_or_else(|_| StatusCode::NO_CONTENT.into_response()));
    tell_state(response.headers_mut(), &app, len, ended);
    Ok(response)
}

/// That `If-Match` and `If-None-Match` hold of what GET would be answered with: who says so wants nothing else to be written
/// to (RFC 9110 13.1.1). What cannot be heard has no tag, and is there all the same.
async fn check_conditions(
    app: &App,
    pass: Pass,
    client: Extension<Client>,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let given = |name: HeaderName| headers.get(&name).cloned().map(|value| (name, value));
    let [matches, differs] = [header::IF_MATCH, header::IF_NONE_MATCH].map(given);
    if matches.is_none() && differs.is_none() {
        return Ok(());
    }
    let is_any = |given: &Option<(HeaderName, HeaderValue)>| given.as_ref().map(|(_, value)| value == "*");
    let (matches_any, differs_from_any) = (is_any(&matches), is_any(&differs));
    let asked: HeaderMap = matches.into_iter().chain(differs).chain(given(header::ACCEPT)).collect();
    let (sound, named) = (State(app.clone()), FromPath(path.to_owned()));
    let (query, raw) = (Ok(Query(RenditionQuery::default())), RawQuery(None));
    let answered = audio::audio(sound, pass, client, Method::HEAD, named, query, raw, asked).await;
    let holds = match answered {
        Ok(response) => response.status().is_success(),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => matches_any.is_none(),
        Err(_) => matches_any != Some(false) && differs_from_any != Some(true),
    };
    if holds { Ok(()) } else { Err(Problem::precondition("`If-Match` or `If-None-Match` does not hold")) }
}

/// Removes a recording.
pub async fn delete(
    State(app): State<App>,
    Writer(pass): Writer,
    client: Extension<Client>,
    FromPath(path): FromPath<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    check_conditions(&app, pass.clone(), client, &path, &headers).await?;
    let name = existing(&app, pass, &path).await?;
    let turn = app.ingest.turn(&name).ok_or_else(|| busy(&name))?;
    let (ingest, catalogue) = (Arc::clone(&app.ingest), app.catalogue.unguarded().clone());
    blocking(move || {
        let _turn = turn;
        store::remove(&ingest, &catalogue, &name)
    })
    .await??;
    Ok(StatusCode::NO_CONTENT)
}

/// What of a recording may be changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `null` takes it away.
    #[serde(default, deserialize_with = "given")]
    title: Option<Option<String>>,
    name: Option<String>,
    ended: Option<bool>,
}

fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Bytes of JSON that are read.
const JSON_MOST: usize = 64 * 1024;

impl Wanted {
    async fn read(mut body: Sent) -> Result<Self, Problem> {
        let mut json = Vec::new();
        while let Some(piece) = body.next().await.transpose().map_err(Problem::upload)? {
            json.extend_from_slice(&piece);
            if json.len() > JSON_MOST {
                return Err(Problem::upload(format!("it has more than {JSON_MOST} bytes")));
            }
        }
        // A list would be taken for the values in their order.
        if json.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(Problem::upload("it is not a JSON object, which has `title`, `name` or `ended`"));
        }
        serde_json::from_slice(&json).map_err(Problem::upload)
    }
}

/// Gives a recording another title or name, or says that it has ended.
pub async fn change(
    State(app): State<App>,
    Writer(pass): Writer,
    FromPath(path): FromPath<String>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Problem> {
    let kind = media_type(&headers);
    if !matches!(kind.as_str(), "application/json" | "application/merge-patch+json") {
        return Err(Problem::media_type(format!(
            "`{}` is not `application/json` or `application/merge-patch+json`",
            quoted(&kind)
        )));
    }
    let wanted = Wanted::read(body).await?;
    if wanted.ended == Some(false) {
        return Err(Problem::upload("`ended` may be set to true only: listeners keep what has ended"));
    }
    let name = RecordingName::parse(&path)?;
    let new = wanted.name.as_deref().map(RecordingName::parse).transpose()?.filter(|new| *new != name);
    let turn = app.ingest.turn(&name).ok_or_else(|| busy(&name))?;
    let title = wanted.title.map(Option::unwrap_or_default);
    let change = Change { title, ended: wanted.ended, ..Change::default() };
    let (ingest, guarded) = (Arc::clone(&app.ingest), app.catalogue.clone());
    let found = blocking(move || {
        let (_turn, catalogue) = (turn, guarded.unguarded());
        guarded.file_of(&pass, &name)?;
        let Some(new) = new else {
            store::edit(&ingest, catalogue.dir(), &name, change)?;
            return Ok::<_, Problem>(catalogue.find(&name)?.status()?);
        };
        let _other = ingest.turn(&new).ok_or_else(|| busy(&new))?;
        let renamed = store::rename(&ingest, catalogue, &name, &new, change);
        renamed.map_err(|why| told(&guarded, &pass, &new, why))?;
        Ok(catalogue.find(&new)?.status()?)
    });
    Ok(fresh(Json(Summary::of(&found.await??))))
}

pub(super) fn busy(name: &RecordingName) -> Problem {
    Problem::conflict(format!("`{name}` is being written by somebody else"))
}

/// `Upload-Complete`, a boolean of RFC 9651.
fn is_complete(headers: &HeaderMap) -> Result<Option<bool>, Problem> {
    match only(headers, "Upload-Complete")? {
        None => Ok(None),
        Some("?1") => Ok(Some(true)),
        Some("?0") => Ok(Some(false)),
        Some(given) => Err(Problem::upload(format!("`Upload-Complete` is `{given}`, neither ?0 nor ?1"))),
    }
}

/// `Upload-Offset`, an integer of RFC 9651 that is not below zero.
fn offset(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(given) = only(headers, "Upload-Offset")? else { return Ok(None) };
    let is_number = given.bytes().all(|byte| byte.is_ascii_digit());
    match given.parse() {
        Ok(offset) if is_number => Ok(Some(offset)),
        _ => Err(Problem::upload(format!("`Upload-Offset` is `{given}`, which is no number of bytes"))),
    }
}

/// A header that says one thing: of two nobody can tell which is meant.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut given = headers.get_all(name).iter();
    let (first, another) = (given.next(), given.next());
    if another.is_some() {
        return Err(Problem::upload(format!("there is to be one `{name}`, and there are several")));
    }
    let text = first.map(|value| value.to_str());
    text.transpose().map_err(|_| Problem::upload(format!("`{name}` is no text")))
}

/// The recording that is to be begun, and the extension of its file.
fn named(path: &str, kind: Kind) -> Result<(RecordingName, &'static str), Problem> {
    match (Format::split_extension(path), kind) {
        (None, _) if is_coded(path) => Err(Problem::media_type(format!(
            "`{path}` is a name of coded sound; what comes here is WAV or raw PCM"
        ))),
        (None, Kind::Wav) => Ok((RecordingName::parse(path)?, "wav")),
        (None, Kind::Raw(_)) => Ok((RecordingName::parse(path)?, "pcm")),
        // Programs that send files mostly do not say what is in them.
        (Some((stem, Format::Wav)), Kind::Wav | Kind::Raw(None)) => Ok((RecordingName::parse(stem)?, "wav")),
        (Some((_, format)), _) => {
            let detail = format!(
                "`{path}` is a name of {}, which this is not; sound comes as WAV or raw PCM",
                format.name()
            );
            Err(Problem::media_type(detail))
        }
    }
}

/// The recording that a path means: of that name, else without the extension of a format.
async fn existing(app: &App, pass: Pass, path: &str) -> Result<RecordingName, Problem> {
    let name = RecordingName::parse(path)?;
    let stem = Format::split_extension(path).and_then(|(stem, _)| RecordingName::parse(stem).ok());
    let guarded = app.catalogue.clone();
    blocking(move || match (guarded.file_of(&pass, &name), stem) {
        (Err(RecordingError::NotFound(_)), Some(stem)) => guarded.file_of(&pass, &stem).map(|_| stem),
        (found, _) => found.map(|_| name),
    })
    .await?
    .map_err(Problem::from)
}

/// A body on its way.
pub(super) struct Sending {
    body: Sent,
    stop: tokio::sync::watch::Receiver<bool>,
    /// Comes when somebody else takes over.
    taken: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    _counted: Counted,
}

/// Counts an upload for as long as it lasts.
struct Counted(Arc<crate::metrics::Metrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.uploads.dec();
    }
}

impl Sending {
    pub(super) fn new(app: &App, body: Sent, turn: &Turn) -> Self {
        app.metrics.uploads.inc();
        let counted = Counted(Arc::clone(&app.metrics));
        Self { body, stop: app.stop.clone(), taken: Box::pin(turn.taken()), _counted: counted }
    }

    /// What comes next; `None` at the body's end, an empty piece when it was `due` before.
    pub(super) async fn next(&mut self, due: Option<Instant>) -> Result<Option<Bytes>, Problem> {
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = &mut self.taken => Err(Problem::conflict(TAKEN_OVER)),
            () = stopped(&mut self.stop) => Err(Problem::stopping()),
            () = due => Ok(Some(Bytes::new())),
            came = self.body.next() => match came {
                None => Ok(None),
                Some(Ok(bytes)) => Ok(Some(bytes)),
                Some(Err(error)) => Err(Problem::upload(format!("it broke off: {error}"))),
            },
        }
    }

    /// Appends all that comes, and answers when it has ended.
    async fn receive(
        mut self,
        app: &App,
        name: RecordingName,
        mut sink: Sink,
        first: Option<Bytes>,
        complete: bool,
        status: StatusCode,
    ) -> Result<Response, Problem> {
        let mut piece = first;
        loop {
            let bytes = match piece.take() {
                Some(bytes) => bytes,
                None => match self.next(sink.due()).await {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break,
                    Err(problem) => {
                        // What came is kept as well as what ends in order.
                        let _ = blocking(move || sink.finish()).await?;
                        return Err(problem);
                    }
                },
            };
            let before = sink.len();
            let (back, written) = blocking(move || {
                let written = sink.write(&bytes);
                (sink, written)
            })
            .await?;
            sink = back;
            app.metrics.received.inc_by(sink.len().saturating_sub(before));
            if let Err(problem) = written {
                let _ = blocking(move || sink.finish()).await?;
                return Err(problem);
            }
        }
        let (ingest, catalogue) = (Arc::clone(&app.ingest), app.catalogue.unguarded().clone());
        let ended = blocking(move || end(&ingest, &catalogue, &name, sink, complete)).await??;
        let mut response = match (complete, ended.summary) {
            (true, Some(summary)) => (status, Json(summary)).into_response(),
            _ => status.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        tell_state(headers, app, ended.len, complete);
        if status == StatusCode::CREATED {
            headers.insert(header::LOCATION, text(&ended.path));
        }
        Ok(response)
    }
}

/// What is told of a recording whose body has ended.
struct Ended {
    path: String,
    /// Bytes.
    len: u64,
    /// `None` if it cannot be told what it is.
    summary: Option<Summary>,
}

/// Ends a body, and if it was the last of its recording that too. Blocks.
fn end(
    ingest: &Ingest,
    catalogue: &Catalogue,
    name: &RecordingName,
    mut sink: Sink,
    complete: bool,
) -> Result<Ended, Problem> {
    sink.finish()?;
    if complete {
        store::edit(ingest, catalogue.dir(), name, Change { ended: Some(true), ..Change::default() })?;
    }
    let path = audio_path(name, Format::Wav);
    let path = path.strip_suffix(".wav").unwrap_or(&path).to_owned();
    let status = catalogue.find(name).and_then(|recording| recording.status()).ok();
    Ok(Ended { path, len: sink.len(), summary: status.map(|status| Summary::of(&status)) })
}
