//! The bytes of a rendition are a function of the sound alone: not of who asked for which part of it, of what
//! was in the cache, of threads, of a crash, of when the recorder wrote it, or of which machine has it.

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use support::process::{Process, tailcast};
use support::{Open, Reply, Root, Running, codec, eventually, header_len, sound};
use tailcast::body::{BodyReader, Until};
use tailcast::recording::{Catalogue, RecordingName};
use tailcast::rendition::Rendition;
use tailcast::segments::Segments;
use tokio::sync::watch;

/// What a body reads of a recording, with nothing between it and a test: no server, and one thread, on which the coder goes on
/// only when the test waits.
struct Alone {
    root: Root,
    case: Case,
    catalogue: Catalogue,
    segments: Arc<Segments>,
    body: BodyReader,
    header: usize,
    _stop: watch::Sender<bool>,
}

impl Alone {
    fn new(case: Case, millis: usize, growth_timeout: Duration) -> Self {
        let root = Root::new();
        root.growing("show", &case.pcm(), &case.sound(millis));
        let catalogue = Catalogue::open(root.path(), case.pcm().parse().unwrap(), growth_timeout).unwrap();
        let recording = catalogue.find(&RecordingName::parse("show").unwrap()).unwrap();
        let extent = recording.subscribe();
        let rendition = Rendition::new(recording, codec(case.extension, &case.pcm()), 0, None);
        let header = usize::try_from(rendition.cut().header_len()).unwrap();
        let segments = Segments::new(1, 1 << 20, usize::MAX).unwrap();
        let (stop, stopping) = watch::channel(false);
        let from = (0, Until::End(None));
        let body = BodyReader::new(Arc::new(rendition), Arc::clone(&segments), extent, stopping, None, from);
        Self { root, case, catalogue, segments, body, header, _stop: stop }
    }

    /// Looks at the recording; whether it grows.
    fn is_growing(&self) -> bool {
        self.catalogue.find(&RecordingName::parse("show").unwrap()).unwrap().extent().is_growing()
    }

    /// That what is `got` and what is to come is all that there is of a recording of this sound.
    async fn gives(&mut self, mut got: Vec<u8>, sound: &[u8]) {
        let finished = Root::new();
        finished.finished("show", &self.case.pcm(), sound);
        let expected = Running::start(&finished).await.get(&self.case.path()).await.body;
        while let Some(bytes) = self.body.next().await.unwrap() {
            got.extend(bytes);
        }
        assert_eq!(got.len(), expected.len());
        assert!(got[self.header..] == expected[self.header..], "other sound");
    }
}

/// The recorder goes on just when a body has heard of its end, before the coder has: it gets the silence behind that end all the
/// same.
#[tokio::test]
async fn a_body_that_has_heard_of_an_end_does_not_go_on_with_what_comes_behind_it() {
    for extension in ["mp3", "opus"] {
        let case = Case { extension, rate: 48_000, channels: 2 };
        let mut alone = Alone::new(case, 1000, STANDING_STILL);
        let mut got = Vec::new();
        while got.len() <= alone.header {
            got.extend(alone.body.next().await.unwrap().unwrap());
        }
        // The coder gets to the edge, and waits there; nothing but this test runs while it ends and goes on.
        tokio::time::sleep(STANDING_STILL).await;
        std::thread::sleep(STANDING_STILL);
        assert!(!alone.is_growing());
        // It hears of the end, whether it has something to give just now or not.
        got.extend(alone.body.next().now_or_never().into_iter().flat_map(|next| next.unwrap().unwrap()));
        alone.root.append("show.pcm", &case.sound(1000));
        assert!(alone.is_growing());
        alone.gives(got, &case.sound(1000)).await;
    }
}

/// The recorder writes more, and ends, while what there was is coded.
#[tokio::test]
async fn a_segment_whose_sound_came_with_the_end_is_not_begun_anew() {
    let case = Case { extension: "mp3", rate: 48_000, channels: 2 };
    let mut alone = Alone::new(case, 100, Duration::from_secs(600));
    // So that the coder has its first turn while nothing but the test runs.
    let mut got = Vec::new();
    got.extend(alone.body.next().await.unwrap().unwrap());
    assert_eq!(got.len(), alone.header);
    assert!(alone.body.next().now_or_never().is_none());
    tokio::task::yield_now().await;
    alone.root.append("show.pcm", &case.sound(4_000));
    alone.root.end("show", &case.pcm());
    assert!(!alone.is_growing());
    alone.gives(got, &[case.sound(100), case.sound(4_000)].concat()).await;
    let started = alone.segments.counters().started.load(Ordering::Relaxed);
    assert_eq!(started, 2, "the first, and the one with the end in it");
}

