//! `GET|HEAD /hls/{name}/master.m3u8` and what it leads to: a recording as HTTP Live Streaming.
//!
//! | path | what |
//! |---|---|
//! | `/hls/{name}/master.m3u8` | the variants that a player may choose from |
//! | `/hls/{name}/{variant}/playlist.m3u8` | the segments of one |
//! | `/hls/{name}/{variant}/{folder}/{file}` | a segment, a part of one, or what they need before them |

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use tailcast_codecs::container::Run;
use tailcast_codecs::format::Format;
use tailcast_codecs::grid::{NANOS, scale};
use tailcast_codecs::{Codec, CodecError, Contained, Container};
use tokio::sync::{Semaphore, watch};

use super::document::Document;
use super::headers::{self, text};
use super::query::{self, RenditionQuery, coming};
use super::sound::{Sound, decided};
use super::{App, FromPath, blocking, elsewhere};
use crate::access::{Part, Pass};
use crate::body::End;
use crate::connections::Client;
use crate::error::Problem;
use crate::hls::address::folder;
use crate::hls::playlist::{MEDIA, MEDIA_TYPE, MULTIVARIANT, Media, Multivariant, Other};
use crate::hls::timeline::{MOST_SEGMENTS, Place};
use crate::hls::{File, Timeline, Variant};
use crate::http::{Decision, Entity, Finished, Freshness};
use crate::recording::{Extent, Recording, State as RecordingState, identity};
use crate::rendition::Rendition;
use crate::time::{self, Position};

/// Target durations that a playlist is waited for (RFC 8216bis 6.2.5.2).
const PATIENCE: u64 = 3;
/// Segments beyond the last that may be waited for (the same).
const AHEAD: u64 = 2;
/// How long a player is given to take the last parts before it is told of the end: so much it has in any case, if it is behind
/// the edge as it should be.
const FOR_LAST_PARTS: Duration = Duration::from_secs(1);
/// Segments of a playlist that is made in passing, at the most.
const LONG: u64 = 1000;
/// Longer ones are made two at a time: each takes a processor for some milliseconds, and compressed for tens of them.
static LONG_ONES: Semaphore = Semaphore::const_new(2);

/// What a player asks of a playlist that grows. Everything is text here, so that each can be refused by its own name.
#[derive(Debug, Default, Deserialize)]
pub struct Directives {
    #[serde(rename = "_HLS_msn")]
    msn: Option<String>,
    #[serde(rename = "_HLS_part")]
    part: Option<String>,
    #[serde(rename = "_HLS_skip")]
    skip: Option<String>,
    parts: Option<String>,
}

impl Directives {
    fn awaited(&self) -> Result<Awaited, Problem> {
        let segment = query::whole_number("_HLS_msn", self.msn.as_deref())?;
        let part: Option<u64> = query::whole_number("_HLS_part", self.part.as_deref())?;
        match (segment, part) {
            (Some(segment), Some(part)) => Ok(Awaited::Part(Place { segment, part })),
            (Some(segment), None) => Ok(Awaited::Segment(segment)),
            (None, None) => Ok(Awaited::Anything),
            (None, Some(part)) => {
                let detail = format!("`{part}` is a part of no segment without _HLS_msn");
                Err(Problem::parameter("_HLS_part", detail))
            }
        }
    }

    /// Whether parts are to be listed, if that is said.
    fn parts(&self) -> Result<Option<bool>, Problem> {
        match self.parts.as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(query::refused("parts", other, "yes or no", "true, 1, false, 0")),
        }
    }

    fn is_delta(&self) -> Result<bool, Problem> {
        match self.skip.as_deref() {
            None => Ok(false),
            Some("YES" | "v2") => Ok(true),
            Some(other) => Err(query::refused("_HLS_skip", other, "to be had", "YES, v2")),
        }
    }
}

/// What a playlist is to have before it is answered with.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    /// A player can do nothing with a playlist of nothing.
    Anything,
    /// All of it.
    Segment(u64),
    Part(Place),
}

