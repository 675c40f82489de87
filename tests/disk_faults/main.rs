//! Faults of the disk under the real program: a bad sector in the middle of a recording, a network file system that has
//! forgotten the file, reads that give less than was asked for, a log that cannot be written, a full disk under what is
//! recorded. A body breaks off, it is never silently wrong; others play on; and when the fault is gone the next request is
//! right.
//!
//! `faults.c` is loaded into the program (`LD_PRELOAD`) and stands between it and the C library's reads and writes.
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

use reqwest::header::HeaderMap;
use rustix::io::Errno;
use support::process::{Process, tailcast};
use support::{Open, Root, Running, eventually, header_len, is_problem, sound};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
        Self::serve_with(root, &[])
    }

    fn serve_with(root: &Root, arguments: &[&str]) -> Self {
        let control = tempfile::tempdir().unwrap();
        let mut command = tailcast();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--growth-timeout", "600", "--root"])
            .arg(root.path())
            .args(arguments);
        command.env("LD_PRELOAD", &LIBRARY.1).env("FAULTS", control.path().join("fault"));
        Self { server: Process::start(command, "http://"), control }
    }

    /// From now on reads of these bytes of a file fail with an error, or are short where that is 0.
    fn fault(&self, error: i32, bytes: Range<u64>, file: &str) {
        self.tell(&format!("{error} {} {} /{file}", bytes.start, bytes.end));
    }

    /// From now on a file cannot have more than so many bytes.
    fn fill(&self, error: Errno, bytes: u64, file: &str) {
        // None to read.
        self.tell(&format!("{} {bytes} 0 /{file}", error.raw_os_error()));
    }

    /// From now on a file cannot be synced.
    fn fault_of_syncs(&self, file: &str) {
        self.tell(&format!("{} -1 -1 /{file}", Errno::IO.raw_os_error()));
    }

    fn tell(&self, line: &str) {
        fs::write(self.control.path().join("new"), line).unwrap();
        // At once, so that no half of a line is read.
        fs::rename(self.control.path().join("new"), self.control.path().join("fault")).unwrap();
    }

    fn heal(&self) {
        fs::remove_file(self.control.path().join("fault")).unwrap();
    }

    /// What a request is answered with, its status first.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, HeaderMap, String) {
        let mut request = reqwest::Client::new().request(method.parse().unwrap(), self.server.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.to_vec()).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
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
        let header = header_len(format, PCM);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_507_and_the_recorder_goes_on_when_there_is_room() {
    for error in [Errno::NOSPC, Errno::DQUOT] {
        let (root, sound) = (Root::new(), sound::noise(48_000, 2, 5));
        let faulty = Faulty::serve(&root);
        faulty.fill(error, 100_001, "show.pcm");
        let (status, _, told) = faulty.send("PUT", "/audio/show?pcm=s16le:48000:2", &[], &sound).await;
        assert_eq!(status, 507, "{told}");
        assert!(told.contains("/problems/no-space") && told.contains("100001 bytes"), "{told}");
        assert!(fs::read(root.file("show.pcm")).unwrap() == sound[..100_001]);
        // Still full.
        let go_on = [("content-type", "application/partial-upload"), ("upload-offset", "100001")];
        assert_eq!(faulty.send("PATCH", "/audio/show", &go_on, &sound[100_001..]).await.0, 507);
        let head = faulty.send("HEAD", "/audio/show", &[], &[]).await.1;
        assert_eq!(
            (&head["upload-offset"], &head["upload-complete"]),
            (&"100001".parse().unwrap(), &"?0".parse().unwrap())
        );
        faulty.heal();
        assert_eq!(faulty.send("PATCH", "/audio/show", &go_on, &sound[100_001..]).await.0, 200);
        assert!(fs::read(root.file("show.pcm")).unwrap() == sound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_a_full_disk_does_not_take_is_as_it_was() {
    let root = Root::new();
    root.growing("show", PCM, &[0; 4000]);
    let faulty = Faulty::serve(&root);
    let json = [("content-type", "application/json")];
    for file in [".show.toml.new", ".moved.toml.new"] {
        faulty.fill(Errno::NOSPC, 3, file);
        let body =
            if file.contains("show") { r#"{"title":"new"}"# } else { r#"{"title":"new","name":"moved"}"# };
        let (status, _, told) = faulty.send("PATCH", "/recordings/show", &json, body.as_bytes()).await;
        assert_eq!(status, 507, "{told}");
        assert_eq!(fs::read_to_string(root.file("show.toml")).unwrap(), format!("pcm = \"{PCM}\"\n"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_on_the_disk_is_so_before_it_is_acknowledged() {
    let sound = sound::noise(48_000, 2, 6);
    for (policy, wanted) in [("none", 201), ("end", 500), ("0.1s", 500)] {
        let root = Root::new();
        let faulty = Faulty::serve_with(&root, &["--ingest-sync", policy]);
        faulty.fault_of_syncs("show.pcm");
        let (status, _, told) = faulty.send("PUT", "/audio/show?pcm=s16le:48000:2", &[], &sound).await;
        assert_eq!(status, wanted, "{policy}: {told}");
        // What the system has it has, but nobody was told that it is safe.
        assert!(sound.starts_with(&fs::read(root.file("show.pcm")).unwrap()));
        assert_eq!(fs::read_to_string(root.file("show.toml")).unwrap().contains("ended"), wanted == 201);
        assert!(wanted == 201 || told.contains("/problems/unwritable"), "{told}");
        faulty.heal();
        // The names of new folders, too.
        let (status, _, told) = faulty.send("PUT", "/audio/a/b/show?title=x", &[], &sound).await;
        assert_eq!(status, 201, "{policy}: {told}");
    }
}

/// One that is not to wait for the end, though nothing more comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_on_the_disk_every_so_often_is_so_while_nothing_comes() {
    let root = Root::new();
    let faulty = Faulty::serve_with(&root, &["--ingest-sync", "0.2s"]);
    faulty.fault_of_syncs("show.pcm");
    let mut socket = tokio::net::TcpStream::connect(faulty.server.address).await.unwrap();
    let head = format!(
        "PUT /audio/show HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n",
        faulty.server.address
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_exact(&mut answer)).await;
    read.expect("it is not synced").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 500");
}
