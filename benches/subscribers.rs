//! What it costs to tell a thousand subscribers of events: of a recording that has ended, of the list, and of one that
//! grows. `cargo bench --bench subscribers` (Linux; `SECONDS=60` for longer).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SUBSCRIBERS: usize = 1000;
/// A tenth of a second of the recording, as its recorder writes it.
const PIECE: [u8; 1600] = [0; 1600];

struct Serve {
    child: Child,
    address: SocketAddr,
}

impl Serve {
    fn start(root: &Path) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 4096 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tailcast")])
            .args(["serve", "--listen", "127.0.0.1:0", "--pcm", "s16le:8000:1", "--root"])
            .arg(root)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|line| {
                Some(line.unwrap().split_once("http://")?.1.trim_end_matches('/').parse().unwrap())
            })
            .unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn subscribe(&self, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        // The head of the answer: the subscription stands.
        let mut start = [0; 12];
        socket.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        socket.set_nonblocking(true).unwrap();
        socket
    }

    /// Seconds of the processor so far.
    fn cpu(&self) -> f64 {
        // Fields 14 and 15 of /proc/PID/stat, in hundredths of a second; the name in field 2 has no blanks.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let ticks: Vec<f64> = stat.split_whitespace().skip(13).take(2).map(|t| t.parse().unwrap()).collect();
        (ticks[0] + ticks[1]) / 100.0
    }

    /// Memory that is taken, in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let server = Serve::start(root.path());
    let mut sockets = vec![server.subscribe(path)];
    let before = server.memory();
    sockets.extend((1..SUBSCRIBERS).map(|_| server.subscribe(path)));
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
    let each = server.memory().saturating_sub(before) as f64 / SUBSCRIBERS as f64;
    println!("| {what} | {share:.1} % of a core | {each:.1} KiB | {told} |");
}

fn main() {
    println!("| {SUBSCRIBERS} subscribers to | CPU | memory each | events in all |\n|---|---|---|---|");
    measure("a recording that has ended", "/recordings/show/events", false);
    measure("the list, in which nothing changes", "/events", false);
    measure("a recording that grows", "/recordings/show/events", true);
    measure("the list, in which one grows", "/events", true);
}