impl Awaited {
    /// Whether it is there.
    fn is_in(self, timeline: &Timeline, with_parts: bool) -> Result<bool, Problem> {
        let edge = timeline.edge();
        let first = timeline.segments().start;
        let segment = match self {
            Self::Anything if with_parts => return Ok(edge > Place { segment: first, part: 0 }),
            Self::Anything => return Ok(edge.segment > first),
            Self::Segment(segment) | Self::Part(Place { segment, .. }) => segment,
        };
        if segment > edge.segment.saturating_add(AHEAD) {
            let last = edge.segment;
            let detail = format!("`{segment}` is too far ahead: segment {last} is the one being made");
            return Err(Problem::parameter("_HLS_msn", detail));
        }
        Ok(match self {
            // A part behind the last of its segment is the next one's first.
            Self::Part(Place { part, .. }) if part >= timeline.parts_in_segment() => {
                edge > Place { segment: segment + 1, part: 0 }
            }
            Self::Part(place) => edge > place,
            _ => edge.segment > segment,
        })
    }

    /// Whether it is a part that a recording had before it ended, or that it has because it has ended.
    fn is_before_end(self, timeline: &Timeline) -> bool {
        matches!(self, Self::Part(place) if timeline.last_part().is_some_and(|last| place <= last))
    }

    /// Whether it is a part that an ended recording will not have.
    fn is_behind_end(self, timeline: &Timeline) -> bool {
        matches!(self, Self::Part(place) if timeline.last_part().is_some_and(|last| place > last))
    }
}

/// What a path means.
enum Target<'a> {
    Multivariant(&'a str),
    Media { name: &'a str, variant: &'a str },
    File { name: &'a str, variant: &'a str, folder: &'a str, file: &'a str },
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let (rest, file) = path.rsplit_once('/')?;
        if file == MULTIVARIANT {
            return Some(Self::Multivariant(rest));
        }
        let (rest, last) = rest.rsplit_once('/')?;
        if file == MEDIA {
            return Some(Self::Media { name: rest, variant: last });
        }
        let (name, variant) = rest.rsplit_once('/')?;
        Some(Self::File { name, variant, folder: last, file })
    }
}

/// Answers a request for a playlist or a file.
#[allow(clippy::too_many_arguments, reason = "each is a part of the request")]
pub async fn hls(
    State(app): State<App>,
    pass: Pass,
    Extension(client): Extension<Client>,
    method: Method,
    FromPath(path): FromPath<String>,
    query: Result<Query<RenditionQuery>, QueryRejection>,
    directives: Result<Query<Directives>, QueryRejection>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Instant::now();
    let (query, directives) = (query::checked(query)?, query::checked(directives)?);
    app.check_running()?;
    let Some(target) = Target::parse(&path) else { return Err(unknown(&path)) };
    let asked = Asked { app, pass, client, head: method == Method::HEAD, headers, at: asked };
    match target {
        Target::Multivariant(name) => asked.multivariant(name, &query, &directives).await,
        Target::Media { name, variant } => {
            let recording = asked.app.find(&asked.pass, name).await?;
            let moving = matches!(begins(&query)?, Some(Position::BeforeEdge(_) | Position::Live));
            if moving
                && recording.extent().is_growing()
                && let Some(settled) = query.settled(&raw.unwrap_or_default(), &recording)?
            {
                return Ok(elsewhere(&settled));
            }
            asked.media(recording, variant, &query, &directives).await
        }
        Target::File { name, variant, folder, file } => {
            let recording = asked.app.find(&asked.pass, name).await?;
            let (variant, codec) = codec(&recording, variant)?;
            let Some((container, file)) =
                codec.container().and_then(|container| Some((container, File::parse(file, container)?)))
            else {
                return Err(unknown(&path));
            };
            let wanted = Wanted { recording, codec, format: variant.format, container, folder, file };
            asked.file(wanted).await
        }
    }
}

fn unknown(path: &str) -> Problem {
    let path: String = path.chars().take(200).collect();
    Problem::not_found(format!("`{path}` is not what a playlist here names (begin with NAME/{MULTIVARIANT})"))
}

