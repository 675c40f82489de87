//! `GET|HEAD /audio/{name}`: a recording from any second of it, in any format.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, header};
use tailcast_codecs::format::Format;
use tokio::sync::watch;

use super::headers::{UNBUFFERED, freshness, text, weighted};
use super::query::{self, RenditionQuery, coming};
use super::sound::{Sound, decided};
use super::{App, FromPath, blocking, elsewhere, radio};
use crate::access::{Guarded, Opened, Pass};
use crate::body::End;
use crate::connections::Client;
use crate::error::Problem;
use crate::http::{
    Answer, Decision, Entity, Finished as FinishedEntity, Freshness, Growing as GrowingEntity,
};
use crate::recording::{Extent, RecordingName};
use crate::rendition::{Decided, Finished, Rendition, Shape};

/// Answers a request for sound.
#[allow(clippy::too_many_arguments, reason = "each is a part of the request")]
pub async fn audio(
    State(app): State<App>,
    pass: Pass,
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
        pass,
        path,
        raw: raw.unwrap_or_default(),
        accepted: accepted(&headers),
        settled: moving && headers.contains_key(header::RANGE),
        query,
    };
    let found = match wanted.at_hand(&app.catalogue) {
        Some((found, named)) => wanted.of(found, named)?,
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

/// What a request wants, before it is known whether there is such a thing.
struct Wanted {
    pass: Pass,
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
    fn find(&self, catalogue: &Guarded) -> Result<Found, Problem> {
        let (found, named) = self.recording(catalogue)?;
        self.of(found, named)
    }

    /// What is wanted of a recording, of which no more than a part is to be given. `named` is the format if the URL names one.
    fn of(&self, Opened { recording, part }: Opened, named: Option<Format>) -> Result<Found, Problem> {
        if self.settled
            && recording.extent().is_growing()
            && let Some(settled) = self.query.settled(&self.raw, &recording)?
        {
            return Ok(Found::Elsewhere(settled));
        }
        let format = named.or(self.accepted).unwrap_or(Format::Wav);
        let rendition = Arc::new(self.query.rendition(recording, format, part)?);
        Ok(Found::Sound { rendition, format, named: named.is_some() })
    }

    /// The recording that the path means, and the format if the parameter or else the path's extension names one; if all
    /// that can be told without waiting for a disk.
    fn at_hand(&self, catalogue: &Guarded) -> Option<(Opened, Option<Format>)> {
        // What is wrong with it is said by who looks for it in earnest.
        let chosen = self.query.format().ok()?;
        let by_extension = Format::split_extension(&self.path);
        let name = RecordingName::parse(by_extension.map_or(&self.path, |(stem, _)| stem)).ok()?;
        let named = chosen.or(by_extension.map(|(_, format)| format));
        Some((catalogue.part_at_hand(&self.pass, &name)?, named))
    }

    /// The same, however long it takes. Blocks.
    fn recording(&self, catalogue: &Guarded) -> Result<(Opened, Option<Format>), Problem> {
        let chosen = self.query.format()?;
        let find = |name: &str| catalogue.find_part(&self.pass, &RecordingName::parse(name)?);
        let by_extension = Format::split_extension(&self.path);
        let Some((stem, format)) = by_extension else { return Ok((find(&self.path)?, chosen)) };
        let without = match find(stem) {
            Ok(found) => return Ok((found, chosen.or(Some(format)))),
            Err(error) => error,
        };
        // The extension may be part of the name: `show.mp3.pcm` is a recording `show.mp3`.
        if !without.is_elsewhere() {
            return Err(without.into());
        }
        match find(&self.path) {
            Ok(found) => Ok((found, chosen)),
            // What is meant is most often the other.
            Err(error) if error.is_elsewhere() => Err(without.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The format that the `Accept` header prefers; wildcards prefer none.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let mut best: Option<(f32, Format)> = None;
    for (media_type, quality) in weighted(headers, &header::ACCEPT) {
        let Some(format) = Format::from_media_type(&media_type) else { continue };
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
            let now = self.app.look(&recording, &mut extent)?;
            let facts = self.facts(&now).await?;
            match self.decide(&facts) {
                Decision::Answer(answer) => return self.render(answer, facts, extent),
                Decision::Wait { .. } => self.app.wait(&mut extent).await?,
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
        let media_type = self.rendition.codec().media_type();
        let entity = match (&facts.finished, facts.growing) {
            (Some((finished, etag)), _) => {
                Entity::Finished(FinishedEntity { len: finished.len, etag, media_type })
            }
            (None, growing) => {
                Entity::Growing(growing.unwrap_or(GrowingEntity { exists: 0, reach: 0, virtual_total: None }))
            }
        };
        decided(&self.app, self.head, &self.headers, &entity)
    }

    fn render(
        self,
        answer: Answer,
        facts: Facts,
        extent: watch::Receiver<Extent>,
    ) -> Result<Response, Problem> {
        let mut headers = HeaderMap::new();
        let freshness = match &facts.finished {
            Some((finished, _)) => {
                let by_end = matches!(finished.by, Decided::ByEnd(_));
                freshness(&facts.extent, by_end, self.moving)
            }
            None => Freshness::Growing,
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness.cache_control()));
        match &facts.finished {
            Some((_, etag)) => headers.insert(header::ETAG, text(etag)),
            None => headers.insert(UNBUFFERED.0, UNBUFFERED.1),
        };
        // Radio is what goes on: what has ended is a file, with its positions, and caches keep it.
        let is_radio = facts.growing.is_some() && self.format == Format::Mp3 && answer.is_sound();
        let titles = is_radio.then(|| radio::tell(&mut headers, &self.headers, &self.rendition)).flatten();
        let sound = Sound {
            app: self.app,
            client: self.client,
            rendition: self.rendition,
            extent,
            end: facts.finished.map(|(finished, _)| End { finished, extent: facts.extent }),
            format: self.format,
            asked: self.asked,
            titles,
        };
        sound.respond(answer, headers, &self.headers)
    }
}
