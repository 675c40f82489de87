//! The endpoints, one file a family, and what all of them share.
//!
//! | path | file |
//! |---|---|
//! | `/audio/{name}` | [`audio`]; what is written to it [`ingest`] |
//! | any other path that is written to, `/admin/metadata` | [`source`] |
//! | `/hls/{name}/master.m3u8`, and what that names | [`hls`] |
//! | `/recordings` | [`list`] |
//! | `/recordings/{name}` | [`recordings`] |
//! | `/recordings/{name}/chapters.json` | `chapters` |
//! | `/recordings/{name}/cover.jpg`, `/recordings/{name}/cover.png` | `cover` |
//! | `/feed.xml` | [`feed`] |
//! | `/recordings.m3u8`, `/recordings.pls`, `/recordings.xspf` | [`playlist`] |
//! | `/status-json.xsl` | [`icecast`] |
//! | `/events`, `/recordings/{name}/events` | [`events`] |
//! | `/waveform/{name}.json`, `/waveform/{name}.dat` | [`waveform`] |
//! | `/`, `/play/{name}` | [`page`], with the [`player`]'s markup |
//! | `/assets/{version}/{file}` | [`assets`]: the pages' scripts and styles, from `web/` |
//! | `/healthz`, `/readyz` | [`health`] |
//! | `/metrics` | [`metrics`], on the admin address if there is one |
//! | `/openapi.json` | [`openapi`]: what is said of all of them in `docs/openapi.json` |
//!
//! [`query`] has the parameters of renditions, [`summary`] what clients are told of a recording
//! anywhere, `words` what pages say of one, `headers` what all do with headers, `sound` how sound is answered with, `radio`
//! what radio players are told, `sent` how what is sent here is taken. What is read elsewhere takes its recordings from
//! `library`, its whole URLs from [`site`], and is a `document`; `xml` and `times` say how things are written there.

pub mod assets;
pub mod audio;
mod chapters;
mod cover;
mod document;
pub mod events;
pub mod feed;
mod headers;
pub mod health;
pub mod hls;
pub mod icecast;
pub mod ingest;
pub mod library;
pub mod list;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod player;
pub mod playlist;
pub mod query;
mod radio;
pub mod recordings;
mod sent;
pub mod site;
mod sound;
pub mod source;
pub mod summary;
mod times;
pub mod waveform;
mod words;
mod xml;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::handler::Handler;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::access::{Access, Guarded, NotOpened, Pass, admit};
use crate::config::Cors;
use crate::connections::Clients;
use crate::error::Problem;
use crate::exchange::{Exchanges, exchange};
use crate::http::MostRanges;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::recording::{Extent, Recording, RecordingError, RecordingName, State as RecordingState};
use crate::segments::Segments;
use crate::segments::share::{Place, Share};
use crate::stopped;
use crate::waveform::Waveforms;
use site::Site;

/// What every handler has at hand.
#[derive(Debug, Clone)]
pub struct App {
    /// The recordings.
    pub catalogue: Guarded,
    /// Who may read which of them.
    pub(crate) access: Arc<Access>,
    /// Which pages elsewhere may.
    pub cors: Cors,
    /// What is coded of them.
    pub segments: Arc<Segments>,
    /// What is computed of them.
    pub waveforms: Arc<Waveforms>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What each client has under way.
    pub(crate) clients: Arc<Clients>,
    /// What others see of the server.
    pub site: Arc<Site>,
    /// What those who write share.
    pub(crate) ingest: Arc<Ingest>,
    /// How many ranges of a request are served.
    pub most_ranges: MostRanges,
    /// Turns true when the server is to stop.
    pub stop: watch::Receiver<bool>,
}

impl App {
    /// That the server is not stopping.
    fn check_running(&self) -> Result<(), Problem> {
        if *self.stop.borrow() { Err(Problem::stopping()) } else { Ok(()) }
    }

    /// Takes on more work for the encoders, of a client's share of them if it has one.
    fn take_on(&self, share: Option<&Share>) -> Result<Option<Place>, Problem> {
        if self.segments.is_full() {
            return Err(Problem::queue());
        }
        let full = |share: &Share| Problem::share(share.client(), share.most());
        share.map(|share| share.try_take().ok_or_else(|| full(share))).transpose()
    }

    /// A recording, by a name as it came, just looked at, for who may have all of it.
    async fn find(&self, pass: &Pass, name: &str) -> Result<Arc<Recording>, NotOpened> {
        let name = RecordingName::parse(name)?;
        if let Some(recording) = self.catalogue.at_hand(pass, &name) {
            return Ok(recording);
        }
        let (catalogue, pass) = (self.catalogue.clone(), pass.clone());
        blocking(move || catalogue.find(&pass, &name)).await?
    }

    /// How far a recording goes that somebody follows, who is told by `extent` when it goes further.
    fn look(
        &self,
        recording: &Arc<Recording>,
        extent: &mut watch::Receiver<Extent>,
    ) -> Result<Extent, Problem> {
        let now = extent.borrow_and_update().clone();
        // Only then: a finished recording's file need not be watched.
        if now.is_growing() {
            self.catalogue.follow(recording, extent);
        }
        match now.state {
            RecordingState::Lost(error) => Err(error.into()),
            _ => Ok(now),
        }
    }

