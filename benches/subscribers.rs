//! What it costs to tell a thousand subscribers of events: of a recording that has ended, of the list, and of one that
//! grows. `cargo bench --bench subscribers` (Linux; `SECONDS=60` for longer).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/process.rs"]
mod process;

use process::Process;

const SUBSCRIBERS: usize = 1000;
/// A tenth of a second of the recording, as its recorder writes it.
const PIECE: [u8; 1600] = [0; 1600];

fn subscribe(server: &Process, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    // The head of the answer: the subscription stands.
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Subscribes a thousand times to `path` of a fresh server and tells what that costs.
fn measure(what: &str, path: &str, grows: bool) {
    let seconds: u64 = std::env::var("SECONDS").map_or(20, |text| text.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let mut recorder = File::create(root.path().join("show.pcm")).unwrap();
    recorder.write_all(&PIECE).unwrap();
    if !grows {
        fs::write(root.path().join("show.toml"), "ended = true\n").unwrap();
    }
    let server = Process::serve(root.path(), &["--pcm", "s16le:8000:1"]);
    let mut sockets = vec![subscribe(&server, path)];
    let before = server.memory("VmRSS");
    sockets.extend((1..SUBSCRIBERS).map(|_| subscribe(&server, path)));
    let (begun, cpu) = (Instant::now(), server.cpu());
    let mut buffer = vec![0; 1 << 16];
    let mut told = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        if grows {
            recorder.write_all(&PIECE).unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
        for socket in &mut sockets {
            while let Ok(read @ 1..) = socket.read(&mut buffer) {
                told += buffer[..read].windows(6).filter(|bytes| bytes == b"event:").count();
            }
        }
    }
    let share = 100.0 * (server.cpu() - cpu) / begun.elapsed().as_secs_f64();
    let each = server.memory("VmRSS").saturating_sub(before) as f64 / SUBSCRIBERS as f64;
    println!("| {what} | {share:.1} % of a core | {each:.1} KiB | {told} |");
}

fn main() {
    println!("| {SUBSCRIBERS} subscribers to | CPU | memory each | events in all |\n|---|---|---|---|");
    measure("a recording that has ended", "/recordings/show/events", false);
    measure("the list, in which nothing changes", "/events", false);
    measure("a recording that grows", "/recordings/show/events", true);
    measure("the list, in which one grows", "/events", true);
}
