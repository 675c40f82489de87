//! Where the body's bytes are in what comes from a socket: behind the head, and in its chunks if it has any
//! (RFC 9112 7.1).

/// The state between two reads.
#[derive(Debug)]
pub struct Framing {
    state: State,
    head: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head,
    /// Inside a chunk's size.
    Size(u64),
    /// Behind the size's digits, up to the line's end.
    SizeEnd(u64),
    Data(u64),
    /// Behind a chunk.
    DataEnd,
    /// A body that just goes on.
    Plain,
}

impl Framing {
    pub fn new() -> Self {
        Self { state: State::Head, head: Vec::new() }
    }

    /// Whether the head was all there.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Hands the body's bytes among `bytes` to `take`, piece by piece.
    pub fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let used = match self.state {
                State::Head => self.head(bytes),
                State::Plain => hand_on(bytes, bytes.len(), &mut take),
                State::Data(left) => {
                    let used = hand_on(bytes, bytes.len().min(usize::try_from(left).unwrap()), &mut take);
                    let left = left - used as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    used
                }
                State::Size(size) => {
                    self.state = match char::from(bytes[0]).to_digit(16) {
                        Some(digit) => State::Size(size * 16 + u64::from(digit)),
                        None => State::SizeEnd(size),
                    };
                    1
                }
                State::SizeEnd(size) => {
                    if bytes[0] == b'\n' {
                        self.state = State::Data(size);
                    }
                    1
                }
                State::DataEnd => {
                    if bytes[0] == b'\n' {
                        self.state = State::Size(0);
                    }
                    1
                }
            };
            bytes = &bytes[used..];
        }
    }

    /// Takes what belongs to the head; how many bytes.
    fn head(&mut self, bytes: &[u8]) -> usize {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(end) = self.head.windows(4).position(|window| window == b"\r\n\r\n") else {
            return bytes.len();
        };
        self.head.truncate(end + 4);
        let text = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let status = text.split_whitespace().nth(1).unwrap_or_default();
        assert!(status.starts_with('2'), "a listener was refused: {text}");
        let chunked = text.contains("transfer-encoding: chunked");
        self.state = if chunked { State::Size(0) } else { State::Plain };
        self.head.len() - before
    }
}

fn hand_on(bytes: &[u8], count: usize, take: &mut impl FnMut(&[u8])) -> usize {
    take(&bytes[..count]);
    count
}
