//! What the figures were measured on and with.

use std::fs;
use std::process::Command;

use super::settings::Settings;

/// A sentence about the machine, and one about the run.
pub fn description(settings: &Settings) -> String {
    let cores = std::thread::available_parallelism().unwrap();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    format!(
        "Measured on {cores} cores of {}, Linux {}, with {}. Minutes of stereo sound at 44.1 kHz: {}; rounds: {}, in which \
         the programs take turns; listeners are looked at for {} s and their recorder writes every {} ms. Where a figure has \
         others in brackets behind it, it is the median, and they are the least and the greatest (of seeks: the quartiles).",
        processor(),
        kernel.trim(),
        versions(),
        settings.minutes,
        settings.rounds,
        settings.window.as_secs(),
        settings.recorder_period.as_millis(),
    )
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("an unnamed processor", |(_, name)| name).to_owned()
}

fn versions() -> String {
    let versions = [
        first_line("ffmpeg", "-version")
            .split(" Copyright")
            .next()
            .unwrap_or_default()
            .replace("version ", ""),
        first_line("icecast2", "-v"),
        first_line("nginx", "-v").replace("nginx version: ", ""),
        format!("tailcast {}{}", env!("CARGO_PKG_VERSION"), commit()),
    ];
    versions.join(", ")
}

/// Of what is checked out, if that can be told.
fn commit() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output();
    let commit =
        described.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    if commit.is_empty() { commit } else { format!(" ({commit})") }
}

/// Of what a program says about itself, on whichever stream.
fn first_line(program: &str, argument: &str) -> String {
    let Ok(out) = Command::new(program).arg(argument).output() else { return format!("no {program}") };
    let said = [out.stdout, out.stderr].concat();
    String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
}
