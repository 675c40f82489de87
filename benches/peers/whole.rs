//! A whole recording, coded from nothing: tailcast through its server and a socket, ffmpeg to a pipe.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use super::exchange::Client;
use super::programs::{self, Ffmpeg};
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::Sample;
use super::support::read_until;
use super::turns::in_turns;
use super::{sound, usage};

/// A format by both programs.
pub struct Format {
    pub name: &'static str,
    /// The extension in tailcast's paths.
    pub extension: &'static str,
    /// What ffmpeg is told.
    pub ffmpeg: [&'static str; 6],
    wall: f64,
    cpu: f64,
}

/// With the aims for the time that each takes, as a share of ffmpeg's.
pub const FORMATS: [Format; 2] = [
    Format {
        name: "MP3 128k",
        extension: "mp3",
        ffmpeg: ["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"],
        wall: 0.5,
        cpu: 1.0,
    },
    Format {
        name: "Opus 96k",
        extension: "opus",
        ffmpeg: ["-c:a", "libopus", "-b:a", "96k", "-f", "ogg"],
        wall: 0.4,
        cpu: 0.75,
    },
];

#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Seconds on the clock.
    wall: f64,
    /// Seconds of the processor.
    cpu: f64,
    /// The most that it took, in KiB; not asked of ffmpeg.
    memory: f64,
}

/// With an encoder for each processor, and with one.
#[derive(Debug, Clone, Copy)]
struct Ours {
    all: Cost,
    one: Cost,
}

pub fn run(settings: &Settings, root: &Path) -> Section {
    let head = [
        "",
        "x real time",
        "ffmpeg's",
        "wall, ours / ffmpeg",
        "CPU, ours / ffmpeg",
        "CPU with one encoder",
        "peak memory",
    ];
    let mut section = Section::new("A whole recording, cold", Table::new(&head));
    section.say(
        "From nothing coded, a fresh server each time, read through a socket; ffmpeg codes to a pipe. Both read the recording \
         from the page cache. Ours has an encoder for each processor and ffmpeg codes on one; processors that share a core do \
         less in a second than one that has it for itself, so it is done with `--threads 1`, too.",
    );
    for format in &FORMATS {
        measure(settings, root, format, &mut section);
    }
    section
}

fn measure(settings: &Settings, root: &Path, format: &Format, section: &mut Section) {
    let both = || {
        let [all, one] =
            [&[][..], &["--threads", "1"]].map(|arguments| ours(settings, root, format, arguments));
        Ours { all, one }
    };
    let rounds = in_turns(settings.rounds, both, || theirs(root, format));
    let sample = |of: &dyn Fn(&(Ours, Cost)) -> f64| -> Sample { rounds.iter().map(of).collect() };
    let sound = (settings.minutes * 60) as f64;
    let wall = sample(&|(ours, theirs)| ours.all.wall / theirs.wall);
    let cpu = sample(&|(ours, theirs)| ours.all.cpu / theirs.cpu);
    section.table.row(&[
        format.name.to_owned(),
        sample(&|(ours, _)| sound / ours.all.wall).to_string(),
        sample(&|(_, theirs)| sound / theirs.wall).to_string(),
        wall.to_string(),
        cpu.to_string(),
        sample(&|(ours, theirs)| ours.one.cpu / theirs.cpu).to_string(),
        format!("{:.0} MiB", sample(&|(ours, _)| ours.all.memory / 1024.0).greatest()),
    ]);
    let what = |of: &str| format!("whole file to {}, {of}", format.name);
    section.aims.push(Aim::ratio(what("wall"), "ffmpeg", &wall, Bound::AtMost(format.wall)));
    section.aims.push(Aim::ratio(what("CPU"), "ffmpeg", &cpu, Bound::AtMost(format.cpu)));
}

fn ours(settings: &Settings, root: &Path, format: &Format, arguments: &[&str]) -> Cost {
    let server = programs::tailcast(settings, root, arguments);
    let begun = Instant::now();
    Client::connect(server.address).get(&format!("/audio/show.{}", format.extension), None);
    let wall = begun.elapsed().as_secs_f64();
    let pid = server.child.id();
    Cost { wall, cpu: usage::cpu(pid), memory: usage::memory(pid, "VmHWM") }
}

fn theirs(root: &Path, format: &Format) -> Cost {
    let begun = Instant::now();
    let before = usage::cpu_of_past_children();
    let path = root.join("show.pcm");
    let input = [&sound::FFMPEG_INPUT[..], &["-i", path.to_str().unwrap()]].concat();
    let arguments = [&input[..], &format.ffmpeg, &["-"]].concat();
    let mut ffmpeg = Ffmpeg::start(&arguments, Stdio::null(), Stdio::piped());
    read_until(ffmpeg.child.stdout.take().unwrap(), usize::MAX);
    ffmpeg.child.wait().unwrap();
    let cpu = usage::cpu_of_past_children() - before;
    Cost { wall: begun.elapsed().as_secs_f64(), cpu, memory: 0.0 }
}
