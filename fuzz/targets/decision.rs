//! Lines of text: first the rendition (`finished LENGTH`, or `growing EXISTS SOON LATER TOTAL`, `-` for no total), then
//! `head` or headers of a request, as in `range: bytes=0-1`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tailcast::http::{Entity, Growing, Request};

#[path = "../../tests/properties/decision.rs"]
mod decision;

/// The model looks at each byte.
const MOST: u64 = 2000;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let Some((entity, end)) = lines.next().and_then(entity) else { return };
    let mut request = Request::default();
    for line in lines {
        match line.split_once(": ") {
            Some(("range", value)) => request.range = Some(value),
            Some(("if-range", value)) => request.if_range = Some(value),
            Some(("if-match", value)) => request.if_match = Some(value),
            Some(("if-none-match", value)) => request.if_none_match = Some(value),
            _ => request.head |= line == "head",
        }
    }
    decision::is_the_models(&request, &entity, end);
});

/// The rendition, and its bytes when the recording will have ended.
fn entity(line: &str) -> Option<(Entity<'static>, u64)> {
    let number = |word: &str| Some(word.parse::<u64>().ok()? % MOST);
    match *line.split(' ').collect::<Vec<_>>() {
        ["finished", len] => Some((decision::finished(number(len)?), number(len)?)),
        ["growing", exists, soon, later, total] => {
            let (exists, virtual_total) = (number(exists)?, number(total).map(|total| total + 1));
            let growing = Growing { exists, reach: exists + number(soon)?, virtual_total };
            Some((Entity::Growing(growing), exists + number(later)?))
        }
        _ => None,
    }
}