    /// Waits for news of a recording. The end comes after a growth timeout at the latest.
    async fn wait(&self, extent: &mut watch::Receiver<Extent>) -> Result<(), Problem> {
        self.unless_stopped(async { drop(extent.changed().await) }).await
    }

    /// Waits, but no longer than the server runs.
    async fn unless_stopped(&self, waited_for: impl Future<Output = ()>) -> Result<(), Problem> {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = waited_for => Ok(()),
            () = stopped(&mut stop) => Err(Problem::stopping()),
        }
    }
}

/// Runs what reads files where it may take its time.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RecordingError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| RecordingError::io("", io::Error::other(error.to_string())))
}

/// What a path names, decoded.
#[derive(Debug)]
pub struct FromPath<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for FromPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let named = Path::from_request_parts(parts, app).await;
        named.map(|Path(named)| Self(named)).map_err(|rejection| {
            let path: String = parts.uri.path().chars().take(200).collect();
            Problem::path(format!("`{path}`: {}", rejection.body_text()))
        })
    }
}

/// What is true now may not be in a second.
fn fresh(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Sends a client to where what it asks for stays. Whoever asks for a range will ask for another, and has to find there what
/// goes with the first, though `pos=-30` means another second by then.
fn elsewhere(query: &str) -> Response {
    let mut response = fresh(StatusCode::TEMPORARY_REDIRECT);
    response.headers_mut().insert(header::LOCATION, headers::text(&query));
    response
}

/// Not a body of length 0: whoever sends it on would say so, and HEAD and 304 mean another length.
fn no_body() -> Body {
    Body::from_stream(stream::empty::<io::Result<Bytes>>())
}

/// A body that may break off. What came before that is sent first, as far as the client takes it just then: what hyper has
/// gathered, be it the head, it throws away when a body fails, but not when it had to wait for the body just before.
fn may_break_off<E>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Body
where
    E: std::error::Error + Send + Sync + 'static,
{
    Body::from_stream(bytes.or_else(async |error| {
        tokio::task::yield_now().await;
        Err(io::Error::other(error))
    }))
}

/// What is told to whoever asks for another.
const PATHS: &str = "/, /recordings, /audio/NAME, /hls/NAME/master.m3u8, /waveform/NAME.json";

/// What listeners and their players ask for, each request an exchange among those that `exchanges` counts and bounds.
pub(crate) fn listeners(app: App, exchanges: Exchanges, with_metrics: bool) -> Router {
    let access = Arc::clone(&app.access);
    let guarded = Router::new();
    let guarded =
        if with_metrics { guarded.route("/metrics", read_only(metrics::among_others)) } else { guarded };
    let guarded = guarded
        .route("/", read_only(page::index))
        .route("/play/{*name}", read_only(page::play))
        .route("/feed.xml", read_only(feed::feed))
        .route("/recordings.m3u8", read_only(playlist::m3u8))
        .route("/recordings.pls", read_only(playlist::pls))
        .route("/recordings.xspf", read_only(playlist::xspf))
        .route("/status-json.xsl", read_only(icecast::status))
        .route("/events", read_only(events::of_list))
        .route("/recordings", read_only(list::list))
        .route("/recordings/{*name}", read_only(recordings::show).patch(ingest::change))
        .route("/audio/{*name}", writable())
        .route("/hls/{*name}", read_only(hls::hls))
        .route("/waveform/{*name}", read_only(waveform::waveform))
        .route("/admin/metadata", read_only(source::metadata))
        .route_layer(axum::middleware::from_fn_with_state(access, admit));
    // What is the same for everybody, and is in the program.
    let open = health()
        .route("/assets/{version}/{file}", read_only(assets::asset))
        .route("/openapi.json", read_only(openapi::openapi));
    let router = guarded.merge(open).route("/{*mount}", mounts());
    finish(router, PATHS, true, app, exchanges)
}

/// What whoever watches the server asks for, on an address of its own.
pub(crate) fn admin(app: App, exchanges: Exchanges) -> Router {
    finish(watchers(), "/metrics, /healthz, /readyz", false, app, exchanges)
}

fn health() -> Router<App> {
    Router::new().route("/healthz", read_only(health::healthz)).route("/readyz", read_only(health::readyz))
}

fn watchers() -> Router<App> {
    health().route("/metrics", read_only(metrics::metrics))
}

/// What all of them have in common; `paths` are told to whoever asks for another, and `mounts` says whether that is a mount.
fn finish(router: Router<App>, paths: &'static str, mounts: bool, app: App, exchanges: Exchanges) -> Router {
    let metrics = Arc::clone(&app.metrics);
    let (cors, options) = (
        cors(&app.cors),
        PlainOptions { any_page: app.cors == Cors::Any, mounts, most: app.ingest.settings.most },
    );
    router
        .fallback(async move |uri: Uri| no_such_path(&uri, paths))
        .with_state(app)
        .layer(axum::middleware::map_response(common_headers))
        .layer(axum::middleware::from_fn(sent::hear_out))
        .layer(cors)
        .layer(axum::middleware::from_fn_with_state(options, plain_options))
        .layer(CatchPanicLayer::custom(move |_: Box<dyn std::any::Any + Send>| {
            metrics.panics.inc();
            tracing::error!("a request handler panicked");
            Problem::internal("this request hit a bug").into_response()
        }))
        .layer(axum::middleware::from_fn_with_state(Arc::new(exchanges), exchange))
}

/// A path that is read: GET and HEAD go to its handler, everything else is refused.
fn read_only<H: Handler<T, App>, T: 'static>(handler: H) -> MethodRouter<App> {
    get(handler).fallback(not_allowed)
}

