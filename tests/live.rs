//! At the live edge: what a recorder has just written is heard at once, its pauses are waited through, its end
//! is told, and no listener is in the way of another.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::process::Process;
use support::{Open, Reply, Root, Running, codec, eventually, sound};
use tailcast_codecs::Cut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};

const FORMATS: [&str; 3] = ["wav", "mp3", "opus"];
const PCM: &str = "s16le:48000:2";
const RATE: usize = 48_000;
const FRAME: usize = 4;
/// More bytes than anything here has that grows.
const MOST: usize = 15_000_000;

/// Sound of `PCM`, of so many milliseconds.
fn noise(millis: usize) -> Vec<u8> {
    sound::noise(RATE * millis / 1000, 2, 3)
}

/// So long that only what a test does itself can end a recording.
fn patient(config: &mut tailcast::config::Config) {
    config.growth_timeout = Duration::from_secs(60);
}

/// Fails rather than wait for ever.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

async fn growing(server: &Running, path: &str) -> Open {
    let open = soon(path, server.open("GET", path, &[])).await;
    assert_eq!(open.status, 200, "{path}");
    assert_eq!(open.headers.get("content-length"), None, "{path} should be growing");
    open
}

/// Bytes that there must be of the rendition from zero when the recording has so many frames.
fn exists(extension: &str, pcm: &str, frames: usize) -> usize {
    let codec = codec(extension, pcm);
    let cut = Cut::new(codec.grid(), 0);
    cut.exists(cut.codable(codec.feed().ready(frames as u64))) as usize
}

fn header_len(extension: &str) -> usize {
    support::header_len(extension, PCM)
}

/// What a server that sees the recording for the first time, when it has ended, gives of it.
async fn afterwards(root: &Root, path: &str) -> Reply {
    root.end("show", PCM);
    let reply = Running::start(root).await.get(path).await;
    assert_eq!(reply.status, 200);
    reply
}

/// Writes a piece every 20 ms, in real time, and tells when how many frames had been written.
async fn record_in_real_time(root: &Root, pcm: &str, sound: &[u8], frame: usize) -> Vec<(Instant, usize)> {
    let rate: usize = pcm.split(':').nth(1).unwrap().parse().unwrap();
    let begun = tokio::time::Instant::now();
    let mut written = Vec::new();
    for (number, piece) in (0u32..).zip(sound.chunks(rate / 50 * frame)) {
        sleep_until(begun + Duration::from_millis(20) * number).await;
        root.append("show.pcm", piece);
        written.push((Instant::now(), (number as usize + 1) * rate / 50));
    }
    root.end("show", pcm);
    written
}

/// The byte up to which a listener must have read to have heard `frame` (from zero), by arithmetic: the end of
/// the packet, or of the page, that the decoder gives it from.
fn heard_by(cut: &Cut, frame: u64) -> u64 {
    let packet = cut.packet_at_byte(cut.byte_at_frame(frame));
    let unit = cut.grid().paging.map_or(1, |paging| paging.packets);
    cut.byte_of_packet(packet + unit)
}

