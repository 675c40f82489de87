//! What nobody gets more of: each limit, seen to hold, to be told, to be counted and to be given back.

mod support;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use support::{Open, Reply, Root, Running, eventually, is_problem, sound, without_encoder};
use tailcast::config::{Config, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

const PCM: &str = "s16le:44100:2";
const RATE: usize = 44_100;

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// A minute of sound that has ended, and a minute that grows on, with limits of a test's own.
async fn limited(change: impl FnOnce(&mut Limits)) -> (Root, Running) {
    limited_with(|config| change(&mut config.limits)).await
}

async fn limited_with(change: impl FnOnce(&mut Config)) -> (Root, Running) {
    let (root, sound) = (Root::new(), sound::noise(RATE * 60, 2, 3));
    root.finished("show", PCM, &sound);
    root.growing("live", PCM, &sound);
    let server = Running::with(&root, |config| {
        config.growth_timeout = Duration::from_secs(60);
        change(config);
    })
    .await;
    (root, server)
}

/// The value of a metric, written with its labels; 0 if there is none.
async fn metric(server: &Running, name: &str) -> f64 {
    let text = server.get("/metrics").await.text();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value).unwrap_or(0.0)
}

/// Waits until a metric has a value.
async fn becomes(server: &Running, name: &str, value: f64) {
    for _ in 0..1000 {
        if metric(server, name).await == value {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} never became {value}: {}", server.get("/metrics").await.text());
}

fn refused(reason: &str) -> String {
    format!("tailcast_refusals_total{{reason=\"{reason}\"}}")
}

/// A connection on which one request was answered, and which is kept.
async fn kept(server: &Running) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0, "it was closed");
    }
    socket
}

