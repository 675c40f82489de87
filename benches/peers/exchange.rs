//! One client at a time, which waits for what it asked for.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::Path;

/// A connection that asks one thing after another.
pub struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Where in the buffer what came with the last head begins and ends.
    behind_head: Range<usize>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: vec![0; 256 * 1024], behind_head: 0..0 }
    }

    /// Asks, and reads the whole of an answer that says its length; the bytes of its body. `range` is what is behind
    /// `bytes=`.
    pub fn get(&mut self, path: &str, range: Option<&str>) -> u64 {
        self.ask(path, range);
        let (length, mut body) = self.head();
        while body < length {
            body += self.read();
        }
        assert_eq!(body, length, "{path}: more than was promised");
        body
    }

    /// Asks, and reads no more of the body than this many bytes and what came with them.
    pub fn get_first(&mut self, path: &str, range: Option<&str>, least: u64) {
        self.ask(path, range);
        let (_, mut body) = self.head();
        while body < least {
            body += self.read();
        }
    }

    /// Asks, and takes the whole of an answer that says its length for text.
    pub fn text(&mut self, path: &str) -> String {
        self.ask(path, None);
        let (length, _) = self.head();
        let mut body = self.buffer[self.behind_head.clone()].to_vec();
        while (body.len() as u64) < length {
            let read = self.read() as usize;
            body.extend_from_slice(&self.buffer[..read]);
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    fn ask(&mut self, path: &str, range: Option<&str>) {
        let range = range.map(|range| format!("range: bytes={range}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: peers\r\n{range}\r\n");
        self.socket.write_all(request.as_bytes()).unwrap();
    }

    /// The length that the head says, and the bytes of the body that came with it.
    fn head(&mut self) -> (u64, u64) {
        let mut got = 0;
        loop {
            let read = self.socket.read(&mut self.buffer[got..]).unwrap();
            assert!(read > 0, "no whole head");
            got += read;
            let end = self.buffer[..got].windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                self.behind_head = end + 4..got;
                return (length(&self.buffer[..end]), (got - end - 4) as u64);
            }
        }
    }

    fn read(&mut self) -> u64 {
        let read = self.socket.read(&mut self.buffer).unwrap();
        assert!(read > 0, "the body broke off");
        read as u64
    }
}

/// Saves a body; its length.
pub fn download(address: SocketAddr, path: &str, file: &Path) -> u64 {
    let mut client = Client::connect(address);
    client.ask(path, None);
    let (length, begun) = client.head();
    let mut file = File::create(file).unwrap();
    file.write_all(&client.buffer[client.behind_head.clone()]).unwrap();
    let rest = std::io::copy(&mut client.socket.take(length - begun), &mut file).unwrap();
    assert_eq!(begun + rest, length, "{path}: the body broke off");
    length
}

fn length(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap_or_default();
    assert!(status.starts_with('2'), "refused: {head}");
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    line.expect("a length").trim().parse().unwrap()
}