async fn latency(extension: &str, pcm: &str) {
    let (root, rate) = (Root::new(), pcm.split(':').nth(1).unwrap().parse::<usize>().unwrap());
    root.growing("show", pcm, &[]);
    let server = Running::with(&root, patient).await;
    let mut open = growing(&server, &format!("/audio/show.{extension}")).await;
    let listener = tokio::spawn(async move {
        let (mut arrived, mut len) = (Vec::new(), 0);
        while let Some(bytes) = open.next().await.unwrap() {
            len += bytes.len() as u64;
            arrived.push((Instant::now(), len));
        }
        arrived
    });
    let sound = sound::noise(rate * 5, 2, 4);
    let written = record_in_real_time(&root, pcm, &sound, FRAME).await;
    let arrived = soon("the body's end", listener).await.unwrap();

    let codec = codec(extension, pcm);
    let cut = Cut::new(codec.grid(), 0);
    let len = arrived.last().unwrap().1;
    let worst = written
        .iter()
        .map(|(at, frames)| {
            let frame = codec.grid().rates.to_coded(*frames as u64 - 1);
            let byte = heard_by(&cut, frame).min(len);
            let heard = arrived.iter().find(|(_, len)| *len >= byte).unwrap().0;
            heard.saturating_duration_since(*at)
        })
        .max();
    println!("{extension} of {pcm}: {:?} at worst", worst.unwrap());
    assert!(worst.unwrap() < Duration::from_secs(1), "{extension}: {:?}", worst.unwrap());
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_heard_within_a_second_of_being_written_as_wav() {
    latency("wav", "s16le:44100:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_heard_within_a_second_of_being_written_as_mp3() {
    latency("mp3", "s16le:44100:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_heard_within_a_second_of_being_written_as_opus() {
    latency("opus", "s16le:48000:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_heard_within_a_second_of_being_written_where_the_rate_is_converted() {
    latency("opus", "s16le:44100:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_at_zero_catches_up_without_the_recorder_and_then_follows_it() {
    for extension in FORMATS {
        let (root, sound) = (Root::new(), noise(30_000));
        let (past, to_come) = sound.split_at(25 * RATE * FRAME);
        root.growing("show", PCM, past);
        let server = Running::with(&root, patient).await;
        let path = format!("/audio/show.{extension}");
        let mut open = growing(&server, &path).await;
        let past = exists(extension, PCM, 25 * RATE);
        let mut body = soon("the past, while nothing is written", open.take(past)).await;
        assert_eq!(body.len(), past, "{extension}: more than can be there");
        for second in to_come.chunks(RATE * FRAME) {
            root.append("show.pcm", second);
            let frames = std::fs::metadata(root.file("show.pcm")).unwrap().len() as usize / FRAME;
            let there = exists(extension, PCM, frames);
            body.extend(soon("what was just written", open.take(there - body.len())).await);
        }
        let finished = afterwards(&root, &path).await.body;
        body.extend(soon("the end", open.rest_within(MOST)).await);
        let header = header_len(extension);
        assert!(body[header..] == finished[header..], "{extension}");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_far_behind_when_the_recorder_ends_gets_the_rest_and_no_more() {
    for extension in FORMATS {
        let root = Root::new();
        root.growing("show", PCM, &noise(60_000));
        let server = Running::with(&root, |config| {
            patient(config);
            config.threads = 1;
        })
        .await;
        let path = format!("/audio/show.{extension}");
        let mut open = growing(&server, &path).await;
        let mut body = open.take(6_000).await;
        root.end("show", PCM);
        // Another's question is when the server looks.
        assert!(server.head(&path).await.headers.contains_key("content-length"));
        body.extend(soon("the end", open.rest_within(MOST)).await);
        let finished = afterwards(&root, &path).await.body;
        let header = header_len(extension);
        assert_eq!(body.len(), finished.len(), "{extension}");
        assert!(body[header..] == finished[header..], "{extension}");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_ends_within_the_growth_timeout_after_the_recorder_stops() {
    for extension in FORMATS {
        let root = Root::new();
        root.growing("show", PCM, &noise(500));
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(1500)).await;
        let open = growing(&server, &format!("/audio/show.{extension}")).await;
        let stopped = Instant::now();
        root.append("show.pcm", &noise(500));
        soon("the end", open.rest_within(MOST)).await;
        let ended = stopped.elapsed();
        // Growth is seen at the next look, which is at most half a second later.
        let allowed = Duration::from_millis(1450)..Duration::from_millis(1500 + 500 + 500);
        assert!(allowed.contains(&ended), "{extension} ended after {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_ends_at_once_where_the_recorder_says_so() {
    for extension in FORMATS {
        let root = Root::new();
        root.growing("show", PCM, &noise(1000));
        let server = Running::with(&root, patient).await;
        let mut open = growing(&server, &format!("/audio/show.{extension}")).await;
        open.take(exists(extension, PCM, RATE)).await;
        let said = Instant::now();
        root.end("show", PCM);
        soon("the end", open.rest_within(MOST)).await;
        assert!(said.elapsed() < Duration::from_secs(2), "{extension} ended after {:?}", said.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_shorter_than_the_growth_timeout_is_waited_through() {
    for extension in FORMATS {
        let (root, sound) = (Root::new(), noise(3000));
        let (before, after) = sound.split_at(1300 * RATE / 1000 * FRAME);
        root.growing("show", PCM, before);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(1500)).await;
        let path = format!("/audio/show.{extension}");
        let open = growing(&server, &path).await;
        let recorder = async {
            for piece in after.chunks(after.len() / 2) {
                sleep(Duration::from_millis(900)).await;
                root.append("show.pcm", piece);
            }
        };
        let (body, ()) = soon("the end", async { tokio::join!(open.rest_within(MOST), recorder) }).await;
        let finished = afterwards(&root, &path).await.body;
        let header = header_len(extension);
        assert!(body[header..] == finished[header..], "{extension}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_and_ended_while_nobody_listened_is_finished_at_once() {
    let root = Root::new();
    root.growing("show", PCM, &noise(1000));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(700)).await;
    assert!(!server.head("/audio/show.mp3").await.headers.contains_key("content-length"));
    root.append("show.pcm", &noise(1000));
    // Nobody asks until the growth timeout is over.
    sleep(Duration::from_millis(900)).await;
    let head = server.head("/audio/show.mp3").await;
    assert!(head.headers.contains_key("content-length"), "it is taken to be growing");
    assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_a_pause_finds_it_growing_again() {
    for extension in FORMATS {
        let (root, sound) = (Root::new(), noise(3000));
        let (before, after) = sound.split_at(RATE * FRAME);
        root.growing("show", PCM, before);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(700)).await;
        let path = format!("/audio/show.{extension}");
        soon("the supposed end", growing(&server, &path).await.rest_within(MOST)).await;
        let supposed = server.get(&path).await;
        assert!(supposed.headers.contains_key("content-length"), "it should have ended");

        let (second, third) = after.split_at(RATE * FRAME);
        root.append("show.pcm", second);
        let mut open = growing(&server, &path).await;
        let there = exists(extension, PCM, 2 * RATE);
        let mut body = soon("what came after the pause", open.take(there)).await;
        root.append("show.pcm", third);
        body.extend(soon("the end", open.rest_within(MOST)).await);
        let finished = afterwards(&root, &path).await.body;
        let header = header_len(extension);
        assert!(body[header..] == finished[header..], "{extension}");
        assert_eq!(server.panics(), 0);
    }
}

/// A recording of three seconds, of which a fourth is to come.
async fn three_seconds_of_four() -> (Root, Running, Vec<u8>) {
    let (root, sound) = (Root::new(), noise(4000));
    root.growing("show", PCM, &sound[..3 * RATE * FRAME]);
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(3)).await;
    (root, server, sound)
}

/// Opens `path`, has the recorder write the rest and end, and gives what is behind the header.
async fn heard_from(path: &str) -> (Vec<u8>, Vec<u8>) {
    let (root, server, sound) = three_seconds_of_four().await;
    let to_come = async {
        // Once the request is there. It may only be answered when there is something to answer with.
        sleep(Duration::from_millis(300)).await;
        for piece in sound[3 * RATE * FRAME..].chunks(20_001) {
            root.append("show.pcm", piece);
            sleep(Duration::from_millis(30)).await;
        }
        root.end("show", PCM);
    };
    let (body, ()) = soon(path, async { tokio::join!(server.get(path), to_come) }).await;
    assert_eq!(body.status, 200, "{path}: {}", body.text());
    assert_eq!(server.panics(), 0);
    (body.body[header_len("wav")..].to_vec(), sound)
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_live_edge_only_what_is_written_from_now_on_is_heard() {
    let (heard, sound) = heard_from("/audio/show.wav?pos=live").await;
    assert!(heard == sound[3 * RATE * FRAME..], "{} bytes", heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_position_is_before_the_live_edge_to_the_frame() {
    let (heard, sound) = heard_from("/audio/show.wav?pos=-1.25").await;
    assert!(heard == sound[(3 * RATE - RATE * 5 / 4) * FRAME..], "{} bytes", heard.len());
    let (heard, sound) = heard_from("/audio/show.wav?pos=-5").await;
    assert!(heard == sound, "more than there is means all of it: {} bytes", heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_a_little_beyond_the_live_edge_is_waited_for() {
    let (heard, sound) = heard_from("/audio/show.wav?pos=3.5").await;
    assert!(heard == sound[RATE * 7 / 2 * FRAME..], "{} bytes", heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_further_beyond_the_live_edge_than_the_growth_timeout_is_refused() {
    let (_root, server, _) = three_seconds_of_four().await;
    for extension in FORMATS {
        let reply = soon("a refusal", server.get(&format!("/audio/show.{extension}?pos=6.5"))).await;
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!((400..500).contains(&reply.status), "{}", reply.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coded_formats_start_at_the_live_edge_as_they_do_afterwards() {
    for extension in ["mp3", "opus"] {
        for (asked, meant) in [("live", "3"), ("-0.5", "2.5"), ("3.25", "3.25")] {
            let (root, server, sound) = three_seconds_of_four().await;
            let (path, same) = (
                format!("/audio/show.{extension}?pos={asked}"),
                format!("/audio/show.{extension}?pos={meant}"),
            );
            let to_come = async {
                sleep(Duration::from_millis(300)).await;
                root.append("show.pcm", &sound[3 * RATE * FRAME..]);
                sleep(Duration::from_millis(100)).await;
                root.end("show", PCM);
            };
            let (body, ()) = soon(&path, async { tokio::join!(server.get(&path), to_come) }).await;
            let finished = afterwards(&root, &same).await.body;
            let header = header_len(extension);
            assert!(body.body[header..] == finished[header..], "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_reaches_into_the_future_ends_by_itself() {
    for extension in FORMATS {
        let (root, sound) = (Root::new(), noise(6000));
        root.growing("show", PCM, &sound[..RATE * FRAME]);
        let server = Running::with(&root, patient).await;
        let path = format!("/audio/show.{extension}?pos=0.5&duration=2.5");
        let open = growing(&server, &path).await;
        let recorder = async {
            for piece in sound[RATE * FRAME..].chunks(RATE / 5 * FRAME) {
                root.append("show.pcm", piece);
                sleep(Duration::from_millis(50)).await;
            }
        };
        // The recording does not end: the clip has to.
        let (body, ()) =
            soon("the clip's end", async { tokio::join!(open.rest_within(MOST), recorder) }).await;
        let finished = afterwards(&root, &path).await.body;
        let header = header_len(extension);
        assert_eq!(body.len(), finished.len(), "{extension}");
        assert!(body[header..] == finished[header..], "{extension}");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_not_served_before_it_is_whole() {
    let (root, sound) = (Root::new(), noise(100));
    root.growing("show", PCM, &sound[..400]);
    let server = Running::with(&root, patient).await;
    let mut open = growing(&server, "/audio/show.wav").await;
    let header = header_len("wav");
    let mut body = open.take(header + 400).await;
    for end in [401, 402, 403] {
        root.append("show.pcm", &sound[end - 1..end]);
        // An answer of its own looks at the file anew; the last bytes that exist are those of the frame before.
        let last = server.range("/audio/show.wav", "bytes=-4").await;
        assert_eq!(last.body, sound[396..400], "{end} bytes");
    }
    root.append("show.pcm", &sound[403..404]);
    assert_eq!(server.range("/audio/show.wav", "bytes=-4").await.body, sound[400..404]);
    // And the listener never saw a part of it.
    body.extend(soon("the whole frame", open.take(4)).await);
    assert!(body[header..] == sound[..404]);
    // A recording that ends in the middle of a frame ends before it.
    root.append("show.pcm", &sound[404..407]);
    root.end("show", PCM);
    assert_eq!(soon("the end", open.rest_within(MOST)).await, b"");
    assert_eq!(server.get("/audio/show.wav").await.body.len(), header + 404);
}

async fn connect(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_who_never_read_cost_little_and_hold_up_nobody() {
    let root = Root::new();
    let second = noise(1000);
    root.growing("show", PCM, &second);
    let server =
        Process::serve(root.path(), &["--growth-timeout", "60", "--cache", "1MiB", "--threads", "2"]);
    let mut deaf = vec![connect(server.address, "/audio/show.mp3").await];
    for path in ["/audio/show.wav", "/audio/show.wav?pos=0.5"].repeat(5) {
        deaf.push(connect(server.address, path).await);
    }
    let mut open = Open::at(server.url("/audio/show.wav"), &[]).await;
    open.take(header_len("wav") + second.len()).await;

    // What the first megabytes take (threads, buffers of their own) is not for those who do not read.
    keep_up(&root, &mut open, &noise(10_000), 6).await;
    let before = server.memory("VmRSS");
    keep_up(&root, &mut open, &noise(10_000), 20).await;
    let more = server.memory("VmRSS").saturating_sub(before);
    println!("{more} KiB more after 38 MB");
    assert!(more < 8 * 1024, "{more} KiB more after 38 MB for ten listeners");
    drop(deaf);
}

/// Records `piece` again and again; the listener must have got each before the next is written.
async fn keep_up(root: &Root, open: &mut Open, piece: &[u8], times: usize) {
    for _ in 0..times {
        root.append("show.pcm", piece);
        let heard = soon("what was just written", open.take(piece.len())).await;
        assert!(heard == piece);
    }
}

/// Reads an answer's head and gives the sizes of the chunks of its body as they come.
struct Chunks {
    socket: tokio::io::BufReader<TcpStream>,
}

impl Chunks {
    async fn open(address: SocketAddr, path: &str) -> Self {
        let mut chunks = Self { socket: tokio::io::BufReader::new(connect(address, path).await) };
        while !chunks.line().await.is_empty() {}
        chunks
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.socket.read_u8().await.unwrap());
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// The next chunk's size: as much as the server sent at once.
    async fn next(&mut self) -> usize {
        let len = usize::from_str_radix(&self.line().await, 16).unwrap();
        let mut chunk = vec![0; len + 2];
        self.socket.read_exact(&mut chunk).await.unwrap();
        len
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_woken_five_times_a_second_however_often_the_recorder_writes() {
    let root = Root::new();
    let pcm = "s16le:8000:1";
    root.growing("show", pcm, &[0; 80]);
    let server = Running::with(&root, patient).await;
    let mut chunks = Chunks::open(server.address, "/audio/show.wav").await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listener = tokio::spawn(async move {
        while chunks.next().await > 0 {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let begun = tokio::time::Instant::now();
    for write in 1..=600 {
        root.append("show.pcm", &[write as u8; 80]);
        sleep_until(begun + Duration::from_millis(5) * write).await;
    }
    // The writes may have taken longer than they should.
    let seconds = begun.elapsed().as_secs_f64();
    let chunks = count.load(Ordering::Relaxed);
    println!("{chunks} chunks in {seconds:.2} s");
    // Two more are the header and what there was at first.
    assert!((chunks as f64) < 6.0 * seconds + 3.0, "{chunks} chunks in {seconds} s");
    root.end("show", pcm);
    soon("the end", listener).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_growing_bodies_end_in_order_and_the_program_says_success() {
    let root = Root::new();
    root.growing("show", PCM, &noise(3000));
    let mut server = Process::serve(root.path(), &["--growth-timeout", "60", "--shutdown-timeout", "20"]);
    let mut listeners = Vec::new();
    for extension in FORMATS {
        let mut open = Open::at(server.url(&format!("/audio/show.{extension}")), &[]).await;
        open.take(exists(extension, PCM, 3 * RATE)).await;
        // `rest` fails on a body that ends without its last chunk.
        listeners.push(tokio::spawn(open.rest()));
    }
    // One who waits for a byte that is not there yet.
    let path = "/audio/show.wav?pos=5";
    let waiting = tokio::spawn(Open::at(server.url(path), &[("range", "bytes=100-")]));
    let address = server.address;
    let begun = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || server.terminate());
    for listener in listeners {
        soon("the body's end", listener).await.unwrap();
    }
    let status = soon("the exit", stopped).await.unwrap();
    assert_eq!(status.code(), Some(0));
    // A few seconds, and not because time was up.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "it still takes connections");
    drop(waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_stop_no_new_listener_is_taken_and_a_download_comes_to_its_end() {
    let root = Root::new();
    root.finished("past", PCM, &noise(60_000));
    root.growing("show", PCM, &noise(1000));
    let mut server = Process::serve(root.path(), &["--growth-timeout", "60", "--shutdown-timeout", "20"]);
    let mut download = Open::at(server.url("/audio/past.wav"), &[]).await;
    let mut body = download.take(1000).await;
    let address = server.address;
    let stopped = tokio::task::spawn_blocking(move || server.terminate());
    let mut refused = TcpStream::connect(address).await.is_err();
    for _ in 0..100 {
        if refused {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        refused = TcpStream::connect(address).await.is_err();
    }
    assert!(refused, "it still takes connections");
    body.extend(soon("the download", download.rest()).await.body);
    assert_eq!(body.len(), header_len("wav") + 60 * RATE * FRAME);
    assert_eq!(soon("the exit", stopped).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_leaves_is_not_followed_any_more() {
    let root = Root::new();
    root.growing("show", PCM, &noise(1000));
    let server = Running::with(&root, patient).await;
    let mut open = growing(&server, "/audio/show.mp3").await;
    open.take(exists("mp3", PCM, RATE)).await;
    assert_eq!(server.segments.under_way(), 1);
    drop(open);
    eventually("nothing is coded for nobody", || server.segments.under_way() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_live_edge_that_turns_out_to_be_the_end_there_is_nothing_but_a_header() {
    for extension in FORMATS {
        for frames in [RATE, RATE + 333] {
            let root = Root::new();
            root.growing("show", PCM, &noise(2000)[..frames * FRAME]);
            let server = Running::with(&root, patient).await;
            let open = growing(&server, &format!("/audio/show.{extension}?pos=live")).await;
            root.end("show", PCM);
            let body = soon("the end", open.rest_within(MOST)).await;
            let header = codec(extension, PCM).grid().header_len as usize;
            assert_eq!(body.len(), header, "{extension} of {frames} frames");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_stop_a_part_that_was_promised_of_a_growing_recording_is_given() {
    let sound = noise(100_000);
    for (extension, len) in [("wav", 15_000_000), ("mp3", 1_000_000), ("opus", 1_000_000)] {
        let root = Root::new();
        root.growing("show", PCM, &sound);
        let server = Running::with(&root, patient).await;
        let range = format!("bytes=0-{}", len - 1);
        let path = format!("/audio/show.{extension}");
        let mut open = server.open("GET", &path, &[("range", &range)]).await;
        assert_eq!(open.status, 206);
        let begun = open.take(6_000).await;
        let stopped = tokio::spawn(server.stop());
        sleep(Duration::from_millis(100)).await;
        let rest = soon("the rest", open.rest()).await;
        assert_eq!(begun.len() + rest.body.len(), len, "{extension}");
        soon("the stop", stopped).await.unwrap();
    }
}
