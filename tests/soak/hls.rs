//! What is had by HLS: playlists by arithmetic, and by what a replica that has ended lists; files by what it gives.

use std::sync::Arc;
use std::time::Duration;

use tailcast::hls::Variant;
use tailcast_codecs::Codec;
use tailcast_codecs::grid::scale;

use crate::client::{End, Reply};
use crate::judge::{Judge, Wrong};
use crate::life::Life;
use crate::playlist::{Playlist, Segment};
use crate::request::{Request, What};

/// Target durations that a playlist is waited for.
const PATIENCE: u64 = 3;
/// Segments behind the one that is being made that may be waited for.
const AHEAD: u64 = 2;
/// What rounding may make of a duration, in microseconds for each of those that are added up.
const ROUNDING: u64 = 1;

/// A file, or the playlist of playlists, is a replica's of the same address. How long the recording was does not matter.
pub fn same(judge: &mut Judge<'_>, life: &Life, request: &Request, reply: &Reply) -> Result<(), Wrong> {
    let target = &request.target;
    let truth = judge.replicas.ask(life, life.len(), "GET", target, None);
    let (status, len) = (truth.status, reply.body.len());
    let is_file = matches!(request.what, What::File { .. });
    if status != 200 || is_file && truth.header("etag") != reply.header("etag") {
        return Err(format!("{target} is {status} in life {}: it is of another one", life.number));
    }
    let is_whole = reply.end == End::InOrder;
    if truth.body.get(..len) != Some(&reply.body[..]) || is_whole && truth.body.len() != len {
        let at = truth.body.iter().zip(&reply.body).position(|(a, b)| a != b);
        return Err(format!("{target}: {len} bytes, of {}; wrong from byte {at:?} on", truth.body.len()));
    }
    judge.bytes += len as u64;
    Ok(())
}

/// A playlist at `path` has what is there, and what was waited for.
pub fn playlist(
    judge: &mut Judge<'_>,
    life: &Life,
    path: &str,
    awaited: Option<(u64, Option<u64>)>,
    reply: &Reply,
) -> Result<(), Wrong> {
    if reply.end != End::InOrder {
        return Ok(());
    }
    let given = Playlist::parse(&String::from_utf8_lossy(&reply.body))?;
    // Of what is all there some players are not told so before they have the last parts.
    let is_all = given.ends || given.has_parts && given.hint.is_none() && !given.segments.is_empty();
    let edge = Edge::of(life, path)?;
    let lengths = if is_all { life.ends(judge.growth_timeout) } else { vec![life.len()] };
    let mut wrong = format!("life {} has no end, as it says", life.number);
    for bytes in lengths {
        let truth = judge.replicas.ask(life, bytes, "GET", path, None);
        let all = Playlist::parse(&String::from_utf8_lossy(&truth.body))?;
        let judged = match given.ends {
            true if truth.body == reply.body => Ok(()),
            true => Err(format!("it is not what a replica has that ended at byte {bytes}")),
            false => begins_as(&given, &all, is_all)
                .and_then(|()| if is_all { Ok(()) } else { edge.fits(&given, life, awaited, reply) }),
        };
        match judged {
            Ok(()) => {
                judge.bytes += reply.body.len() as u64;
                return Ok(());
            }
            Err(error) => wrong = format!("{error} (of life {})", life.number),
        }
    }
    Err(wrong)
}

/// That a playlist which does not say that it ends lists the first of all segments that there ever were.
fn begins_as(given: &Playlist, all: &Playlist, is_all: bool) -> Result<(), Wrong> {
    if (given.first, given.kind.as_str(), given.target) != (0, "EVENT", all.target) {
        return Err(format!("it begins with {}, is {}, and of {} s", given.first, given.kind, given.target));
    }
    if given.skipped == 0 && given.init != all.init {
        return Err(format!("it has {:?} in front, not {:?}", given.init, all.init));
    }
    let skipped = given.skipped as usize;
    let listed = skipped + given.segments.len();
    if listed > all.segments.len() || is_all && listed != all.segments.len() {
        return Err(format!("it lists {listed} segments, and there are {}", all.segments.len()));
    }
    for (number, (given, all)) in given.segments.iter().zip(&all.segments[skipped..]).enumerate() {
        if (&given.uri, given.micros) != (&all.uri, all.micros) {
            return Err(format!("segment {}: {given:?}, and there is {all:?}", number + skipped));
        }
        parts_make(given)?;
    }
    Ok(())
}

