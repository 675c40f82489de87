//! How fast the server's parts are, through a real socket: coding, seeking, serving what is coded.
//!
//! Absolute times depend on the machine; `peers` measures ratios.

#[allow(dead_code, reason = "other benchmarks use more of it")]
mod support;

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use support::read_until;
use tailcast::Server;
use tailcast::config::Config;
use tailcast::demo::piece;
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Seconds of sound in the recording that is coded.
const SECONDS: u64 = 60;

/// A folder with `show` (a minute of music) and `long` (twelve hours of silence, sparse), and a server on it.
struct Bench {
    _root: TempDir,
    _runtime: Runtime,
    address: SocketAddr,
}

fn write_recordings(root: &Path) {
    let mut pcm = Vec::new();
    piece::render(0, (SECONDS * u64::from(piece::RATE)) as usize, &mut pcm);
    std::fs::write(root.join("show.pcm"), pcm).unwrap();
    let long = File::create(root.join("long.pcm")).unwrap();
    long.set_len(12 * 3600 * u64::from(piece::RATE) * 4).unwrap();
    for name in ["show", "long"] {
        std::fs::write(root.join(format!("{name}.toml")), "pcm = 's16le:48000:2'\nended = true\n").unwrap();
    }
}

impl Bench {
    fn new(threads: usize, cache: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        write_recordings(root.path());
        let mut config = Config::for_root(root.path()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        (config.threads, config.cache) = (threads, cache);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::bind(&config)).unwrap();
        let address = server.address();
        runtime.spawn(server.run(std::future::pending()));
        Self { _root: root, _runtime: runtime, address }
    }

    /// Reads an answer to its end, or `most` bytes of it; the number of bytes.
    fn get(&self, path: &str, range: &str, most: usize) -> usize {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nrange: {range}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        read_until(socket, most)
    }
}

/// Coding a minute from nothing; items are seconds of sound, so a rate of N items a second is N times real time.
#[divan::bench(args = [("mp3", 1), ("mp3", 0), ("opus", 1), ("opus", 0)], sample_count = 5)]
fn cold_encode(bencher: Bencher, (format, threads): (&str, usize)) {
    let threads = if threads == 0 { std::thread::available_parallelism().unwrap().get() } else { threads };
    let bench = Bench::new(threads, 0);
    bencher
        .counter(ItemsCount::new(SECONDS))
        .bench(|| bench.get(&format!("/audio/show.{format}"), "bytes=0-", usize::MAX));
}

/// The first 4 KiB from a position that nobody has listened to; it must not grow with the position.
#[divan::bench(args = [("mp3", 1), ("mp3", 3600), ("mp3", 11 * 3600), ("opus", 1), ("opus", 3600), ("opus", 11 * 3600)])]
fn cold_seek(bencher: Bencher, (format, second): (&str, u64)) {
    let bench = Bench::new(2, 0);
    bencher.bench(|| bench.get(&format!("/audio/long.{format}?pos={second}"), "bytes=0-", 4096));
}

/// A megabyte of what is coded already.
#[divan::bench(args = ["mp3?bitrate=320", "opus?bitrate=192"])]
fn cached_range(bencher: Bencher, format: &str) {
    let bench = Bench::new(2, 256 << 20);
    let path = format!("/audio/show.{format}");
    let len = bench.get(&path, "bytes=0-", usize::MAX);
    bencher.counter(BytesCount::new(len)).bench(|| bench.get(&path, "bytes=0-", usize::MAX));
}

/// Eleven megabytes of PCM.
#[divan::bench]
fn wav(bencher: Bencher) {
    let bench = Bench::new(2, 0);
    let len = bench.get("/audio/show.wav", "bytes=0-", usize::MAX);
    bencher.counter(BytesCount::new(len)).bench(|| bench.get("/audio/show.wav", "bytes=0-", usize::MAX));
}

/// The playlist of twelve hours, which nothing is coded for.
#[divan::bench(args = ["mp3-128-2", "opus-96-2"])]
fn playlist(bencher: Bencher, variant: &str) {
    let bench = Bench::new(2, 0);
    let path = format!("/hls/long/{variant}/playlist.m3u8");
    bencher.bench(|| bench.get(&path, "bytes=0-", usize::MAX));
}
