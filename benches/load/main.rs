//! Ten thousand connections for ten minutes, half of which take nothing of what they asked for: what they cost, whether
//! anybody at the live edge is late, and what is left when they have gone.
//!
//! `just load`, or `cargo bench --bench load` (Linux). `CONNECTIONS=1000 MINUTES=1` is less. It fails if memory does not stay
//! where it is after the first minute, if a live listener is late by more than a second, does not get all there is or is
//! thrown out, if anybody is not let in, or if anything is not given back.

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tailcast_codecs::Cut;
use tailcast_codecs::format::{Format, Parameters};
use tempfile::TempDir;

#[path = "../peers/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "the benchmark beside other programs uses more of it")]
#[path = "../peers/exchange.rs"]
mod exchange;
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
use exchange::Client;
use process::Process;
use recorder::{Log, Recorder};
use support::{raise_the_limit_of_descriptors, wait_for};
use timeline::Timeline;

/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How far it may move after the first minute, as a share of the least.
const FLAT: f64 = 0.05;
/// How much of the sound live listeners get at least, since looks begin and end between two packets.
const ALL: f64 = 0.98;
/// Bytes of a second of sound.
const PACE: f64 = 16_000.0;
/// How late a live listener may be.
const LATE: Duration = Duration::from_secs(1);
/// When all have gone, threads that have nothing to do end after ten seconds, and memory is looked at every five.
const SETTLE: Duration = Duration::from_secs(30);
/// Memory that may be more than before when all have gone, in KiB: the cache, which is full by then (8 MiB), the program's own
/// pages, of which few are in memory before it has been used, what is not worth giving back, and free parts of pages of which
/// others are still in use.
const LEFT: u64 = 24 * 1024;

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

/// Whether somebody was let in who has taken nothing so far.
fn was_let_in(mut socket: &TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).is_ok_and(|()| head == *b"HTTP/1.1 200")
}

/// The connections that the server says it has.
fn connections_of(server: &Process) -> usize {
    let said = Client::connect(server.address).text("/metrics");
    let line = said.lines().find_map(|line| line.strip_prefix("tailcast_connections "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no connections in {said}"))
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

    println!("| minute | memory, MiB | late: p99, ms | longest, ms | got, % |\n|---|---|---|---|---|");
    let (mut memory, mut latest, mut got) = (Vec::new(), Duration::ZERO, Vec::new());
    for minute in 1..minutes.max(2) {
        // The worst of the looks.
        let (mut p99, mut longest, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
        let looks = 60 / LOOK.as_secs();
        for _ in 0..looks {
            let heard = crowd.hear(LOOK);
            (p99, longest) = (p99.max(heard.delays.quantile(0.99)), longest.max(heard.delays.longest()));
            bytes += heard.bytes;
            memory.push(server.memory("VmRSS"));
        }
        let seconds = (looks * LOOK.as_secs()) as f64 * (connections / 2) as f64;
        got.push(bytes as f64 / PACE / seconds);
        latest = latest.max(longest);
        let mib = memory.last().unwrap() / 1024;
        let share = 100.0 * got.last().unwrap();
        println!("| {minute} | {mib} | {} | {} | {share:.1} |", p99.as_millis(), longest.as_millis());
    }
    let cpu = server.cpu();
    let (there, lost) = (connections_of(&server), crowd.lost());
    let let_in = silent.iter().filter(|socket| was_let_in(socket)).count();
    drop((crowd, silent));
    wait_for(Duration::from_secs(60), || server.descriptors() <= before.1 + 8);
    thread::sleep(SETTLE);
    let after = server.memory("VmRSS");
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
        after,
        server.descriptors()
    );
    let got = got.iter().sum::<f64>() / got.len() as f64;
    println!(
        "{there} connections at the end; {let_in} of those who took nothing had been let in, {lost} of those who listened were \
         thrown out; these got {:.1} % of the sound.",
        100.0 * got
    );
    assert!(there > connections, "not all are there"); // and who asks
    assert!(let_in == connections / 2 && lost == 0, "somebody was not let in, or thrown out");
    assert!(got >= ALL, "those who listen do not get all there is");
    assert!(moved <= FLAT, "memory does not stay where it is");
    assert!(latest <= LATE, "somebody at the live edge is late");
    assert!(after <= before.0 + LEFT, "memory is not given back");
}
