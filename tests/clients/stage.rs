//! A recording, the server, and a program at work.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::judge::Desk;
use crate::support::{Root, Running, eventually, sound};

pub const PCM: &str = "s16le:48000:2";
pub const RATE: usize = 48_000;
pub const FORMATS: [&str; 3] = ["wav", "mp3", "opus"];

/// Sound that is nowhere like itself.
pub fn seconds(seconds: usize) -> Vec<u8> {
    sound::noise(seconds * RATE, 2, 5)
}

/// A recording that is to grow, of which a part is there.
pub struct Recorder<'a> {
    root: &'a Root,
    rest: Vec<&'a [u8]>,
}

impl<'a> Recorder<'a> {
    /// Begins `show` with most of `sound`: players look at a second and more of it before they let anything be heard. The
    /// rest is to come in parts.
    pub fn begin(root: &'a Root, sound: &'a [u8]) -> Self {
        let (first, rest) = sound.split_at(sound.len() * 3 / 4);
        root.growing("show", PCM, first);
        // Last parts first. An odd length: recorders do not write in whole frames.
        let rest = rest.chunks(rest.len() / 7 + 1).rev().collect();
        Self { root, rest }
    }

    pub fn write_some(&mut self) {
        let part = self.rest.pop().expect("it is all written");
        self.root.append("show.pcm", part);
    }

    /// Writes what is left, a part at a time, and ends the recording.
    pub async fn end(mut self) {
        while !self.rest.is_empty() {
            self.write_some();
            // As a recorder would: what comes by and by is heard by and by.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.root.end("show", PCM);
    }
}

/// A program that is running. It is killed when dropped.
pub struct Client {
    child: Child,
    said: PathBuf,
}

impl Client {
    pub fn start(desk: &Desk, mut command: Command) -> Self {
        let said = desk.path("said");
        let out = std::fs::File::create(&said).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        Self { child: command.spawn().unwrap(), said }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, which must be a good one.
    pub fn finish(self) {
        self.finish_saying();
    }

    /// The same, and gives all that it said.
    pub fn finish_saying(mut self) -> String {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.said());
        self.said()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.said).unwrap_or_default()).into_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn len(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// Waits until a program has written more than `len` bytes.
pub async fn longer_than(file: &Path, bytes: u64) {
    eventually(&format!("{} has more than {bytes} bytes", file.display()), || len(file) > bytes).await;
}

/// `show`, ended.
pub fn finished(sound: &[u8]) -> Root {
    let root = Root::new();
    root.finished("show", PCM, sound);
    root
}

pub async fn server(root: &Root) -> Running {
    // As long as a machine may stand still on which much is going on.
    Running::with(root, |config| config.growth_timeout = Duration::from_secs(20)).await
}
