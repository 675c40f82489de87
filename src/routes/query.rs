//! The parameters that say which rendition of a recording is meant.

use std::num::IntErrorKind;
use std::sync::Arc;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use tailcast_codecs::Codec;
use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::grid::{NANOS, scale};

use crate::access::{Part, Refusal};
use crate::error::Problem;
use crate::recording::{Extent, Recording};
use crate::rendition::Rendition;
use crate::time::{self, Position, frames_in, seconds};

/// What may stand behind the `?` of a rendition. Everything is text here, so that each can be refused by its
/// own name; what is not known is left alone, since pages add numbers to get past caches.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RenditionQuery {
    format: Option<String>,
    pos: Option<String>,
    duration: Option<String>,
    bitrate: Option<String>,
    channels: Option<String>,
}

/// A query, or what is wrong with how it is written.
///
/// # Errors
/// When it is not a query string, or has a parameter twice.
pub fn checked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::parameter("query", rejection.body_text()))?;
    Ok(query)
}

impl RenditionQuery {
    /// The format, if one is named.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn format(&self) -> Result<Option<Format>, Problem> {
        Ok(self.format.as_deref().map(str::parse).transpose()?)
    }

    /// What is chosen beside the format.
    ///
    /// # Errors
    /// When it is no number.
    pub fn parameters(&self) -> Result<Parameters, Problem> {
        Ok(Parameters {
            bitrate: whole_number("bitrate", self.bitrate.as_deref())?,
            channels: whole_number("channels", self.channels.as_deref())?,
        })
    }

    fn position(&self) -> Result<Position, Problem> {
        Ok(self.chosen_position()?.unwrap_or(Position::FromStart(0)))
    }

    /// Whether the place meant moves with the live edge.
    ///
    /// # Errors
    /// When `pos` is not a position.
    pub fn is_relative(&self) -> Result<bool, Problem> {
        Ok(!matches!(self.position()?, Position::FromStart(_)))
    }

    /// The query with a position that stays where it is in place of one that moves with the live edge: that of the frame
    /// which the latter means now. `None` if it is not there to replace.
    ///
    /// # Errors
    /// When `pos` is not a position.
    pub fn settled(&self, query: &str, recording: &Recording) -> Result<Option<String>, Problem> {
        let rate = recording.spec().rate;
        let nanos = scale(self.position()?.frame(recording.extent().frames, rate), NANOS, rate.into());
        let settled = format!("pos={}", time::in_seconds(nanos));
        let is_position = |pair: &&str| pair.starts_with("pos=");
        let pairs: Vec<&str> =
            query.split('&').map(|pair| if is_position(&pair) { &settled } else { pair }).collect();
        Ok(query.split('&').any(|pair| is_position(&pair)).then(|| format!("?{}", pairs.join("&"))))
    }

    /// The rendition asked for, whose start the recording must have, or soon have; no more of it than `allowed`, whose ends it
    /// has unless others are said. May take some time: a resampler's table is made where there is none yet.
    ///
    /// # Errors
    /// When a parameter is not one, or not one that this recording has; when it would be more.
    pub fn rendition(
        &self,
        recording: Arc<Recording>,
        format: Format,
        allowed: Part,
    ) -> Result<Rendition, Problem> {
        let codec = format.codec(recording.spec(), self.parameters()?)?;
        self.part(recording, codec, allowed)
    }

    /// The part asked for of a recording in a codec.
    ///
    /// # Errors
    /// When a parameter that says which part is not one, or the recording has it not, or it is more than is `allowed`.
    pub fn part(
        &self,
        recording: Arc<Recording>,
        codec: Arc<dyn Codec>,
        allowed: Part,
    ) -> Result<Rendition, Problem> {
        let (extent, rate) = (recording.extent(), recording.spec().rate);
        let frames = |nanos| frames_in(nanos, rate);
        let position = self.chosen_position()?.unwrap_or(Position::FromStart(allowed.from.unwrap_or(0)));
        let start = position.frame(extent.frames, rate);
        let duration = self.duration()?.map(frames);
        let (start, duration) = within(start, duration, (allowed.from.map(frames), allowed.to.map(frames)))
            .ok_or(Refusal::Outside)?;
        check_start(&recording, &extent, start, self.pos.as_deref().unwrap_or_default())?;
        Ok(Rendition::new(recording, codec, start, duration))
    }

    /// The source frame to start at.
    ///
    /// # Errors
    /// When it is not a position, or the recording has it not.
    pub fn start(&self, recording: &Recording) -> Result<u64, Problem> {
        let extent = recording.extent();
        let start = self.position()?.frame(extent.frames, recording.spec().rate);
        check_start(recording, &extent, start, self.pos.as_deref().unwrap_or_default())?;
        Ok(start)
    }

    /// Nanoseconds, if it is to be a clip.
    ///
    /// # Errors
    /// When it is not a length of time.
    pub fn duration(&self) -> Result<Option<u64>, Problem> {
        let length = self.duration.as_deref().map(time::length);
        length.transpose().map_err(|error| Problem::time("duration", &error))
    }

    /// Where to start, if that is said.
    ///
    /// # Errors
    /// When `pos` is not a position.
    pub fn chosen_position(&self) -> Result<Option<Position>, Problem> {
        position("pos", self.pos.as_deref())
    }
}

