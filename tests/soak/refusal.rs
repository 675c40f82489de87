//! Which refusals there is a reason for.

use std::sync::Arc;
use std::time::Duration;

use crate::client::Reply;
use crate::hls;
use crate::judge::{Judge, View, Wrong, firsts_asked_for, starts};
use crate::life::Life;
use crate::request::{Answer, What};

/// That a refusal is a problem document, and that there was reason for it.
pub fn explain(judge: &mut Judge<'_>, answer: &Answer, lives: &[Arc<Life>]) -> Result<(), Wrong> {
    let Answer { request, reply } = answer;
    // Its last bytes may have been cut off by whoever asked.
    let problem = serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default();
    let kind = match request.method {
        "HEAD" => kind_of_none(reply.status),
        _ => problem["type"].as_str().unwrap_or_default().trim_start_matches("/problems/"),
    };
    if request.method != "HEAD" && reply.header("content-type") != Some("application/problem+json") {
        return Err(format!("{} is no problem document", reply.status));
    }
    let Reply { asked, begun, .. } = *reply;
    let explained = match (reply.status, kind) {
        (404, "not-found") => {
            let all = request.name().map(|name| judge.archive.lives(name)).unwrap_or_default();
            !is_there_throughout(&all, reply) || hls::is_not_of_one(judge, lives, request)
        }
        (400, "parameter") => lives.iter().any(|life| hls::is_too_far(life, request, reply)),
        (503, "changed") => lives.iter().any(|life| life.changed_between(asked, begun)),
        (503, "no-header-yet") => lives.iter().any(|life| !life.had_header(asked)),
        (503, "queue") => true,
        // Without a body it does not say why.
        (503, "") => lives.iter().any(|life| life.changed_between(asked, begun) || !life.had_header(asked)),
        (416, "past-the-end" | "range" | "") => {
            lives.iter().any(|life| is_past_the_end(life, answer, judge.growth_timeout))
        }
        _ => false,
    };
    if reply.status == 503 && reply.header("retry-after").is_none() {
        return Err("503 without Retry-After".to_owned());
    }
    let detail = String::from_utf8_lossy(&reply.body);
    if explained { Ok(()) } else { Err(format!("there is no reason for {}: {detail}", reply.status)) }
}

/// What a refusal without a document is taken for.
fn kind_of_none(status: u16) -> &'static str {
    if status == 404 { "not-found" } else { "" }
}

/// Whether there was always some life under a name while somebody asked for it.
fn is_there_throughout(lives: &[Arc<Life>], reply: &Reply) -> bool {
    let mut there = lives.iter().filter(|life| life.overlaps(reply.asked, reply.begun)).peekable();
    let Some(first) = there.peek() else { return false };
    // One that was born of another was never not there.
    first.was_born_by(reply.asked) && there.all(|life| !life.may_be_removed_by(reply.begun))
}

/// Whether a recording may not have had what was asked for, and is as long as the refusal says, if it does.
fn is_past_the_end(life: &Life, answer: &Answer, timeout: Duration) -> bool {
    let Answer { request, reply } = answer;
    let What::Sound { wanted, .. } = &request.what else { return false };
    let there = life.frames_at_least(reply.asked);
    let firsts = request.header("range").map(firsts_asked_for).unwrap_or_default();
    let total =
        reply.header("content-range").map(|range| range.trim_start_matches("bytes */").parse().unwrap());
    starts(life, wanted, reply, timeout).into_iter().any(|start| {
        let view = View::new(life, wanted, start, timeout);
        let exist = view.exists(there);
        let is_behind = !firsts.is_empty() && firsts.iter().all(|first| *first >= exist);
        (start >= there || is_behind) && total.is_none_or(|total| view.may_be_long(total))
    })
}