/// A growth timeout in which a second of sound is coded with ease.
const STANDING_STILL: Duration = Duration::from_secs(1);

/// A kind of recording in a format.
#[derive(Clone, Copy)]
struct Case {
    extension: &'static str,
    rate: usize,
    channels: usize,
}

/// Formats at their own rates, at one that has to be resampled, in mono and stereo, as music and as voice.
const CASES: [Case; 7] = [
    Case { extension: "wav", rate: 44_100, channels: 2 },
    Case { extension: "mp3", rate: 44_100, channels: 2 },
    Case { extension: "mp3", rate: 16_000, channels: 1 },
    Case { extension: "mp3", rate: 96_000, channels: 2 },
    Case { extension: "opus", rate: 48_000, channels: 2 },
    Case { extension: "opus", rate: 16_000, channels: 1 },
    Case { extension: "opus", rate: 44_100, channels: 2 },
];

impl Case {
    fn pcm(self) -> String {
        format!("s16le:{}:{}", self.rate, self.channels)
    }

    fn path(self) -> String {
        format!("/audio/show.{}", self.extension)
    }

    /// Sound of so many milliseconds, and a few frames so that no grid fits it.
    fn sound(self, millis: usize) -> Vec<u8> {
        sound::noise(self.rate * millis / 1000 + 7, self.channels, 5)
    }

    fn finished(self, millis: usize) -> Root {
        let root = Root::new();
        root.finished("show", &self.pcm(), &self.sound(millis));
        root
    }

    fn header_len(self) -> usize {
        header_len(self.extension, &self.pcm())
    }

    /// Bytes of a segment as they stand in the rendition that starts at zero.
    fn segment_len(self) -> u64 {
        let codec = codec(self.extension, &self.pcm());
        let cut = tailcast_codecs::Cut::new(codec.grid(), 0);
        cut.body_len(codec.grid().segment_packets)
    }
}

/// More bytes than anything here has that grows.
const MOST: usize = 6_000_000;

/// The whole of a finished recording, from a server that has done nothing else.
async fn whole(root: &Root, path: &str) -> Reply {
    let server = Running::start(root).await;
    let reply = server.get(path).await;
    assert_eq!(reply.status, 200, "{path}");
    assert_eq!(server.panics(), 0);
    reply
}

