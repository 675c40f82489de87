//! The tables of `docs/http.md`, row by row, against the real server: first what a finished rendition
//! answers, then a growing one, then which rendition is meant, then what describes them.

mod support;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::time::Duration;

use serde_json::Value;
use support::{Open, Reply, Root, Running, is_problem, sound};

const PCM: &str = "s16le:44100:2";
const SECOND: usize = 44_100 * 4;
const FORMATS: [&str; 3] = ["wav", "mp3", "opus"];
/// Bytes before the sound in a WAV: RIFF, room for RF64's sizes, `fmt `, the head of `data`.
const WAV_HEADER: usize = 12 + 36 + 24 + 8;
/// 0xFFFFFFFF in the header's sizes, and the eight bytes that they do not count.
const V_WAV: u64 = 4_294_967_303;
/// An ID3 tag, an Info packet, and a day at 128 kbit/s.
const V_MP3: u64 = 4_096 + 417 + 24 * 3600 * 16_000;
/// What a growing Ogg states as the last byte of an open range.
const OPEN_LAST: u64 = 70_368_744_000_000;

fn path(format: &str) -> String {
    format!("/audio/show.{format}")
}

fn media_type(format: &str) -> &'static str {
    match format {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => "audio/ogg; codecs=opus",
    }
}

fn virtual_total(format: &str) -> Option<u64> {
    match format {
        "wav" => Some(V_WAV),
        "mp3" => Some(V_MP3),
        _ => None,
    }
}

/// A recording of eight seconds whose recorder said that it is done.
async fn finished() -> (Root, Running, Vec<u8>) {
    let root = Root::new();
    let pcm = sound::noise(SECOND / 4 * 8 + 5, 2, 3);
    root.finished("show", PCM, &pcm);
    let server = Running::start(&root).await;
    (root, server, pcm)
}

/// One of three seconds that goes on for as long as a test takes: it may stand still for ten minutes.
async fn growing() -> (Root, Running, Vec<u8>) {
    let root = Root::new();
    let pcm = sound::noise(SECOND / 4 * 3, 2, 4);
    root.growing("show", PCM, &pcm);
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(600)).await;
    (root, server, pcm)
}

fn has_length(reply: &Reply, len: usize) {
    assert_eq!(reply.header("content-length"), Some(len.to_string().as_str()));
    assert_eq!(reply.header("transfer-encoding"), None);
}

/// No length is promised: the body is sent in chunks and ends when it ends.
fn is_open(answer: &Open) {
    assert!(!answer.headers.contains_key("content-length"));
    assert_eq!(answer.headers["transfer-encoding"], "chunked");
}

fn open_header<'a>(answer: &'a Open, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

/// What every answer about a finished rendition says, whatever its status.
fn is_of_a_finished(reply: &Reply, etag: &str) {
    assert_eq!(reply.header("etag"), Some(etag));
    assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
}

/// What every answer about a growing one says.
fn is_of_a_growing(answer: &Open) {
    assert_eq!(open_header(answer, "etag"), None);
    assert_eq!(open_header(answer, "cache-control"), Some("no-store"));
    assert_eq!(open_header(answer, "accept-ranges"), Some("bytes"));
}

/// Everything that is left of a body, which must end in order, and long before it is as long as `V`.
async fn rest(mut answer: Open) -> Reply {
    let mut body = Vec::new();
    while let Some(bytes) = in_time(answer.next()).await.expect("the body broke off") {
        body.extend(bytes);
        assert!(body.len() < 50 << 20, "the body does not end");
    }
    Reply { status: answer.status, headers: answer.headers, body }
}

/// What must come about, and would have by then.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it does not come")
}

fn etag(reply: &Reply) -> String {
    reply.header("etag").expect("an ETag").to_owned()
}

// ---- Finished: a static file in all but name