/// The variant that a path names, and its codec for a recording.
fn codec(recording: &Recording, variant: &str) -> Result<(Variant, Arc<dyn Codec>), Problem> {
    let quoted: String = variant.chars().take(60).collect();
    let parsed: Variant = variant.parse().map_err(|()| {
        Problem::not_found(format!("`{quoted}` is no variant: format, kbit/s, channels, as in `mp3-128-2`"))
    })?;
    let codec = parsed.codec(recording.spec());
    let codec =
        codec.map_err(|error| Problem::not_found(format!("`{quoted}` is no variant here: {error}")))?;
    Ok((parsed, codec))
}

fn failed(error: &CodecError) -> Problem {
    tracing::error!(%error, "the files of HLS cannot be made");
    Problem::internal("this cannot be put into files for HLS")
}

/// One request.
struct Asked {
    app: App,
    pass: Pass,
    client: Client,
    head: bool,
    headers: HeaderMap,
    /// When it came.
    at: Instant,
}

/// One of a recording's files.
struct Wanted<'a> {
    recording: Arc<Recording>,
    codec: Arc<dyn Codec>,
    format: Format,
    container: Container,
    folder: &'a str,
    file: File,
}

impl Asked {
    async fn multivariant(
        self,
        name: &str,
        query: &RenditionQuery,
        directives: &Directives,
    ) -> Result<Response, Problem> {
        let recording = self.app.find(&self.pass, name).await?;
        let extent = recording.known()?;
        let format = query.format()?;
        let variants = variants(&recording, format, query, &extent)?;
        if variants.is_empty() {
            let format = format.map(Format::name).unwrap_or_default();
            return Err(query::refused("format", format, "to be had in HLS", "mp3, opus"));
        }
        let behind = behind(query, directives.parts()?, &recording)?;
        let behind = self.pass.carried(behind);
        let playlist = Multivariant { variants: &variants, query: &behind };
        let text = playlist.text().map_err(|error| failed(&error))?;
        let freshness = variants.iter().map(|(_, timeline)| freshness(timeline, &extent, query));
        let freshness = freshness.collect::<Result<Vec<_>, _>>()?;
        // The least sure of all.
        let least = [Freshness::Growing, Freshness::InferredEnd, Freshness::DeclaredEnd]
            .into_iter()
            .find(|least| freshness.contains(least));
        self.playlist(|| text, false, least.unwrap_or(Freshness::Growing)).await
    }

    /// Waits until there is what the client waits for, and answers with what there is then.
    async fn media(
        self,
        recording: Arc<Recording>,
        variant: &str,
        query: &RenditionQuery,
        directives: &Directives,
    ) -> Result<Response, Problem> {
        let (variant, codec) = codec(&recording, variant)?;
        let rendition = query.part(Arc::clone(&recording), Arc::clone(&codec), Part::default())?;
        let (awaited, delta) = (directives.awaited()?, directives.is_delta()?);
        let asked = directives.parts()?;
        let with_parts = asked.unwrap_or_else(|| has_parts(variant.format));
        let mut extent = recording.subscribe();
        // A player that follows always waits for the next playlist: by that it is counted among those who listen.
        let _hearing = recording.hear();
        let mut deadline = None;
        let (now, timeline) = loop {
            let now = self.app.look(&recording, &mut extent)?;
            let Some(timeline) = Timeline::new(&rendition, &now) else {
                return Err(Problem::not_found(format!("`{variant}` is not to be had in HLS")));
            };
            if timeline.is_finished() || awaited.is_in(&timeline, with_parts)? {
                break (now, timeline);
            }
            let until = *deadline.get_or_insert_with(|| {
                tokio::time::Instant::now() + Duration::from_secs(PATIENCE * timeline.target_seconds())
            });
            // A 503, as the draft would have it, makes players give up that would go on when the recorder does.
            match tokio::time::timeout_at(until, self.app.wait(&mut extent)).await {
                Ok(news) => news?,
                Err(_) => break (now, timeline),
            }
        };
        know(&recording, &now).await?;
        let end_folder = match timeline.segments().last().and_then(|last| timeline.end_of(last)) {
            Some(end) => Some(folder(recording.name(), &*codec, Some(digest(&recording, end).await?))),
            None => None,
        };
        let listed = timeline.segments();
        let count = listed.end - listed.start;
        if count > MOST_SEGMENTS {
            let detail = format!(
                "all of it is {count} segments, and {MOST_SEGMENTS} are listed at the most: ask for a part, with `pos`"
            );
            return Err(Problem::parameter("duration", detail));
        }
        let ends = timeline.is_finished() && !(with_parts && awaited.is_before_end(&timeline));
        if ends && with_parts && awaited.is_behind_end(&timeline) {
            // It takes the last parts meanwhile.
            self.app.unless_stopped(tokio::time::sleep(FOR_LAST_PARTS)).await?;
        }
        let freshness = if ends { freshness(&timeline, &now, query)? } else { Freshness::Growing };
        let mut others = others(variant, &recording, (query, asked), &now)?;
        for other in &mut others {
            other.uri = self.pass.carried(std::mem::take(&mut other.uri));
        }
        let behind = self.pass.carried(String::new());
        let start = begins(query)?.map(|_| rendition.start());
        let text = move || {
            let folder_of = |frames| {
                let identity = recording.known_identity(frames);
                (frames == 0 || identity.is_some()).then(|| folder(recording.name(), &*codec, identity))
            };
            let (timeline, folder, others, behind) = (&timeline, &folder_of, &others[..], &behind[..]);
            let began = recording.began();
            let parts = with_parts;
            Media { timeline, folder, end_folder, behind, began, start, delta, parts, ends, others }.text()
        };
        self.playlist(text, !delta && count > LONG, freshness).await
    }

