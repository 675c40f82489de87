//! Programs that people save, listen and record with, at the server itself: what they make of a recording that has ended and of one
//! that grows under them; nginx before it, and Prometheus beside it.

mod card;
mod fronted;
#[path = "../judged/judge.rs"]
#[allow(dead_code, reason = "written for the tests beside it; here some of it is used")]
mod judge;
#[path = "../judged/place.rs"]
mod place;
mod playing;
mod radio;
mod recording;
mod saving;
mod sources;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod watching;

use std::process::ExitCode;

use support::judged::run;

fn main() -> ExitCode {
    run(&[
        saving::TESTS,
        playing::TESTS,
        radio::TESTS,
        recording::TESTS,
        sources::TESTS,
        fronted::TESTS,
        watching::TESTS,
    ]
    .concat())
}
