//! A client of HTTP/1.1 that can do what the well-behaved ones cannot: read slowly, leave in the middle, and have its
//! connection reset.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

/// How long an answer may have nothing to say. A recorder that says nothing for so long has ended.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a reader thinks about leaving.
const THINK: Duration = Duration::from_millis(100);

/// How somebody reads.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Bytes at a time, and how long it takes to do something with them.
    pub at_once: usize,
    pub pause: Duration,
    /// When to leave: after so many bytes of a body, or after so long.
    pub bytes: usize,
    pub stay: Duration,
    /// Whether to leave by having the connection reset.
    pub reset: bool,
}

impl Manner {
    /// To the end.
    pub const PATIENT: Self = Self {
        at_once: 64 * 1024,
        pause: Duration::ZERO,
        bytes: usize::MAX,
        stay: Duration::from_secs(1 << 20),
        reset: false,
    };
}

/// How a body came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Where its headers, or its last chunk, said.
    InOrder,
    /// Before that.
    BrokenOff,
    /// The reader left.
    Left,
    /// Nothing came for far too long.
    Hung,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub asked: Instant,
    /// When the head was there; that of a head that never came is when it was clear that it would not.
    pub begun: Instant,
    pub done: Instant,
    /// 0 if there was no head.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub end: End,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length").map(|value| value.parse().unwrap())
    }

    /// From the text of a head.
    pub fn take_head(&mut self, head: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        self.status = status.and_then(|status| status.parse().ok()).unwrap_or_default();
        let headers = lines.filter_map(|line| line.split_once(':'));
        self.headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    }

    pub fn nothing() -> Self {
        let asked = Instant::now();
        let (headers, body) = (vec![], vec![]);
        Self { asked, begun: asked, done: asked, status: 0, headers, body, end: End::BrokenOff }
    }
}

/// Somebody with a connection, or none yet.
pub struct Client {
    address: SocketAddr,
    socket: Option<TcpStream>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, socket: None }
    }

    /// Asks, and reads what comes. `leave` may say at any time that it is enough.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        manner: &Manner,
        leave: &dyn Fn() -> bool,
    ) -> Reply {
        self.exchange(request(method, target, headers).as_bytes(), method, manner, leave)
    }

    /// The same with a body, of which all that comes is wanted.
    pub fn tell(&mut self, method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Reply {
        let length = ("content-length".to_owned(), body.len().to_string());
        let request = request(method, target, &[headers, &[length]].concat()).into_bytes();
        self.exchange(&[&request, body].concat(), method, &Manner::PATIENT, &|| false)
    }

    fn exchange(&mut self, request: &[u8], method: &str, manner: &Manner, leave: &dyn Fn() -> bool) -> Reply {
        let mut reply = Reply::nothing();
        // Nobody keeps a connection for so long that the server may be closing it.
        let socket = self.socket.take().map_or_else(|| TcpStream::connect(self.address), Ok);
        let Ok(mut socket) = socket else { return reply };
        socket.set_read_timeout(Some(THINK)).unwrap();
        let sent = socket.write_all(request);
        let may_be_used_again = sent.is_ok() && read(&mut socket, &mut reply, method, manner, leave);
        reply.done = Instant::now();
        if reply.status == 0 {
            reply.begun = reply.done;
        }
        if may_be_used_again {
            self.socket = Some(socket);
        } else if manner.reset && reply.end == End::Left {
            // What is closed with a linger of zero is reset.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
        reply
    }
}

fn request(method: &str, target: &str, headers: &[(String, String)]) -> String {
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: soak\r\n");
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    request + "\r\n"
}

/// The head of an answer, and nothing behind it; less of it if it breaks off.
pub fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Reads an answer; whether another can be had of the same connection.
pub fn read(
    socket: &mut TcpStream,
    reply: &mut Reply,
    method: &str,
    manner: &Manner,
    leave: &dyn Fn() -> bool,
) -> bool {
    let mut buffer = vec![0; manner.at_once];
    let (mut head, mut body) = (Vec::new(), None::<Body>);
    let mut heard = Instant::now();
    loop {
        if leave() || reply.asked.elapsed() > manner.stay || reply.body.len() >= manner.bytes {
            reply.end = End::Left;
            return false;
        }
        let read = match socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if heard.elapsed() > SILENCE {
                    reply.end = End::Hung;
                    return false;
                }
                continue;
            }
            Err(_) => return false,
        };
        heard = Instant::now();
        let mut came = &buffer[..read];
        if body.is_none() {
            head.extend_from_slice(came);
            let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            reply.begun = Instant::now();
            reply.take_head(&head[..end]);
            body = Some(Body::of(reply, method));
            came = &came[read - (head.len() - end - 4)..];
        }
        if body.as_mut().is_some_and(|body| body.take(came, &mut reply.body)) {
            reply.end = End::InOrder;
            return reply.header("connection") != Some("close");
        }
        std::thread::sleep(manner.pause);
    }
}

/// Where a body is (RFC 9112 6).
enum Body {
    /// So many bytes are still to come.
    Sized(u64),
    Chunked(Chunk),
}

/// Where in a chunk (RFC 9112 7.1).
enum Chunk {
    Size(u64),
    SizeEnd(u64),
    Data(u64),
    DataEnd,
    /// Behind the last.
    End(u8),
}

impl Body {
    fn of(reply: &Reply, method: &str) -> Self {
        if method == "HEAD" || matches!(reply.status, 204 | 304) {
            return Self::Sized(0);
        }
        reply.content_length().map_or(Self::Chunked(Chunk::Size(0)), Self::Sized)
    }

    /// Takes what came; whether that was the end.
    fn take(&mut self, mut came: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Sized(left) => {
                let taken = came.len().min(*left as usize);
                out.extend_from_slice(&came[..taken]);
                *left -= taken as u64;
                *left == 0
            }
            Self::Chunked(chunk) => {
                while let Some(byte) = came.first() {
                    let mut used = 1;
                    *chunk = match *chunk {
                        Chunk::Size(size) => match char::from(*byte).to_digit(16) {
                            Some(digit) => Chunk::Size(size * 16 + u64::from(digit)),
                            None => Chunk::SizeEnd(size),
                        },
                        Chunk::SizeEnd(0) => Chunk::End(0),
                        Chunk::SizeEnd(size) => Chunk::Data(size),
                        Chunk::Data(left) => {
                            used = came.len().min(left as usize);
                            out.extend_from_slice(&came[..used]);
                            let left = left - used as u64;
                            if left == 0 { Chunk::DataEnd } else { Chunk::Data(left) }
                        }
                        Chunk::DataEnd if *byte == b'\n' => Chunk::Size(0),
                        Chunk::DataEnd => Chunk::DataEnd,
                        Chunk::End(0) => Chunk::End(1),
                        Chunk::End(_) => return true,
                    };
                    came = &came[used..];
                }
                false
            }
        }
    }
}
