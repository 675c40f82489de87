//! What is sent as to Icecast, by hand: heads, refusals, and which recording it becomes. (Real encoders are in
//! `tests/clients/sources.rs`.)

mod support;

use std::fs;
use std::time::Duration;

use support::{Reply, Root, Running, eventually, is_problem, sound};
use tailcast::access::{Tokens, TokensFor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PCM: &str = "s16le:48000:2";
/// source:hackme
const PASSWORD: &str = "Authorization: Basic c291cmNlOmhhY2ttZQ==\r\n";
const MP3: &str = "Content-Type: audio/mpeg\r\n";

async fn server(root: &Root, growth_timeout: u64) -> Running {
    Running::with(root, |config| {
        config.growth_timeout = Duration::from_secs(growth_timeout);
        config.ingest.tokens = Some(Tokens::parse("hackme").unwrap());
    })
    .await
}

/// An MP3 of so many seconds: this server's own, from a later position, so that nothing in it says how long it is.
async fn mp3(seconds: usize) -> Vec<u8> {
    mp3_at(48_000, seconds).await
}

async fn mp3_at(rate: usize, seconds: usize) -> Vec<u8> {
    let root = Root::new();
    root.finished("made", &format!("s16le:{rate}:2"), &sound::noise(rate * (seconds + 1), 2, 3));
    Running::start(&root).await.get("/audio/made.mp3?pos=1").await.body
}

/// Sends a head and then some, and gives the connection and the first line of the answer.
async fn sent(server: &Running, head: &str, body: &[u8]) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        let byte = socket.read_u8().await;
        answer.push(byte.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer))));
    }
    // It may be closed by now if it is refused.
    let _ = socket.write_all(body).await;
    (socket, String::from_utf8(answer).unwrap())
}

fn bytes(root: &Root, file: &str) -> u64 {
    fs::metadata(root.file(file)).map_or(0, |metadata| metadata.len())
}

