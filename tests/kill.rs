//! A server that is killed again and again while it is being listened to: whoever goes on at the byte where he was has at
//! last what an undisturbed download is, of a finished recording and of one that grows, in every format. And one that is
//! killed while it is recorded into: the recorder goes on where the server says, and not a byte is lost or doubled.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::process::Process;
use support::{Root, Running, header_len, sound, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

const PCM: &str = "s16le:48000:2";
const SECOND: usize = 48_000 * 4;
const FORMATS: [&str; 3] = ["wav", "mp3", "opus"];
/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);
/// Bytes that each gets at the least before the server is killed: less than a second of any format.
const SHARE: usize = 5_000;
/// So little that a download is not through before the server is killed, however fast that is.
const BUFFER: u32 = 4096;

#[test]
fn downloads_joined_over_a_server_that_is_killed_again_and_again_are_whole() {
    wait(killed(5));
}

/// As the one before, for longer: `cargo test --test kill -- --ignored`.
#[test]
#[ignore = "takes four times as long"]
fn downloads_joined_over_a_server_that_is_killed_twenty_times_are_whole() {
    wait(killed(20));
}

/// A download that goes on where it was.
struct Download {
    extension: &'static str,
    /// `past` has ended, `live` grows.
    name: &'static str,
    etag: Option<String>,
    body: Vec<u8>,
    /// How often it was broken off.
    broken: usize,
    done: bool,
}

impl Download {
    fn new(name: &'static str, extension: &'static str, etag: Option<String>) -> Self {
        Self { extension, name, etag, body: Vec::new(), broken: 0, done: false }
    }

    fn request(&self) -> String {
        let Self { name, extension, etag, body, .. } = self;
        let mut request = format!("GET /audio/{name}.{extension} HTTP/1.1\r\nHost: h\r\n");
        if !body.is_empty() {
            request += &format!("Range: bytes={}-\r\n", body.len());
            request += &etag.as_ref().map(|etag| format!("If-Range: {etag}\r\n")).unwrap_or_default();
        }
        request + "Connection: close\r\n\r\n"
    }

    /// Reads from one server until that is gone, or to the end. Says so when it has its share, and then reads only what
    /// is on its way when the server is killed, unless it is the `last`.
    async fn go_on(
        mut self,
        address: SocketAddr,
        has_share: &Semaphore,
        mut killed: watch::Receiver<bool>,
        last: bool,
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        socket.write_all(self.request().as_bytes()).await.unwrap();
        let (mut answer, mut shared) = (Vec::new(), false);
        loop {
            if answer.len() >= SHARE && !shared && !last {
                shared = true;
                has_share.add_permits(1);
                killed.wait_for(|killed| *killed).await.unwrap();
            }
            // A connection that is reset has ended, too.
            match tokio::time::timeout(LONG, socket.read_buf(&mut answer)).await.expect("nothing comes") {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if !shared {
            has_share.add_permits(1);
        }
        self.take(&answer);
        assert!(self.done || !last, "{} {}: broken off though nobody was killed", self.name, self.extension);
        self
    }

    /// Takes over what has come of an answer.
    fn take(&mut self, answer: &[u8]) {
        let head_len = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(answer[..head_len].to_vec()).unwrap().to_lowercase();
        let has = self.body.len();
        if has > 0 {
            let goes_on = head.contains(&format!("\r\ncontent-range: bytes {has}-"));
            assert!(head.starts_with("http/1.1 206") && goes_on, "it does not go on at {has}: {head}");
        } else {
            assert!(head.starts_with("http/1.1 200"), "{head}");
        }
        let length: Option<usize> = head
            .split("\r\ncontent-length: ")
            .nth(1)
            .map(|rest| rest.lines().next().unwrap().parse().unwrap());
        let (body, done) = match length {
            Some(length) => (answer[head_len..].to_vec(), answer.len() - head_len == length),
            None => chunks(&answer[head_len..]),
        };
        self.body.extend(body);
        self.done = done;
        self.broken += usize::from(!done);
    }
}

/// What is in the chunks of a body (RFC 9112 7.1), of which the last may be cut short, and whether it came to its end.
fn chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if len == 0 {
            return (body, true);
        }
        body.extend(&rest[..len.min(rest.len())]);
        rest = rest.get(len + 2..).unwrap_or_default();
    }
    (body, false)
}

/// Others who ask for bytes here and there; what they get whole is right.
async fn load(address: SocketAddr, whole: [Vec<u8>; 3], seed: u64) {
    let mut random = sound::random(seed);
    loop {
        let format = random() as usize % FORMATS.len();
        let from = random() as usize % whole[format].len();
        let to = whole[format].len().min(from + 50_000);
        let request = reqwest::Client::new().get(format!("http://{address}/audio/past.{}", FORMATS[format]));
        let Ok(answer) = request.header("range", format!("bytes={from}-{}", to - 1)).send().await else {
            return;
        };
        assert_eq!(answer.status(), 206);
        let Ok(body) = answer.bytes().await else { return };
        assert!(body == whole[format][from..to], "{} from {from}", FORMATS[format]);
    }
}

async fn wholes(root: &Root, name: &str) -> Vec<support::Reply> {
    let server = Running::start(root).await;
    let mut wholes = Vec::new();
    for format in FORMATS {
        wholes.push(server.get(&format!("/audio/{name}.{format}")).await);
    }
    wholes
}

