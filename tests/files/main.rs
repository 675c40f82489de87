//! Files of others (FLAC, MP3, Ogg, MP4) are served as recordings: the sound that is in them, at its place, whoever asks for
//! which part of it first; and whatever is wrong with such a file is that file's trouble alone.

mod cache;
mod chain;
mod harm;
mod house;
mod made;
mod processor;
mod sound;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use support::judged::run;

fn main() -> ExitCode {
    run(&[sound::TESTS, cache::TESTS, harm::TESTS, chain::TESTS, house::TESTS, processor::TESTS].concat())
}
