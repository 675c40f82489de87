//! What many listen to is coded once, what nobody listens to is not coded, and what is kept is bounded.

mod support;

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use support::process::Process;
use support::{Open, Root, Running, codec, eventually, header_len, sound, without_encoder};
use tailcast_codecs::Cut;
use tokio::time::{sleep, timeout};

const PCM: &str = "s16le:44100:2";
const RATE: usize = 44_100;
const FRAME: usize = 4;

fn patient(config: &mut tailcast::config::Config) {
    config.growth_timeout = Duration::from_secs(60);
}

fn noise(millis: usize) -> Vec<u8> {
    sound::noise(RATE * millis / 1000, 2, 6)
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn started(server: &Running) -> u64 {
    count(&server.segments.counters().started)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Bytes there must be of the rendition that starts at `start` when the recording has so many frames.
fn exists(extension: &str, start: usize, frames: usize) -> usize {
    let codec = codec(extension, PCM);
    let rates = codec.grid().rates;
    let cut = Cut::new(codec.grid(), rates.to_coded(start as u64));
    cut.exists(cut.codable(codec.feed().ready(frames as u64))) as usize
}

/// Segments that so many frames reach into.
fn segments_of(extension: &str, frames: usize) -> u64 {
    let codec = codec(extension, PCM);
    codec.grid().codable(codec.feed().ready(frames as u64)).div_ceil(codec.grid().segment_packets)
}

/// Listens from `pos` (in frames) to a recording that grows second by second; gives the body from there.
async fn listen(server: &Running, extension: &str, pos: usize) -> Open {
    let path = format!("/audio/show.{extension}?pos={}", pos as f64 / RATE as f64);
    let open = server.open("GET", &path, &[]).await;
    assert_eq!(open.status, 200);
    assert_eq!(open.headers.get("content-length"), None, "it should be growing");
    open
}

async fn shared(extension: &str, positions: &[usize], listeners: usize) {
    let (root, sound) = (Root::new(), noise(9_100));
    let (past, to_come) = sound.split_at(RATE * FRAME);
    root.growing("show", PCM, past);
    let server = Running::with(&root, patient).await;
    let mut open = Vec::new();
    for number in 0..listeners {
        let pos = positions[number % positions.len()];
        open.push((pos, listen(&server, extension, pos).await, Vec::new()));
    }
    // Second by second, and each of them has got all there is before the next is written.
    for piece in to_come.chunks(RATE * FRAME) {
        root.append("show.pcm", piece);
        let frames = std::fs::metadata(root.file("show.pcm")).unwrap().len() as usize / FRAME;
        for (pos, open, body) in &mut open {
            let there = exists(extension, *pos, frames).saturating_sub(body.len());
            body.extend(soon("what was just written", open.take(there)).await);
        }
    }
    let live = segments_of(extension, sound.len() / FRAME);
    assert!(live >= 3, "the test is to cross seams");
    assert_eq!(started(&server), live, "{listeners} listeners, {extension}");

    // The end makes one more: the last segment, with silence behind it.
    root.end("show", PCM);
    for (_, open, body) in &mut open {
        while let Some(bytes) = soon("the end", open.next()).await.unwrap() {
            body.extend(bytes);
        }
    }
    assert_eq!(started(&server), live + 1, "{listeners} listeners, {extension}, at the end");
    for (pos, _, body) in &open {
        let same = open.iter().find(|(other, ..)| other == pos).unwrap();
        assert!(*body == same.2, "two who listen to the same hear the same");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_listeners_of_a_live_mp3_cause_one_encoding() {
    shared("mp3", &[0], 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_listeners_of_a_live_opus_cause_one_encoding() {
    shared("opus", &[0], 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_at_different_positions_share_the_segments() {
    for extension in ["mp3", "opus"] {
        shared(extension, &[0, 1, 12_345, 30_000], 8).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_needs_no_encoding_at_all() {
    let root = Root::new();
    root.finished("show", PCM, &noise(5_000));
    let server = Running::start(&root).await;
    server.get("/audio/show.wav").await;
    assert_eq!((started(&server), server.segments.cached_bytes()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_hears_what_was_coded_for_others() {
    let root = Root::new();
    root.finished("show", PCM, &noise(9_000));
    let server = Running::start(&root).await;
    // A clip of exactly the first two segments' packets, so that both are needed to their ends.
    let path = "/audio/show.mp3?duration=5.08";
    let first = server.get(path).await;
    eventually("everything is coded", || server.segments.under_way() == 0).await;
    let before = started(&server);
    assert_eq!(before, 2);
    for _ in 0..5 {
        assert!(server.get(path).await.body == first.body);
    }
    assert_eq!(started(&server), before);
    // Another bit rate is another encoding.
    server.get("/audio/show.mp3?duration=5.08&bitrate=192").await;
    assert!(started(&server) >= before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_coded_behind_the_last_segment_that_is_asked_for() {
    let root = Root::new();
    root.finished("show", PCM, &noise(9_000));
    // Clips that fill two segments to their last packets, and parts that lie in one.
    for (path, range, segments) in [
        ("/audio/show.mp3?duration=5.08", None, 2),
        ("/audio/show.opus?duration=3.99", None, 2),
        ("/audio/show.mp3", Some("bytes=0-20000"), 1),
        ("/audio/show.opus", Some("bytes=0-20000"), 1),
        ("/audio/show.opus", Some("bytes=30000-30000"), 1),
        ("/audio/show.mp3", Some("bytes=0-100"), 0),
    ] {
        let server = Running::start(&root).await;
        let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        server.get_with(path, &headers).await;
        assert_eq!(started(&server), segments, "{path} {range:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_just_before_a_seam_has_the_segment_behind_it_begun_at_once() {
    let root = Root::new();
    root.finished("show", PCM, &noise(20_000));
    let server = Running::with(&root, |config| config.threads = 1).await;
    let keep = without_encoder(&server).await;
    // Seams are 2.56 s apart.
    let mut open = vec![server.open("GET", "/audio/show.mp3?pos=8", &[]).await];
    eventually("it waits for its own segment", || server.segments.busy() == 1).await;
    open.push(server.open("GET", "/audio/show.mp3?pos=5", &[]).await);
    eventually("it waits for its own and reads one ahead", || server.segments.busy() == 3).await;
    // Who wants no more than what comes before the seam has no use for it.
    let some = [("range", "bytes=0-1000")];
    open.push(server.open("GET", "/audio/show.mp3?pos=15.2", &some).await);
    eventually("it waits for its own", || server.segments.busy() == 4).await;
    assert_eq!(started(&server), 4);
    assert_eq!(server.segments.busy(), 4);
    drop(keep);
    for open in open {
        open.rest().await;
    }
}

/// A recording of so many seconds that takes no room: a file with a hole.
fn sparse(root: &Root, name: &str, seconds: u64) {
    root.finished(name, PCM, &[]);
    let file = OpenOptions::new().write(true).open(root.file(&format!("{name}.pcm"))).unwrap();
    file.set_len(seconds * (RATE * FRAME) as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cached_stays_within_its_bound_while_a_long_recording_is_scanned() {
    const LIMIT: u64 = 300_000;
    let root = Root::new();
    sparse(&root, "show", 3 * 3600);
    let server = Running::with(&root, |config| config.cache = LIMIT).await;
    let mut most = 0;
    for minute in 0..180 {
        // Whole segments are read, since one that is left early is not kept.
        let codec = codec("mp3", PCM);
        let grid = codec.grid();
        let packet =
            minute * 60 * RATE as u64 / grid.packet_frames / grid.segment_packets * grid.segment_packets;
        let cut = Cut::new(grid, 0);
        let (first, end) = (cut.byte_of_packet(packet), cut.byte_of_packet(packet + grid.segment_packets));
        let reply = server.range("/audio/show.mp3", &format!("bytes={first}-{}", end - 1)).await;
        assert_eq!(reply.body.len() as u64, end - first);
        let cached = server.segments.cached_bytes();
        assert!(cached <= LIMIT, "minute {minute}: {cached} bytes");
        most = most.max(cached);
    }
    let sealed = count(&server.segments.counters().sealed);
    assert!(sealed >= 170, "{sealed} segments are no scan");
    assert!(most > LIMIT / 2, "of {LIMIT} bytes only {most} were ever used");
    println!("{sealed} segments were coded, {most} bytes of {LIMIT} were cached at most");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_leaves_stops_the_work_that_only_he_wanted() {
    let root = Root::new();
    let an_hour = 3600;
    sparse(&root, "show", an_hour);
    let server = Running::with(&root, |config| config.threads = 1).await;
    for extension in ["mp3", "opus"] {
        let mut open = server.open("GET", &format!("/audio/show.{extension}"), &[]).await;
        open.take(200_000).await;
        drop(open);
        eventually("nothing is coded for nobody", || server.segments.under_way() == 0).await;
        let begun = started(&server);
        assert!(begun < 200, "{begun} segments for who left after some");
        // That nothing happens can only be seen by looking for a while: he would be minutes ahead by then.
        sleep(Duration::from_millis(500)).await;
        assert_eq!(started(&server), begun);
        assert_eq!(server.segments.under_way(), 0);
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_nobody_waits_for_any_more_is_not_done_to_the_segments_end() {
    let root = Root::new();
    root.finished("show", PCM, &noise(60_000));
    let server = Running::with(&root, |config| config.threads = 1).await;
    // Twenty who want a segment each, of which one thread can code but one at a time, and leave at once.
    let mut open = Vec::new();
    for number in 0..20 {
        open.push(server.open("GET", &format!("/audio/show.mp3?pos={}", number * 3), &[]).await);
    }
    drop(open);
    eventually("nothing is coded for nobody", || server.segments.under_way() == 0).await;
    let counters = server.segments.counters();
    let (sealed, abandoned) = (count(&counters.sealed), count(&counters.abandoned));
    println!("{sealed} were coded, {abandoned} were given up");
    assert_eq!(started(&server), sealed + abandoned);
    assert!(abandoned > sealed, "{sealed} were coded, {abandoned} given up");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_stays_is_not_disturbed_by_those_who_leave() {
    for extension in ["mp3", "opus"] {
        let (root, sound) = (Root::new(), noise(8_300));
        let (past, to_come) = sound.split_at(RATE * FRAME);
        root.growing("show", PCM, past);
        let server = Running::with(&root, patient).await;
        let mut stays = listen(&server, extension, 0).await;
        let mut body = Vec::new();
        for piece in to_come.chunks(RATE * FRAME) {
            // Others come and go in the middle of each second.
            let mut goes = listen(&server, extension, 0).await;
            goes.take(5_000).await;
            root.append("show.pcm", piece);
            drop(goes);
            let frames = std::fs::metadata(root.file("show.pcm")).unwrap().len() as usize / FRAME;
            let there = exists(extension, 0, frames).saturating_sub(body.len());
            body.extend(soon("what was just written", stays.take(there)).await);
        }
        assert_eq!(count(&server.segments.counters().abandoned), 0);
        assert_eq!(started(&server), segments_of(extension, sound.len() / FRAME));
        root.end("show", PCM);
        body.extend(soon("the end", stays.rest_within(5_000_000)).await);
        let finished = Running::start(&root).await.get(&format!("/audio/show.{extension}")).await.body;
        let header = header_len(extension, PCM);
        assert!(body[header..] == finished[header..], "{extension}");
        assert_eq!(server.panics(), 0);
    }
}

/// The most memory, in KiB, that a server took for the same requests about a recording of so many seconds.
async fn peak(seconds: u64) -> u64 {
    let root = Root::new();
    sparse(&root, "show", seconds);
    let server = Process::serve(root.path(), &["--cache", "1MiB", "--threads", "2"]);
    Open::at(server.url("/recordings"), &[]).await.rest().await;
    for extension in ["wav", "mp3", "opus"] {
        let url = server.url(&format!("/audio/show.{extension}"));
        for range in ["bytes=0-65535", "bytes=100000-265535", "bytes=-65536"] {
            let reply = Open::at(url.clone(), &[("range", range)]).await.rest().await;
            assert_eq!(reply.status, 206);
        }
        // The whole, as far as the short one goes.
        let mut open = Open::at(url, &[]).await;
        soon("half a minute", open.take(400_000)).await;
    }
    server.memory("VmHWM")
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_depend_on_the_length_of_the_recording() {
    let (short, long) = (peak(60).await, peak(10 * 3600).await);
    println!("a minute: {short} KiB, ten hours: {long} KiB");
    assert!(long < short + 8 * 1024, "a minute: {short} KiB, ten hours: {long} KiB");
}
