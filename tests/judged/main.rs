//! Sound and files, judged by programs that know nothing of this one.
//!
//! A test whose judge is not installed is ignored, and its name says so. Where `TAILCAST_REQUIRE_JUDGES` is
//! set (CI does), it fails instead.

mod judge;
mod packets;
mod place;
mod seams;
mod sound;
#[path = "../support/mod.rs"]
mod support;
mod tidy;

use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// A test that needs programs.
#[derive(Clone, Copy)]
pub struct Judged {
    pub name: &'static str,
    pub judges: &'static [&'static str],
    pub test: fn(),
}

fn is_there(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn trial(judged: Judged) -> Trial {
    let missing: Vec<&str> = judged.judges.iter().copied().filter(|judge| !is_there(judge)).collect();
    let run = move || {
        (judged.test)();
        Ok::<(), Failed>(())
    };
    if missing.is_empty() {
        return Trial::test(judged.name, run);
    }
    let missing = missing.join(", ");
    let required = std::env::var_os("TAILCAST_REQUIRE_JUDGES").is_some();
    let name = format!("{} [JUDGE MISSING: {missing}]", judged.name);
    Trial::test(name, move || Err(format!("{missing} must be installed for this test").into()))
        .with_ignored_flag(!required)
}

fn main() -> ExitCode {
    let tests = [sound::TESTS, seams::TESTS, packets::TESTS, tidy::TESTS].concat();
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
