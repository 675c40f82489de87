//! Clients that mean harm, and a folder that changes under the server's hands: requests as no client library writes them,
//! and links that are turned outwards between one look and the next.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use support::process::Process;
use support::{Root, Running, eventually, sound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(30);
const HEADER: usize = 80;

/// A server of one recording, and the recording as a WAV.
async fn one_recording() -> (Root, Running, Vec<u8>) {
    let root = Root::new();
    root.finished("show", "s16le:8000:1", &sound::noise(8_000, 1, 1));
    let server = Running::start(&root).await;
    let whole = server.get("/audio/show.wav").await.body;
    (root, server, whole)
}

/// Sends bytes and gives what comes back until the server closes, or has not for long.
async fn answers(server: &Running, request: impl AsRef<[u8]>) -> String {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    // The server may have closed before it has read all.
    let _ = socket.write_all(request.as_ref()).await;
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(LONG, socket.read_to_end(&mut answer)).await;
    let _ = ended.unwrap_or_else(|_| panic!("it stays open after {:?}", String::from_utf8_lossy(&answer)));
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

async fn is_alive(server: &Running) {
    assert_eq!(server.get("/healthz").await.text(), "ok\n");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_ranges_are_as_good_as_none() {
    let (root, server, whole) = one_recording().await;
    // They are longer than a head may be.
    assert_eq!(
        server.range("/audio/show.wav", &format!("bytes={}", ["0-"; 10_000].join(","))).await.status,
        431
    );
    let server = Running::with(&root, |config| config.limits.header_size = 1 << 20).await;
    for range in ["0-", "-1", "5-5", "0-0,", "", " "] {
        let ranges = format!("bytes={}", vec![range; 10_000].join(","));
        let reply = server.range("/audio/show.wav", &ranges).await;
        assert_eq!(reply.status, 200, "{range:?}");
        assert!(reply.body == whole, "{range:?}");
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_refused_before_it_is_kept() {
    let (_root, server, _whole) = one_recording().await;
    let flood =
        |line: &str, lines: usize| format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{}", line.repeat(lines));
    for request in [
        flood("a: b\r\n", 10_000) + "\r\n",
        flood(&format!("a: {}\r\n", "b".repeat(10_000)), 99) + "\r\n",
        // These never come to an end.
        flood("a: b\r\n", 1_000_000),
        flood(&"a".repeat(1_000_000), 5),
        format!("GET /{}", "n".repeat(5_000_000)),
        "G".repeat(5_000_000),
        "\r\n".repeat(1_000_000) + "GET",
    ] {
        let answer = answers(&server, &request).await;
        let refused = matches!(*statuses(&answer), [] | ["400" | "414" | "431"]);
        assert!(refused, "{:?}…: {answer}", &request[..40]);
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_sent_at_once_are_answered_in_their_order() {
    let (_root, server, whole) = one_recording().await;
    let requests: String = (HEADER..HEADER + 200)
        .map(|first| {
            let last = first + 9;
            format!("GET /audio/show.wav HTTP/1.1\r\nHost: h\r\nRange: bytes={first}-{last}\r\n\r\n")
        })
        .collect();
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(requests.as_bytes()).await.unwrap();
    for first in HEADER..HEADER + 200 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::time::timeout(LONG, socket.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let range = format!("content-range: bytes {first}-{}/{}\r\n", first + 9, whole.len());
        assert!(head.starts_with("http/1.1 206") && head.contains(&range), "{head}");
        let mut body = [0; 10];
        socket.read_exact(&mut body).await.unwrap();
        assert_eq!(body, whole[first..first + 10]);
    }
    is_alive(&server).await;
}

/// Where one request ends and the next begins there must be no two opinions, or what a proxy in front takes for a body is
/// answered to somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn no_second_request_is_read_where_the_end_of_the_first_is_in_doubt() {
    let (_root, server, _whole) = one_recording().await;
    let smuggled = "GET /recordings/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        (" Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "-1\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0x0\r\n\r\n"),
        ("Content-Length: 4\r\nContent-Length: 5\r\n", "abcd"),
        ("Content-Length: 4, 5\r\n", "abcd"),
        ("Content-Length: +4\r\n", "abcd"),
        ("Content-Length: -4\r\n", "abcd"),
        ("Content-Length: 0x4\r\n", "abcd"),
        ("Content-Length: 18446744073709551620\r\n", "abcd"),
        ("Content-Length: 4 4\r\n", "abcd"),
    ] {
        for method in ["GET", "POST"] {
            let request = format!("{method} /healthz HTTP/1.1\r\nHost: h\r\n{headers}\r\n{body}{smuggled}");
            let answer = answers(&server, &request).await;
            assert!(statuses(&answer).len() <= 1 && !answer.contains("smuggled"), "{request}\n{answer}");
        }
    }
    is_alive(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_quite_a_request_is_not_taken_for_another() {
    let (_root, server, _whole) = one_recording().await;
    for (request, allowed) in [
        // An obsolete fold, RFC 9112 5.2.
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1,\r\n 2-3\r\n\r\n", &["400"][..]),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", &["400"]),
        ("GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n", &["400"]),
        ("GET /healthz\tHTTP/1.1\r\nHost: h\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1 \r\nHost: h\r\n\r\n", &["400"]),
        ("G\u{e9}T /healthz HTTP/1.1\r\nHost: h\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n", &["400"]),
        // RFC 9112 3.2.
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nHost: h\r\nConnection: close\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1\r\nHost: a b/\r\nConnection: close\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1\r\nHost: user@h\r\nConnection: close\r\n\r\n", &["400"]),
        ("GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", &["200"]),
        ("GET /healthz HTTP/1.1\r\nHost: [::1]:8000\r\nConnection: close\r\n\r\n", &["200"]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["", "400"]),
        // A line end may be a bare LF, RFC 9112 2.2; then it is one everywhere.
        ("GET /healthz HTTP/1.1\nHost: h\nConnection: close\n\n", &["200"]),
        ("CONNECT /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["400", "404", "405"]),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["400", "404", "405"]),
        ("TRACE /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["405"]),
        ("GET http://elsewhere/healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["200"]),
        ("GET http://h/audio/../healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["400", "404"]),
        ("GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["400", "404"]),
        (
            "GET http://h/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
        (
            "GET /audio/%e0%80%ae%e0%80%ae%e0%80%afetc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
        (
            "GET /audio/..%00/..%00/etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
        ("GET /audio/%2f%2fetc%2fpasswd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &["400", "404"]),
        (
            "GET /audio/show;/../../etc/passwd HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
        (
            "GET /assets/%2e%2e/%2e%2e%2fCargo.toml HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
    ] {
        let answer = answers(&server, request).await;
        assert!(allowed.contains(&statuses(&answer).join(" ").as_str()), "{request:?}: {answer}");
        assert!(!answer.contains("root:"), "{request:?}");
    }
    is_alive(&server).await;
}

// ---- More than there is room for

/// A connection on which something is asked, which stays open.
async fn asking(server: &Process) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    socket
}

async fn is_answered(socket: &mut TcpStream) {
    let mut status = [0; 12];
    tokio::time::timeout(LONG, socket.read_exact(&mut status)).await.expect("no answer").unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

/// Lets a server that runs have only so many descriptors: when it starts it would not take on more connections than it has
/// descriptors for.
fn lower_the_limit(server: &Process, most: usize) {
    let process = server.child.id();
    let lower = Command::new("prlimit")
        .args([format!("--pid={process}"), format!("--nofile={most}:{most}")])
        .status()
        .unwrap();
    assert!(lower.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_descriptors_wait_their_turn() {
    const MOST: usize = 64;
    let root = Root::new();
    let mut server = Process::serve(root.path(), &[]);
    lower_the_limit(&server, MOST);
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(asking(&server).await);
    }
    eventually("there is no descriptor left", || server.descriptors() >= MOST - 1).await;
    assert!(
        crowd.last().unwrap().try_read(&mut [0]).is_err(),
        "the last has been answered before anyone left"
    );
    let said = |server: &Process| {
        let said = server.said.lock().unwrap();
        said.iter().filter(|line| line.contains("no connection can be accepted")).count()
    };
    eventually("it is said", || said(&server) > 0).await;
    // Each leaves when it has its answer, and makes room for another.
    let all = crowd.into_iter().map(|mut socket| async move { is_answered(&mut socket).await });
    futures_util::future::join_all(all).await;
    assert_eq!(server.child.try_wait().unwrap(), None, "it has ended");
    assert!(said(&server) < 10, "said over and over again");
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_that_nobody_hears_make_room_for_connections() {
    const RECORDINGS: usize = 30;
    let root = Root::new();
    let server = Process::serve(root.path(), &[]);
    for number in 0..RECORDINGS {
        root.finished(&format!("show{number}"), "s16le:8000:1", &sound::noise(800, 1, 1));
        let heard = reqwest::get(server.url(&format!("/audio/show{number}.wav"))).await.unwrap();
        assert_eq!(heard.status(), 200);
    }
    assert!(server.descriptors() > RECORDINGS, "they are not kept open");
    let most = server.descriptors() + 1;
    lower_the_limit(&server, most);
    let mut crowd = Vec::new();
    for _ in 0..RECORDINGS {
        let mut socket = asking(&server).await;
        is_answered(&mut socket).await;
        crowd.push(socket);
    }
    assert!(server.descriptors() <= most);
}

// ---- Links that are turned while they are looked at

const INSIDE: [u8; 4000] = [7; 4000];
const OUTSIDE: &[u8] = &[9; 4000];

/// Puts one thing and then another under a name, each at once, until the folder is given up.
fn keep_turning(root: &Arc<Root>, name: &'static str, put: impl Fn(&Root, usize, &str) + Send + 'static) {
    let root = Arc::downgrade(root);
    std::thread::spawn(move || {
        let new = format!("{name}.new");
        let mut turn = 0;
        while let Some(root) = root.upgrade() {
            put(&root, turn % 2, &new);
            fs::rename(root.file(&new), root.file(name)).unwrap();
            turn += 1;
        }
    });
}

/// Served or not, it is the sound inside. How often all of it was.
async fn never_leaves(server: &Running, rounds: usize) -> usize {
    let mut served = 0;
    for round in 0..rounds {
        let name = ["link", "turned/show"][round % 2];
        // It may break off, from its first byte on, when the name means something else.
        let Ok(mut answer) = reqwest::get(server.url(&format!("/audio/{name}.wav"))).await else { continue };
        let status = answer.status().as_u16();
        assert!(matches!(status, 200 | 404 | 500 | 503), "{name}: {status}");
        if status != 200 {
            continue;
        }
        let mut body = Vec::new();
        while let Ok(Some(bytes)) = answer.chunk().await {
            body.extend(bytes);
        }
        let sound = body.get(HEADER..).unwrap_or_default();
        assert!(sound.iter().all(|byte| *byte == 7), "{name}: from outside");
        served += usize::from(sound.len() == INSIDE.len());
    }
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_from_outside_is_served_however_links_are_turned_meanwhile() {
    let outer = Arc::new(Root::new());
    outer.write("outside/show.pcm", OUTSIDE);
    outer.write("inside/real/show.pcm", INSIDE);
    outer.write("inside/real/show.toml", "ended = true");
    outer.write("inside/link.toml", "ended = true");
    let server = Running::with(&outer, |config| config.root = outer.file("inside")).await;
    keep_turning(&outer, "inside/link.pcm", |root, turn, new| match turn {
        0 => root.write(new, INSIDE),
        _ => symlink("../outside/show.pcm", root.file(new)).unwrap(),
    });
    keep_turning(&outer, "inside/turned", |root, turn, new| {
        symlink(["real", "../outside"][turn], root.file(new)).unwrap();
    });
    let (a, b) = tokio::join!(never_leaves(&server, 300), never_leaves(&server, 300));
    assert!(a + b > 10, "hardly anything was served: {a} and {b}");
    is_alive(&server).await;
}
