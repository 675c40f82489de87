//! The same work by this server and by ffmpeg, in turns, in one run: what counts are the ratios. Writes
//! `docs/performance.md`.
//!
//! `cargo bench --bench beside_ffmpeg` (needs ffmpeg and a release build). `MINUTES=10` makes it shorter.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/process.rs"]
mod process;
mod support;

use process::Process;
use support::read_until;
use tailcast::demo::piece;
use tempfile::TempDir;

const RATE: u32 = 44_100;
const ROUNDS: usize = 5;
const SEEKS: usize = 15;

/// Seconds on the clock and of the processor.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The server as its users run it.
fn serve(root: &Path) -> Process {
    Process::serve(root, &["--cache", "1MiB"])
}

/// Reads `most` bytes of an answer's body and head, or all.
fn get(server: &Process, path: &str, most: usize) -> usize {
    let mut socket = TcpStream::connect(server.address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    read_until(socket, most)
}

/// Resident memory at its highest, in MiB.
fn peak_rss(server: &Process) -> f64 {
    server.memory("VmHWM") as f64 / 1024.0
}

/// Runs ffmpeg to its end, or until its first `most` bytes are there.
fn ffmpeg(arguments: &[&str], input: &Path, seek: Option<u64>, most: usize) -> Cost {
    let begun = Instant::now();
    let before = children_cpu();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "s16le", "-ar", "44100", "-ac", "2"]);
    if let Some(second) = seek {
        command.args(["-ss", &second.to_string()]);
    }
    command.arg("-i").arg(input).args(arguments).arg("-").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("ffmpeg must be installed");
    read_until(child.stdout.as_mut().unwrap(), most);
    let wall = begun.elapsed().as_secs_f64();
    let _ = child.kill();
    child.wait().unwrap();
    Cost { wall, cpu: children_cpu() - before }
}

/// Processor seconds of the children that have been waited for: fields 16 and 17 of /proc/self/stat.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let ticks: Vec<f64> =
        behind_name.split_whitespace().skip(13).take(2).map(|t| t.parse().unwrap()).collect();
    (ticks[0] + ticks[1]) / 100.0
}

/// Where seeks go, in seconds.
const PLACES: [u64; 3] = [1, 3600, 11 * 3600];
/// Seconds between two seeks to one place, so that none finds what the one before has coded.
const APART: u64 = 7;

/// Music at 44.1 kHz (the demo's piece, played a little slower), and twelve hours of which only those minutes are
/// not a hole that seeks go to.
fn write_recordings(root: &Path, minutes: u64) -> (PathBuf, PathBuf) {
    let (show, long) = (root.join("show.pcm"), root.join("long.pcm"));
    let mut file = File::create(&show).unwrap();
    let mut pcm = Vec::new();
    for second in 0..minutes * 60 {
        pcm.clear();
        piece::render(second * u64::from(RATE), RATE as usize, &mut pcm);
        file.write_all(&pcm).unwrap();
    }
    let file = File::create(&long).unwrap();
    for second in PLACES {
        pcm.clear();
        let start = second.saturating_sub(10) * u64::from(RATE);
        piece::render(start, RATE as usize * (SEEKS * APART as usize + 30), &mut pcm);
        file.write_all_at(&pcm, start * 4).unwrap();
    }
    file.set_len(12 * 3600 * u64::from(RATE) * 4).unwrap();
    for name in ["show", "long"] {
        fs::write(root.join(format!("{name}.toml")), "pcm = 's16le:44100:2'\nended = true\n").unwrap();
    }
    (show, long)
}

struct Format {
    name: &'static str,
    path: &'static str,
    ffmpeg: &'static [&'static str],
}

const FORMATS: [Format; 2] = [
    Format { name: "MP3 128k", path: "mp3", ffmpeg: &["-c:a", "libmp3lame", "-b:a", "128k", "-f", "mp3"] },
    Format { name: "Opus 96k", path: "opus", ffmpeg: &["-c:a", "libopus", "-b:a", "96k", "-f", "ogg"] },
];