async fn killed(lives: usize) {
    let root = Root::new();
    let to_come = sound::noise(48_000 * (lives + 3), 2, 2);
    root.finished("past", PCM, &sound::noise(48_000 * 40, 2, 1));
    root.growing("live", PCM, &to_come[..SECOND]);
    let past = wholes(&root, "past").await;
    let bodies: [Vec<u8>; 3] = std::array::from_fn(|format| past[format].body.clone());
    let etag = |format: usize| past[format].header("etag").map(String::from);
    let mut downloads: Vec<Download> =
        (0..3).map(|format| Download::new("past", FORMATS[format], etag(format))).collect();
    downloads.extend(FORMATS.map(|extension| Download::new("live", extension, None)));

    for life in 0..=lives {
        let last = life == lives;
        let mut server = Process::serve(root.path(), &["--growth-timeout", "600"]);
        let (has_share, (kill, killed)) = (Semaphore::new(0), watch::channel(false));
        let (address, all) = (server.address, downloads.len());
        let mut others = JoinSet::new();
        for seed in 0..3 {
            others.spawn(load(address, bodies.clone(), (life * 3 + seed) as u64));
        }
        let listening =
            downloads.into_iter().map(|download| download.go_on(address, &has_share, killed.clone(), last));
        let happening = async {
            // Not in whole frames.
            root.append("live.pcm", &to_come[(life + 1) * SECOND + life..][..SECOND + 1]);
            if last {
                root.end("live", PCM);
            } else {
                drop(has_share.acquire_many(all as u32).await.unwrap());
                server.kill();
                kill.send_replace(true);
            }
        };
        let (listened, ()) = tokio::join!(futures_util::future::join_all(listening), happening);
        drop(server);
        while let Some(other) = others.join_next().await {
            other.unwrap();
        }
        downloads = listened;
        // Whoever is through already begins again, so that there is something to kill.
        for done in downloads.iter_mut().filter(|download| download.done && !last) {
            is_whole(done, &bodies);
            *done = Download { body: Vec::new(), done: false, etag: done.etag.take(), ..*done };
        }
    }
    let live = wholes(&root, "live").await;
    let live = std::array::from_fn(|format| live[format].body.clone());
    let broken: usize = downloads.iter().map(|download| download.broken).sum();
    for download in &downloads {
        assert!(download.broken > 0, "{} {} was never broken off", download.name, download.extension);
        is_whole(download, if download.name == "past" { &bodies } else { &live });
    }
    println!(
        "{lives} kills broke {} downloads off {broken} times in all; each has every byte",
        downloads.len()
    );
}

/// A download is what one is that nothing happened to; of a recording that grew, behind its header.
fn is_whole(download: &Download, wholes: &[Vec<u8>; 3]) {
    let format = FORMATS.iter().position(|format| *format == download.extension).unwrap();
    let grew = download.name == "live";
    let header = if grew { header_len(download.extension, PCM) } else { 0 };
    let (body, expected) = (&download.body[header..], &wholes[format][header..]);
    let what = format!("{}.{}", download.name, download.extension);
    let differs = body.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}: the first byte that differs, of {}", expected.len());
    assert_eq!(body.len(), expected.len(), "{what}: length");
}

/// Sends as a recorder does that hears all of `sound` by and by, until the server is gone or it is all sent.
async fn record(address: SocketAddr, sound: &[u8], offset: usize) {
    let request = match offset {
        0 => "PUT /audio/show?pcm=s16le:48000:2 HTTP/1.1\r\n".to_owned(),
        _ => format!(
            "PATCH /audio/show HTTP/1.1\r\ncontent-type: application/partial-upload\r\nupload-offset: {offset}\r\n"
        ),
    };
    let mut socket = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
    let head = format!("{request}host: {address}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    // Not in whole frames.
    for piece in sound[offset..].chunks(1_999) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if socket.write_all(&chunk).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _ = socket.write_all(b"0\r\n\r\n").await;
    let mut answer = Vec::new();
    // Reset if the server is gone.
    if socket.read_to_end(&mut answer).await.is_ok() && !answer.is_empty() {
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Where the server says that the recording goes on, and whether it is whole.
async fn goes_on(server: &Process) -> (usize, bool) {
    let head = reqwest::Client::new().head(server.url("/audio/show")).send().await.unwrap();
    let header = |name: &str| head.headers().get(name).unwrap().to_str().unwrap().to_owned();
    (header("upload-offset").parse().unwrap(), header("upload-complete") == "?1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_goes_on_over_a_server_that_is_killed_and_nothing_is_lost_or_doubled() {
    let (root, sound) = (Root::new(), sound::noise(48_000 * 10, 2, 9));
    let file = root.file("show.pcm");
    let mut offset = 0;
    for life in 0..6 {
        let mut server = Process::serve(root.path(), &["--growth-timeout", "600"]);
        if life > 0 {
            let told;
            (offset, told) = goes_on(&server).await;
            assert_eq!((std::fs::metadata(&file).unwrap().len(), told), (offset as u64, false));
        }
        let (sending, address) = (sound.clone(), server.address);
        let sending = tokio::spawn(async move { record(address, &sending, offset).await });
        if life == 5 {
            sending.await.unwrap();
            assert_eq!(goes_on(&server).await, (sound.len(), true));
        } else {
            let further = || std::fs::metadata(&file).is_ok_and(|file| file.len() > (offset + 50_000) as u64);
            support::eventually("some of it is written", further).await;
            server.kill();
            sending.await.unwrap();
        }
        assert!(sound.starts_with(&std::fs::read(&file).unwrap()), "other bytes after {life} kills");
    }
    assert!(std::fs::read(&file).unwrap() == sound);
}