/// A parameter that is a position, if it is there.
///
/// # Errors
/// When it is something else.
pub fn position(name: &'static str, text: Option<&str>) -> Result<Option<Position>, Problem> {
    text.map(str::parse).transpose().map_err(|error| Problem::time(name, &error))
}

/// A parameter that is a whole number, if it is there.
///
/// # Errors
/// When it is something else.
pub fn whole_number<T: TryFrom<u64>>(name: &'static str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let number = match text.parse::<u64>() {
        Ok(number) => T::try_from(number).map_err(|_| "too large"),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err("too large"),
        Err(_) => Err("not a whole number"),
    };
    let quoted: String = text.chars().take(60).collect();
    number.map(Some).map_err(|why| Problem::parameter(name, format!("`{quoted}` is {why}")))
}

/// That a parameter's value is not `what` it is to be.
pub fn refused(name: &'static str, text: &str, what: &str, allowed: &str) -> Problem {
    let text: String = text.chars().take(60).collect();
    Problem::parameter(name, format!("`{text}` is not {what} (allowed: {allowed})"))
}

/// What begins at a frame and lasts for so many or to the end, cut so that it is within a part; nothing if it is not. Two
/// times are rounded to frames one by one, so that one may be over.
fn within(
    start: u64,
    duration: Option<u64>,
    (from, to): (Option<u64>, Option<u64>),
) -> Option<(u64, Option<u64>)> {
    if start < from.unwrap_or(0) {
        return None;
    }
    let Some(to) = to else { return Some((start, duration)) };
    let most = to.checked_sub(start).filter(|most| *most > 0)?;
    match duration {
        Some(duration) if duration > most.saturating_add(1) => None,
        duration => Some((start, Some(duration.map_or(most, |duration| duration.min(most))))),
    }
}

/// A start beyond the end is refused; one that a growing recording can come to within its growth timeout is
/// waited for.
fn check_start(recording: &Recording, extent: &Extent, start: u64, written: &str) -> Result<(), Problem> {
    let rate = recording.spec().rate;
    let most = if extent.is_growing() { coming(recording, extent) } else { extent.frames.saturating_sub(1) };
    // The start of an empty recording is a place in it.
    if start == 0 || start <= most {
        return Ok(());
    }
    let length = seconds(extent.frames, rate);
    let state = if extent.is_growing() { "so far" } else { "and has ended" };
    let name = recording.name();
    Err(Problem::past_the_end(format!("pos `{written}`: `{name}` has {length:.3} s {state}")))
}

/// The source frames that a growing recording may have one growth timeout from now.
pub fn coming(recording: &Recording, extent: &Extent) -> u64 {
    let timeout = u64::try_from(recording.growth_timeout().as_nanos()).unwrap_or(u64::MAX);
    extent.frames.saturating_add(frames_in(timeout, recording.spec().rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_part_is_given_whatever_is_asked_for() {
        let part = (Some(100), Some(200));
        assert_eq!(within(100, None, part), Some((100, Some(100))));
        assert_eq!(within(150, None, part), Some((150, Some(50))));
        assert_eq!(within(150, Some(10), part), Some((150, Some(10))));
        assert_eq!(within(150, Some(51), part), Some((150, Some(50))), "rounded");
        for (start, duration) in [
            (99, None),
            (99, Some(1)),
            (200, None),
            (300, Some(1)),
            (150, Some(52)),
            (100, Some(u64::MAX)),
            (0, None),
        ] {
            assert_eq!(within(start, duration, part), None, "{start} {duration:?}");
        }
        assert_eq!(within(100, None, (Some(100), None)), Some((100, None)));
        assert_eq!(within(0, None, (None, Some(200))), Some((0, Some(200))));
        assert_eq!(within(5, Some(5), (Some(9), Some(3))), None, "a part of nothing");
    }
}
