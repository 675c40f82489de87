//! Sound and files, judged by programs that know nothing of this one.

mod hls;
mod judge;
mod packets;
mod place;
mod seams;
mod sound;
#[path = "../support/mod.rs"]
mod support;
mod tidy;
mod titles;

use std::process::ExitCode;

use support::judged::run;

fn main() -> ExitCode {
    run(&[sound::TESTS, seams::TESTS, packets::TESTS, tidy::TESTS, hls::TESTS, titles::TESTS].concat())
}
