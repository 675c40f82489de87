//! Tests that need programs, or files of others, which may not be there.
//!
//! A test whose program is not installed is ignored, and its name says so. Where `TAILCAST_REQUIRE_JUDGES` is
//! set (CI does), it fails instead.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// A test that needs programs.
#[derive(Clone, Copy)]
pub struct Judged {
    pub name: &'static str,
    pub judges: &'static [&'static str],
    pub test: fn(),
}

/// Whether there is a program of that name, or a file at that path.
fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
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

/// Runs those that the command line asks for.
pub fn run(tests: &[Judged]) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), tests.iter().copied().map(trial).collect()).exit_code()
}
