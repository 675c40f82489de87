//! Faults of the disk under the real program: a bad sector in the middle of a recording, a network file system that has
//! forgotten the file, reads that give less than was asked for, a log that cannot be written. A body breaks off, it is never
//! silently wrong; others play on; and when the fault is gone the next request is right.
//!
//! `faults.c` is loaded into the program (`LD_PRELOAD`) and stands between it and the C library's reads.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::io::Errno;
use support::process::{Process, tailcast};
use support::{Open, Root, Running, eventually, is_problem, sound};
use tempfile::TempDir;

const PCM: &str = "s16le:48000:2";
const FORMATS: [&str; 3] = ["wav", "mp3", "opus"];

/// The library that is loaded.
static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("faults.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg("tests/disk_faults/faults.c");
    assert!(compiler.arg("-ldl").status().unwrap().success());
    (folder, library)
});

/// The program with a disk that can be told to fail.
struct Faulty {
    server: Process,
    /// Not in the folder that is served.
    control: TempDir,
}

impl Faulty {
    fn serve(root: &Root) -> Self {
        let control = tempfile::tempdir().unwrap();
        let mut command = tailcast();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--growth-timeout", "600", "--root"])
            .arg(root.path());
        command.env("LD_PRELOAD", &LIBRARY.1).env("FAULTS", control.path().join("fault"));
        Self { server: Process::start(command, "http://"), control }
    }

    /// From now on reads of these bytes of a file fail with an error, or are short where that is 0.
    fn fault(&self, error: i32, bytes: Range<u64>, file: &str) {
        let line = format!("{error} {} {} /{file}", bytes.start, bytes.end);
        fs::write(self.control.path().join("new"), line).unwrap();
        // At once, so that no half of a line is read.
        fs::rename(self.control.path().join("new"), self.control.path().join("fault")).unwrap();
    }

    fn heal(&self) {
        fs::remove_file(self.control.path().join("fault")).unwrap();
    }

    async fn open(&self, path: &str) -> Open {
        Open::at(self.server.url(path), &[]).await
    }
}

/// What is heard of a body that has to break off.
async fn until_broken(mut answer: Open) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), answer.next()).await;
        match next.expect("a body that neither goes on nor ends") {
            Ok(Some(bytes)) => body.extend(bytes),
            Ok(None) => panic!("it ended as if in order, after {} bytes", body.len()),
            Err(_) => return body,
        }
    }
}

const ALL: Range<u64> = 0..i64::MAX as u64;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_sector_breaks_the_body_off_there_and_others_play_on() {
    let root = Root::new();
    let sound = sound::noise(48_000 * 12, 2, 1);
    root.finished("show", PCM, &sound);
    root.growing("other", PCM, &sound[..400_000]);
    // Not where recordings are compared with what they were; two thirds into it.
    let sector = 1_500_000..1_504_096;
    let healthy = Running::start(&root).await;
    let faulty = Faulty::serve(&root);
    let mut other = faulty.open("/audio/other.wav").await;
    let mut heard = other.take(400_080).await;
    for path in
        FORMATS.map(|format| format!("/audio/show.{format}")).into_iter().chain(["/waveform/show.dat".into()])
    {
        let whole = healthy.get(&path).await.body;
        faulty.fault(Errno::IO.raw_os_error(), sector.clone(), "show.pcm");
        let part = until_broken(faulty.open(&path).await).await;
        assert!(whole.starts_with(&part), "{path}: wrong bytes");
        assert!(
            part.len() > whole.len() / 3 && part.len() < whole.len() * 2 / 3,
            "{path}: {} of {}",
            part.len(),
            whole.len()
        );
        faulty.heal();
        assert!(faulty.open(&path).await.rest().await.body == whole, "{path}: not whole again");
    }
    root.append("other.pcm", &sound[400_000..]);
    heard.extend(other.take(sound.len() - 400_000).await);
    assert!(heard[80..] == sound, "who listened to another was disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_handle_breaks_off_those_who_follow_and_the_file_is_found_again() {
    let root = Root::new();
    let sound = sound::noise(48_000 * 6, 2, 2);
    let (begun, rest) = sound.split_at(sound.len() / 2);
    root.growing("show", PCM, begun);
    let faulty = Faulty::serve(&root);
    let mut followers = Vec::new();
    for format in FORMATS {
        let mut answer = faulty.open(&format!("/audio/show.{format}")).await;
        let heard = answer.take(20_000).await;
        followers.push((format, heard, answer));
    }
    faulty.fault(Errno::STALE.raw_os_error(), ALL, "show.pcm");
    root.append("show.pcm", rest);
    for (_, heard, answer) in &mut followers {
        let answer = std::mem::replace(answer, faulty.open("/healthz").await);
        heard.extend(until_broken(answer).await);
    }
    is_problem(&faulty.open("/audio/show.mp3").await.rest().await, 500, "show");
    faulty.heal();
    root.end("show", PCM);
    for (format, heard, _) in followers {
        let whole = faulty.open(&format!("/audio/show.{format}")).await.rest().await;
        assert_eq!(whole.status, 200);
        let header = support::codec(format, PCM).grid().header_len as usize;
        assert!(whole.body[header..].starts_with(&heard[header..]), "{format}: wrong bytes before the end");
        assert!(heard.len() < whole.body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_are_short_or_interrupted_are_gone_on_with() {
    let root = Root::new();
    let sound = sound::noise(48_000 * 3, 2, 3);
    root.finished("show", PCM, &sound);
    let healthy = Running::start(&root).await;
    for error in [0, Errno::INTR.raw_os_error()] {
        let faulty = Faulty::serve(&root);
        // Of the sound first, then of the sidecar too.
        for ending in ["show.pcm", "show.toml"] {
            faulty.fault(error, ALL, ending);
            for path in FORMATS
                .map(|format| format!("/audio/show.{format}"))
                .into_iter()
                .chain(["/waveform/show.dat".into()])
            {
                let [right, got] = [healthy.get(&path).await, faulty.open(&path).await.rest().await];
                assert_eq!(got.header("etag"), right.header("etag"), "{path}");
                assert!(got.body == right.body, "{path}, {ending}: error {error}");
            }
        }
    }
}

/// The address that a process listens on, where it cannot say so.
fn listening(process: u32) -> Option<SocketAddr> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|fd| Some(fs::read_link(fd.ok()?.path()).ok()?.display().to_string()))
        .collect();
    fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_its = fields[3] == "0A" && sockets.contains(&format!("socket:[{}]", fields[9]));
        let port = u16::from_str_radix(fields[1].split_once(':')?.1, 16).ok()?;
        is_its.then(|| ([127, 0, 0, 1], port).into())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let root = Root::new();
    root.finished("show", PCM, &sound::noise(48_000, 2, 4));
    root.write("broken.pcm", [0; 400]);
    root.write("broken.toml", "x");
    let mut command = tailcast();
    command.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(root.path()).stdout(Stdio::null());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = command.stderr(full).spawn().unwrap();
    let mut address = None;
    eventually("it listens", || {
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        address = listening(child.id());
        address.is_some()
    })
    .await;
    let mut server = Process { child, address: address.unwrap(), said: Default::default() };
    for _ in 0..3 {
        // This has something to be logged.
        let reply = Open::at(server.url("/audio/broken.wav"), &[]).await.rest().await;
        is_problem(&reply, 500, "broken");
        let reply = Open::at(server.url("/audio/show.mp3"), &[]).await.rest().await;
        assert_eq!(reply.status, 200);
    }
    assert!(server.terminate().success());
}