/// Its length when nothing more comes: what was sent is written a while after it was.
async fn bytes_at_last(root: &Root, file: &str) -> u64 {
    let mut last = bytes(root, file);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        match bytes(root, file) {
            now if now == last => return now,
            now => last = now,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_encoder_is_answered_at_once_and_recorded_until_it_is_gone() {
    let (root, mp3) = (Root::new(), mp3(2).await);
    let server = server(&root, 20).await;
    let head = format!("SOURCE /a/live.mp3 ICE/1.0\r\n{PASSWORD}{MP3}ice-name: A \"show\"\r\n");
    let (half, rest) = mp3.split_at(mp3.len() / 2);
    let (mut socket, answer) = sent(&server, &head, half).await;
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
    eventually("there is sound", || bytes(&root, "a/live.pcm") > 48_000 * 4 / 2).await;
    let told = server.get("/recordings/a/live").await.json();
    assert_eq!((&told["state"], &told["title"]), (&"growing".into(), &"A \"show\"".into()));
    socket.write_all(rest).await.unwrap();
    drop(socket);
    eventually("all of it is there", || bytes(&root, "a/live.pcm") >= 48_000 * 4 * 2).await;
    assert!(fs::read_to_string(root.file("a/live.toml")).unwrap().contains(PCM));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_before_anything_is_made() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    let server = server(&root, 20).await;
    for (head, status) in [
        (format!("SOURCE /live.mp3 HTTP/1.0\r\n{MP3}"), "401"),
        (format!("SOURCE /live.mp3 ICE/1.0\r\n{MP3}Authorization: Basic c291cmNlOnh4\r\n"), "401"),
        (format!("PUT /live.mp3 HTTP/1.1\r\nHost: h\r\n{MP3}Expect: 100-continue\r\n"), "401"),
        (
            format!("PUT /live.mp3 HTTP/1.1\r\nHost: h\r\n{MP3}{PASSWORD}Origin: http://evil.example\r\n"),
            "403",
        ),
        (format!("SOURCE /live.mp3 ICE/1.0\r\n{PASSWORD}Content-Type: video/mp4\r\n"), "415"),
        (format!("SOURCE /live.mp3 ICE/1.0\r\n{PASSWORD}"), "415"),
        (format!("SOURCE /../live.mp3 ICE/1.0\r\n{PASSWORD}{MP3}"), "404"),
        (format!("SOURCE /.mp3 ICE/1.0\r\n{PASSWORD}{MP3}"), "404"),
        (format!("SOURCE / ICE/1.0\r\n{PASSWORD}{MP3}"), "405"),
    ] {
        let (_, answer) = sent(&server, &head, &mp3).await;
        assert!(answer.contains(status), "{head}{answer}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    // A proxy that says nothing of itself speaks HTTP/1.0.
    let open = Running::start(&root).await;
    let (_, answer) = sent(&open, &format!("SOURCE /live.mp3 HTTP/1.0\r\n{MP3}"), &mp3).await;
    assert!(answer.contains("403"), "{answer}");
    assert_eq!(server.panics() + open.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_is_one_encoders_and_goes_on_if_it_is_back_in_time() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}");
    {
        let server = server(&root, 60).await;
        let (first, _) = sent(&server, &head, &mp3).await;
        eventually("there is sound", || bytes(&root, "live.pcm") > 0).await;
        let (_, answer) = sent(&server, &head, &mp3).await;
        assert!(answer.contains("409"), "{answer}");
        drop(first);
        eventually("it is all there", || bytes(&root, "live.pcm") >= 48_000 * 4).await;
        let before = bytes(&root, "live.pcm");
        // Its connection may not be seen to have ended yet.
        loop {
            let (again, answer) = sent(&server, &head, &mp3).await;
            if answer.contains("200") {
                drop(again);
                break;
            }
        }
        eventually("it goes on", || bytes(&root, "live.pcm") >= before + 48_000 * 4).await;
        assert_eq!(bytes(&root, "live.pcm") % 4, 0);
    }
    // It has ended: another one.
    fs::write(root.file("live.toml"), format!("pcm = '{PCM}'\nended = true")).unwrap();
    let before = bytes_at_last(&root, "live.pcm").await;
    let server = server(&root, 60).await;
    let (socket, _) = sent(&server, &head, &mp3).await;
    drop(socket);
    let dated = || {
        let names =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("live 20") && name.ends_with(".pcm")).collect::<Vec<_>>()
    };
    eventually("there is another", || dated().iter().any(|name| bytes(&root, name) >= 48_000 * 4)).await;
    // Which goes on, and is nobody else's.
    let mut holds = loop {
        let (again, answer) = sent(&server, &head, &mp3).await;
        if answer.contains("200") {
            break again;
        }
    };
    eventually("it goes on", || dated().iter().any(|name| bytes(&root, name) >= 2 * 48_000 * 4)).await;
    assert!(sent(&server, &head, &mp3).await.1.contains("409"));
    holds.shutdown().await.unwrap();
    assert_eq!((dated().len(), bytes(&root, "live.pcm")), (1, before));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_becomes_nothing() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let noise: Vec<u8> = (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for kind in ["audio/mpeg", "application/ogg", "audio/aac", "audio/flac"] {
        for (mount, body) in [
            ("x", &b""[..]),
            ("x", b"There is no sound in this."),
            ("x", &[0; 50_000]),
            // In which there may be what looks like a packet.
            ("noise", &noise),
        ] {
            let head = format!("PUT /{mount} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\n{PASSWORD}");
            let (mut socket, _) = sent(&server, &head, body).await;
            let _ = socket.shutdown().await;
            let mut rest = Vec::new();
            let end = socket.read_to_end(&mut rest);
            let _ = tokio::time::timeout(Duration::from_secs(20), end).await.expect("it is let go");
        }
    }
    assert_eq!(server.get("/recordings/x").await.status, 404);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_nothing_but_tags_is_refused() {
    let root = Root::new();
    let server = server(&root, 20).await;
    // A description of 34 bytes, and a comment of as many as there can be.
    let mut body = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x42\xf0".to_vec();
    body.resize(42, 0);
    body.extend(b"\x04\xff\xff\xff\0\0\0\0\x01\0\0\0\xf3\xff\xff\0A=");
    body.resize(42 + 4 + 0xff_ffff, b'x');
    let head = format!(
        "PUT /tags HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\nContent-Type: audio/flac\r\n{PASSWORD}Expect: 100-continue\r\n",
        body.len()
    );
    let (socket, answer) = sent(&server, &head, &body).await;
    assert!(answer.contains("100"), "{answer}");
    let told = tokio::time::timeout(Duration::from_secs(8), end_of(socket)).await.expect("it is answered").0;
    assert!(told.contains("HTTP/1.1 415") && told.contains("no sound in 16777216 bytes"), "{told}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    assert_eq!(server.panics(), 0);
}

/// An AAC stream.
const AAC: &[u8] = include_bytes!("../fixtures/aac-44k1.aac");

#[tokio::test(flavor = "multi_thread")]
async fn another_rate_is_another_recording() {
    let mp3 = [mp3_at(48_000, 1).await, mp3_at(44_100, 1).await].concat();
    becomes_two(MP3, &mp3, "s16le:44100:2", 44_100 * 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_rate_of_aac_is_another_recording() {
    let aac = [AAC, include_bytes!("../fixtures/aac-22k05.aac")].concat();
    becomes_two("Content-Type: audio/aac\r\n", &aac, "s16le:22050:1", 22_050 * 2).await;
}

/// That of what is sent the second part, of another rate, is a recording of its own.
async fn becomes_two(media_type: &str, body: &[u8], second: &str, least: u64) {
    let root = Root::new();
    let server = server(&root, 20).await;
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{media_type}");
    let (socket, _) = sent(&server, &head, body).await;
    drop(socket);
    let other = || {
        let names =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.starts_with("live 20") && name.ends_with(".pcm"))
    };
    eventually("there is another", || other().is_some_and(|name| bytes(&root, &name) >= least)).await;
    let told = fs::read_to_string(root.file(&other().unwrap().replace(".pcm", ".toml"))).unwrap();
    assert!(told.contains(second), "{told}");
    // Sound, and not the silence of packets that cannot be decoded.
    for name in ["live.pcm".to_owned(), other().unwrap()] {
        let pcm = fs::read(root.file(&name)).unwrap();
        let loud = pcm[pcm.len() / 2..].chunks(2).filter(|sample| sample[1] != 0 && sample[1] != 255).count();
        assert!(loud > pcm.len() / 16, "{name}: {loud}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_header_of_aac_is_no_other_rate() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let mut body = AAC.to_vec();
    // Of the fifth packet: another rate, and one that there is not.
    let len = |body: &[u8], at: usize| usize::from(body[at + 3] & 3) << 11 | usize::from(body[at + 4]) << 3;
    let fifth = (0..4).fold(0, |at, _| at + len(&body, at) + usize::from(body[at + 5] >> 5));
    assert_eq!(body[fifth..fifth + 2], [0xff, 0xf1]);
    body[fifth + 2] = body[fifth + 2] & !0x3c | 8 << 2;
    let (socket, _) =
        sent(&server, &format!("SOURCE /live HTTP/1.0\r\n{PASSWORD}Content-Type: audio/aac\r\n"), &body)
            .await;
    drop(socket);
    eventually("it is recorded", || bytes(&root, "live.pcm") >= 44_100 * 4).await;
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "there is but one recording, and its sidecar");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_header_of_aac_that_cannot_be_is_silence_of_one_packet() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let len = |body: &[u8], at: usize| {
        usize::from(body[at + 3] & 3) << 11 | usize::from(body[at + 4]) << 3 | usize::from(body[at + 5] >> 5)
    };
    let fifth = (0..4).fold(0, |at, _| at + len(AAC, at));
    let mut body = AAC.to_vec();
    // It says that there are several packets behind it.
    body[fifth + 6] |= 1;
    for (mount, body) in [("whole", AAC), ("damaged", &body)] {
        let head = format!("SOURCE /{mount} HTTP/1.0\r\n{PASSWORD}Content-Type: audio/aac\r\n");
        drop(sent(&server, &head, body).await);
        let file = format!("{mount}.pcm");
        eventually("it is recorded", || bytes(&root, &file) > 0).await;
    }
    let whole = bytes_at_last(&root, "whole.pcm").await;
    assert_eq!(bytes_at_last(&root, "damaged.pcm").await, whole);
    assert_eq!(server.panics(), 0);
}

/// Of HE-AAC half the sound would be decoded, of other kinds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn aac_that_cannot_be_decoded_whole_is_refused_by_its_name() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let with_profile = |profile: u8| {
        let mut packets = AAC.to_vec();
        packets[2] = packets[2] & 0x3f | profile << 6;
        packets
    };
    let six = {
        let mut packets = AAC.to_vec();
        (packets[2], packets[3]) = (packets[2] | 1, packets[3] & 0x3f | 0x80);
        packets
    };
    for (body, name) in [
        (include_bytes!("../fixtures/he-aac.aac").to_vec(), "HE-AAC"),
        (include_bytes!("../fixtures/he-aac-v2.aac").to_vec(), "HE-AAC"),
        (with_profile(0), "AAC Main"),
        (with_profile(3), "AAC-LTP"),
        (six, "AAC of 6 channels"),
    ] {
        let head = format!(
            "PUT /live HTTP/1.1\r\nHost: h\r\nContent-Type: audio/aac\r\nExpect: 100-continue\r\nConnection: close\r\n\
             Content-Length: {}\r\n{PASSWORD}",
            body.len()
        );
        let (mut socket, _) = sent(&server, &head, &body).await;
        let mut answer = String::new();
        let end = socket.read_to_string(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), end).await.expect("it is let go");
        assert!(answer.contains("HTTP/1.1 415 ") && answer.contains(name), "{name}: {answer}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{name}: nothing of it is recorded");
    }
    assert_eq!(server.panics(), 0);
}

/// A GET with a body comes through proxies, and what is in the body must not become a request: not by a head in it that grows
/// when it is rewritten.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_body_is_no_request() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let inner = format!("PUT /y HTTP/1.1\r\nHost: h\r\n{MP3}\r\n");
    // Its end is as long as the other head would grow.
    let hidden = format!("{}GET /readyz HTTP/1.1\r\nHost:h\r\n\r\n", "x".repeat(60));
    let last = "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    for newline in ["\r\n", "\n"] {
        let length = inner.len() + hidden.len();
        let start = format!("GET /healthz HTTP/1.1\r\nHost: h{newline}Content-Length: {length}\r\nX: ");
        // As much as is read at once, and all of it a head.
        let head = format!("{start}{}\r\n\r\n", "x".repeat(8192 - start.len() - 4));
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(format!("{head}{inner}{hidden}{last}").as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        socket.read_to_end(&mut answers).await.unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let statuses: Vec<&str> =
            answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect();
        assert_eq!(statuses, ["200", "404"], "{answers}");
    }
}

async fn tell(server: &Running, query: &str) -> Reply {
    let token = [("authorization", "Basic c291cmNlOmhhY2ttZQ==")];
    server.get_with(&format!("/admin/metadata?{query}"), &token).await
}

/// As butt tells them.
#[tokio::test(flavor = "multi_thread")]
async fn a_title_arrives_of_who_does_not_wait_for_the_answer() {
    let (root, mp3) = (Root::new(), mp3(2).await);
    let server = server(&root, 20).await;
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}");
    let (mut socket, _) = sent(&server, &head, &[]).await;
    for number in 0..10 {
        socket.write_all(&mp3).await.unwrap();
        eventually("there is sound", || bytes(&root, "live.pcm") > (number * 2 + 1) * 48_000 * 4).await;
        let target = format!("/admin/metadata?mode=updinfo&mount=/live.mp3&song=Song+{number}");
        let mut teller = TcpStream::connect(server.address).await.unwrap();
        teller.write_all(format!("GET {target} HTTP/1.0\r\n{PASSWORD}\r\n").as_bytes()).await.unwrap();
        drop(teller);
        let sidecar = || std::fs::read_to_string(root.file("live.toml")).unwrap();
        eventually("it is a chapter", || sidecar().contains(&format!("Song {number}"))).await;
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_that_it_tells_are_chapters_where_it_is() {
    let (root, mp3) = (Root::new(), mp3(2).await);
    let server = server(&root, 20).await;
    is_problem(&tell(&server, "mode=updinfo&mount=/live.mp3&song=x").await, 404, "/live.mp3");
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}");
    let (mut socket, _) = sent(&server, &head, &[]).await;
    // Before there is sound.
    assert_eq!(tell(&server, "mode=updinfo&mount=/live.mp3&song=One").await.status, 200);
    socket.write_all(&mp3).await.unwrap();
    eventually("there is sound", || bytes(&root, "live.pcm") > 48_000 * 4).await;
    let two = "mode=updinfo&mount=%2Flive.mp3&artist=A+%22%0A%5C&title=Two";
    assert_eq!(tell(&server, two).await.status, 200);
    for (query, status, named) in [
        ("mode=updinfo&mount=/live.mp3", 400, "song"),
        ("mode=shut&mount=/live.mp3&song=x", 400, "updinfo"),
        ("mode=updinfo&mount=/other&song=x", 404, "/other"),
    ] {
        is_problem(&tell(&server, query).await, status, named);
    }
    assert_eq!(server.get("/admin/metadata?mode=updinfo&mount=/live.mp3&song=x").await.status, 401);
    let told = server.get("/recordings/live/chapters.json").await.json();
    let chapters = told["chapters"].as_array().unwrap();
    assert_eq!(chapters[0]["title"], "One");
    assert_eq!(chapters[0]["startTime"].as_f64(), Some(0.0));
    assert_eq!(chapters[1]["title"], "A \"\n\\ - Two");
    assert!(chapters[1]["startTime"].as_f64().unwrap() > 0.9, "{told}");
    assert_eq!((chapters.len(), server.panics()), (2, 0));
}

/// As encoders tell them that know of no other letters.
#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_is_no_utf8_is_latin_1() {
    let (root, mp3) = (Root::new(), mp3(2).await);
    let server = server(&root, 20).await;
    let (_socket, _) = sent(&server, &format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}"), &mp3).await;
    eventually("there is sound", || bytes(&root, "live.pcm") > 48_000 * 4).await;
    for (query, title) in [
        ("song=Bj%F6rk+%2B+%26", "Björk + &"),
        ("song=Bj%f6rk&charset=ISO-8859-1", "Björk"),
        ("song=Bj%C3%B6rk", "Björk"),
        ("artist=Bj%C3%B6rk&title=J%F3ga", "Björk - Jóga"),
        ("song=100%25+%FC%zz", "100% ü%zz"),
    ] {
        let reply = tell(&server, &format!("mode=updinfo&mount=/live.mp3&{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let told = server.get("/recordings/live/chapters.json").await.json();
        let last = told["chapters"].as_array().unwrap().last().unwrap();
        assert_eq!(last["title"], title, "{query}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_a_recording_neither_goes_on_with_it_nor_tells_its_titles() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    root.growing("secret", PCM, &[0; 400]);
    let sidecar = format!("pcm = '{PCM}'\nprivate = true\n");
    root.write("secret.toml", &sidecar);
    let server = Running::with(&root, |config| {
        config.growth_timeout = Duration::from_secs(60);
        config.access.tokens = Some(Tokens::parse("hackme").unwrap());
        config.access.tokens_for = TokensFor::Private;
    })
    .await;
    let dated = || {
        let names =
            fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|file| file.starts_with("secret 2") && file.ends_with(".pcm"))
    };
    let head = format!("SOURCE /secret.mp3 HTTP/1.1\r\nHost: {}\r\n{MP3}", server.address);
    let (socket, answer) = sent(&server, &head, &mp3).await;
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
    eventually("another one begins", || dated().is_some_and(|file| bytes(&root, &file) > 0)).await;
    let title = "/admin/metadata?mode=updinfo&mount=/secret.mp3&song=x";
    assert_eq!(server.get(title).await.status, 200);
    assert_eq!(
        (bytes(&root, "secret.pcm"), fs::read_to_string(root.file("secret.toml")).unwrap()),
        (400, sidecar.clone())
    );
    // What goes on under another name is no less private.
    assert_eq!(server.get("/recordings").await.json()["total"], 0);
    drop(socket);
    // Who may read it does, and nobody else then tells what it plays.
    let head = format!("{head}{PASSWORD}");
    let mut socket = loop {
        let (again, answer) = sent(&server, &head, &[]).await;
        if answer.contains("200") {
            break again;
        }
    };
    // Before there is sound nobody knows yet whose it is.
    assert_eq!(server.get(title).await.status, 200);
    socket.write_all(&mp3).await.unwrap();
    eventually("it goes on", || bytes(&root, "secret.pcm") > 400).await;
    assert_eq!(fs::read_to_string(root.file("secret.toml")).unwrap(), sidecar);
    is_problem(&server.get(title).await, 404, "nothing is sent");
    assert_eq!(tell(&server, "mode=updinfo&mount=/secret.mp3&song=x").await.status, 200);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_is_refused_that_is_too_long_for_the_time_behind_it() {
    let root = Root::new();
    let server = server(&root, 20).await;
    let head = |len: usize| format!("SOURCE /{}.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}", "n".repeat(len));
    assert!(sent(&server, &head(221), &[]).await.1.contains("200"));
    let (mut socket, answer) = sent(&server, &head(222), &[]).await;
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    assert!(answer.contains("404") && rest.contains("221 bytes"), "{answer}{rest}");
    assert_eq!(server.panics(), 0);
}

/// All that comes back, and whether it ends in order.
async fn end_of(mut socket: TcpStream) -> (String, bool) {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    let is_whole = rest.ends_with(b"\r\n0\r\n\r\n");
    (String::from_utf8_lossy(&rest).into_owned(), is_whole)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_a_server_stops_is_not_told_that_all_is_well() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    let server = server(&root, 20).await;
    let waits = format!(
        "PUT /waits.mp3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{PASSWORD}{MP3}Expect: 100-continue\r\n"
    );
    let (mut waits, answer) = sent(&server, &waits, &[]).await;
    assert!(answer.contains("100"), "{answer}");
    waits.write_all(&[format!("{:x}\r\n", mp3.len()).as_bytes(), &mp3, b"\r\n"].concat()).await.unwrap();
    let head = format!("SOURCE /old.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}");
    let (old, answer) = sent(&server, &head, &mp3).await;
    assert!(answer.contains("200"), "{answer}");
    for file in ["waits.pcm", "old.pcm"] {
        eventually("there is sound", || bytes(&root, file) > 48_000 * 4 / 2).await;
    }
    server.stop().await;
    let (told, _) = end_of(waits).await;
    assert!(told.contains("HTTP/1.1 503") && told.contains("/problems/stopping"), "{told}");
    let (told, is_whole) = end_of(old).await;
    assert!(!is_whole, "{told}");
    // What had come is there.
    for file in ["waits.pcm", "old.pcm"] {
        assert!(bytes(&root, file) >= 48_000 * 4, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_that_ends_by_itself_is_told_that_all_is_well() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    let server = server(&root, 20).await;
    let head = format!("PUT /live.mp3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{PASSWORD}{MP3}");
    let (mut socket, answer) = sent(&server, &head, &[]).await;
    assert!(answer.contains("200"), "{answer}");
    let body = [format!("{:x}\r\n", mp3.len()).as_bytes(), &mp3, b"\r\n0\r\n\r\n"].concat();
    socket.write_all(&body).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n0\r\n\r\n") {
        told.push(socket.read_u8().await.expect("it breaks off"));
    }
    assert!(bytes(&root, "live.pcm") >= 48_000 * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_go_into_chapters_that_are_written_in_one_line() {
    let (root, mp3) = (Root::new(), mp3(2).await);
    root.write("live.toml", "chapters = [{ start = 0, title = \"Mine\" }] # so far\n");
    let server = server(&root, 20).await;
    let (mut socket, _) = sent(&server, &format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}"), &[]).await;
    socket.write_all(&mp3).await.unwrap();
    eventually("there is sound", || bytes(&root, "live.pcm") > 48_000 * 4).await;
    assert_eq!(tell(&server, "mode=updinfo&mount=/live.mp3&song=Two").await.status, 200);
    let told = server.get("/recordings/live/chapters.json").await.json();
    let titles: Vec<_> =
        told["chapters"].as_array().unwrap().iter().map(|one| one["title"].clone()).collect();
    assert_eq!(titles, ["Mine", "Two"], "{told}");
    assert!(fs::read_to_string(root.file("live.toml")).unwrap().contains("] # so far\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_or_a_part_is_taken_of_no_encoder() {
    let root = Root::new();
    let server = server(&root, 20).await;
    for (header, status) in [("Content-Encoding: gzip", "415"), ("Content-Range: bytes 0-9/20", "400")] {
        let head = format!("PUT /live.mp3 HTTP/1.1\r\nHost: h\r\n{PASSWORD}{MP3}{header}\r\n");
        let (_, answer) = sent(&server, &head, &[]).await;
        assert!(answer.contains(status), "{header}: {answer}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_with_what_an_encoder_records_takes_it_over() {
    let (root, mp3) = (Root::new(), mp3(1).await);
    root.finished("live", PCM, &[0; 8]);
    let server = server(&root, 60).await;
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{PASSWORD}{MP3}");
    let (mut socket, _) = sent(&server, &head, &mp3).await;
    let dated = || {
        let names =
            fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names
            .into_iter()
            .find_map(|name| Some(name.strip_suffix(".pcm")?.to_owned()).filter(|name| name != "live"))
    };
    eventually("there is another", || dated().is_some_and(|name| bytes(&root, &format!("{name}.pcm")) > 0))
        .await;
    let sending = async {
        while socket.write_all(&mp3).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let path = format!("/audio/{}", dated().unwrap().replace(' ', "%20"));
    let token = ("authorization", "Basic c291cmNlOmhhY2ttZQ==");
    let going_on = async {
        // It is not where it was by then: that is told.
        let given = [token, ("content-type", "application/partial-upload"), ("upload-offset", "0")];
        server.open("PATCH", &path, &given).await.rest().await
    };
    let both = async { tokio::join!(sending, going_on) };
    let ((), reply) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("it waits for the encoder");
    is_problem(&reply, 409, "goes on at");
    assert_eq!(server.panics(), 0);
}
