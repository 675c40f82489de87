//! What is told of recordings: waveforms, lists, events.

use std::sync::Arc;

use serde_json::Value;

use crate::client::{End, Reply};
use crate::judge::{Judge, Wrong};
use crate::life::{Archive, Life};
use crate::request::Request;

/// A waveform is, pixel by pixel, what a replica makes of the same frames.
pub fn waveform(judge: &mut Judge<'_>, life: &Life, request: &Request, reply: &Reply) -> Result<(), Wrong> {
    let frame =
        |name: &str| reply.header(name).and_then(|value| value.parse::<u64>().ok()).ok_or("no frames");
    let (start, end) = (frame("tailcast-start-frame")?, frame("tailcast-end-frame")?);
    let etag = reply.header("etag");
    let base = request.target.split("&start=").next().unwrap_or_default();
    let seconds = |frame: u64| {
        let nanos = u128::from(frame) * 1_000_000_000 / u128::from(life.spec.rate);
        // Rounded up, so that it is not the frame before.
        let nanos =
            nanos + u128::from(nanos * u128::from(life.spec.rate) < u128::from(frame) * 1_000_000_000);
        format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    };
    let ends = match etag {
        Some(_) => life.ends(judge.growth_timeout),
        None => vec![life.len()],
    };
    let mut wrong = format!("frames {start} to {end}: none of its ends is there");
    for bytes in ends {
        let target = match etag {
            Some(_) => request.target.clone(),
            None => format!("{base}&start={}&end={}", seconds(start), seconds(end)),
        };
        if etag.is_none() && end > life.frames_in(bytes) {
            continue;
        }
        let truth = judge.replicas.ask(life, bytes, "GET", &target, None);
        if etag.is_some() && truth.header("etag") != etag {
            wrong = format!("its tag is {etag:?}, and {target} has {:?}", truth.header("etag"));
            continue;
        }
        let is_whole = reply.end == End::InOrder;
        let len = reply.body.len();
        if truth.body.get(..len) != Some(&reply.body[..]) || is_whole && truth.body.len() != len {
            let at = truth.body.iter().zip(&reply.body).position(|(a, b)| a != b);
            wrong = format!("{target}: {len} bytes, of {}; wrong from byte {at:?} on", truth.body.len());
            continue;
        }
        judge.bytes += len as u64;
        return Ok(());
    }
    Err(wrong)
}

/// A list has what is there, as long as it may be.
pub fn list(archive: &Archive, names: &[String], reply: &Reply) -> Result<(), Wrong> {
    if reply.end == End::Left {
        return Ok(());
    }
    let list: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    let empty = vec![];
    let entries = list["recordings"].as_array().unwrap_or(&empty);
    let unusable = list["unusable"].as_array().unwrap_or(&empty);
    let listed = |name: &str| entries.iter().find(|entry| entry["name"] == name);
    for entry in entries {
        let name = entry["name"].as_str().unwrap_or_default();
        let lives = archive.lives(name);
        let frames = entry["frames"].as_u64().unwrap_or(u64::MAX);
        let fits = |life: &Arc<Life>| {
            let range = life.frames_at_least(reply.asked)..=life.frames_at_most(reply.done);
            life.overlaps(reply.asked, reply.done) && range.contains(&frames)
        };
        if !lives.iter().any(fits) {
            return Err(format!("{entry} cannot be: {lives:?}"));
        }
    }
    for entry in unusable {
        let lives = archive.lives(entry["name"].as_str().unwrap_or_default());
        let excused =
            |life: &Arc<Life>| !life.had_header(reply.asked) || life.changed_between(reply.asked, reply.done);
        if !lives.iter().any(excused) {
            return Err(format!("{entry}: {lives:?}"));
        }
    }
    for name in names {
        let is_there =
            |life: &Arc<Life>| life.was_there(reply.asked, reply.done) && life.had_header(reply.asked);
        if archive.lives(name).iter().any(is_there) && listed(name).is_none() {
            return Err(format!("`{name}` is missing"));
        }
    }
    Ok(())
}

/// Events tell of one life, which gets no shorter, and end when it is lost.
pub fn events(lives: &[Arc<Life>], name: Option<&str>, reply: &Reply) -> Result<(), Wrong> {
    let text = String::from_utf8_lossy(&reply.body);
    // Whoever left may have half an event.
    let whole = text.rfind("\n\n").map_or("", |at| &text[..at]);
    let (mut frames, mut lost) = (0, false);
    for event in whole.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':')) {
        let line = |start: &str| event.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
        let data: Value =
            serde_json::from_str(line("data: ")).map_err(|error| format!("{event}: {error}"))?;
        match (line("event: "), name) {
            ("changes" | "reload", None) => {}
            ("lost", Some(_)) => lost = true,
            ("status", Some(_)) if !lost => {
                let now = data["frames"].as_u64().unwrap_or_default();
                let most = lives.iter().map(|life| life.frames_at_most(reply.done)).max();
                if now < frames || most.is_none_or(|most| now > most) {
                    return Err(format!("{now} frames after {frames}, and at most {most:?} there were"));
                }
                frames = now;
            }
            _ => return Err(format!("nobody expects `{event}`")),
        }
    }
    if lost && !lives.iter().any(|life| life.may_be_lost_by(reply.done)) {
        return Err("it was not lost".to_owned());
    }
    // The other readers left.
    if lost || reply.end == End::Left { Ok(()) } else { Err("it ended by itself".to_owned()) }
}
