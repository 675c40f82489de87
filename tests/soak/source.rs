//! An encoder that sends as to Icecast. What its recording is, only the file can tell: what is sent is decoded.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::client::{Client, read_head};
use crate::life::Life;
use crate::stage::Soak;
use crate::upload::{TOKEN, token};

/// What is sent, at 128 kbit/s: packets that are all of a length.
pub const PCM: &str = "s16le:48000:2";
const PACKET: usize = 384;
/// Bytes that one is decoded to, and that are written at once.
pub const DECODED: u64 = 1152 * 4;
/// Packets after which a decoder has forgotten that there were none before.
const SETTLED: usize = 2;
/// Packets of half a second, which are enough for there to be sound.
const FIRST: u64 = 21;
/// How often it is looked how long the file is.
const LOOK: Duration = Duration::from_millis(20);
/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Source<'a> {
    soak: &'a Soak,
    name: String,
    file: PathBuf,
    socket: TcpStream,
    /// Packets.
    sent: u64,
    /// The next one, of those that are sent again and again.
    next: usize,
    /// Bytes of sound that are to be sent, and no packet yet.
    owed: u64,
}

impl<'a> Source<'a> {
    /// A life that begins with what is sent first.
    pub fn begin(soak: &'a Soak, life: &Life, file: PathBuf, from: u64) -> Self {
        let next = (from % (soak.mp3.len() / PACKET) as u64) as usize;
        let (name, socket) = (life.name.clone(), connect(soak, &life.name));
        let mut source = Self { soak, name, file, socket, sent: 0, next, owed: 0 };
        life.be_written(FIRST * DECODED, || {
            source.send(FIRST);
            let begun = Instant::now();
            while !source.file.exists() && !soak.has_failed() {
                assert!(begun.elapsed() < PATIENCE, "nothing is recorded of `{}`", source.name);
                thread::sleep(LOOK / 10);
            }
            source.look()
        });
        source
    }

    /// Goes on with so many bytes of sound.
    pub fn play(&mut self, life: &Life, bytes: u64) {
        self.owed += bytes;
        let packets = self.owed / DECODED;
        self.owed %= DECODED;
        life.be_written((self.sent + packets) * DECODED, || {
            self.send(packets);
            self.look()
        });
    }

    /// Sends nothing for a while, unless it is over. The server has still something to decode.
    pub fn pause(&self, life: &Life, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.soak.recorders_stop() {
            life.be_written(self.sent * DECODED, || self.look());
        }
    }

    fn send(&mut self, packets: u64) {
        for _ in 0..packets {
            let packet = &self.soak.mp3[self.next * PACKET..][..PACKET];
            self.socket.write_all(packet).unwrap();
            self.next = (self.next + 1) % (self.soak.mp3.len() / PACKET);
        }
        self.sent += packets;
    }

    /// How long the file is, and when it was so.
    fn look(&self) -> (Instant, u64) {
        thread::sleep(LOOK);
        let now = Instant::now();
        (now, fs::metadata(&self.file).map_or(0, |metadata| metadata.len()))
    }

    /// Is gone, behind a packet or in the middle of one, and waits until nothing more is written. What is in the file then
    /// is the truth: every whole packet.
    pub fn end(mut self, life: &Life, in_packet: bool, ended: bool) {
        if in_packet {
            let _ = self.socket.write_all(&self.soak.mp3[..PACKET / 2]);
        }
        let _ = self.socket.shutdown(Shutdown::Write);
        let begun = Instant::now();
        while !self.is_let_go(ended) && !self.soak.has_failed() {
            assert!(begun.elapsed() < PATIENCE, "`{}` is written to for long", self.name);
            life.be_written(self.sent * DECODED, || self.look());
        }
        life.be_written(self.sent * DECODED, || self.look());
        life.stand_still();
        let sound = fs::read(&self.file).unwrap();
        life.keep(&sound);
        assert!(self.has_all(&sound) || self.soak.has_failed(), "{} packets were sent: {life:?}", self.sent);
    }

    /// Whether every packet is decoded to some sound, and those that come again to the same again. (A decoder forgets what
    /// was before.)
    fn has_all(&self, sound: &[u8]) -> bool {
        let again = self.soak.mp3.len() / PACKET * DECODED as usize;
        let settled = sound.get(SETTLED * DECODED as usize..).unwrap_or_default();
        sound.len() as u64 == self.sent * DECODED
            && settled.chunks(DECODED as usize).all(|packet| packet.iter().any(|byte| *byte != 0))
            && settled.iter().zip(settled.iter().skip(again)).all(|(before, after)| before == after)
    }

    /// Whether nobody writes to the recording any more; if so, it is perhaps told that it has `ended`.
    fn is_let_go(&self, ended: bool) -> bool {
        let change = if ended { "{\"ended\":true}" } else { "{}" };
        let headers = [token(), ("content-type".to_owned(), "application/json".to_owned())];
        let target = format!("/recordings/{}", self.name);
        let reply = Client::new(self.soak.address).tell("PATCH", &target, &headers, change.as_bytes());
        assert!(matches!(reply.status, 200 | 409), "{target}: {reply:?}");
        reply.status == 200
    }
}

/// A connection on which the head of a 200 has come.
fn connect(soak: &Soak, name: &str) -> TcpStream {
    let mut socket = TcpStream::connect(soak.address).unwrap();
    socket.set_nodelay(true).unwrap();
    let password = BASE64_STANDARD.encode(format!("source:{TOKEN}"));
    let head = format!(
        "PUT /{name}.mp3 HTTP/1.1\r\nhost: soak\r\nauthorization: Basic {password}\r\ncontent-type: audio/mpeg\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let head = read_head(&mut socket);
    assert!(head.starts_with("HTTP/1.1 200 "), "{name} may not be sent: {head}");
    socket
}
