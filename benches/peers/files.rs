//! Coded files as recordings: what a seek into one costs and what ten minutes of it do, with nothing of it decoded and with
//! all of it, beside the same sound as PCM and an ffmpeg for each listener.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use tempfile::TempDir;

use super::exchange::Client;
use super::process::Process;
use super::programs::{self, Ffmpeg};
use super::report::{Section, Table};
use super::settings::Settings;
use super::statistics::{Random, Sample};
use super::support::read_until;
use super::{sound, usage};

/// A file that ffmpeg makes of `show`.
struct Kind {
    name: &'static str,
    recording: &'static str,
    file: &'static str,
    ffmpeg: &'static [&'static str],
}

const KINDS: [Kind; 2] = [
    Kind { name: "FLAC", recording: "show-flac", file: "show-flac.flac", ffmpeg: &["-c:a", "flac"] },
    Kind {
        name: "MP3 192k",
        recording: "show-mp3",
        file: "show-mp3.mp3",
        ffmpeg: &["-c:a", "libmp3lame", "-b:a", "192k"],
    },
];

/// Seeks in a round, each into a part of its own.
const SEEKS: u64 = 10;
/// Every so many parts on: to and fro, and to each of them once.
const STRIDE: u64 = 7;
const WANTED: usize = 4096;

pub fn run(settings: &Settings, root: &Path) -> Section {
    let head = [
        "",
        "nothing decoded",
        "decoded before",
        "as PCM",
        "ffmpeg",
        "nothing decoded / PCM",
        "nothing decoded / ffmpeg",
        "decoded before / ffmpeg",
    ];
    let mut section = Section::new("Files of others", Table::new(&head));
    section.say(
        "A FLAC and an MP3 of the same sound as a recording of PCM, all heard as MP3 128k: by tailcast, with nothing of the \
         file decoded, and by another server that finds it decoded and has coded nothing; and by a new ffmpeg for each \
         listener (`-ss … -i FILE`). A seek is the first 4 KiB; the places lie all over the file and are taken to and fro. \
         The CPU is that of a stretch of it, of ten minutes where the file is long enough. An MP3 has no index: a seek into it \
         goes through its frames from the first, and a server that sees it for the first time counts them.",
    );
    for kind in &KINDS {
        make(root, kind);
        looks(settings, root, kind, &mut section);
        seeks(settings, root, kind, &mut section);
    }
    for kind in &KINDS {
        stretches(settings, root, kind, &mut section);
        fs::remove_file(root.join(kind.file)).unwrap();
    }
    section
}

fn make(root: &Path, kind: &Kind) {
    let (input, output) = (root.join("show.pcm"), root.join(kind.file));
    let input = [&sound::FFMPEG_INPUT[..], &["-i", input.to_str().unwrap()]].concat();
    programs::output(&[&input[..], kind.ffmpeg, &[output.to_str().unwrap()]].concat());
    fs::write(root.join(format!("{}.toml", kind.recording)), "ended = true\n").unwrap();
}

/// A server whose decoded sound is in a folder.
fn server(settings: &Settings, root: &Path, decoded: &TempDir) -> Process {
    programs::tailcast(settings, root, &["--decoded-cache", decoded.path().to_str().unwrap()])
}

/// Milliseconds until it is known what a recording is.
fn look(server: &Process, recording: &str) -> f64 {
    let begun = Instant::now();
    Client::connect(server.address).text(&format!("/recordings/{recording}"));
    begun.elapsed().as_secs_f64() * 1000.0
}

/// A file that nobody has asked for before: all of an MP3 has to be read.
fn looks(settings: &Settings, root: &Path, kind: &Kind, section: &mut Section) {
    let looks: Vec<[f64; 3]> = (0..settings.rounds)
        .map(|_| {
            let decoded = TempDir::new().unwrap();
            let cold = server(settings, root, &decoded);
            let (first, pcm) = (look(&cold, kind.recording), look(&cold, "show"));
            drop(cold);
            [first, look(&server(settings, root, &decoded), kind.recording), pcm]
        })
        .collect();
    let of = |column: usize| looks.iter().map(|look| look[column]).collect::<Sample>().to_string();
    let none = || "–".to_owned();
    let name = format!("{}, how long it is, ms", kind.name);
    section.table.row(&[name, of(0), of(1), of(2), none(), none(), none(), none()]);
}