/// A whole file, cold: a new server each time.
fn whole(root: &Path, show: &Path, minutes: u64, out: &mut String) {
    let sound = (minutes * 60) as f64;
    writeln!(
        out,
        "| whole file, cold | ours: x real time | wall, ours / ffmpeg | CPU, ours / ffmpeg | peak memory |"
    )
    .unwrap();
    writeln!(out, "|---|---|---|---|---|").unwrap();
    for format in FORMATS {
        let mut rounds = Vec::new();
        let mut rss = 0.0;
        for _ in 0..ROUNDS {
            let server = serve(root);
            let begun = Instant::now();
            get(&server, &format!("/audio/show.{}", format.path), usize::MAX);
            let ours = Cost { wall: begun.elapsed().as_secs_f64(), cpu: server.cpu() };
            rss = peak_rss(&server);
            drop(server);
            rounds.push((ours, ffmpeg(format.ffmpeg, show, None, usize::MAX)));
        }
        let wall = median(rounds.iter().map(|(ours, theirs)| ours.wall / theirs.wall));
        let cpu = median(rounds.iter().map(|(ours, theirs)| ours.cpu / theirs.cpu));
        let speed = median(rounds.iter().map(|(ours, _)| sound / ours.wall));
        writeln!(out, "| {} | {speed:.0} | {wall:.2} | {cpu:.2} | {rss:.0} MiB |", format.name).unwrap();
    }
}

/// The first 4 KiB after a cold seek.
fn seeks(root: &Path, long: &Path, out: &mut String) {
    writeln!(out, "| first 4 KiB after a cold seek to | 0:00:01 | 1:00:00 | 11:00:00 | ours, at 11 h |")
        .unwrap();
    writeln!(out, "|---|---|---|---|---|").unwrap();
    let server = serve(root);
    for format in FORMATS {
        let mut row = format!("| {}, ours / ffmpeg |", format.name);
        let mut last = 0.0;
        for second in PLACES {
            let mut rounds = Vec::new();
            for seek in 0..SEEKS as u64 {
                let second = second + seek * APART;
                let begun = Instant::now();
                get(&server, &format!("/audio/long.{}?pos={second}", format.path), 4096);
                let ours = begun.elapsed().as_secs_f64();
                rounds.push((ours, ffmpeg(format.ffmpeg, long, Some(second), 4096).wall));
                // What was begun and is not wanted any more should not be in the next one's way.
                std::thread::sleep(Duration::from_millis(30));
            }
            last = median(rounds.iter().map(|(ours, _)| ours * 1000.0));
            write!(row, " {:.2} |", median(rounds.iter().map(|(ours, theirs)| ours / theirs))).unwrap();
        }
        writeln!(out, "{row} {last:.1} ms |").unwrap();
    }
}

/// Memory with a recording of one minute and of twelve hours.
fn memory(root: &Path, out: &mut String) {
    let peak = |path: &str, most: usize| {
        let server = serve(root);
        get(&server, path, most);
        peak_rss(&server)
    };
    let most = 900_000;
    let short = peak("/audio/show.mp3?duration=60", most);
    let long = peak("/audio/long.mp3?pos=11:00:00", most);
    writeln!(
        out,
        "Peak memory after a minute of MP3: {short:.1} MiB from a recording of a few hours at most, {long:.1} MiB from \
         the twelfth hour of another."
    )
    .unwrap();
}

fn version(program: &str, argument: &str) -> String {
    let out = Command::new(program).arg(argument).output().unwrap();
    String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned()
}

fn main() {
    let minutes = std::env::var("MINUTES").map_or(120, |minutes| minutes.parse().unwrap());
    let root = TempDir::new().unwrap();
    let (show, long) = write_recordings(root.path(), minutes);
    let mut tables = String::new();
    whole(root.path(), &show, minutes, &mut tables);
    tables.push('\n');
    seeks(root.path(), &long, &mut tables);
    tables.push('\n');
    memory(root.path(), &mut tables);
    let cores = std::thread::available_parallelism().unwrap();
    let ffmpeg = version("ffmpeg", "-version");
    let ffmpeg = ffmpeg.split(" Copyright").next().unwrap_or_default();
    let text = format!(
        "{}{tables}\nMedians of {ROUNDS} rounds (whole files) and {SEEKS} (seeks), in turns, on {cores} cores, with \
         {minutes} minutes of stereo sound at 44.1 kHz; {ffmpeg}.\n{}",
        include_str!("performance_head.md"),
        include_str!("performance_tail.md"),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    fs::write(&path, &text).unwrap();
    println!("{tables}");
    println!("written to {}", path.display());
}