    async fn playlist(
        self,
        text: impl FnOnce() -> String + Send + 'static,
        is_long: bool,
        freshness: Freshness,
    ) -> Result<Response, Problem> {
        let headers = self.headers;
        let answer = move || {
            let body = text().into_bytes();
            Document { media_type: MEDIA_TYPE, body, changes: Vec::new(), freshness }.answer(&headers)
        };
        if !is_long {
            return Ok(answer());
        }
        // A closed semaphore: there is none.
        let _turn = LONG_ONES.acquire().await.map_err(Problem::internal)?;
        Ok(blocking(answer).await?)
    }

    async fn file(self, wanted: Wanted<'_>) -> Result<Response, Problem> {
        match wanted.file {
            File::Initialization => self.initialization(&wanted),
            File::Segment { end: Some(end), .. } | File::Part { end: Some(end), .. } => {
                self.at_end(wanted, end).await
            }
            File::Segment { .. } | File::Part { .. } => self.run(wanted).await,
        }
    }

    fn initialization(self, wanted: &Wanted<'_>) -> Result<Response, Problem> {
        wanted.check_folder(None)?;
        let bytes = wanted.container.initialization().map_err(|error| failed(&error))?;
        let Some(bytes) = bytes else { return Err(wanted.unknown()) };
        let media_type = wanted.container.media_type();
        let freshness = Freshness::Forever;
        Ok(Document { media_type, body: bytes, changes: Vec::new(), freshness }.answer(&self.headers))
    }

    /// A segment, or a part of one, that would be another if its recording had not ended where it did.
    async fn at_end(self, wanted: Wanted<'_>, frames: u64) -> Result<Response, Problem> {
        let mut extent = wanted.recording.subscribe();
        let now = self.app.look(&wanted.recording, &mut extent)?;
        if frames > now.frames {
            return Err(wanted.unknown());
        }
        // Whether it has gone on since makes no difference.
        let then = Extent { frames, state: RecordingState::Ended { declared: false }, ..now };
        let timeline = wanted.timeline(&then)?;
        let (run, end) = match wanted.file {
            File::Segment { number, .. } if timeline.segments().contains(&number) => {
                (timeline.segment(number), timeline.end_of(number))
            }
            File::Part { place, .. } => (timeline.part(place), timeline.end_of_part(place)),
            _ => return Err(wanted.unknown()),
        };
        if end != Some(frames) {
            return Err(wanted.unknown());
        }
        wanted.check_folder(Some(digest(&wanted.recording, frames).await?))?;
        self.sound(wanted, &run, Some(then), extent)
    }