#[track_caller]
fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    let differs = got.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}: the first byte that differs, of {}", expected.len());
    assert_eq!(got.len(), expected.len(), "{what}: length");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_starts_in_mid_segment_is_what_the_whole_has_there() {
    for case in CASES {
        let root = case.finished(9_500);
        let reference = whole(&root, &case.path()).await.body;
        let (header, segment) = (case.header_len() as u64, case.segment_len());
        // In the middle of a segment, at its last byte, and at the first of the next.
        for from in [header + segment / 2, header + 2 * segment - 1, header + 2 * segment] {
            let from = from.min(reference.len() as u64 - 1);
            let cold = Running::start(&root).await;
            let reply = cold.range(&case.path(), &format!("bytes={from}-")).await;
            assert_eq!(reply.status, 206);
            let what = format!("{} from {from}", case.path());
            assert_same(&reply.body, &reference[from as usize..], &what);
            assert_eq!(cold.panics(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_cache_a_warm_one_and_one_of_almost_nothing_give_the_same() {
    for case in CASES {
        let root = case.finished(6_000);
        let server = Running::start(&root).await;
        let tiny = Running::with(&root, |config| config.cache = 1).await;
        let cold = server.get(&case.path()).await;
        eventually("all of it is in the cache", || server.segments.under_way() == 0).await;
        let started = server.segments.counters().started.load(Ordering::Relaxed);
        for (what, server) in [("warm", &server), ("no cache", &tiny), ("no cache, again", &tiny)] {
            let reply = server.get(&case.path()).await;
            assert_same(&reply.body, &cold.body, &format!("{} {what}", case.path()));
            assert_eq!(reply.header("etag"), cold.header("etag"));
        }
        let counters = server.segments.counters();
        // The last segment may be begun again: nobody wants what it has behind the recording's end.
        assert!(counters.started.load(Ordering::Relaxed) <= started + 1, "the warm answer was coded anew");
        assert_eq!(tiny.segments.cached_bytes(), 0);
        assert_eq!(server.panics() + tiny.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thread_and_four_give_the_same() {
    for case in CASES {
        let root = case.finished(14_000);
        let one = Running::with(&root, |config| config.threads = 1).await.get(&case.path()).await;
        let four = Running::with(&root, |config| config.threads = 4).await.get(&case.path()).await;
        assert_same(&four.body, &one.body, &case.path());
        assert_eq!(four.header("etag"), one.header("etag"));
    }
}

/// Reads until the server is gone.
async fn until_broken(mut open: Open, body: &mut Vec<u8>) {
    while let Ok(bytes) = open.next().await {
        body.extend(bytes.expect("the body came to its end before the server was killed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_a_killed_server_left_off() {
    // Long enough that neither the encoder nor the sockets' buffers are through with it at once.
    let sizes = [("wav", 120_000), ("mp3", 60_000), ("opus", 60_000)];
    for (extension, millis) in sizes {
        let case = Case { extension, rate: 48_000, channels: 2 };
        let root = case.finished(millis);
        let reference = whole(&root, &case.path()).await;
        let etag = reference.header("etag").unwrap();

        let mut server = Process::serve(root.path(), &["--growth-timeout", "2"]);
        let mut open = Open::at(server.url(&case.path()), &[]).await;
        let mut joined = open.take(10_000).await;
        server.kill();
        until_broken(open, &mut joined).await;
        assert!(joined.len() < reference.body.len(), "it was killed too late to show anything");

        let server = Process::serve(root.path(), &["--growth-timeout", "2"]);
        let range = format!("bytes={}-", joined.len());
        let headers = [("range", range.as_str()), ("if-range", etag)];
        let rest = Open::at(server.url(&case.path()), &headers).await.rest().await;
        assert_eq!(rest.status, 206, "the ETag did not outlive the server");
        joined.extend(rest.body);
        assert_same(&joined, &reference.body, extension);
    }
}

/// A recorder that writes `sound` in pieces of sizes that no frame fits, many times faster than it lasts, and
/// at last says that it has ended.
async fn record(root: &Root, case: Case, sound: &[u8]) {
    let mut random = sound::random(9);
    let mut rest = sound;
    while !rest.is_empty() {
        let piece = (random() as usize % 40_001 + 1).min(rest.len());
        root.append("show.pcm", &rest[..piece]);
        rest = &rest[piece..];
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    root.end("show", &case.pcm());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_resumes_a_growing_recording_at_the_byte_where_a_killed_server_left_off() {
    for extension in ["wav", "mp3", "opus"] {
        let case = Case { extension, rate: 44_100, channels: 2 };
        let (root, sound) = (Root::new(), case.sound(12_000));
        let (begun, to_come) = sound.split_at(400_001);
        root.growing("show", &case.pcm(), begun);
        let mut killed = Process::serve(root.path(), &["--growth-timeout", "5"]);
        let spared = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(5)).await;

        let interrupted = async {
            let mut open = Open::at(killed.url(&case.path()), &[]).await;
            assert_eq!(open.headers.get("content-length"), None, "it should be growing");
            let mut joined = open.take(30_001).await;
            killed.kill();
            until_broken(open, &mut joined).await;
            let server = Process::serve(root.path(), &["--growth-timeout", "5"]);
            let range = format!("bytes={}-", joined.len());
            let open = Open::at(server.url(&case.path()), &[("range", &range)]).await;
            assert_eq!(open.status, 206);
            assert_eq!(open.headers.get("content-length"), None, "it should still be growing");
            joined.extend(open.rest_within(MOST).await);
            joined
        };
        let path = case.path();
        let recorder = record(&root, case, to_come);
        let spared_open = spared.open("GET", &path, &[]).await;
        let (joined, never, ()) = tokio::join!(interrupted, spared_open.rest_within(MOST), recorder);

        assert_same(&joined, &never, extension);
        let finished = whole(&root, &case.path()).await.body;
        let header = case.header_len();
        assert_same(&joined[header..], &finished[header..], extension);
        assert_eq!(spared.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_header_a_body_that_grew_is_the_finished_one_to_its_last_byte() {
    for case in CASES {
        let (root, sound) = (Root::new(), case.sound(6_300));
        root.growing("show", &case.pcm(), &sound[..1]);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(5)).await;
        let growing = server.open("GET", &case.path(), &[]).await;
        assert_eq!(growing.headers.get("content-length"), None, "it should be growing");
        let (grown, ()) = tokio::join!(growing.rest_within(MOST), record(&root, case, &sound[1..]));

        // The same server afterwards, and one that saw the recording whole, written at once.
        let after = server.get(&case.path()).await;
        let at_once = case.finished(6_300);
        let reference = whole(&at_once, &case.path()).await;
        assert_eq!(after.header("content-length").unwrap(), reference.body.len().to_string());
        assert_same(&after.body, &reference.body, &case.path());
        assert_eq!(after.header("etag"), reference.header("etag"), "odd pieces and all at once");
        let header = case.header_len();
        assert_same(&grown[header..], &reference.body[header..], &case.path());
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_grew_is_the_finished_one_to_its_last_byte() {
    for case in CASES {
        let (root, sound) = (Root::new(), case.sound(6_300));
        let path = format!("{}?pos=2.7182", case.path());
        root.growing("show", &case.pcm(), &sound[..sound.len() / 2 + 1]);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(5)).await;
        let growing = server.open("GET", &path, &[]).await;
        assert_eq!(growing.headers.get("content-length"), None, "it should be growing");
        let rest = &sound[sound.len() / 2 + 1..];
        let (grown, ()) = tokio::join!(growing.rest_within(MOST), record(&root, case, rest));
        let finished = whole(&root, &path).await.body;
        let header = case.header_len();
        assert_same(&grown[header..], &finished[header..], &path);
    }
}

/// Asks until the recording counts as finished.
async fn eventually_finished(server: &Running, path: &str) {
    for _ in 0..500 {
        if server.head(path).await.header("etag").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} never ended");
}

async fn once_finished(server: &Running, path: &str) -> Reply {
    eventually_finished(server, path).await;
    server.get(path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_goes_on_after_its_supposed_end_is_whole_afterwards() {
    for case in CASES {
        let (root, sound) = (Root::new(), case.sound(7_000));
        // The pause falls into the middle of a segment, whose rest then is coded as silence.
        let (before, after) = sound.split_at(sound.len() * 3 / 7 / 4 * 4);
        root.growing("show", &case.pcm(), before);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(300)).await;
        let paused = once_finished(&server, &case.path()).await;
        let short = Root::new();
        short.finished("show", &case.pcm(), before);
        assert_same(&paused.body, &whole(&short, &case.path()).await.body, "at the pause");

        root.append("show.pcm", after);
        assert_eq!(server.head(&case.path()).await.header("etag"), None, "it should be growing again");
        let grown = server.open("GET", &case.path(), &[]).await.rest_within(MOST).await;
        let finished = once_finished(&server, &case.path()).await;
        assert_ne!(finished.header("etag"), paused.header("etag"));
        let reference = whole(&case.finished(7_000), &case.path()).await;
        assert_same(&finished.body, &reference.body, &case.path());
        let header = case.header_len();
        assert_same(&grown[header..], &reference.body[header..], "while it grew again");

        // Who has the first half under the old ETag must not have the second half of another file joined to it.
        let headers = [("range", "bytes=1000-"), ("if-range", paused.header("etag").unwrap())];
        let stale = server.get_with(&case.path(), &headers).await;
        assert_eq!(stale.status, 200);
        assert_same(&stale.body, &reference.body, "with the old ETag");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_was_there_at_the_pause_finds_the_rest_by_its_byte() {
    for extension in ["wav", "mp3", "opus"] {
        let case = Case { extension, rate: 44_100, channels: 2 };
        let (root, sound) = (Root::new(), case.sound(7_000));
        // Growing bytes keep their place for good, so only what hangs on the supposed end is to be had anew.
        let (before, after) = sound.split_at(600_000);
        root.growing("show", &case.pcm(), before);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(600)).await;
        let mut open = server.open("GET", &case.path(), &[]).await;
        assert_eq!(open.headers.get("content-length"), None, "it should be growing");
        let exists = {
            let codec = codec(extension, &case.pcm());
            let cut = tailcast_codecs::Cut::new(codec.grid(), 0);
            cut.exists(cut.codable(600_000 / 4)) as usize
        };
        let mut joined = open.take(exists).await;
        joined.extend(open.rest_within(MOST).await);
        joined.truncate(exists);
        root.append("show.pcm", after);
        let range = format!("bytes={exists}-");
        let rest = server.open("GET", &case.path(), &[("range", &range)]).await;
        assert_eq!(rest.status, 206);
        joined.extend(rest.rest_within(MOST).await);
        let reference = whole(&case.finished(7_000), &case.path()).await.body;
        let header = case.header_len();
        assert_same(&joined[header..], &reference[header..], extension);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_stays_what_its_etag_says_though_the_recording_goes_on_meanwhile() {
    for extension in ["wav", "mp3", "opus"] {
        let case = Case { extension, rate: 48_000, channels: 2 };
        let (root, sound) = (Root::new(), case.sound(90_000));
        let (before, after) = sound.split_at(sound.len() - 10 * 48_000 * 4);
        root.growing("show", &case.pcm(), before);
        // One thread, so that it is not through with everything before the recorder goes on.
        let server = Running::with(&root, |config| {
            (config.growth_timeout, config.threads) = (Duration::from_millis(300), 1);
        })
        .await;
        eventually_finished(&server, &case.path()).await;
        let mut open = server.open("GET", &case.path(), &[]).await;
        let etag = open.headers.get("etag").unwrap().clone();
        let mut body = open.take(6_000).await;
        root.append("show.pcm", after);
        assert_eq!(server.head(&case.path()).await.header("etag"), None, "it should be growing again");
        body.extend(open.rest_within(30_000_000).await);

        let short = Root::new();
        short.finished("show", &case.pcm(), before);
        let reference = whole(&short, &case.path()).await;
        assert_same(&body, &reference.body, extension);
        assert_eq!(etag, reference.header("etag").unwrap(), "a declared end and a supposed one");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_has_the_same_bytes_under_the_same_etag() {
    for case in CASES {
        let root = case.finished(5_000);
        let replica = Root::new();
        for file in ["show.pcm", "show.toml"] {
            fs::copy(root.file(file), replica.file(file)).unwrap();
        }
        for query in ["", "?pos=1.25", "?pos=0.5&duration=2"] {
            let path = format!("{}{query}", case.path());
            let (here, there) = (whole(&root, &path).await, whole(&replica, &path).await);
            assert_same(&there.body, &here.body, &path);
            assert!(here.header("etag").is_some());
            assert_eq!(there.header("etag"), here.header("etag"), "{path}");
        }
    }
}

/// What `tailcast encode` makes of a recording.
fn encoded(root: &Root, extension: &str, options: &[&str]) -> Vec<u8> {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join(format!("out.{extension}"));
    let mut command = tailcast();
    command.arg("encode").arg(root.file("show.pcm")).arg("-o").arg(&file).args(options);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(file).unwrap()
}

/// The same choice as options of `encode` and as a query.
fn query_of(options: &[&str]) -> String {
    let pairs: Vec<String> =
        options.chunks(2).map(|pair| format!("{}={}", pair[0].trim_start_matches("--"), pair[1])).collect();
    pairs.join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn encode_writes_what_the_server_gives() {
    for case in CASES {
        let root = case.finished(8_000);
        let bitrate: &[&str] = match (case.extension, case.rate) {
            ("wav", _) => &["--channels", "1"],
            ("mp3", 16_000) => &["--bitrate", "112"],
            _ => &["--bitrate", "192"],
        };
        let cut: &[&str] = &["--pos", "1.2345", "--duration", "3.21"];
        let mixed: &[&str] = &["--pos", "-2.5", "--channels", "1"];
        let overlong: &[&str] = &["--pos", "0:00:05.5", "--duration", "1h"];
        for options in [&[][..], cut, bitrate, mixed, overlong] {
            let path = format!("{}?{}", case.path(), query_of(options));
            let served = whole(&root, &path).await.body;
            for threads in ["1", "2"] {
                let options = [options, &["--threads", threads]].concat();
                assert_same(&encoded(&root, case.extension, &options), &served, &format!("{path} {threads}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_of_the_past_is_the_same_while_the_recording_grows_and_after() {
    for case in CASES {
        let (root, sound) = (Root::new(), case.sound(6_000));
        root.growing("show", &case.pcm(), &sound[..sound.len() / 4 * 3 + 1]);
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(30)).await;
        let path = format!("{}?pos=0.7&duration=2.5", case.path());
        let growing = server.get(&path).await;
        assert!(growing.header("etag").is_some(), "a clip that has ended is finished");
        root.append("show.pcm", &sound[sound.len() / 4 * 3 + 1..]);
        root.end("show", &case.pcm());
        let after = server.get(&path).await;
        assert_same(&after.body, &growing.body, &path);
        assert_eq!(after.header("etag"), growing.header("etag"));
        assert_same(&whole(&root, &path).await.body, &growing.body, &path);
    }
}