#[tokio::test(flavor = "multi_thread")]
async fn without_a_range_the_whole_is_given_with_its_length_and_a_strong_validator() {
    let (_root, server, pcm) = finished().await;
    for format in FORMATS {
        let reply = server.get(&path(format)).await;
        assert_eq!(reply.status, 200);
        has_length(&reply, reply.body.len());
        assert_eq!(reply.header("content-range"), None);
        assert_eq!(reply.header("content-type"), Some(media_type(format)));
        let tag = etag(&reply);
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
        is_of_a_finished(&reply, &tag);
        assert!(server.get(&path(format)).await.body == reply.body);
        if format == "wav" {
            assert!(reply.body[WAV_HEADER..] == pcm, "the sound is not the recording's");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_given_as_a_part_whose_last_byte_is_inclusive() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let whole = server.get(&path(format)).await;
        let len = whole.body.len();
        for (range, first, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-19".to_owned(), 10, 20),
            ("bytes=0-".to_owned(), 0, len),
            (format!("bytes={}-", len - 3), len - 3, len),
            (format!("bytes={}-{}", len - 1, len - 1), len - 1, len),
            ("bytes=-7".to_owned(), len - 7, len),
            // A suffix longer than the body is the whole of it, and still a part.
            (format!("bytes=-{}", len + 5), 0, len),
            (format!("bytes=-{}", u64::MAX), 0, len),
            // Ends behind the last byte are clamped.
            (format!("bytes=5-{len}"), 5, len),
            (format!("bytes=5-{}", u64::MAX), 5, len),
            ("bytes=5-99999999999999999999".to_owned(), 5, len),
            // Units know no case.
            ("BYTES=0-1".to_owned(), 0, 2),
        ] {
            let reply = server.range(&path(format), &range).await;
            assert_eq!(reply.status, 206, "{range}");
            let content_range = format!("bytes {first}-{}/{len}", end - 1);
            assert_eq!(reply.header("content-range"), Some(content_range.as_str()), "{range}");
            assert_eq!(reply.header("content-type"), Some(media_type(format)));
            has_length(&reply, end - first);
            is_of_a_finished(&reply, &etag(&whole));
            assert!(reply.body == whole.body[first..end], "{format}: {range} differs");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_without_a_byte_in_it_is_416_with_the_length() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let len = server.get(&path(format)).await.body.len();
        for range in [
            "bytes=-0".to_owned(),
            format!("bytes={len}-"),
            format!("bytes={len}-{}", len + 10),
            format!("bytes={}-", u64::MAX),
            "bytes=99999999999999999999-".to_owned(),
            format!("bytes={len}-,-0"),
        ] {
            let reply = server.range(&path(format), &range).await;
            is_problem(&reply, 416, &range);
            assert_eq!(reply.header("content-range"), Some(format!("bytes */{len}").as_str()), "{range}");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_cannot_be_read_or_has_another_unit_is_ignored() {
    let (_root, server, _) = finished().await;
    let whole = server.get(&path("mp3")).await;
    for range in [
        "bytes=5-3",
        "bytes=a-b",
        "bytes=0x10-",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "bytes=0-1;2-3",
        "items=0-1",
        "seconds=0-1",
        "bytes=0-1,x",
    ] {
        let reply = server.range(&path("mp3"), range).await;
        assert_eq!((reply.status, reply.header("content-range")), (200, None), "{range}");
        has_length(&reply, whole.body.len());
        assert!(reply.body == whole.body);
    }
    assert_eq!(server.panics(), 0);
}

/// A part of a multipart body: its headers in lower case, its bytes.
type Part = (BTreeMap<String, String>, Vec<u8>);

/// RFC 2046 5.1.1, written without a look at how the server does it: cuts at the delimiters, not by lengths.
fn multipart(reply: &Reply) -> Vec<Part> {
    let content_type = reply.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter has no line before it to end.
    let body = [b"\r\n", reply.body.as_slice()].concat();
    let places: Vec<usize> =
        body.windows(delimiter.len()).enumerate().filter(|(_, w)| *w == delimiter).map(|(i, _)| i).collect();
    assert_eq!(places.first(), Some(&0), "no delimiter at the start");
    assert_eq!(&body[places.last().unwrap() + delimiter.len()..], b"--\r\n", "no end");
    places.windows(2).map(|pair| part(&body[pair[0] + delimiter.len()..pair[1]])).collect()
}

fn part(bytes: &[u8]) -> Part {
    let head_len = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an end of the part's headers");
    let head = std::str::from_utf8(&bytes[..head_len]).unwrap();
    let headers = head.split("\r\n").filter(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    (headers.collect(), bytes[head_len + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_are_a_multipart_body_in_the_order_asked_for() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let whole = server.get(&path(format)).await;
        let len = whole.body.len();
        let range = format!("bytes=1000-1999, 0-0,-5 ,{len}-,500-1500,{}-{}", len - 2, u64::MAX);
        let wanted = [1000..2000, 0..1, len - 5..len, 500..1501, len - 2..len];
        let reply = server.range(&path(format), &range).await;
        assert_eq!((reply.status, reply.header("content-range")), (206, None));
        has_length(&reply, reply.body.len());
        is_of_a_finished(&reply, &etag(&whole));
        let parts = multipart(&reply);
        assert_eq!(parts.len(), wanted.len());
        for ((headers, bytes), wanted) in parts.iter().zip(wanted) {
            assert_eq!(headers["content-type"], media_type(format));
            let content_range = format!("bytes {}-{}/{len}", wanted.start, wanted.end - 1);
            assert_eq!(headers["content-range"], content_range);
            assert!(*bytes == whole.body[wanted], "{format}: {content_range} differs");
        }
        let again = server.range(&path(format), &range).await;
        assert_ne!(again.header("content-type"), reply.header("content-type"), "boundaries are to be random");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_of_which_one_has_bytes_are_a_plain_part() {
    let (_root, server, _) = finished().await;
    let len = server.get(&path("opus")).await.body.len();
    let reply = server.range(&path("opus"), &format!("bytes={len}-,3-4,-0")).await;
    assert_eq!(reply.status, 206);
    assert_eq!(reply.header("content-range"), Some(format!("bytes 3-4/{len}").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_sixteen_ranges_or_more_than_the_whole_give_the_whole() {
    let (_root, server, _) = finished().await;
    let whole = server.get(&path("wav")).await;
    let ranges = |count: usize| {
        let ranges: Vec<String> = (0..count).map(|i| format!("{}-{}", i * 10, i * 10 + 1)).collect();
        format!("bytes={}", ranges.join(","))
    };
    let sixteen = server.range(&path("wav"), &ranges(16)).await;
    assert_eq!((sixteen.status, multipart(&sixteen).len()), (206, 16));
    for range in [ranges(17), ranges(500), "bytes=0-,0-".to_owned(), "bytes=1-,0-9".to_owned()] {
        let reply = server.range(&path("wav"), &range).await;
        assert_eq!(reply.status, 200, "{range}");
        has_length(&reply, whole.body.len());
        assert!(reply.body == whole.body);
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_range_gives_the_part_when_it_matches_and_the_whole_when_it_is_stale() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let tag = etag(&server.head(&path(format)).await);
        let status = async |validator: &str| {
            let headers = [("range", "bytes=4-8"), ("if-range", validator)];
            server.get_with(&path(format), &headers).await.status
        };
        assert_eq!(status(&tag).await, 206);
        for stale in ["\"other\"", &format!("W/{tag}"), "*", "Sat, 29 Oct 1994 19:43:31 GMT", ""] {
            assert_eq!(status(stale).await, 200, "{stale}");
        }
        let beyond = [("range", "bytes=999999999-"), ("if-range", "\"other\"")];
        assert_eq!(
            server.get_with(&path(format), &beyond).await.status,
            200,
            "an old copy's range is no error"
        );
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_none_match_that_matches_is_304_without_a_body() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let tag = etag(&server.head(&path(format)).await);
        for matching in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let headers = [("if-none-match", matching.as_str()), ("range", "bytes=0-9")];
                let reply = server.open(method, &path(format), &headers).await.rest().await;
                assert_eq!((reply.status, reply.body.len()), (304, 0), "{matching}");
                is_of_a_finished(&reply, &tag);
                assert_eq!(reply.header("content-range"), None);
            }
        }
        for other in ["\"x\"", "", "nonsense", "\"x"] {
            let reply = server.get_with(&path(format), &[("if-none-match", other)]).await;
            assert_eq!(reply.status, 200, "{other}");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_that_does_not_match_is_412() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let tag = etag(&server.head(&path(format)).await);
        for other in ["\"x\"".to_owned(), format!("W/{tag}"), "nonsense".to_owned()] {
            // Asked before anything else: neither a range nor the other condition changes it.
            let headers = [("if-match", other.as_str()), ("if-none-match", &tag), ("range", "bytes=0-1")];
            let reply = server.get_with(&path(format), &headers).await;
            is_problem(&reply, 412, &other);
            assert_eq!(reply.header("content-range"), None);
        }
        for matching in [tag.clone(), format!("\"x\",{tag}"), "*".to_owned()] {
            let headers = [("if-match", matching.as_str()), ("range", "bytes=0-1")];
            assert_eq!(server.get_with(&path(format), &headers).await.status, 206, "{matching}");
        }
    }
    assert_eq!(server.panics(), 0);
}

/// Headers but for those that are of the connection or the moment.
fn lasting(reply: &Reply) -> BTreeMap<String, String> {
    let lasting = |name: &str| !["date", "connection", "transfer-encoding"].contains(&name);
    let headers = reply.headers.iter().filter(|(name, _)| lasting(name.as_str()));
    headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_of_get_and_no_ear_for_ranges() {
    let (_root, server, _) = finished().await;
    for format in FORMATS {
        let whole = server.get(&path(format)).await;
        for headers in [vec![], vec![("range", "bytes=0-9")], vec![("range", "bytes=99999999-")]] {
            let head = server.open("HEAD", &path(format), &headers).await.rest().await;
            assert_eq!((head.status, head.body.len()), (200, 0));
            // Where a recorder would go on is told to HEAD alone.
            let mut told = head.clone();
            assert!(told.headers.remove("upload-offset").is_some());
            assert!(told.headers.remove("upload-complete").is_some());
            let kept = whole.headers["cache-control"].clone();
            assert_eq!(told.headers.insert("cache-control", kept).unwrap(), "no-store");
            assert_eq!(lasting(&told), lasting(&whole));
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_405_and_told_which_are_allowed() {
    let (_root, server, _) = finished().await;
    for path in ["/hls/show/master.m3u8", "/recordings", "/waveform/show.json", "/healthz", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let reply = server.open(method, path, &[]).await.rest().await;
            is_problem(&reply, 405, method);
            assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_lets_any_page_ask_for_ranges_with_conditions() {
    let (_root, server, _) = finished().await;
    let origin = ("origin", "https://elsewhere.example");
    let asking = [
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range,if-range,if-none-match"),
    ];
    for path in ["/audio/show.mp3", "/recordings/show"] {
        let reply = server.open("OPTIONS", path, &asking).await.rest().await;
        assert!(matches!(reply.status, 200 | 204), "{}", reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let methods = reply.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("GET") && methods.contains("HEAD"), "{methods}");
        let headers = reply.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        let allowed: Vec<&str> = headers.split(',').map(str::trim).collect();
        assert!(allowed.contains(&"*") && allowed.contains(&"authorization"), "{headers}");
    }
    // And what comes back may be read by it, errors too.
    for (path, range) in
        [("/audio/show.mp3", "bytes=0-9"), ("/audio/show.mp3", "bytes=-0"), ("/audio/no", "")]
    {
        let reply = server.get_with(path, &[origin, ("range", range)]).await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        let exposed = reply.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in ["accept-ranges", "content-length", "content-range", "etag"] {
            assert!(exposed.contains(name), "{name} is not exposed: {exposed}");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_options_is_told_the_methods() {
    let (_root, server, _) = finished().await;
    for (path, allowed) in [
        ("/audio/show.mp3", "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"),
        ("/recordings/show", "GET, HEAD, OPTIONS, PATCH"),
        ("/recordings", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        let reply = server.open("OPTIONS", path, &[]).await.rest().await;
        assert!(matches!(reply.status, 200 | 204), "{}", reply.status);
        assert_eq!(reply.header("allow"), Some(allowed), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_only_inferred_is_not_kept_by_caches() {
    let root = Root::new();
    root.growing("show", PCM, &sound::noise(SECOND / 4, 2, 5));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(10)).await;
    for format in FORMATS {
        let reply = once_finished(&server, format).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        has_length(&reply, reply.body.len());
    }
}

/// The whole of a recording that ends by standing still.
async fn once_finished(server: &Running, format: &str) -> Reply {
    loop {
        let reply = rest(server.open("GET", &path(format), &[]).await).await;
        if reply.header("etag").is_some() {
            return reply;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rendition_has_an_etag_of_its_own() {
    let (_root, server, _) = finished().await;
    let mut seen = BTreeMap::new();
    for query in [
        "",
        "?pos=1",
        "?pos=1&duration=2",
        "?duration=2",
        "?duration=2.5",
        "?channels=1",
        "?format=mp3",
        "?format=mp3&bitrate=64",
        "?format=mp3&bitrate=64&channels=1",
        "?format=opus",
    ] {
        let path = format!("/audio/show{query}");
        let tag = etag(&server.head(&path).await);
        assert_eq!(seen.insert(tag, path.clone()), None, "{path} has the ETag of another");
    }
    // What the parameters say in other words is the same rendition.
    let same = ["/audio/show.mp3", "/audio/show.wav?format=mp3&n=7", "/audio/show.mp3?pos=0:00&bitrate=128"];
    for path in same {
        let tag = etag(&server.head(path).await);
        assert_eq!(seen[&tag], "/audio/show?format=mp3", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_without_a_frame_is_a_header() {
    let root = Root::new();
    root.finished("show", PCM, b"");
    let server = Running::start(&root).await;
    for format in FORMATS {
        let reply = server.get(&path(format)).await;
        assert_eq!(reply.status, 200);
        has_length(&reply, reply.body.len());
        let header: usize = described(&server, format).await["header_bytes"].as_u64().unwrap() as usize;
        assert_eq!(reply.body.len(), header, "{format}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_four_gib_a_finished_wav_is_an_rf64() {
    const FRAMES: u64 = 1_100_000_000;
    let root = Root::new();
    root.finished("show", PCM, b"");
    OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap().set_len(FRAMES * 4).unwrap();
    let server = Running::start(&root).await;
    let len = WAV_HEADER as u64 + FRAMES * 4;
    let head = server.head(&path("wav")).await;
    assert_eq!(head.header("content-length"), Some(len.to_string().as_str()));
    let reply = server.range(&path("wav"), &format!("bytes=0-{}", WAV_HEADER - 1)).await;
    assert!(reply.body.starts_with(b"RF64\xff\xff\xff\xffWAVEds64"));
    let number = |at: usize| u64::from_le_bytes(reply.body[at..at + 8].try_into().unwrap());
    assert_eq!((number(20), number(28), number(36)), (len - 8, FRAMES * 4, FRAMES));
    let tail = server.range(&path("wav"), "bytes=-3").await;
    assert_eq!(tail.header("content-range"), Some(format!("bytes {}-{}/{len}", len - 3, len - 1).as_str()));
}

// ---- Growing: no length yet

/// What a growing body must have given by its end: its own header, and behind it what the finished
/// rendition has there.
async fn matches_the_finished(server: &Running, format: &str, body: &[u8], from: usize) {
    let whole = server.get(&path(format)).await;
    assert_eq!(whole.status, 200);
    has_length(&whole, whole.body.len());
    assert!(whole.header("etag").is_some());
    let header = described(server, format).await["header_bytes"].as_u64().unwrap() as usize;
    assert_eq!(from + body.len(), whole.body.len(), "{format}: another length than the finished one's");
    let skipped = header.saturating_sub(from);
    assert!(body[skipped..] == whole.body[from + skipped..], "{format}: differs from the finished one");
}

/// Asks for a range while the recording grows, has it go on and end, and reads the body to its end.
async fn follow_to_the_end(range: Option<&str>, check: impl Fn(&str, &Open), from: usize) {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let headers: Vec<_> = range.map(|range| ("range", range)).into_iter().collect();
        let answer = server.open("GET", &path(format), &headers).await;
        is_of_a_growing(&answer);
        is_open(&answer);
        assert_eq!(open_header(&answer, "content-type"), Some(media_type(format)));
        check(format, &answer);
        root.append("show.pcm", &sound::noise(SECOND / 4 + 77, 2, 6));
        root.end("show", PCM);
        let reply = rest(answer).await;
        let from = if reply.status == 200 { 0 } else { from };
        matches_the_finished(&server, format, &reply.body, from).await;
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_without_a_range_is_chunked_to_the_end_of_the_recording() {
    let check = |_: &str, answer: &Open| {
        assert_eq!((answer.status, open_header(answer, "content-range")), (200, None));
    };
    follow_to_the_end(None, check, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_from_byte_0_is_a_part_of_v_or_in_ogg_the_whole() {
    let check = |format: &str, answer: &Open| {
        let expected = virtual_total(format).map(|v| format!("bytes 0-{}/{v}", v - 1));
        assert_eq!(answer.status, if expected.is_some() { 206 } else { 200 });
        assert_eq!(open_header(answer, "content-range"), expected.as_deref());
    };
    follow_to_the_end(Some("bytes=0-"), check, 0).await;
}

/// The recording ends while the listener is still far behind the live edge.
#[tokio::test(flavor = "multi_thread")]
async fn growing_ends_with_the_recording_for_one_who_is_still_catching_up() {
    for format in FORMATS {
        let root = Root::new();
        root.growing("show", PCM, &sound::noise(44_100 * 40, 2, 14));
        let server = Running::with(&root, |config| {
            config.growth_timeout = Duration::from_secs(600);
            config.threads = 1;
        });
        let server = server.await;
        let mut answer = server.open("GET", &path(format), &[]).await;
        let mut body = answer.take(1).await;
        root.end("show", PCM);
        // Who asks has the server look at it.
        assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
        body.extend(rest(answer).await.body);
        matches_the_finished(&server, format, &body, 0).await;
        assert_eq!(server.panics(), 0);
    }
}

fn open_range(format: &str, first: u64) -> String {
    match virtual_total(format) {
        Some(v) => format!("bytes {first}-{}/{v}", v - 1),
        None => format!("bytes {first}-{OPEN_LAST}/*"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_from_byte_a_is_a_part_of_v_or_in_ogg_of_an_unknown_total() {
    let check = |format: &str, answer: &Open| {
        assert_eq!(answer.status, 206);
        assert_eq!(open_header(answer, "content-range"), Some(open_range(format, 2000).as_str()));
    };
    follow_to_the_end(Some("bytes=2000-"), check, 2000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_to_the_last_byte_of_v_is_as_good_as_open() {
    for format in ["wav", "mp3"] {
        let (_root, server, _) = growing().await;
        let v = virtual_total(format).unwrap();
        for last in [v - 1, v, 1 << 46, u64::MAX] {
            let range = format!("bytes=2000-{last}");
            let answer = server.open("GET", &path(format), &[("range", &range)]).await;
            assert_eq!(answer.status, 206);
            assert_eq!(open_header(&answer, "content-range"), Some(open_range(format, 2000).as_str()));
            is_open(&answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growing_to_a_very_large_byte_is_echoed_in_ogg() {
    let (_root, server, _) = growing().await;
    for (first, last) in [(2000, OPEN_LAST), (2000, 1 << 46), (0, 1 << 46), (2000, u64::MAX)] {
        let range = format!("bytes={first}-{last}");
        let answer = server.open("GET", &path("opus"), &[("range", &range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        let content_range = format!("bytes {first}-{last}/*");
        assert_eq!(open_header(&answer, "content-range"), Some(content_range.as_str()));
        is_open(&answer);
    }
}

fn total(format: &str) -> String {
    virtual_total(format).map_or("*".to_owned(), |v| v.to_string())
}

/// A closed range of what grows: a part with a length.
async fn closed(server: &Running, format: &str, range: &str, first: u64, last: u64) -> Vec<u8> {
    let answer = server.open("GET", &path(format), &[("range", range)]).await;
    is_of_a_growing(&answer);
    let reply = rest(answer).await;
    assert_eq!(reply.status, 206, "{format} {range}");
    let content_range = format!("bytes {first}-{last}/{}", total(format));
    assert_eq!(reply.header("content-range"), Some(content_range.as_str()), "{format} {range}");
    has_length(&reply, (last - first + 1) as usize);
    reply.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_range_of_what_exists_has_a_length() {
    let (root, server, pcm) = growing().await;
    let mut given = BTreeMap::new();
    for format in FORMATS {
        let exists = described(&server, format).await["exists"].as_u64().unwrap();
        for (range, first, last) in [
            ("bytes=0-0".to_owned(), 0, 0),
            ("bytes=10000-11999".to_owned(), 10_000, 11_999),
            (format!("bytes=10000-{}", exists - 1), 10_000, exists - 1),
            // Behind the live edge: the part that exists.
            (format!("bytes=10000-{}", exists + 5000), 10_000, exists - 1),
            (format!("bytes={}-{}", exists - 1, exists + 5000), exists - 1, exists - 1),
            // A suffix is of what exists.
            ("bytes=-100".to_owned(), exists - 100, exists - 1),
            (format!("bytes=-{}", exists + 1), 0, exists - 1),
        ] {
            let body = closed(&server, format, &range, first, last).await;
            given.insert((format, first as usize), body);
        }
    }
    assert!(given[&("wav", 10_000)] == pcm[10_000 - WAV_HEADER..]);
    root.end("show", PCM);
    for ((format, first), body) in given.iter().filter(|((_, first), _)| *first >= 10_000) {
        let whole = server.get(&path(format)).await.body;
        assert!(whole[*first..].starts_with(body), "{format} {first}: not the finished one's bytes");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_behind_the_live_edge_is_waited_for() {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let first = described(&server, format).await["exists"].as_u64().unwrap() + 10;
        let range = format!("bytes={first}-{}", first + 99_999_999);
        let url = path(format);
        let mut answer = Box::pin(server.range(&url, &range));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
        assert!(early.is_err(), "{format}: answered before there was a byte");
        root.append("show.pcm", &sound::noise(SECOND / 4, 2, 8));
        let reply = in_time(answer).await;
        assert_eq!(reply.status, 206);
        let last = first + reply.body.len() as u64 - 1;
        let content_range = format!("bytes {first}-{last}/{}", total(format));
        assert_eq!(reply.header("content-range"), Some(content_range.as_str()));
        has_length(&reply, reply.body.len());
        assert!(!reply.body.is_empty());
        root.end("show", PCM);
        let whole = server.get(&path(format)).await.body;
        assert!(
            whole[first as usize..].starts_with(&reply.body),
            "{format}: other bytes than the finished one"
        );
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_behind_the_edge_than_the_growth_timeout_is_416() {
    let (_root, server, _) = growing().await;
    for format in FORMATS {
        let exists = described(&server, format).await["exists"].as_u64().unwrap();
        // More than ten minutes of any of them.
        let beyond = exists + 601 * SECOND as u64;
        for range in
            [format!("bytes={beyond}-"), format!("bytes={beyond}-{}", beyond + 9), "bytes=-0".to_owned()]
        {
            let reply = server.range(&path(format), &range).await;
            is_problem(&reply, 416, &range);
            // Where no total was ever stated none is here: there is no `bytes */*`.
            let content_range = virtual_total(format).map(|v| format!("bytes */{v}"));
            assert_eq!(reply.header("content-range"), content_range.as_deref());
            assert_eq!(reply.header("etag"), None);
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_of_what_grows_has_no_length_and_does_not_wait() {
    let (_root, server, _) = growing().await;
    for format in FORMATS {
        let exists = described(&server, format).await["exists"].as_u64().unwrap();
        let range = format!("bytes={exists}-");
        for headers in [vec![], vec![("range", "bytes=0-")], vec![("range", range.as_str())]] {
            let answer = server.open("HEAD", &path(format), &headers).await;
            assert_eq!(answer.status, 200);
            is_of_a_growing(&answer);
            assert_eq!(open_header(&answer, "content-length"), None);
            assert_eq!(open_header(&answer, "content-range"), None);
            assert_eq!(open_header(&answer, "content-type"), Some(media_type(format)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_and_unreadable_ranges_of_what_grows_give_the_whole() {
    let (_root, server, _) = growing().await;
    for format in FORMATS {
        for range in ["bytes=0-9,20-29", "bytes=9-0", "items=0-9", "bytes=x"] {
            let answer = server.open("GET", &path(format), &[("range", range)]).await;
            assert_eq!((answer.status, open_header(&answer, "content-range")), (200, None), "{range}");
            is_open(&answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_has_no_validator_to_match() {
    let (root, server, _) = growing().await;
    root.finished("done", PCM, &sound::noise(1000, 2, 1));
    for format in FORMATS {
        let tag = etag(&server.head(&format!("/audio/done.{format}")).await);
        for (headers, status) in [
            (vec![("if-range", tag.as_str()), ("range", "bytes=5-6")], 200),
            (vec![("if-none-match", tag.as_str())], 200),
            (vec![("if-none-match", "*")], 304),
            (vec![("if-match", tag.as_str())], 412),
            (vec![("if-match", "*"), ("range", "bytes=5-6")], 206),
        ] {
            let answer = server.open("GET", &path(format), &headers).await;
            assert_eq!(answer.status, status, "{headers:?}");
            is_of_a_growing(&answer);
        }
    }
}

/// Asks for the byte behind the last, as players do, and has the recording end.
async fn ask_for_the_end(server: &Running, format: &str, end: impl Fn()) -> Reply {
    let len = server_len(server, format).await;
    let range = format!("bytes={len}-");
    let url = path(format);
    let mut answer = Box::pin(server.range(&url, &range));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    assert!(early.is_err(), "{format}: the end was not waited for");
    end();
    let reply = in_time(answer).await;
    let whole = server.get(&path(format)).await;
    assert_eq!(whole.body.len() as u64, len);
    is_problem(&reply, 416, &range);
    assert_eq!(reply.header("content-range"), Some(format!("bytes */{len}").as_str()));
    assert_eq!(reply.header("etag"), whole.header("etag"));
    whole
}

/// The length that a growing recording of [`growing`] will have if it ends as it is.
async fn server_len(server: &Running, format: &str) -> u64 {
    let details = server.get("/recordings/show").await.json();
    let frames = details["frames"].as_u64().unwrap();
    let codec = support::codec(format, PCM);
    let cut = tailcast_codecs::Cut::new(codec.grid(), 0);
    tailcast_codecs::rendition_len(&*codec, &cut, codec.grid().rates.to_coded(frames))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_declared_end_the_byte_behind_the_last_is_416_with_the_true_total() {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let whole = ask_for_the_end(&server, format, || root.end("show", PCM)).await;
        assert_eq!(whole.header("cache-control"), Some("public, max-age=3600"));
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_inferred_end_the_byte_behind_the_last_is_416_with_the_true_total() {
    for format in FORMATS {
        let root = Root::new();
        root.growing("show", PCM, &sound::noise(SECOND / 4, 2, 9));
        let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(3)).await;
        // It ends by itself, of standing still.
        let whole = ask_for_the_end(&server, format, || {}).await;
        assert_eq!(whole.header("cache-control"), Some("no-cache"));
        assert_eq!(server.panics(), 0);
    }
}

/// What a range belongs to is told by its tag, so an edited copy must have another.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_the_same_length_and_ends_but_with_a_silenced_passage_has_another_etag() {
    let mut pcm = sound::noise(SECOND / 4 * 30, 2, 14);
    for format in FORMATS {
        let root = Root::new();
        root.finished("show", PCM, &pcm);
        let server = Running::start(&root).await;
        let before = server.head(&path(format)).await;
        pcm[SECOND * 14..SECOND * 16].fill(0);
        root.write("new", &pcm);
        std::fs::rename(root.file("new"), root.file("show.pcm")).unwrap();
        assert_ne!(etag(&server.head(&path(format)).await), etag(&before), "{format}");
        pcm = sound::noise(SECOND / 4 * 30, 2, 14);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_goes_on_after_an_inferred_end_gets_another_etag() {
    let root = Root::new();
    root.growing("show", PCM, &sound::noise(SECOND / 4, 2, 10));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(2)).await;
    let first = once_finished(&server, "mp3").await;
    root.append("show.pcm", &sound::noise(5000, 2, 11));
    let between = server.head(&path("mp3")).await;
    assert_eq!((between.header("etag"), between.header("cache-control")), (None, Some("no-store")));
    let second = once_finished(&server, "mp3").await;
    assert!(second.body.len() > first.body.len());
    assert_ne!(etag(&first), etag(&second));
    // And declared or inferred, the same bytes have the same tag.
    root.end("show", PCM);
    let declared = server.get(&path("mp3")).await;
    assert_eq!(declared.header("cache-control"), Some("public, max-age=3600"));
    assert!(declared.body == second.body);
    assert_eq!(etag(&declared), etag(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_ended_in_the_past_of_a_growing_recording_is_finished() {
    for format in FORMATS {
        let (root, server, pcm) = growing().await;
        let clip = format!("{}?pos=0.5&duration=1.25", path(format));
        let reply = server.get(&clip).await;
        assert_eq!(reply.status, 200);
        has_length(&reply, reply.body.len());
        let tag = etag(&reply);
        is_of_a_finished(&reply, &tag);
        let part = server.range(&clip, "bytes=-9").await;
        assert_eq!((part.status, part.body.as_slice()), (206, &reply.body[reply.body.len() - 9..]));
        let headers = [("if-none-match", tag.as_str())];
        assert_eq!(server.get_with(&clip, &headers).await.status, 304);
        if format == "wav" {
            assert!(reply.body[WAV_HEADER..] == pcm[SECOND / 2..SECOND / 2 + SECOND * 5 / 4]);
        }

        root.append("show.pcm", &sound::noise(SECOND / 4, 2, 12));
        assert_eq!(etag(&server.get(&clip).await), tag, "changed when the recording went on");
        root.end("show", PCM);
        let after = server.get(&clip).await;
        assert_eq!(etag(&after), tag, "changed when the recording ended");
        assert!(after.body == reply.body);
        assert_ne!(etag(&server.get(&path(format)).await), tag);
    }
}

/// What `pos=-2` means moves with the live edge, so no cache may keep it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clip_whose_place_moves_with_the_live_edge_is_not_kept() {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let clip = format!("{}?pos=-2&duration=0.5", path(format));
        let before = server.get(&clip).await;
        has_length(&before, before.body.len());
        assert_eq!(before.header("cache-control"), Some("no-store"));
        root.append("show.pcm", &sound::noise(SECOND / 4, 2, 12));
        let after = server.get(&clip).await;
        assert!(after.body != before.body);
        assert_ne!(etag(&after), etag(&before));
        root.end("show", PCM);
        assert_eq!(server.get(&clip).await.header("cache-control"), Some("public, max-age=3600"));
    }
}

/// A player that asks for one range of `pos=-2` will ask for another, when that means another second.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_what_moves_with_the_live_edge_is_one_of_what_it_means_now() {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let moving = format!("{}?n=1&pos=-2&x=%26", path(format));
        let ask = format!("GET {moving} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nrange: bytes=0-\r\n\r\n");
        let answer = server.raw(&ask).await;
        assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
        let place = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        // The recording is three seconds long.
        assert_eq!(place, "?n=1&pos=1.000000000&x=%26");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        let settled = format!("{}{place}", path(format));
        let first = server.range(&settled, "bytes=0-999").await;
        assert_eq!((first.status, &first.body), (206, &server.range(&moving, "bytes=0-999").await.body));
        root.append("show.pcm", &sound::noise(SECOND / 4, 2, 12));
        assert_eq!(server.range(&settled, "bytes=0-999").await.body, first.body, "it stays");
        assert_eq!(server.get_with(&format!("{}?pos=-2&duration=0.5", path(format)), &[]).await.status, 200);
        // Written so that it cannot be replaced, it is answered as it is.
        assert_eq!(server.range(&format!("{}?%70os=-2", path(format)), "bytes=0-9").await.status, 206);
        root.end("show", PCM);
        let end = ask.replace("bytes=0-", "bytes=0-9");
        assert!(server.raw(&end).await.starts_with("HTTP/1.1 206 "), "a finished one does not move");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_from_before_an_inferred_end_is_asked_about_each_time() {
    let root = Root::new();
    root.growing("show", PCM, &sound::noise(SECOND / 2, 2, 10));
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(500)).await;
    once_finished(&server, "mp3").await;
    let moving = server.get("/audio/show.mp3?pos=-1&duration=0.1").await;
    assert_eq!(moving.header("cache-control"), Some("no-cache"));
    let fixed = server.get("/audio/show.mp3?pos=1&duration=0.1").await;
    assert_eq!(fixed.header("cache-control"), Some("public, max-age=3600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_is_still_being_recorded_ends_where_it_was_asked_to() {
    for format in FORMATS {
        let (root, server, _) = growing().await;
        let clip = format!("{}?pos=2&duration=2", path(format));
        let answer = server.open("GET", &clip, &[]).await;
        assert_eq!(answer.status, 200);
        is_of_a_growing(&answer);
        is_open(&answer);
        // The recording goes on behind the clip's end, and goes on still when the clip is over.
        root.append("show.pcm", &sound::noise(SECOND / 4 * 3, 2, 13));
        let body = rest(answer).await.body;
        let whole = server.get(&clip).await;
        assert!(whole.header("etag").is_some());
        let header = described(&server, format).await["header_bytes"].as_u64().unwrap() as usize;
        assert_eq!(body.len(), whole.body.len(), "{format}");
        assert!(body[header..] == whole.body[header..], "{format}: other bytes than the finished clip");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_wav_ends_at_what_its_header_can_say() {
    let root = Root::new();
    root.growing("show", PCM, b"");
    OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap().set_len(V_WAV + 1000).unwrap();
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(600)).await;
    let answer = server.open("GET", &path("wav"), &[("range", &format!("bytes={}-", V_WAV - 100))]).await;
    assert_eq!(open_header(&answer, "content-range"), Some(open_range("wav", V_WAV - 100).as_str()));
    assert_eq!(rest(answer).await.body.len(), 100);
    let reply = server.range(&path("wav"), &format!("bytes={V_WAV}-")).await;
    is_problem(&reply, 416, "bytes=");
    // From there on, from a later position.
    let later = server.open("GET", &format!("{}?pos=24000", path("wav")), &[("range", "bytes=0-")]).await;
    assert_eq!(open_header(&later, "content-range"), Some(open_range("wav", 0).as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_mp3_ends_after_a_day() {
    let root = Root::new();
    root.growing("show", "u8:8000:1", b"");
    let file = OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap();
    file.set_len(8000 * 3600 * 25).unwrap();
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(600)).await;
    let v = described(&server, "mp3").await["virtual_total"].as_u64().unwrap();
    let answer = server.open("GET", &path("mp3"), &[("range", &format!("bytes={}-", v - 100))]).await;
    assert_eq!(
        open_header(&answer, "content-range"),
        Some(format!("bytes {}-{}/{v}", v - 100, v - 1).as_str())
    );
    assert_eq!(rest(answer).await.body.len(), 100);
    is_problem(&server.range(&path("mp3"), &format!("bytes={v}-")).await, 416, "bytes=");
}

// ---- Which rendition

async fn chosen(server: &Running, path: &str, accept: Option<&str>) -> String {
    let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let reply = server.open("HEAD", path, &headers).await;
    assert_eq!(reply.status, 200, "{path} {accept:?}");
    let media_type = open_header(&reply, "content-type").unwrap().to_owned();
    FORMATS.into_iter().find(|format| self::media_type(format) == media_type).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_the_parameters_else_the_extensions_else_accepts_else_wav() {
    let (root, server, _) = finished().await;
    root.finished("old.mp3", PCM, b"1234");
    for (path, accept, format) in [
        ("/audio/show", None, "wav"),
        ("/audio/show.wav", None, "wav"),
        ("/audio/show.mp3", None, "mp3"),
        ("/audio/show.MP3", None, "mp3"),
        ("/audio/show.opus", None, "opus"),
        ("/audio/show.ogg", None, "opus"),
        ("/audio/show?format=mp3", None, "mp3"),
        ("/audio/show.wav?format=opus", None, "opus"),
        ("/audio/show.mp3?format=wav", Some("audio/ogg"), "wav"),
        ("/audio/show.mp3", Some("audio/ogg"), "mp3"),
        ("/audio/show", Some("audio/mpeg"), "mp3"),
        ("/audio/show", Some("audio/ogg; codecs=opus"), "opus"),
        ("/audio/show", Some("audio/ogg;q=0.5, audio/mpeg;q=0.8"), "mp3"),
        ("/audio/show", Some("audio/mpeg;q=0.5 , audio/ogg"), "opus"),
        ("/audio/show", Some("audio/mpeg;q=0, audio/ogg;q=0.001"), "opus"),
        ("/audio/show", Some("audio/mpeg;q=0"), "wav"),
        ("/audio/show", Some("*/*"), "wav"),
        ("/audio/show", Some("audio/*;q=0.9, audio/mpeg;q=0.5"), "mp3"),
        ("/audio/show", Some("audio/mpeg;Q=0.1, audio/ogg;q=0.5"), "opus"),
        ("/audio/show", Some("audio/mpeg;q=2, audio/ogg;q=0.5"), "opus"),
        ("/audio/show", Some("text/html"), "wav"),
        ("/audio/show", Some("nonsense;;q=x,,"), "wav"),
        // An extension can be part of a name.
        ("/audio/old.mp3", None, "wav"),
        ("/audio/old.mp3.opus", None, "opus"),
    ] {
        assert_eq!(chosen(&server, path, accept).await, format, "{path} {accept:?}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_told_when_accept_has_decided() {
    let (_root, server, _) = finished().await;
    for accept in ["audio/mpeg", "*/*"] {
        let reply = server.get_with("/audio/show", &[("accept", accept), ("range", "bytes=0-9")]).await;
        let vary: Vec<_> = reply.headers.get_all("vary").iter().map(|v| v.to_str().unwrap()).collect();
        let vary = vary.join(",").to_ascii_lowercase();
        assert!(vary.split(',').any(|name| name.trim() == "accept"), "Vary: {vary}");
    }
}

// ---- What describes them

async fn described(server: &Running, format: &str) -> Value {
    server.get("/recordings/show").await.json()["formats"][format].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_recording_is_described_as_it_is_served() {
    let (root, server, pcm) = finished().await;
    root.write(
        "show.toml",
        format!("pcm = '{PCM}'\nended = true\ntitle = 'A <b>'\nstarted = 2026-11-23T20:00:00Z"),
    );
    let reply = server.get("/recordings/show").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let details = reply.json();
    assert_eq!(details["name"], "show");
    assert_eq!((details["state"].as_str(), details["end"].as_str()), (Some("finished"), Some("declared")));
    assert_eq!(details["frames"], pcm.len() / 4);
    assert_eq!(details["duration"].as_f64().unwrap(), (pcm.len() / 4) as f64 / 44_100.0);
    assert!(details.get("live_edge").is_none());
    assert_eq!(details["pcm"], serde_json::json!({ "format": "s16le", "rate": 44_100, "channels": 2 }));
    assert_eq!(
        (details["title"].as_str(), details["started"].as_str()),
        (Some("A <b>"), Some("2026-11-23T20:00:00Z"))
    );
    for format in FORMATS {
        let grid = &details["formats"][format];
        let whole = server.get(details["audio"][format].as_str().unwrap()).await;
        assert_eq!(whole.header("content-type"), grid["media_type"].as_str());
        assert_eq!(grid["length"], whole.body.len());
        assert!(grid.get("exists").is_none() && grid.get("virtual_total").is_none());
    }
    let grid = |format: &str, key: &str| details["formats"][format][key].as_u64().unwrap();
    assert_eq!((grid("wav", "header_bytes"), grid("mp3", "header_bytes")), (WAV_HEADER as u64, 4_096 + 417));
    assert_eq!(
        (grid("wav", "packet_frames"), grid("wav", "packet_bytes"), grid("wav", "rate")),
        (1, 4, 44_100)
    );
    assert_eq!(
        (grid("mp3", "packet_frames"), grid("mp3", "packet_bytes"), grid("mp3", "rate")),
        (1152, 417, 44_100)
    );
    assert_eq!((grid("mp3", "segment_packets"), grid("mp3", "segment_bytes")), (98, 40_960));
    assert_eq!(
        (grid("opus", "packet_frames"), grid("opus", "packet_bytes"), grid("opus", "rate")),
        (960, 240, 48_000)
    );
    assert_eq!((grid("opus", "segment_packets"), grid("opus", "segment_bytes")), (100, 24_000));
    assert_eq!(details["formats"]["opus"]["page"], serde_json::json!({ "packets": 10, "bytes": 2437 }));
    assert_eq!(details["formats"]["mp3"]["packets_vary"], true);
    assert_eq!(details["formats"]["mp3"]["bitrates"], serde_json::json!([64, 96, 128, 160, 192, 256, 320]));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growing_recording_is_described_with_its_edge_and_what_exists() {
    let (root, server, _) = growing().await;
    let details = server.get("/recordings/show").await.json();
    assert_eq!((details["state"].as_str(), details.get("end")), (Some("growing"), None));
    assert_eq!((details["duration"].as_f64(), details["live_edge"].as_f64()), (Some(3.0), Some(3.0)));
    for format in FORMATS {
        let grid = &details["formats"][format];
        assert_eq!(grid.get("virtual_total").and_then(Value::as_u64), virtual_total(format), "{format}");
        assert!(grid.get("length").is_none());
        let exists = grid["exists"].as_u64().unwrap();
        closed(&server, format, &format!("bytes=-{exists}"), 0, exists - 1).await;
    }
    // A partial frame does not count until it is whole.
    root.append("show.pcm", &[1, 2, 3]);
    assert_eq!(server.get("/recordings/show").await.json()["frames"], 3 * 44_100);
    root.append("show.pcm", &[4]);
    assert_eq!(server.get("/recordings/show").await.json()["frames"], 3 * 44_100 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_every_recording_and_why_one_cannot_be_had() {
    let (root, server, _) = finished().await;
    root.growing("sub/live one", PCM, &[0; 4000]);
    root.write("broken.pcm", [0; 400]);
    root.write("broken.toml", "pcm = 's17le:44100:2'");
    root.write("notes.txt", "no recording");
    let list = server.get("/recordings").await.json();
    let names: Vec<_> =
        list["recordings"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sub/live one", "show"], "the newest first: it is shorter, so it began later");
    assert_eq!(list["unusable"][0]["name"], "broken");
    assert!(list["unusable"][0]["error"].as_str().unwrap().contains("s17le"), "{list}");
    let address = list["recordings"][0]["audio"]["mp3"].as_str().unwrap();
    assert_eq!(address, "/audio/sub/live%20one.mp3");
    assert_eq!(server.head(address).await.status, 200);
    assert_eq!(server.get("/recordings/sub/live%20one").await.json()["name"], "sub/live one");
    assert_eq!(server.panics(), 0);
}

async fn place(server: &Running, query: &str) -> (u64, f64, u64) {
    let reply = server.get(&format!("/recordings/show?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    let place = reply.json();
    (place["byte"].as_u64().unwrap(), place["time"].as_f64().unwrap(), place["frame"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_byte_of_a_time_is_where_its_range_begins() {
    let (_root, server, pcm) = finished().await;
    for (pos, start) in [("", 0), ("&pos=2", 88_200)] {
        let (byte, time, frame) = place(&server, &format!("format=wav&time=3.5{pos}")).await;
        assert_eq!((byte, time, frame), (80 + (154_350 - start) * 4, 3.5, 154_350));
        let url = format!("/audio/show.wav?n=0{pos}");
        let heard = server.range(&url, &format!("bytes={byte}-{}", byte + 3999)).await.body;
        assert!(heard == pcm[154_350 * 4..154_350 * 4 + 4000], "another place in the WAV");
        for (format, mark) in [("mp3", &b"\xff\xfb"[..]), ("opus", b"OggS")] {
            let (byte, ..) = place(&server, &format!("format={format}&time=3.5{pos}")).await;
            let url = format!("/audio/show.{format}?n=0{pos}");
            let heard = server.range(&url, &format!("bytes={byte}-")).await.body;
            assert!(heard.starts_with(mark), "{format}: no packet begins at byte {byte}");
            // What is heard from there begins at most a packet or page before the time.
            let (_, before, _) = place(&server, &format!("format={format}&byte={byte}{pos}")).await;
            assert!(before <= 3.5 && 3.5 < before + 0.2, "{format}: {before}");
            let (_, earlier, _) = place(&server, &format!("format={format}&byte={}{pos}", byte - 1)).await;
            assert!(earlier < before, "{format}: byte {byte} is not the first of its packet");
        }
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_byte_is_what_a_decoder_hears_there() {
    let (_root, server, _) = finished().await;
    // Byte 0 of every rendition is where it starts.
    for format in FORMATS {
        assert_eq!(place(&server, &format!("format={format}&byte=0")).await, (0, 0.0, 0));
        assert_eq!(place(&server, &format!("format={format}&byte=0&pos=1.5")).await, (0, 1.5, 66_150));
        assert_eq!(place(&server, &format!("format={format}&time=live")).await.2, 8 * 44_100 + 5);
        assert_eq!(place(&server, &format!("format={format}&time=-1")).await.2, 7 * 44_100 + 5);
    }
    // An MP3's packet n, whose bytes are known from the bit rate, lags by LAME's and the decoder's delay.
    let nth = |packet: u64| 4513 + packet / 98 * 40_960;
    for packet in [98, 196] {
        let (_, time, frame) = place(&server, &format!("format=mp3&byte={}", nth(packet))).await;
        assert_eq!(frame, packet * 1152 - 576 - 529);
        assert_eq!(time, frame as f64 / 44_100.0);
    }
    // An Opus page of 10 packets of 20 ms, less 6.5 ms.
    let header = described(&server, "opus").await["header_bytes"].as_u64().unwrap();
    let (_, time, _) = place(&server, &format!("format=opus&byte={}", header + 2437 * 5)).await;
    assert_eq!(time, 1.0 - 0.0065);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_needs_one_question_and_a_format() {
    let (_root, server, _) = finished().await;
    for (query, parameter, named) in [
        ("byte=5", "format", "format"),
        ("time=5", "format", "format"),
        ("byte=5&time=5&format=mp3", "byte", "time"),
        ("byte=x&format=mp3", "byte", "`x`"),
        ("byte=-1&format=mp3", "byte", "`-1`"),
        ("byte=99999999999999999999&format=mp3", "byte", "99999999999999999999"),
        ("time=x&format=mp3", "time", "`x`"),
        ("time=5&format=flac", "format", "flac"),
    ] {
        let reply = server.get(&format!("/recordings/show?{query}")).await;
        is_problem(&reply, 400, named);
        assert_eq!(reply.json()["parameter"], parameter, "{query}");
    }
    assert_eq!(place(&server, &format!("format=mp3&byte={}", u64::MAX)).await.0, u64::MAX);
    is_problem(&server.get("/recordings/none").await, 404, "none");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn healthz_says_ok() {
    let server = Running::start(&Root::new()).await;
    let reply = server.get("/healthz").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok\n"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}