    /// A segment or a part of one that no end changes; waits for it if it may still come.
    async fn run(self, wanted: Wanted<'_>) -> Result<Response, Problem> {
        let mut extent = wanted.recording.subscribe();
        loop {
            let now = self.app.look(&wanted.recording, &mut extent)?;
            let timeline = wanted.timeline(&Extent { state: RecordingState::Growing, ..now.clone() })?;
            let run = match wanted.file {
                File::Segment { number, .. } => timeline.segment(number),
                File::Part { place, .. } if place.part < timeline.parts_in_segment() => timeline.part(place),
                _ => return Err(wanted.unknown()),
            };
            let decided_by = wanted.decided_by(&timeline, &run);
            if decided_by <= now.frames {
                know(&wanted.recording, &now).await?;
                wanted.check_folder(wanted.recording.known_identity(decided_by))?;
            }
            if timeline.has(&run) {
                return self.sound(wanted, &run, None, extent);
            }
            let soon =
                Extent { frames: coming(&wanted.recording, &now), state: RecordingState::Growing, ..now };
            if !now.is_growing() || !wanted.timeline(&soon)?.has(&run) {
                return Err(wanted.unknown());
            }
            self.app.wait(&mut extent).await?;
        }
    }

    fn sound(
        self,
        wanted: Wanted<'_>,
        run: &Run,
        ended: Option<Extent>,
        extent: watch::Receiver<Extent>,
    ) -> Result<Response, Problem> {
        let etag = format!("\"{}-{}\"", wanted.folder, wanted.file.name(wanted.container));
        let freshness =
            if matches!(wanted.file, File::Part { .. }) { Freshness::Moments } else { Freshness::Forever };
        let Wanted { recording, codec, container, format, .. } = wanted;
        let contained = Contained::new(Arc::clone(&codec), container, run).map_err(|error| failed(&error))?;
        let rendition = Arc::new(Rendition::contained(recording, codec, contained, run));
        let Some(finished) = rendition.longest() else { return Err(Problem::internal("a run of no length")) };
        let media_type = container.media_type();
        let entity = Entity::Finished(Finished { len: finished.len, etag: &etag, media_type });
        let Decision::Answer(answer) = decided(&self.app, self.head, &self.headers, &entity) else {
            return Err(Problem::internal("what is there was to be waited for"));
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(freshness.cache_control()));
        headers.insert(header::ETAG, text(&etag));
        let sound = Sound {
            app: self.app,
            client: self.client,
            rendition,
            extent,
            end: ended.map(|extent| End { finished, extent }),
            format,
            asked: self.at,
            titles: None,
        };
        sound.respond(answer, headers, &self.headers)
    }
}

impl Wanted<'_> {
    fn timeline(&self, extent: &Extent) -> Result<Timeline, Problem> {
        let rendition = Rendition::new(Arc::clone(&self.recording), Arc::clone(&self.codec), 0, None);
        Timeline::new(&rendition, extent).ok_or_else(|| self.unknown())
    }

    /// The source frame up to which the sound decides what folder the file is in: to a segment's end, to a part's beginning,
    /// since that is known when the part is announced.
    fn decided_by(&self, timeline: &Timeline, run: &Run) -> u64 {
        match self.file {
            File::Segment { number, .. } => timeline.source_end(number),
            _ => timeline.source_start(run).max(identity::FIRST),
        }
    }

    /// That the folder is that of this recording.
    fn check_folder(&self, identity: Option<blake3::Hash>) -> Result<(), Problem> {
        let now = folder(self.recording.name(), &*self.codec, identity);
        if now == self.folder { Ok(()) } else { Err(self.unknown()) }
    }

    fn unknown(&self) -> Problem {
        let (folder, name) = (self.folder.chars().take(60).collect::<String>(), self.recording.name());
        let file = self.file.name(self.container);
        Problem::not_found(format!("`{folder}/{file}` is not of `{name}`, or not any more, or not yet"))
    }
}

/// Reads what names the files of a recording that goes so far, if it was not read before.
async fn know(recording: &Arc<Recording>, extent: &Extent) -> Result<(), Problem> {
    if !recording.knows_identity(extent.frames) {
        let (recording, frames) = (Arc::clone(recording), extent.frames);
        blocking(move || recording.identity(frames)).await??;
    }
    Ok(())
}

