//! How fast waveforms are: the loop over samples, the first look at eleven hours beside a plain read of the same file,
//! and every further one.
//!
//! Ratios are of the same run. The file is sparse unless `WAVEFORM_BENCH_DIR` names a folder to write real noise to,
//! which takes 7.6 GB there; then it is also read from the disk, with nothing of it in the page cache.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tailcast::Server;
use tailcast::config::Config;
use tailcast::waveform::peaks::{Meter, Peak};
use tokio::runtime::Runtime;

const HOURS: u64 = 11;
const FRAMES: u64 = HOURS * 3600 * 48_000;
const BYTES: u64 = FRAMES * 4;

fn main() {
    loops();
    let (_temporary, root) = folder();
    write_recording(&root);
    let (runtime, address) = serve(&root);
    let path = root.join("show.pcm");
    let reads: Vec<f64> = (0..3).map(|_| rate(BYTES, timed(|| plain_read(&path)))).collect();
    println!("plain read of {HOURS} h: {reads:.0?} MB/s");
    let first = timed(|| {
        get(&runtime, address, FRAMES / 2000);
    });
    let read = reads.iter().copied().fold(0.0, f64::max);
    let ratio = rate(BYTES, first) / read;
    println!("first look: {first:.2?}, {:.0} MB/s, {ratio:.2} of the read", rate(BYTES, first));
    for each in [1 << 20, FRAMES / 2000, 950_401] {
        let mut times: Vec<Duration> = (0..9).map(|_| timed(|| drop(get(&runtime, address, each)))).collect();
        times.sort();
        println!("known, {each} frames a pixel: {:.1?} (median), {:.1?} (worst)", times[4], times[8]);
    }
    drop(runtime);
    if is_real() {
        from_disk(&root, &path);
    }
}

/// Whether the recording is to be on a disk.
fn is_real() -> bool {
    std::env::var_os("WAVEFORM_BENCH_DIR").is_some()
}

fn from_disk(root: &Path, path: &Path) {
    for _ in 0..3 {
        forget(path);
        let read = timed(|| plain_read(path));
        forget(path);
        let (runtime, address) = serve(root);
        let look = timed(|| drop(get(&runtime, address, FRAMES / 2000)));
        let ratio = read.as_secs_f64() / look.as_secs_f64();
        println!("from disk: plain read {read:.2?}, first look {look:.2?}: {ratio:.2} of its speed");
        forget(path);
        for each in [1 << 20, FRAMES / 2000] {
            let time = timed(|| drop(get(&runtime, address, each)));
            println!("known, the recording itself still on disk, {each} frames a pixel: {time:.1?}");
        }
    }
}

/// Has the system let go of what it keeps of a file.
fn forget(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
    let input = format!("if={}", path.display());
    let done = Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status().unwrap();
    assert!(done.success(), "GNU dd is needed");
}

/// Ten seconds of s16le stereo, again and again, in pieces of a block.
fn loops() {
    for (spec, split) in [
        ("s16le:48000:1", false),
        ("s16le:48000:2", false),
        ("s16le:48000:2", true),
        ("f32le:48000:2", false),
    ] {
        let meter = Meter::new(spec.parse().unwrap(), split);
        let bytes: Vec<u8> = (0..480_000 * meter.frame_bytes() as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let time = timed(|| {
            for _ in 0..100 {
                for block in bytes.chunks(1024 * meter.frame_bytes()) {
                    let mut peaks = [Peak::NONE; 2];
                    meter.measure(black_box(block), &mut peaks);
                    black_box(peaks);
                }
            }
        });
        println!("loop, {spec} split={split}: {:.0} MB/s", rate(100 * bytes.len() as u64, time));
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// MB/s.
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let temporary = match std::env::var_os("WAVEFORM_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let path = temporary.path().to_owned();
    (temporary, path)
}

fn write_recording(root: &Path) {
    std::fs::write(root.join("show.toml"), "pcm = 's16le:48000:2'\nended = true\n").unwrap();
    let mut file = File::create(root.join("show.pcm")).unwrap();
    if is_real() {
        let piece: Vec<u8> =
            (0..32_000_003u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut left = BYTES as usize;
        while left > 0 {
            let len = left.min(piece.len());
            file.write_all(&piece[..len]).unwrap();
            left -= len;
        }
    }
    file.set_len(BYTES).unwrap();
}

fn serve(root: &Path) -> (Runtime, std::net::SocketAddr) {
    let mut config = Config::for_root(root).unwrap();
    config.listen = "127.0.0.1:0".parse().unwrap();
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::bind(&config)).unwrap();
    let address = server.address();
    runtime.spawn(server.run(std::future::pending()));
    (runtime, address)
}

fn plain_read(path: &Path) {
    let (mut file, mut buffer) = (File::open(path).unwrap(), vec![0; 1 << 20]);
    while file.read(&mut buffer).unwrap() > 0 {
        black_box(&buffer);
    }
}

fn get(runtime: &Runtime, address: std::net::SocketAddr, each: u64) -> Vec<u8> {
    let url = format!("http://{address}/waveform/show.json?samples_per_pixel={each}");
    let body = async { reqwest::get(url).await.unwrap().bytes().await.unwrap() };
    runtime.block_on(body).to_vec()
}