/// One work by all of them.
struct Work {
    cold: f64,
    warm: f64,
    pcm: f64,
    ffmpeg: f64,
}

fn row(section: &mut Section, name: String, works: &[Work], told: fn(&Sample) -> String) {
    let of = |figure: fn(&Work) -> f64| told(&works.iter().map(figure).collect());
    section.table.row(&[
        name,
        of(|work| work.cold),
        of(|work| work.warm),
        of(|work| work.pcm),
        of(|work| work.ffmpeg),
        of(|work| work.cold / work.pcm),
        of(|work| work.cold / work.ffmpeg),
        of(|work| work.warm / work.ffmpeg),
    ]);
}

fn seeks(settings: &Settings, root: &Path, kind: &Kind, section: &mut Section) {
    let (mut works, mut random) = (Vec::new(), Random::seeded(3));
    let part = settings.minutes * 60 / SEEKS;
    for _ in 0..settings.rounds {
        // Into the first half of its part, so that none finds what was read on behind the one before.
        let places: Vec<u64> = (0..SEEKS)
            .map(|number| number * STRIDE % SEEKS * part + random.below((part / 2).max(1)))
            .collect();
        let decoded = TempDir::new().unwrap();
        let cold = server(settings, root, &decoded);
        look(&cold, kind.recording);
        let first: Vec<_> = places.iter().map(|place| first_bytes(&cold, kind.recording, *place)).collect();
        drop(cold);
        let warm = server(settings, root, &decoded);
        for (place, cold) in places.iter().zip(first) {
            works.push(Work {
                cold,
                warm: first_bytes(&warm, kind.recording, *place),
                pcm: first_bytes(&warm, "show", *place),
                ffmpeg: first_bytes_of_ffmpeg(&root.join(kind.file), *place),
            });
        }
    }
    row(section, format!("{}, a seek, ms", kind.name), &works, Sample::quartiles);
}

fn first_bytes(server: &Process, recording: &str, second: u64) -> f64 {
    let begun = Instant::now();
    let path = format!("/audio/{recording}.mp3?pos={second}.5");
    Client::connect(server.address).get_first(&path, None, WANTED as u64);
    begun.elapsed().as_secs_f64() * 1000.0
}

fn first_bytes_of_ffmpeg(file: &Path, second: u64) -> f64 {
    let begun = Instant::now();
    let second = format!("{second}.5");
    let input = ["-ss", &second, "-i", file.to_str().unwrap()];
    let mut ffmpeg =
        Ffmpeg::start(&[&input[..], &programs::MP3, &["-"]].concat(), Stdio::null(), Stdio::piped());
    read_until(ffmpeg.child.stdout.take().unwrap(), WANTED);
    begun.elapsed().as_secs_f64() * 1000.0
}

fn stretches(settings: &Settings, root: &Path, kind: &Kind, section: &mut Section) {
    let third = settings.minutes * 60 / 3;
    let (pos, len) = (third, third.min(600));
    let works: Vec<Work> = (0..settings.rounds)
        .map(|_| {
            let decoded = TempDir::new().unwrap();
            let ours = |recording| stretch(&server(settings, root, &decoded), recording, pos, len);
            let (cold, warm, pcm) = (ours(kind.recording), ours(kind.recording), ours("show"));
            Work { cold, warm, pcm, ffmpeg: stretch_by_ffmpeg(&root.join(kind.file), pos, len) }
        })
        .collect();
    row(section, format!("{}, {} min, s of CPU", kind.name, len / 60), &works, Sample::to_string);
}

/// Seconds of the processor that a stretch takes of a recording of which the length is known.
fn stretch(server: &Process, recording: &str, pos: u64, len: u64) -> f64 {
    look(server, recording);
    let before = usage::cpu(server.child.id());
    Client::connect(server.address).get(&format!("/audio/{recording}.mp3?pos={pos}&duration={len}"), None);
    usage::cpu(server.child.id()) - before
}

fn stretch_by_ffmpeg(file: &Path, pos: u64, len: u64) -> f64 {
    let before = usage::cpu_of_past_children();
    let (pos, len) = (pos.to_string(), len.to_string());
    let input = ["-ss", &pos, "-t", &len, "-i", file.to_str().unwrap()];
    programs::output(&[&input[..], &programs::MP3, &["-"]].concat());
    usage::cpu_of_past_children() - before
}