/// A digest of the recording as far as its end.
async fn digest(recording: &Arc<Recording>, end: u64) -> Result<blake3::Hash, Problem> {
    match recording.known_digest(end) {
        Some(digest) => Ok(digest),
        None => {
            let recording = Arc::clone(recording);
            Ok(blocking(move || recording.digest(end)).await??)
        }
    }
}

fn variants(
    recording: &Arc<Recording>,
    format: Option<Format>,
    query: &RenditionQuery,
    extent: &Extent,
) -> Result<Vec<(Variant, Timeline)>, Problem> {
    let spec = recording.spec();
    let mut variants = Vec::new();
    for variant in Variant::ladder(spec, format, query.parameters()?)? {
        let rendition = query.part(Arc::clone(recording), variant.codec(spec)?, Part::default())?;
        variants.extend(Timeline::new(&rendition, extent).map(|timeline| (variant, timeline)));
    }
    Ok(variants)
}

/// The other variants that a player may know of.
fn others(
    this: Variant,
    recording: &Arc<Recording>,
    (query, parts): (&RenditionQuery, Option<bool>),
    extent: &Extent,
) -> Result<Vec<Other>, Problem> {
    if !extent.is_growing() {
        return Ok(Vec::new());
    }
    // What was chosen among is told in the query; whatever else it says, the path says which this is.
    let variants = variants(recording, query.format().unwrap_or_default(), query, extent).unwrap_or_default();
    if variants.iter().all(|(variant, _)| *variant != this) {
        return Ok(Vec::new());
    }
    let behind = behind(query, parts, recording)?;
    let others = variants.into_iter().filter(|(other, _)| *other != this);
    let other = |(other, timeline): (Variant, Timeline)| {
        let (segment, part) = timeline.last(parts.unwrap_or_else(|| has_parts(other.format)))?;
        Some(Other { uri: format!("../{other}/{MEDIA}{behind}"), segment, part })
    };
    Ok(others.filter_map(other).collect())
}

/// How long a playlist may be kept.
fn freshness(timeline: &Timeline, extent: &Extent, query: &RenditionQuery) -> Result<Freshness, Problem> {
    if !timeline.is_finished() {
        return Ok(Freshness::Growing);
    }
    Ok(headers::freshness(extent, !timeline.is_settled(), query.is_relative()?))
}

/// Where to begin, if it is not the player's choice, which is the live edge while there is one.
fn begins(query: &RenditionQuery) -> Result<Option<Position>, Problem> {
    let is_clip = query.duration()?.is_some();
    Ok(query.chosen_position()?.filter(|position| is_clip || *position != Position::Live))
}

/// Whether parts of a format are listed if nobody says. hls.js puts parts of MP3 in the wrong places where it gives them to a
/// browser as they are (Chromium): all of a segment but the first at the very beginning.
fn has_parts(format: Format) -> bool {
    format != Format::Mp3
}

/// The part of a recording that is asked for, as the query of a playlist; a place that moves with the live edge is where it
/// is now.
fn behind(query: &RenditionQuery, parts: Option<bool>, recording: &Recording) -> Result<String, Problem> {
    let rate = recording.spec().rate;
    let position = match begins(query)? {
        Some(_) => Some(scale(query.start(recording)?, NANOS, rate.into())),
        None => None,
    };
    let pairs = [("pos", position), ("duration", query.duration()?)];
    let pairs =
        pairs.into_iter().filter_map(|(name, nanos)| Some(format!("{name}={}", time::in_seconds(nanos?))));
    let chosen = query.parameters()?;
    let format = query.format()?.map(|format| format!("format={format}"));
    let bitrate = chosen.bitrate.map(|bitrate| format!("bitrate={bitrate}"));
    let channels = chosen.channels.map(|channels| format!("channels={channels}"));
    let parts = parts.map(|parts| format!("parts={parts}"));
    let pairs: Vec<String> =
        [format, bitrate, channels].into_iter().flatten().chain(pairs).chain(parts).collect();
    Ok(if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) })
}