fn is_to_come_again(reply: &Reply, status: u16, named: &str) {
    is_problem(reply, status, named);
    assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_told_to_come_again_and_is_served_when_there_is_room() {
    let (_root, server) = limited(|limits| limits.connections = count(2)).await;
    let held = [kept(&server).await, kept(&server).await];
    is_to_come_again(&server.get("/healthz").await, 503, "2");
    drop(held);
    for _ in 0..1000 {
        if server.get("/healthz").await.status == 200 {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(metric(&server, &refused("connections")).await >= 1.0);
    becomes(&server, "tailcast_connections", 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_others_have_theirs() {
    let (_root, server) = limited(|limits| {
        limits.requests_per_address = count(2);
        limits.trusted_proxies.clear();
    })
    .await;
    let held = [kept(&server).await, kept(&server).await];
    is_to_come_again(&server.get("/healthz").await, 429, "127.0.0.1");
    // The machine has more than one address of its own.
    let other = reqwest::Client::builder().local_address("127.0.0.2".parse::<IpAddr>().ok()).build().unwrap();
    assert_eq!(other.get(server.url("/healthz")).send().await.unwrap().status(), 200);
    drop(held);
}

/// Somebody else, behind the proxy that asks.
async fn open_for(server: &Running, client: &str, path: impl AsRef<str>) -> Open {
    server.open("GET", path.as_ref(), &[("x-forwarded-for", client)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_through_a_proxy_has_so_many_requests_under_way() {
    let (_root, server) = limited(|limits| limits.requests_per_address = count(2)).await;
    let listen = |client| open_for(&server, client, "/audio/live.mp3?pos=live");
    let held = [listen("203.0.113.7").await, listen("192.0.2.1, 203.0.113.7").await];
    is_to_come_again(&listen("203.0.113.7").await.rest().await, 429, "203.0.113.7");
    assert_eq!(listen("203.0.113.8").await.status, 200);
    // The proxy itself asks for as much as it likes.
    for _ in 0..3 {
        assert_eq!(server.get("/healthz").await.status, 200);
    }
    drop(held);
    becomes(&server, "tailcast_addresses", 0.0).await;
    assert_eq!(listen("203.0.113.7").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_a_request_has_a_length() {
    let (_root, server) = limited(|limits| limits.header_size = 8192).await;
    let with = |len| {
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(len))
    };
    assert!(server.raw(&with(8000)).await.starts_with("HTTP/1.1 200 "));
    assert!(server.raw(&with(8200)).await.starts_with("HTTP/1.1 431 "));
    becomes(&server, &refused("header-size"), 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_the_head_of_a_request_byte_by_byte_is_not_waited_for() {
    let (_root, server) = limited(|limits| limits.idle_timeout = Duration::from_millis(300)).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let (mut read, mut write) = socket.split();
    let drip = async {
        loop {
            // It fails when the other end is closed.
            if write.write_all(b"G").await.is_err() {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        closed = read.read_to_end(&mut answer) => drop(closed),
        () = drip => unreachable!(),
    }
    becomes(&server, &refused("idle"), 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_kept_for_nothing_is_closed() {
    let (_root, server) = limited(|limits| limits.idle_timeout = Duration::from_millis(300)).await;
    let mut socket = kept(&server).await;
    assert_eq!(socket.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_let_go_of_and_who_takes_all_there_is_is_kept() {
    let (root, server) = limited(|limits| limits.stall_timeout = Duration::from_millis(500)).await;
    std::fs::File::create(root.file("long.raw")).unwrap().set_len(1 << 30).unwrap();
    let mut live = server.open("GET", "/audio/live.wav?pos=live", &[]).await;
    live.take(44).await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(b"GET /audio/long.wav HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    becomes(&server, &refused("stalled"), 1.0).await;
    becomes(&server, "tailcast_listeners{format=\"wav\",state=\"behind\"}", 0.0).await;
    // Nothing was there for this one for as long.
    root.append("live.pcm", &[1; 4000]);
    assert_eq!(live.take(4000).await, [1; 4000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_ranges_than_are_served_are_answered_with_the_whole() {
    let (_root, server) = limited(|limits| limits.ranges = count(2)).await;
    let status = async |ranges| server.range("/audio/show.mp3", ranges).await.status;
    assert_eq!(status("bytes=0-1,5-6").await, 206);
    assert_eq!(status("bytes=0-1,5-6,9-9").await, 200);
}

/// A server with one encoder and room for so many segments that wait for it. (The seconds that are asked of it are not
/// just before seams, of which there is one every 2.56 s: there one segment more is begun.)
async fn with_a_queue(most: usize) -> (Root, Running) {
    limited_with(|config| {
        config.threads = 1;
        config.limits.queue = count(most);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_encoders_have_enough_to_do_only_new_work_is_refused() {
    let (root, server) = with_a_queue(2).await;
    let at = |second: usize| format!("/audio/show.mp3?pos={second}");
    let cached = server.range(&at(52), "bytes=1000-3000").await;
    eventually("it is sealed or given up", || server.segments.busy() == 0).await;
    let keep = without_encoder(&server).await;
    let mut waiting = vec![server.open("GET", &at(11), &[]).await, server.open("GET", &at(21), &[]).await];
    eventually("two segments wait", || server.segments.busy() == 2).await;

    is_to_come_again(&server.get(&at(31)).await, 503, "too many");
    assert_eq!(metric(&server, &refused("queue")).await, 1.0);
    // Another listener of what is being coded makes no more work; nor does what needs no encoder, nor a look.
    waiting.push(server.open("GET", &at(11), &[]).await);
    assert_eq!(waiting[2].status, 200);
    assert_eq!(server.get("/audio/show.wav?pos=31").await.status, 200);
    assert_eq!(server.head(&at(31)).await.status, 200);
    // Those at the live edge always get in.
    let mut live = server.open("GET", "/audio/live.mp3?pos=live", &[]).await;
    assert_eq!(live.status, 200);

    drop(keep);
    for open in waiting {
        assert_eq!(open.rest().await.status, 200);
    }
    root.append("live.pcm", &sound::noise(RATE * 6, 2, 4));
    live.take(10_000).await;
    assert_eq!(server.get(&at(31)).await.status, 200);
    assert_eq!(server.range(&at(52), "bytes=1000-3000").await.body, cached.body);
    becomes(&server, "tailcast_segments_waiting", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_leaves_room_for_others_in_the_queue() {
    let (_root, server) = with_a_queue(4).await;
    let keep = without_encoder(&server).await;
    let open = |client, second: u32| open_for(&server, client, format!("/audio/show.mp3?pos={second}"));
    let (greedy, other) = ("192.0.2.1", "192.0.2.2");
    let mut waiting = Vec::new();
    for second in [11, 21, 31] {
        waiting.push(open(greedy, second).await);
    }
    eventually("three segments wait", || server.segments.busy() == 3).await;
    is_to_come_again(&open(greedy, 41).await.rest().await, 503, greedy);
    waiting.push(open(other, 41).await);
    // What another has had coded makes no more work.
    waiting.push(open(greedy, 41).await);
    assert!(waiting.iter().all(|open| open.status == 200));
    drop(keep);
    for open in waiting {
        open.rest().await;
    }
    eventually("nothing is under way", || server.segments.under_way() == 0).await;
    let path = "/audio/show.mp3?pos=52&bitrate=192";
    let new = open_for(&server, greedy, path).await;
    assert_eq!(new.status, 200, "it was given back");
    new.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_who_goes_on_from_what_is_coded_leaves_room_for_others_too() {
    let (_root, server) = with_a_queue(4).await;
    // Just behind a seam, and so far that two segments are coded whole.
    let at = |segment: u32| format!("/audio/show.mp3?pos={:.1}", f64::from(segment) * 2.56 + 0.1);
    let mut whole = Vec::new();
    for segment in [4, 8, 12, 16, 20] {
        whole.push(server.range(&at(segment), "bytes=0-82000").await.body);
        eventually("nothing is under way", || server.segments.under_way() == 0).await;
    }
    let keep = without_encoder(&server).await;
    let open = |client, segment| open_for(&server, client, at(segment));
    let mut greedy = Vec::new();
    for segment in [4, 8, 12, 16, 20] {
        greedy.push((open("192.0.2.1", segment).await, Vec::new()));
    }
    for (open, taken) in &mut greedy {
        *taken = open.take(60_000).await;
    }
    eventually("three segments wait", || server.segments.busy() == 3).await;
    let other = open("192.0.2.2", 1).await;
    assert_eq!(other.status, 200);
    eventually("that of the other waits with them", || server.segments.busy() == 4).await;
    drop(keep);
    for ((open, mut taken), begin) in greedy.into_iter().zip(whole) {
        taken.extend(open.rest().await.body);
        assert!(taken.starts_with(&begin), "those who waited get all of it");
        assert!(taken.len() > begin.len());
    }
    other.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_counted_by_where_they_are() {
    let (root, server) = limited(|_| ()).await;
    let state = |state: &str| format!("tailcast_listeners{{format=\"mp3\",state=\"{state}\"}}");
    let mut live = server.open("GET", "/audio/live.mp3?pos=live", &[]).await;
    root.append("live.pcm", &sound::noise(RATE, 2, 5));
    live.take(5_000).await;
    becomes(&server, &state("live"), 1.0).await;
    root.append("live.pcm", &sound::noise(RATE, 2, 6));
    live.take(5_000).await;
    // How late it is can be told of one that had been at the edge.
    let measured = async || metric(&server, "tailcast_live_delay_seconds_count{format=\"mp3\"}").await;
    let mut tenths = 20.0;
    while measured().await == 0.0 {
        root.append("live.pcm", &sound::noise(RATE / 10, 2, 7));
        live.take(1).await;
        tenths += 1.0;
    }

    let whole = server.get("/audio/show.mp3").await;
    assert_eq!(metric(&server, "tailcast_first_byte_seconds_count{format=\"mp3\"}").await, 2.0);
    let sent = metric(&server, "tailcast_sent_bytes_total{format=\"mp3\"}").await;
    assert!(sent >= (whole.body.len() + 10_000) as f64, "{sent}");
    let listened = metric(&server, "tailcast_listened_seconds_total{format=\"mp3\"}").await;
    // A minute of the one, and of the other no more than there is (and of the packets around it).
    assert!((60.5..60.2 + tenths / 10.0).contains(&listened), "{listened}");
    drop(live);
    becomes(&server, &state("live"), 0.0).await;
    becomes(&server, &state("finished"), 0.0).await;
    assert_eq!(metric(&server, "tailcast_limit{limit=\"queue\"}").await, 256.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_several_ranges_has_one_first_byte() {
    let (_root, server) = limited(|_| ()).await;
    let reply = server.range("/audio/show.mp3", "bytes=5000-6000,200000-201000,400000-401000").await;
    assert_eq!(reply.status, 206);
    assert!(reply.header("content-type").unwrap().starts_with("multipart/byteranges"));
    assert_eq!(metric(&server, "tailcast_first_byte_seconds_count{format=\"mp3\"}").await, 1.0);
}

/// What a file of those for watching the server asks for, without what a kind of metric adds to its name.
fn watched(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{}/packaging/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<String> = names.filter(|name| name.starts_with("tailcast_")).map(plain).collect();
    assert!(names.len() > 5, "{file}: {names:?}");
    names
}

fn plain(name: &str) -> String {
    let ends = ["_bucket", "_sum", "_count", "_total", "_info"];
    ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rules_and_the_dashboard_ask_for_is_told() {
    let (root, server) = limited(|_| ()).await;
    // What is kept of coded files is told when somebody has heard one.
    root.write("coded.toml", "ended = true\n");
    root.write("coded.mp3", server.get("/audio/show.mp3").await.body);
    assert_eq!(server.get("/audio/coded.wav").await.status, 200);
    let metrics = server.get("/metrics").await.text();
    let told: BTreeSet<String> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(plain)
        .collect();
    for file in ["prometheus/tailcast.rules.yml", "grafana/tailcast.json"] {
        for name in watched(file) {
            assert!(told.contains(&name), "{file}: {name} is not told: {told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_folder_is_not_ready() {
    let (root, server) = limited(|_| ()).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    drop(root);
    is_problem(&server.get("/readyz").await, 503, "removed");
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_the_admin_address_alone_if_there_is_one() {
    let (_root, server) = limited_with(|config| config.admin_listen = "127.0.0.1:0".parse().ok()).await;
    let admin = server.admin.unwrap();
    assert_eq!(server.get("/metrics").await.status, 404);
    let metrics = Open::at(format!("http://{admin}/metrics"), &[]).await.rest().await;
    assert!(metrics.text().contains("tailcast_refusals_total{reason=\"not-found\"} 1"), "{}", metrics.text());
    assert!(metrics.text().ends_with("# EOF\n"));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.status, 200);
        assert_eq!(Open::at(format!("http://{admin}{path}"), &[]).await.status, 200);
    }
    let none = Open::at(format!("http://{admin}/audio/show.mp3"), &[]).await.rest().await;
    is_problem(&none, 404, "`/audio/show.mp3` is not a path here (there are /metrics, /healthz, /readyz)");
}