/// That the parts of a segment last as long as all of it.
fn parts_make(segment: &Segment) -> Result<(), Wrong> {
    let (count, micros) = (segment.parts.len() as u64, segment.parts.iter().map(|part| part.micros).sum());
    let is_whole = count == 0 || segment.micros.abs_diff(micros) <= (count + 1) * ROUNDING;
    if is_whole { Ok(()) } else { Err(format!("its parts last {micros}: {segment:?}")) }
}

/// How far a variant of a life goes.
struct Edge(Arc<dyn Codec>);

impl Edge {
    /// Of the variant that a path of HLS names.
    fn of(life: &Life, path: &str) -> Result<Self, Wrong> {
        let behind = path.strip_prefix(&format!("/hls/{}/", life.name)).unwrap_or_default();
        let variant = behind.split('/').next().unwrap_or_default();
        let variant: Variant = variant.parse().map_err(|()| format!("`{variant}` is no variant"))?;
        variant.codec(life.spec).map(Self).map_err(|error| error.to_string())
    }

    /// Coded frames that make whole packets when there are so many of the recording.
    fn coded(&self, frames: u64) -> u64 {
        self.0.grid().codable(self.0.feed().ready(frames)) * self.0.grid().packet_frames
    }

    /// Of a segment.
    fn segment(&self) -> u64 {
        self.0.grid().segment_packets * self.0.grid().packet_frames
    }

    /// Coded frames that last so long.
    fn lasts(&self, micros: u64) -> u64 {
        scale(micros, self.0.grid().rates.coded.into(), 1_000_000)
    }

    /// That what grows is listed as far as it goes, and as far as was waited for.
    fn fits(
        &self,
        given: &Playlist,
        life: &Life,
        awaited: Option<(u64, Option<u64>)>,
        reply: &Reply,
    ) -> Result<(), Wrong> {
        let micros: u64 = given.segments.iter().map(|segment| segment.micros).sum();
        let parts: u64 = given.edge.iter().map(|part| part.micros).sum();
        let lasts = given.skipped * self.segment() + self.lasts(micros + parts);
        let least = self.coded(life.frames_at_least(reply.asked));
        let most = self.coded(life.frames_at_most(reply.done));
        // As long as the longest that may not be whole.
        let unlisted = if given.has_parts { self.lasts(410_000) } else { self.segment() };
        let rounded = self.lasts(2 * ROUNDING * (given.segments.len() + given.edge.len() + 1) as u64) + 1;
        if lasts > most + rounded || lasts + unlisted + rounded < least {
            return Err(format!("it lasts {lasts} coded frames, of {least} to {most}"));
        }
        let listed = given.skipped + given.segments.len() as u64;
        let has = match awaited {
            None => true,
            Some((segment, None)) => listed > segment,
            Some((segment, Some(part))) => {
                listed > segment || listed == segment && given.edge.len() as u64 > part
            }
        };
        let patience =
            Duration::from_secs(PATIENCE * given.target).saturating_sub(Duration::from_millis(100));
        let waited = reply.begun.duration_since(reply.asked);
        if has || waited >= patience {
            Ok(())
        } else {
            Err(format!("it has no {awaited:?} after {waited:?}"))
        }
    }
}

/// Whether what HLS is asked for is not of one of these lives, or was not yet where that counted as ended.
pub fn is_not_of_one(judge: &mut Judge<'_>, lives: &[Arc<Life>], request: &Request) -> bool {
    let What::File { .. } = &request.what else { return false };
    lives.iter().any(|life| {
        let mut lengths = life.ends(judge.growth_timeout);
        lengths.push(life.len());
        lengths
            .into_iter()
            .any(|bytes| judge.replicas.ask(life, bytes, "HEAD", &request.target, None).status == 404)
    })
}

/// Whether a life may not have been so long that what is waited for may be.
pub fn is_too_far(life: &Life, request: &Request, reply: &Reply) -> bool {
    let What::Playlist { path, awaited: Some((segment, _)), .. } = &request.what else { return false };
    Edge::of(life, path)
        .is_ok_and(|edge| *segment > edge.coded(life.frames_at_least(reply.asked)) / edge.segment() + AHEAD)
}
