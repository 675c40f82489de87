//! The server's process: what it takes while it is soaked, and that it gives all of it back.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{Client, End, Manner};
use crate::support::process::Process;

/// Descriptors that may be more than before anybody came: the file notification's, and the connection that asks.
const DESCRIPTORS: usize = 4;
/// Threads that may be: those that wait for a disk, of which a request now and then keeps some.
const THREADS: usize = 32;
/// Memory that may be more than before, beside the cache, in KiB: what the allocator keeps of what was freed.
const MEMORY: u64 = 24 * 1024;
/// How long it may take to give all back.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process takes.
#[derive(Debug, Clone, Copy)]
pub struct Takes {
    pub descriptors: usize,
    pub threads: usize,
    /// In KiB.
    pub memory: u64,
}

impl Takes {
    pub fn of(server: &Process) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
        let (descriptors, threads) = (server.descriptors(), tasks.count());
        Self { descriptors, threads, memory: server.memory("VmRSS") }
    }
}

/// The server's counters.
pub fn metrics(address: SocketAddr) -> String {
    // The list too, by which the server sees what has gone.
    let mut client = Client::new(address);
    let mut text = String::new();
    for path in ["/recordings", "/metrics"] {
        let reply = client.ask("GET", path, &[], &Manner::PATIENT, &|| false);
        assert_eq!((reply.status, reply.end), (200, End::InOrder), "the server does not answer {path}");
        text = String::from_utf8(reply.body).unwrap();
    }
    text
}

/// The sum over a metric's labels.
pub fn sum(metrics: &str, name: &str) -> f64 {
    let value = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().unwrap())
    };
    metrics.lines().filter_map(value).sum()
}

/// Files of decoded sound that a server has open, of those that are in its folder for that: it may keep these.
fn open_chunks(server: &Process, decoded: &Path) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap();
    let paths = open.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
    paths.filter(|path| path.starts_with(decoded) && path.exists()).count()
}

/// What is not as it was, now that all have gone.
fn kept(server: &Process, before: Takes, cache: u64, decoded: &Path) -> Vec<String> {
    let metrics = metrics(server.address);
    let mut kept = Vec::new();
    let mut most = |what: &str, now: f64, most: f64| {
        if now > most {
            kept.push(format!("{what}: {now}, and at most {most} may be"));
        }
    };
    for (name, allowed) in [
        ("tailcast_listeners", 0.0),
        ("tailcast_segments_under_way", 0.0),
        ("tailcast_segments_waiting", 0.0),
        ("tailcast_encoder_queue", 0.0),
        ("tailcast_connections", 1.0),
        ("tailcast_panics_total", 0.0),
        ("tailcast_encoder_panics_total", 0.0),
    ] {
        most(name, sum(&metrics, name), allowed);
    }
    let now = Takes::of(server);
    let descriptors = before.descriptors + DESCRIPTORS + open_chunks(server, decoded);
    most("descriptors", now.descriptors as f64, descriptors as f64);
    most("threads", now.threads as f64, (before.threads + THREADS) as f64);
    most("KiB of memory", now.memory as f64, (before.memory + cache + MEMORY) as f64);
    kept
}

/// Waits until the server has given everything back: it takes what it took `before` anybody came, but for a `cache` in
/// KiB, and for what is `decoded` and kept in a folder.
///
/// # Errors
/// With what it keeps.
pub fn gives_back(server: &Process, before: Takes, cache: u64, decoded: &Path) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let kept = kept(server, before, cache, decoded);
        if kept.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("the server keeps something:\n{}", kept.join("\n")));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Whether it has said anything that it should not.
pub fn has_said(server: &Process) -> Vec<String> {
    let said = server.said.lock().unwrap();
    said.iter().filter(|line| line.contains("panicked") || line.contains("ERROR")).cloned().collect()
}