/// Sound: read as everything is, and written.
fn writable() -> MethodRouter<App> {
    read_only(audio::audio)
        .head(ingest::head)
        .put(ingest::put)
        .post(ingest::put)
        .patch(ingest::go_on)
        .delete(ingest::delete)
}

/// Where encoders send as to Icecast, which have their own idea of a path; nothing else is there.
fn mounts() -> MethodRouter<App> {
    any(async |State(app): State<App>, request: Request| match request.method().as_str() {
        "PUT" | "SOURCE" => source::source.call(request, app).await,
        _ => no_such_path(request.uri(), PATHS).into_response(),
    })
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::method(&method, allowed(&uri))
}

/// The methods that a path has.
fn allowed(uri: &Uri) -> &'static str {
    match uri.path() {
        path if path.starts_with("/audio/") => "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE",
        path if path.starts_with("/recordings/") => "GET, HEAD, OPTIONS, PATCH",
        path if is_only_read(path) => READ,
        // A mount. Encoders ask it of that, or of the server as a whole (`*`).
        _ => "GET, HEAD, OPTIONS, PUT, SOURCE",
    }
}

const READ: &str = "GET, HEAD, OPTIONS";

/// Whether something is read at a path and nothing is written. An OPTIONS is answered before it comes to a route.
fn is_only_read(path: &str) -> bool {
    let below = ["/assets/", "/hls/", "/play/", "/waveform/"];
    let alone = [
        "/",
        "/admin/metadata",
        "/events",
        "/feed.xml",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/recordings",
        "/recordings.m3u8",
        "/recordings.pls",
        "/recordings.xspf",
        "/status-json.xsl",
    ];
    alone.contains(&path) || below.iter().any(|folder| path.starts_with(folder))
}

/// What there is to be told of.
#[derive(Debug, Clone, Copy)]
struct PlainOptions {
    /// Whether pages of any origin may read.
    any_page: bool,
    /// Whether recordings are sent here.
    mounts: bool,
    /// Bytes that one of them may have.
    most: Option<u64>,
}

/// Answers an OPTIONS that is no CORS preflight; the layer behind this takes every one for that.
async fn plain_options(State(options): State<PlainOptions>, request: Request, next: Next) -> Response {
    let preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if *request.method() != Method::OPTIONS || preflight {
        return next.run(request).await;
    }
    let allowed = if options.mounts { allowed(request.uri()) } else { READ };
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    if allowed.contains("PATCH, DELETE") {
        ingest::tell_manner(headers, options.most);
    }
    if options.any_page {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// A page elsewhere may play what it has a pass for, and see where it is in it. What a browser knows of passwords is not for
/// its taking, but a token that it has itself, which `*` does not stand for (Fetch 4.9).
fn cors(allowed: &Cors) -> CorsLayer {
    let origin = match allowed {
        Cors::Any => Any.into(),
        Cors::Only(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([HeaderName::from_static("*"), header::AUTHORIZATION])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
            header::RETRY_AFTER,
            radio::INTERVAL,
            radio::NAME,
            waveform::START_FRAME,
            waveform::END_FRAME,
            waveform::STATE,
        ])
}

async fn common_headers(mut response: Response) -> Response {
    // A recording's title must not be able to turn an answer into something else.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn no_such_path(uri: &Uri, paths: &str) -> Problem {
    Problem::not_found(format!("`{}` is not a path here (there are {paths})", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a client gets whose answer has this body.
    async fn sent(body: Vec<Result<Bytes, io::Error>>) -> String {
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let body = std::sync::Mutex::new(Some(may_break_off(stream::iter(body))));
        let service = service_fn(|_| {
            let body = body.lock().unwrap().take().unwrap();
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        assert!(http1::Builder::new().serve_connection(TokioIo::new(server), service).await.is_err());
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        got
    }

    #[tokio::test]
    async fn what_came_before_a_body_breaks_off_is_sent() {
        let lost = || Err(io::Error::other("lost"));
        let got = sent(vec![lost()]).await;
        assert!(got.starts_with("HTTP/1.1 200 OK") && got.ends_with("\r\n\r\n"), "{got}");
        let got = sent(vec![Ok(Bytes::from("header")), Ok(Bytes::from("sound")), lost()]).await;
        assert!(got.ends_with("6\r\nheader\r\n5\r\nsound\r\n"), "{got}");
    }
}
