//! Ten thousand connections for ten minutes, half of which take nothing of what they asked for: what they cost, whether
//! anybody at the live edge is late, and what is left when they have gone.
//!
//! `just load`, or `cargo bench --bench load` (Linux). `CONNECTIONS=1000 MINUTES=1` is less. It fails if memory does not stay
//! where it is after the first minute, if a live listener is late by more than a second, or if anything is not given back.

use std::env;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tailcast_codecs::Cut;
use tailcast_codecs::format::{Format, Parameters};
use tempfile::TempDir;

#[path = "../peers/crowd.rs"]
mod crowd;
#[path = "../peers/framing.rs"]
mod framing;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/process.rs"]
mod process;
#[path = "../peers/recorder.rs"]
mod recorder;
#[allow(dead_code, reason = "the benchmark beside other programs uses more of it")]
#[path = "../peers/sound.rs"]
mod sound;
#[allow(dead_code, reason = "the benchmark beside other programs uses more of it")]
#[path = "../peers/statistics.rs"]
mod statistics;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "the benchmark beside other programs uses more of it")]
#[path = "../peers/timeline.rs"]
mod timeline;

use crowd::{Crowd, Listening};
use process::Process;
use recorder::{Log, Recorder};
use support::{raise_the_limit_of_descriptors, wait_for};
use timeline::Timeline;

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How far it may move after the first minute, as a share of the least.
const FLAT: f64 = 0.05;
/// How late a live listener may be.
const LATE: Duration = Duration::from_secs(1);
/// Memory that may be more than before when all have gone, in KiB: what is coded of the recordings stays.
const LEFT: u64 = 16 * 1024;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A server that has room for so many, and waits for those who take nothing.
fn serve(root: &Path, connections: usize) -> Process {
    let room = (connections + 100).to_string();
    let options = ["--pcm", sound::PCM, "--cache", "8MiB", "--stall-timeout", "1h", "--connections", &room];
    Process::serve(root, &options)
}

/// Somebody who asks and takes nothing.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: load\r\n\r\n").unwrap();
    socket
}

/// What they ask for, in turns: what has ended, from everywhere, and what grows.
fn unread(number: usize) -> String {
    let second = number % 100;
    match number % 4 {
        0 => format!("/audio/show.mp3?pos={second}"),
        1 => format!("/audio/show.wav?pos={second}"),
        2 => format!("/audio/show.opus?pos={second}"),
        _ => "/audio/live.mp3?pos=live".to_owned(),
    }
}

/// A live listener, from the last whole second on: that tells where in the stream it is.
fn listening(address: SocketAddr, log: &Arc<Log>) -> impl Fn() -> Listening + Send + Sync + use<> {
    let codec = Format::Mp3.codec(sound::spec(), Parameters::default()).unwrap();
    let log = Arc::clone(log);
    move || {
        let second = log.frames() / u64::from(sound::RATE);
        let start = second * u64::from(codec.grid().rates.coded);
        let timeline = Timeline::Rendition(Cut::new(codec.grid(), start));
        Listening { address, path: format!("/audio/live.mp3?pos={second}"), timeline }
    }
}

fn main() {
    raise_the_limit_of_descriptors();
    let (connections, minutes) = (number("CONNECTIONS", 10_000), number("MINUTES", 10));
    let root = TempDir::new().unwrap();
    sound::write_show(root.path(), 3);
    let file = File::create(root.path().join("live.pcm")).unwrap();
    let recorder = Recorder::start(vec![Box::new(file)], Duration::from_millis(100));
    let server = serve(root.path(), connections);
    wait_for(Duration::from_secs(20), || recorder.log().frames() > 2 * u64::from(sound::RATE));
    let before = (server.memory("VmRSS"), server.descriptors());

    let mut crowd = Crowd::new(recorder.log());
    crowd.join(connections / 2, listening(server.address, recorder.log()));
    let silent: Vec<TcpStream> =
        (0..connections / 2).map(|number| ask(server.address, &unread(number))).collect();
    thread::sleep(Duration::from_secs(60));

    println!("| minute | memory, MiB | late: p99, ms | longest, ms |\n|---|---|---|---|");
    let (mut memory, mut latest) = (Vec::new(), Duration::ZERO);
    for minute in 1..minutes.max(2) {
        // The worst of the looks.
        let (mut p99, mut longest) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..60 / LOOK.as_secs() {
            let late = crowd.hear(LOOK).delays;
            (p99, longest) = (p99.max(late.quantile(0.99)), longest.max(late.longest()));
            memory.push(server.memory("VmRSS"));
        }
        latest = latest.max(longest);
        let mib = memory.last().unwrap() / 1024;
        println!("| {minute} | {mib} | {} | {} |", p99.as_millis(), longest.as_millis());
    }
    let cpu = server.cpu();
    drop((crowd, silent));
    wait_for(Duration::from_secs(60), || server.descriptors() <= before.1 + 8);
    let given_back = || server.memory("VmRSS") <= before.0 + LEFT;
    let begun = Instant::now();
    while !given_back() && begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_secs(1));
    }
    let (least, most) = (memory.iter().min().unwrap(), memory.iter().max().unwrap());
    let moved = (most - least) as f64 / *least as f64;
    println!();
    println!(
        "{connections} connections for {minutes} minutes: memory {least} to {most} KiB after the first minute (moved by {:.1} %),",
        moved * 100.0
    );
    println!("live listeners late by {} ms at the most, {cpu:.0} s of the processor;", latest.as_millis());
    println!(
        "before anybody came {} KiB and {} descriptors, when all had gone {} KiB and {}.",
        before.0,
        before.1,
        server.memory("VmRSS"),
        server.descriptors()
    );
    assert!(moved <= FLAT, "memory does not stay where it is");
    assert!(latest <= LATE, "somebody at the live edge is late");
    assert!(given_back(), "memory is not given back");
}
