//! A recording that is sent to the server, by a recorder that goes on where it was when its connection has broken.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::client::{Client, Manner, Reply, read};
use crate::life::Life;
use crate::stage::Soak;

/// Bytes that are sent at once: so few that they are written at once, too, and the file has no length that nobody knows of.
pub const PIECE: usize = 4000;
/// What opens the server to who writes.
pub const TOKEN: &str = "hackme";
/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a connection breaks.
#[derive(Debug, Clone, Copy)]
pub enum Break {
    Closed,
    Reset,
    /// Nobody tells the server.
    Forgotten,
}

pub struct Upload<'a> {
    soak: &'a Soak,
    name: String,
    file: PathBuf,
    socket: TcpStream,
    /// Bytes in the file.
    len: u64,
    /// Whether the recording has ended with this body.
    pub is_last: bool,
}

/// By which a writer is known.
pub fn token() -> (String, String) {
    ("authorization".to_owned(), format!("Bearer {TOKEN}"))
}

impl<'a> Upload<'a> {
    /// A recording that begins with some bytes, when they are in its file. What it is has to be said in its sidecar.
    pub fn begin(soak: &'a Soak, name: &str, file: PathBuf, is_last: bool, first: &[u8]) -> Self {
        let head = format!("PUT /audio/{name} HTTP/1.1\r\n");
        let (name, socket) = (name.to_owned(), open(soak, &head, is_last));
        let mut upload = Self { soak, name, file, socket, len: 0, is_last };
        upload.write(first);
        upload
    }

    /// More, until it is in the file.
    pub fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.send(piece.len(), piece);
            self.len += piece.len() as u64;
            if let Some(answer) = self.answer_before(self.len) {
                panic!("nothing is taken of `{}` any more: {}", self.name, text(&answer));
            }
        }
    }

    /// The same when the connection breaks behind the first bytes of a piece: another goes on at the right place, after a
    /// while.
    pub fn write_broken(&mut self, life: &Life, piece: &[u8], came: usize, how: Break, pause: Duration) {
        let before = self.len;
        life.keep(piece);
        life.grow(came as u64, || {
            self.send(piece.len(), &piece[..came]);
            let old = self.break_off(how);
            self.soak.pass(pause);
            life.grow((piece.len() - came) as u64, || while !self.goes_on(before, piece, came) {});
            drop(old);
        });
    }

    /// The connection that nobody has closed.
    fn break_off(&mut self, how: Break) -> Option<TcpStream> {
        let old = std::mem::replace(&mut self.socket, connect(self.soak));
        match how {
            Break::Closed => None,
            Break::Reset => {
                SockRef::from(&old).set_linger(Some(Duration::ZERO)).unwrap();
                None
            }
            Break::Forgotten => Some(old),
        }
    }

    /// Goes on with a piece of which no more than some bytes have come; whether that was where the server has got to, which
    /// may have read more meanwhile.
    fn goes_on(&mut self, before: u64, piece: &[u8], came: usize) -> bool {
        let target = format!("/audio/{}", self.name);
        let head =
            Client::new(self.soak.address).ask("HEAD", &target, &[token()], &Manner::PATIENT, &|| false);
        let offset: u64 = head.header("upload-offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let there = offset.checked_sub(before).filter(|there| *there <= came as u64);
        let Some(there) = there else {
            panic!(
                "{came} bytes came behind byte {before} of `{}`, and there are {offset}: {head:?}",
                self.name
            )
        };
        let head = format!(
            "PATCH {target} HTTP/1.1\r\ncontent-type: application/partial-upload\r\nupload-offset: {offset}\r\n"
        );
        self.socket = open(self.soak, &head, self.is_last);
        let rest = &piece[there as usize..];
        self.send(rest.len(), rest);
        self.len = before + piece.len() as u64;
        match self.answer_before(self.len) {
            None => true,
            Some(answer) if answer.status == 409 => false,
            Some(answer) => panic!("`{}` cannot go on: {}", self.name, text(&answer)),
        }
    }

    /// A chunk of so many bytes, or the first of them.
    fn send(&mut self, len: usize, bytes: &[u8]) {
        let mut chunk = format!("{len:x}\r\n").into_bytes();
        chunk.extend(bytes);
        if bytes.len() == len {
            chunk.extend(b"\r\n");
        }
        // Whether it is open is seen by what comes of that.
        let _ = self.socket.write_all(&chunk);
    }

    /// What the server answers before the file is so long, if it does; it should not.
    fn answer_before(&mut self, len: u64) -> Option<Reply> {
        let begun = Instant::now();
        self.socket.set_nonblocking(true).unwrap();
        let answered = loop {
            let there = fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
            assert!(there <= len, "`{}` has {there} bytes, and {len} were sent", self.name);
            if there == len || self.soak.has_failed() {
                break false;
            }
            if self.socket.peek(&mut [0]).is_ok() {
                break true;
            }
            assert!(begun.elapsed() < PATIENCE, "`{}` has {there} bytes for long, not {len}", self.name);
            thread::sleep(Duration::from_micros(300));
        };
        self.socket.set_nonblocking(false).unwrap();
        answered.then(|| answer(&mut self.socket, "PUT"))
    }

    /// Ends the body, when all of it is there.
    pub fn end(mut self) {
        let _ = self.socket.write_all(b"0\r\n\r\n");
        let answer = answer(&mut self.socket, "PUT");
        let offset = answer.header("upload-offset").map(str::to_owned);
        let is_in_order = matches!(answer.status, 200 | 201) && offset == Some(self.len.to_string());
        let complete = answer.header("upload-complete") == Some(if self.is_last { "?1" } else { "?0" });
        assert!(is_in_order && complete, "{} bytes of `{}`: {}", self.len, self.name, text(&answer));
    }
}

fn connect(soak: &Soak) -> TcpStream {
    let socket = TcpStream::connect(soak.address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A connection with the head of a request whose body comes in chunks.
fn open(soak: &Soak, head: &str, is_last: bool) -> TcpStream {
    let mut socket = connect(soak);
    let (name, value) = token();
    let complete = if is_last { "?1" } else { "?0" };
    let head = format!(
        "{head}host: soak\r\n{name}: {value}\r\nupload-complete: {complete}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let _ = socket.write_all(head.as_bytes());
    socket
}

/// What comes of a request that was sent.
pub fn answer(socket: &mut TcpStream, method: &str) -> Reply {
    let mut reply = Reply::nothing();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    read(socket, &mut reply, method, &Manner::PATIENT, &|| false);
    reply
}

fn text(reply: &Reply) -> String {
    format!("{} {:?} {}", reply.status, reply.headers, String::from_utf8_lossy(&reply.body))
}
