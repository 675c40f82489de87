//! Memory must not depend on how long a recording is.

use std::path::Path;

use super::exchange::Client;
use super::programs;
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::Sample;
use super::turns::in_turns;
use super::{sound, usage};

const HOURS: u64 = 10;
/// Of which the last minute is sound.
const LONG: u64 = HOURS * 3600;

fn write_recordings(root: &Path) {
    sound::write_sparse(root, "minute", 60, [0].into_iter());
    sound::write_sparse(root, "ten-hours", LONG, [LONG - 60].into_iter());
}

pub fn run(settings: &Settings, root: &Path) -> Section {
    write_recordings(root);
    let head = ["last minute, as", "of 1 min, MiB", "of 10 h, MiB", "10 h / 1 min"];
    let mut section = Section::new("Memory", Table::new(&head));
    section.say("The most that a fresh server takes which gives the last minute of a recording.");
    for extension in ["mp3", "opus", "wav"] {
        let peak = |path: &str| {
            let server = programs::tailcast(settings, root, &[]);
            Client::connect(server.address).get(path, None);
            usage::memory(server.child.id(), "VmHWM") / 1024.0
        };
        let rounds = in_turns(
            settings.rounds,
            || peak(&format!("/audio/ten-hours.{extension}?pos={}", LONG - 60)),
            || peak(&format!("/audio/minute.{extension}")),
        );
        let sample = |of: &dyn Fn(&(f64, f64)) -> f64| -> Sample { rounds.iter().map(of).collect() };
        let (long, short) = (sample(&|(long, _)| *long), sample(&|(_, short)| *short));
        let ratio: Sample = [long.median() / short.median()].into_iter().collect();
        section.table.row(&[
            extension.to_ascii_uppercase(),
            short.to_string(),
            long.to_string(),
            format!("{:.3}", ratio.median()),
        ]);
        let what = format!("memory with 10 h against 1 min, {extension}");
        section.aims.push(Aim::of(what, &ratio, Bound::Within(0.05)));
    }
    section
}
