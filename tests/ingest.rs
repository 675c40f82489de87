//! Recordings that are sent here: what is kept of them, and who may send.

mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::{Reply, Root, Running, eventually, is_problem, sound};
use tailcast::access::Tokens;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A whole request and its answer.
async fn send(server: &Running, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_vec()).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Reply { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

/// A connection on which a part of a chunked body was sent.
async fn begun(server: &Running, path: &str, part: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("PUT {path} HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n", server.address);
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await.unwrap();
    socket.write_all(part).await.unwrap();
    socket.write_all(b"\r\n").await.unwrap();
    socket
}

async fn has(root: &Root, file: &str, bytes: usize) {
    let path = root.file(file);
    let there = || fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes as u64);
    eventually(&format!("{file} has {bytes} bytes"), there).await;
}

const PARTIAL: (&str, &str) = ("content-type", "application/partial-upload");

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_a_recording_that_has_ended_with_its_body() {
    let (root, sent) = (Root::new(), sound::noise(1000, 2, 1));
    let server = Running::start(&root).await;
    let reply = send(&server, "PUT", "/audio/a/show?pcm=s16le:44100:2&title=A%20%22b%22", &[], &sent).await;
    assert_eq!((reply.status, reply.header("location")), (201, Some("/audio/a/show")), "{}", reply.text());
    assert_eq!(reply.header("upload-offset"), Some("4000"));
    assert_eq!((&reply.json()["state"], &reply.json()["title"]), (&"finished".into(), &"A \"b\"".into()));
    assert_eq!(fs::read(root.file("a/show.pcm")).unwrap(), sent);
    let told = server.get("/audio/a/show.wav").await;
    assert!(told.body.ends_with(&sent));
    is_problem(&send(&server, "POST", "/audio/a/show", &[], &sent).await, 409, "4000 bytes");

    let types = [("content-type", "audio/L16;rate=8000")];
    assert_eq!(send(&server, "POST", "/audio/net", &types, &sent).await.status, 201);
    assert!(fs::read_to_string(root.file("net.toml")).unwrap().contains("s16be:8000:1"));
    assert_eq!(
        send(&server, "PUT", "/audio/w.wav", &[("content-type", "audio/wav")], &told.body).await.status,
        201
    );
    assert_eq!(server.get("/audio/w").await.body.len(), told.body.len());
    assert_eq!(send(&server, "PUT", "/audio/v.wav", &[], &told.body).await.status, 201);
    assert!(root.file("v.wav").exists() && server.get("/audio/v").await.body.ends_with(&sent));
    for (path, kind) in [
        ("/audio/x.mp3", "audio/mpeg"),
        ("/audio/x.mp3", "audio/wav"),
        ("/audio/x.wav", "audio/L16;rate=8000"),
        ("/audio/x", "text/plain"),
    ] {
        is_problem(&send(&server, "PUT", path, &[("content-type", kind)], &sent).await, 415, "");
    }
    for path in ["/audio/..%2fx", "/audio/.x", "/audio/a%00b"] {
        is_problem(&send(&server, "PUT", path, &[], &sent).await, 404, "");
    }
    is_problem(&send(&server, "PUT", "/audio/none", &[], &[]).await, 400, "nothing");
    assert!(!root.file("none.pcm").exists() && !root.file("none.toml").exists());
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_goes_on_without_a_lost_or_doubled_byte() {
    let (root, sent) = (Root::new(), sound::noise(3000, 2, 2));
    let server = Running::start(&root).await;
    let socket = begun(&server, "/audio/show", &sent[..4001]).await;
    has(&root, "show.pcm", 4001).await;
    is_problem(&send(&server, "PUT", "/audio/show", &[], &sent).await, 409, "show");
    is_problem(&send(&server, "DELETE", "/audio/show", &[], &[]).await, 409, "show");
    // The old connection is not closed: as when a cable was pulled.
    let wrong = send(&server, "PATCH", "/audio/show", &[PARTIAL, ("upload-offset", "1")], &sent).await;
    is_problem(&wrong, 409, "4001");
    assert_eq!(wrong.header("upload-offset"), Some("4001"));
    drop(socket);
    let head = server.head("/audio/show").await;
    assert_eq!((head.header("upload-offset"), head.header("upload-complete")), (Some("4001"), Some("?0")));
    let more = [PARTIAL, ("upload-offset", "4001"), ("upload-complete", "?0")];
    let reply = send(&server, "PATCH", "/audio/show", &more, &sent[4001..8000]).await;
    assert_eq!((reply.status, reply.header("upload-offset")), (200, Some("8000")), "{}", reply.text());
    let last = [PARTIAL, ("upload-offset", "8000")];
    let reply = send(&server, "PATCH", "/audio/show", &last, &sent[8000..]).await;
    assert_eq!((reply.status, reply.json()["state"].as_str()), (200, Some("finished")));
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), sent);
    is_problem(&send(&server, "PATCH", "/audio/show", &last, &sent).await, 409, "ended");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_appended_to_a_coded_file() {
    let root = Root::new();
    root.write("show.mp3", b"not even an MP3");
    root.write("show.toml", "ended = true");
    let server = Running::start(&root).await;
    let head = server.head("/audio/show").await;
    assert_eq!((head.status, head.header("upload-offset")), (500, None));
    root.write("show.toml", "");
    let more = [PARTIAL, ("upload-offset", "15")];
    is_problem(&send(&server, "PATCH", "/audio/show", &more, b"more").await, 409, "show.mp3");
    is_problem(&send(&server, "PUT", "/audio/show", &[], b"more").await, 409, "`show.mp3`");
    assert_eq!(fs::read(root.file("show.mp3")).unwrap(), b"not even an MP3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_keeps_what_came_and_the_recorder_goes_on_with_the_next() {
    let (root, sent) = (Root::new(), sound::noise(3000, 2, 2));
    let server = Running::start(&root).await;
    let mut socket = begun(&server, "/audio/show", &sent[..4001]).await;
    has(&root, "show.pcm", 4001).await;
    server.stop().await;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer));
    let server = Running::start(&root).await;
    let reply =
        send(&server, "PATCH", "/audio/show", &[PARTIAL, ("upload-offset", "4001")], &sent[4001..]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), sent);
}

/// Without a proxy's next request being taken for what is still to come of it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_while_he_sends_reads_why_and_nobody_else_is_answered_there() {
    let root = Root::new();
    let server =
        Running::with(&root, |config| config.ingest.tokens = Some(Tokens::parse("right").unwrap())).await;
    let token = "Authorization: Bearer right\r\n";
    for (line, headers, status) in [
        ("PUT /audio/x", "", "401"),
        ("PUT /x.mp3", "Content-Type: audio/mpeg\r\n", "401"),
        ("PUT /audio/%FF", token, "400"),
        ("PUT /recordings", token, "405"),
        ("PATCH /audio/x", token, "415"),
    ] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: 3000000\r\n\r\n");
        let mut sent = head.into_bytes();
        sent.resize(sent.len() + 3_000_000, 7);
        socket.write_all(&sent).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.get(9..12), Some(status), "{line}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{line}: {answer}");
    }
    let none = server.raw("PUT /audio/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(none.matches("HTTP/1.1 ").count(), 2, "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_limit_nothing_is_taken_and_what_was_is_kept() {
    let (root, sent) = (Root::new(), sound::noise(50_000, 2, 2));
    let server = Running::with(&root, |config| config.ingest.most = Some(100_001)).await;
    let reply = send(&server, "PUT", "/audio/show", &[], &sent).await;
    is_problem(&reply, 507, "100001 bytes");
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), &sent[..100_001]);
    for (method, name) in [("HEAD", "upload-offset"), ("OPTIONS", "accept-patch")] {
        let reply = send(&server, method, "/audio/show", &[], &[]).await;
        assert_eq!(reply.header("upload-limit"), Some("max-size=100001"), "{method}");
        assert!(reply.header(name).is_some(), "{method}");
    }
    let server = Running::with(&root, |config| config.ingest.keep_free = u64::MAX).await;
    is_problem(&send(&server, "PUT", "/audio/other", &[], &sent).await, 507, "0 bytes");
    let reply = send(&server, "OPTIONS", "/audio/show", &[], &[]).await;
    assert_eq!(
        (reply.header("accept-patch"), reply.header("upload-limit")),
        (Some("application/partial-upload"), None)
    );
    assert_eq!(send(&server, "OPTIONS", "/feed.xml", &[], &[]).await.header("accept-patch"), None);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn title_name_and_end_are_changed_and_what_else_a_sidecar_says_stays() {
    let root = Root::new();
    root.write("show.toml", "# mine\npcm = \"s16le:8000:1\"\ntitle = \"old\" # so far\n\n[[chapters]]\nstart = 0\ntitle = \"a\"\n");
    root.write("show.pcm", [0; 1600]);
    root.write("other.pcm", [0; 1600]);
    let server = Running::start(&root).await;
    let json = [("content-type", "application/json")];
    let change = |body: &'static str| send(&server, "PATCH", "/recordings/show", &json, body.as_bytes());
    is_problem(&change(r#"{"name":"other"}"#).await, 409, "other");
    is_problem(&change(r#"{"titel":"x"}"#).await, 400, "titel");
    is_problem(&change(r#"{"name":"../x"}"#).await, 404, "../x");
    assert_eq!(change(r#"{"title":"new","ended":true}"#).await.json()["state"], "finished");
    let text = fs::read_to_string(root.file("show.toml")).unwrap();
    assert!(
        text.starts_with("# mine\n") && text.contains("title = \"new\" # so far\nended = true"),
        "{text}"
    );
    let reply = change(r#"{"name":"b/moved","title":null}"#).await;
    assert_eq!((reply.status, &reply.json()["name"]), (200, &"b/moved".into()), "{}", reply.text());
    assert!(
        root.file("b/moved.toml").exists()
            && !root.file("show.pcm").exists()
            && !root.file("show.toml").exists()
    );
    assert_eq!(server.get("/audio/show").await.status, 404);
    assert_eq!(send(&server, "DELETE", "/audio/b/moved", &[], &[]).await.status, 204);
    assert!(fs::read_dir(root.file("b")).unwrap().next().is_none());
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_who_may_not() {
    let (root, outside) = (Root::new(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), root.file("out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.pcm"), root.file("dangling.pcm")).unwrap();
    let server = Running::start(&root).await;
    for path in ["/audio/out/x", "/audio/dangling"] {
        assert!(send(&server, "PUT", path, &[], &[0; 8]).await.status >= 400, "{path}");
    }
    root.growing("in", "s16le:8000:1", &[0; 160]);
    let json = [("content-type", "application/json")];
    for name in ["out/x", "dangling", "../x", "/x", "in.toml/x"] {
        let body = format!("{{\"title\":\"x\",\"name\":\"{name}\"}}");
        let reply = send(&server, "PATCH", "/recordings/in", &json, body.as_bytes()).await;
        assert!(reply.status >= 400, "{name}: {}", reply.text());
    }
    assert_eq!(fs::read_to_string(root.file("in.toml")).unwrap(), "pcm = \"s16le:8000:1\"\n");
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
    fs::write(outside.path().join("x.pcm"), [0; 160]).unwrap();
    for path in ["/audio/out/x", "/audio/dangling"] {
        assert_eq!(send(&server, "DELETE", path, &[], &[]).await.status, 404, "{path}");
    }
    assert!(outside.path().join("x.pcm").exists());
    let foreign = [("origin", "https://evil.example"), ("content-type", "application/json")];
    for (method, path) in [
        ("PUT", "/audio/x"),
        ("POST", "/audio/x"),
        ("PATCH", "/audio/x"),
        ("DELETE", "/audio/x"),
        ("PATCH", "/recordings/x"),
    ] {
        is_problem(&send(&server, method, path, &foreign, b"{}").await, 403, "origin");
    }
    let tokens = tailcast::access::Tokens::parse("secret").unwrap();
    let server = Running::with(&root, |config| config.ingest.tokens = Some(tokens)).await;
    let reply = send(&server, "PUT", "/audio/x", &[], &[0; 8]).await;
    is_problem(&reply, 401, "Bearer");
    assert_eq!(reply.headers.get_all("www-authenticate").iter().count(), 2);
    assert_eq!(
        send(&server, "PUT", "/audio/x", &[("authorization", "Bearer secret")], &[0; 8]).await.status,
        201
    );
    assert_eq!(server.head("/audio/x").await.header("upload-offset"), None);
    let server = Running::with(&root, |config| config.listen = "0.0.0.0:0".parse().unwrap()).await;
    is_problem(&send(&server, "PUT", "/audio/y", &[], &[0; 8]).await, 403, "--ingest-token-file");
}

/// A piece of a chunked body.
async fn chunk(socket: &mut TcpStream, part: &[u8]) {
    socket.write_all(&[format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await.unwrap();
}

/// Ends a chunked body and gives the answer to it.
async fn end(mut socket: TcpStream) -> String {
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let len = socket.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_heard_while_it_is_sent_and_ends_with_the_body() {
    let (root, sent) = (Root::new(), sound::noise(6000, 2, 4));
    let server = Running::start(&root).await;
    let mut socket = begun(&server, "/audio/show", &sent[..4001]).await;
    has(&root, "show.pcm", 4001).await;
    let mut heard = server.open("GET", "/audio/show.wav", &[]).await;
    let header = support::codec("wav", "s16le:44100:2").grid().header_len as usize;
    // The frame that is cut is heard when it is whole.
    let mut got = heard.take(header + 4000).await;
    assert_eq!(got.len(), header + 4000);
    for part in sent[4001..].chunks(5003) {
        chunk(&mut socket, part).await;
        let frames = (fs::metadata(root.file("show.pcm")).unwrap().len() / 4 * 4) as usize;
        got.extend(heard.take((header + frames).saturating_sub(got.len())).await);
    }
    assert!(end(socket).await.starts_with("HTTP/1.1 201"));
    got.extend(heard.rest().await.body);
    assert!(got[header..] == sent);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_pauses_for_longer_than_the_growth_timeout_goes_on_in_the_same_body() {
    let (root, sent) = (Root::new(), sound::noise(2000, 2, 5));
    let server = Running::with(&root, |config| {
        config.growth_timeout = Duration::from_millis(300);
        config.limits.idle_timeout = Duration::from_secs(1);
    })
    .await;
    let mut socket = begun(&server, "/audio/show", &sent[..4000]).await;
    has(&root, "show.pcm", 4000).await;
    // As of any recorder that stands still: who listens has heard the end, until it goes on.
    assert!(server.get("/audio/show.wav").await.body.ends_with(&sent[..4000]));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.get("/recordings/show").await.json()["state"], "finished");
    chunk(&mut socket, &sent[4000..]).await;
    has(&root, "show.pcm", 8000).await;
    assert_eq!(server.get("/recordings/show").await.json()["state"], "growing");
    assert!(end(socket).await.starts_with("HTTP/1.1 201"));
    assert!(server.get("/audio/show.wav").await.body.ends_with(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_or_renamed_breaks_off_for_those_who_listen() {
    let (root, sent) = (Root::new(), sound::noise(2000, 2, 6));
    root.growing("show", "s16le:44100:2", &sent);
    root.growing("other", "s16le:44100:2", &sent);
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(60)).await;
    let mut heard = Vec::new();
    for name in ["show", "other"] {
        let mut open = server.open("GET", &format!("/audio/{name}.wav"), &[]).await;
        open.take(8000).await;
        heard.push(open);
    }
    assert_eq!(send(&server, "DELETE", "/audio/show", &[], &[]).await.status, 204);
    let json = [("content-type", "application/json")];
    let reply = send(&server, "PATCH", "/recordings/other", &json, br#"{"name":"moved"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for mut open in heard {
        let broken = async { while open.next().await.is_ok_and(|piece| piece.is_some()) {} };
        tokio::time::timeout(Duration::from_secs(20), broken).await.expect("it goes on");
    }
    for path in ["/audio/show", "/audio/other"] {
        assert_eq!(server.get(path).await.status, 404);
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_all_be_changed_is_not_changed() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 1600]);
    root.write("other.toml", "title = \"of something else\"\n");
    let server = Running::start(&root).await;
    let before = fs::read_to_string(root.file("show.toml")).unwrap();
    let json = [("content-type", "application/json")];
    let change = |body: &'static str| send(&server, "PATCH", "/recordings/show", &json, body.as_bytes());
    is_problem(&change(r#"{"title":"new","name":"other"}"#).await, 409, "other");
    is_problem(&change(r#"{"title":"new","name":"../x"}"#).await, 404, "../x");
    is_problem(&change(r#"{"title":"new","ended":false}"#).await, 400, "ended");
    assert_eq!(fs::read_to_string(root.file("show.toml")).unwrap(), before);
    let reply = change(r#"{"title":"new","name":"moved","ended":true}"#).await;
    assert_eq!((reply.status, &reply.json()["title"]), (200, &"new".into()), "{}", reply.text());
    assert_eq!(reply.json()["state"], "finished");
    let mut files: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["moved.pcm", "moved.toml", "other.toml"]);
}

/// A WAV header as a program writes it that does not know how long it becomes.
fn wav_header(extensible: bool, size: u32) -> Vec<u8> {
    let mut format = Vec::new();
    let tag: u16 = if extensible { 0xfffe } else { 1 };
    format.extend([tag.to_le_bytes(), 2u16.to_le_bytes()].concat());
    format.extend([48_000u32.to_le_bytes(), 192_000u32.to_le_bytes()].concat());
    format.extend([4u16.to_le_bytes(), 16u16.to_le_bytes()].concat());
    if extensible {
        format.extend([22u16.to_le_bytes(), 16u16.to_le_bytes()].concat());
        format.extend(3u32.to_le_bytes());
        format.extend(b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    }
    [
        b"RIFF".as_slice(),
        &size.to_le_bytes(),
        b"WAVEfmt ",
        &(format.len() as u32).to_le_bytes(),
        &format,
        b"data",
        &size.to_le_bytes(),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_is_what_its_header_says_but_for_its_length() {
    let (root, sent) = (Root::new(), sound::noise(2000, 2, 7));
    let server = Running::start(&root).await;
    let wav = [("content-type", "audio/wav")];
    for (number, (extensible, size)) in
        [(false, 0), (false, u32::MAX), (true, 0), (true, u32::MAX)].into_iter().enumerate()
    {
        let body = [wav_header(extensible, size), sent.clone()].concat();
        let path = format!("/audio/show{number}");
        let reply = send(&server, "PUT", &path, &wav, &body).await;
        assert_eq!((reply.status, &reply.json()["pcm"]["rate"]), (201, &48_000.into()), "{}", reply.text());
        assert!(server.get(&path).await.body.ends_with(&sent), "{extensible} {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_whose_header_comes_by_and_by_goes_on_before_it_is_whole() {
    let (root, sent) = (Root::new(), sound::noise(500, 2, 8));
    let server = Running::start(&root).await;
    let header = wav_header(false, u32::MAX);
    let part = [("content-type", "audio/wav"), ("upload-complete", "?0")];
    assert_eq!(send(&server, "PUT", "/audio/show", &part, &header[..13]).await.status, 201);
    let head = server.head("/audio/show").await;
    assert_eq!((head.status, head.header("upload-offset")), (204, Some("13")));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    for (offset, complete) in [(13, "?0"), (30, "?1")] {
        let given = [PARTIAL, ("upload-offset", &offset.to_string()), ("upload-complete", complete)];
        let body = if offset == 13 { header[13..30].to_vec() } else { [&header[30..], &sent].concat() };
        assert_eq!(send(&server, "PATCH", "/audio/show", &given, &body).await.status, 200);
    }
    assert!(server.get("/audio/show").await.body.ends_with(&sent));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_on_a_pipe_and_nothing_long_is_read_for_a_sidecar() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    root.growing("long", "s16le:8000:1", &[0; 160]);
    root.write("long.toml", "# ".to_owned() + &"x".repeat(70_000));
    for pipe in ["pipe.pcm", "beside.toml"] {
        assert!(Command::new("mkfifo").arg(root.file(pipe)).status().unwrap().success());
    }
    root.write("beside.pcm", [0; 160]);
    let server = Running::start(&root).await;
    let go_on = [PARTIAL, ("upload-offset", "160")];
    let ask = async {
        for (method, path, headers, body) in [
            ("PUT", "/audio/pipe", &[][..], &[0; 8][..]),
            ("PATCH", "/audio/pipe", &go_on, &[0; 8]),
            ("PATCH", "/audio/beside", &go_on, &[0; 8]),
            ("PATCH", "/audio/long", &go_on, &[0; 8]),
            ("PATCH", "/recordings/beside", &[("content-type", "application/json")], b"{\"title\":\"x\"}"),
            ("PATCH", "/recordings/long", &[("content-type", "application/json")], b"{\"title\":\"x\"}"),
        ] {
            let reply = send(&server, method, path, headers, body).await;
            assert!(reply.status >= 400, "{method} {path}: {}", reply.status);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ask).await.expect("it waits on a pipe");
    assert_eq!(fs::metadata(root.file("long.pcm")).unwrap().len(), 160);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_believed_when_it_has_come() {
    let root = Root::new();
    let server = Running::start(&root).await;
    let head = format!(
        "PUT /audio/show HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        server.address,
        u64::MAX / 2
    );
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(&[head.as_bytes(), &[0; 401]].concat()).await.unwrap();
    has(&root, "show.pcm", 401).await;
    drop(socket);
    let freed = || fs::metadata(root.file("show.pcm")).unwrap().len() == 401;
    eventually("it is kept", freed).await;
    let go_on = [PARTIAL, ("upload-offset", "401")];
    assert_eq!(send(&server, "PATCH", "/audio/show", &go_on, &[0; 399]).await.status, 200);
    for wrong in ["-1", "1x", "99999999999999999999999999"] {
        let head = format!("PUT /audio/x HTTP/1.1\r\nhost: h\r\ncontent-length: {wrong}\r\n\r\n");
        let answer = server.raw(&head).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{wrong}: {answer}");
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_of_recordings_and_no_sidecars() {
    let (root, sent) = (Root::new(), [0; 160]);
    root.growing("show", "s16le:8000:1", &sent);
    let server = Running::start(&root).await;
    let before = fs::read(root.file("show.toml")).unwrap();
    // Another recording, whose own sidecar is `show.toml.toml`.
    assert_eq!(send(&server, "PUT", "/audio/show.toml", &[], &sent).await.status, 201);
    assert_eq!(fs::read(root.file("show.toml")).unwrap(), before);
    assert_eq!(send(&server, "DELETE", "/audio/show.toml", &[], &[]).await.status, 204);
    assert_eq!(send(&server, "DELETE", "/audio/show.toml", &[], &[]).await.status, 404);
    assert_eq!(fs::read(root.file("show.toml")).unwrap(), before);
    for path in ["/audio/%2e%2e/x", "/audio/a%2f..%2fx", "/audio/a/../../x", "/audio/", "/audio/a%5cb"] {
        for method in ["PUT", "PATCH", "DELETE"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                server.address
            );
            let answer = server.raw(&request).await;
            assert!(answer.starts_with("HTTP/1.1 4"), "{method} {path}: {answer}");
        }
    }
    assert!(root.file("show.pcm").exists());
}

/// A method, a path, headers, a body.
type Asked = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static [u8]);

/// Every way to write, as a program asks that may.
const WAYS: [Asked; 5] = [
    ("PUT", "/audio/new", &[], &[0; 8]),
    ("POST", "/audio/new", &[], &[0; 8]),
    ("PATCH", "/audio/show", &[PARTIAL, ("upload-offset", "160")], &[0; 8]),
    ("DELETE", "/audio/show", &[], &[]),
    ("PATCH", "/recordings/show", &[("content-type", "application/json")], b"{\"title\":\"x\"}"),
];

/// That none of the ways is open to who says this of himself; a reason for each.
async fn is_shut(server: &Running, root: &Root, said: &[(&str, &str)], status: u16) {
    for (method, path, headers, body) in WAYS {
        let reply = send(server, method, path, &[said, headers].concat(), body).await;
        assert_eq!(reply.status, status, "{method} {path} {said:?}: {}", reply.text());
    }
    assert!(!root.file("new.pcm").exists() && !root.file("new.toml").exists());
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), [0; 160]);
    assert_eq!(fs::read_to_string(root.file("show.toml")).unwrap(), "pcm = \"s16le:8000:1\"\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_is_shut_to_who_may_not() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    let tokens = |text| Some(tailcast::access::Tokens::parse(text).unwrap());
    let server = Running::start(&root).await;
    for said in [
        // A form or a script of a page elsewhere, which a browser sends without asking first.
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        // A page elsewhere whose name leads here by now.
        ("host", "evil.example"),
        ("x-forwarded-for", "203.0.113.7"),
    ] {
        is_shut(&server, &root, &[said], 403).await;
    }
    let server = Running::with(&root, |config| config.listen = "0.0.0.0:0".parse().unwrap()).await;
    is_shut(&server, &root, &[], 403).await;
    let server =
        Running::with(&root, |config| config.public_url = Some("https://radio.example".into())).await;
    is_shut(&server, &root, &[], 403).await;
    let server = Running::with(&root, |config| {
        config.ingest.tokens = tokens("secret");
        config.access.tokens = tokens("reader");
    })
    .await;
    is_shut(&server, &root, &[], 401).await;
    // One that opens reading does not open writing.
    for wrong in ["Bearer reader", "Bearer Secret", "Bearer secre", "Basic c2VjcmV0Og==", "secret", ""] {
        is_shut(&server, &root, &[("authorization", wrong)], 401).await;
    }
    let foreign = [("authorization", "Bearer secret"), ("origin", "https://evil.example")];
    is_shut(&server, &root, &foreign, 403).await;
    let secret = ("authorization", "Bearer secret");
    for (method, path, headers, body) in [WAYS[0], WAYS[2], WAYS[4], WAYS[3]] {
        let reply = send(&server, method, path, &[&[secret], headers].concat(), body).await;
        assert!(reply.status < 300 || reply.status == 409, "{method} {path}: {}", reply.text());
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_not_told_that_pages_elsewhere_may_write() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    let server = Running::start(&root).await;
    for (method, path, ..) in WAYS {
        let asks = [("origin", "https://evil.example"), ("access-control-request-method", method)];
        let reply = send(&server, "OPTIONS", path, &asks, &[]).await;
        assert_eq!(reply.header("access-control-allow-methods"), Some("GET,HEAD"), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_private_recording_goes_on_is_told_to_who_has_a_token() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    root.write("show.toml", "private = true\npcm = \"s16le:8000:1\"\n");
    let server = Running::start(&root).await;
    let [private, missing] = [server.head("/audio/show").await, server.head("/audio/none").await];
    assert_eq!((private.status, private.header("upload-offset")), (404, None));
    assert_eq!(private.headers.len(), missing.headers.len());
    // To who may write here without a token, too.
    for (method, path, headers, body) in [WAYS[2], WAYS[3], WAYS[4]] {
        assert_eq!(send(&server, method, path, headers, body).await.status, 404, "{method} {path}");
    }
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), [0; 160]);
    // That a name is taken is told, and nothing else of what has it.
    root.write("secret.toml", "private = true\n");
    root.write("secret.mp3", [0; 4321]);
    root.growing("open", "s16le:8000:1", &[0; 160]);
    let json = ("content-type", "application/json");
    for name in ["show", "secret"] {
        let refused = [
            send(&server, "PUT", &format!("/audio/{name}"), &[], &[0; 8]).await,
            send(&server, "PATCH", "/recordings/open", &[json], format!(r#"{{"name":"{name}"}}"#).as_bytes())
                .await,
        ];
        for reply in &refused {
            is_problem(reply, 409, &format!("`{name}`"));
            let text = reply.text();
            assert!(!text.contains("160") && !text.contains(".mp3") && !text.contains(".pcm"), "{text}");
        }
    }
    is_problem(&send(&server, "PUT", "/audio/open", &[], &[0; 8]).await, 409, "160 bytes");
    let tokens = tailcast::access::Tokens::parse("secret").unwrap();
    let server = Running::with(&root, |config| config.ingest.tokens = Some(tokens)).await;
    assert_eq!(server.head("/audio/show").await.status, 404);
    let secret = [("authorization", "Bearer secret")];
    let head = server.open("HEAD", "/audio/show", &secret).await.rest().await;
    assert_eq!((head.status, head.header("upload-offset")), (200, Some("160")));
    // Whoever records may hear it.
    let open = server.open("GET", "/audio/show", &secret).await;
    assert_eq!(open.status, 200);
    assert_eq!(server.get("/audio/show").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_and_what_is_refused_is_counted() {
    let (root, sent) = (Root::new(), sound::noise(2000, 2, 9));
    let server = Running::with(&root, |config| config.ingest.most = Some(6000)).await;
    let counted = async |line: &str| server.get("/metrics").await.text().lines().any(|found| found == line);
    let socket = begun(&server, "/audio/show", &sent[..4001]).await;
    has(&root, "show.pcm", 4001).await;
    assert_eq!(send(&server, "PUT", "/audio/show", &[], &sent).await.status, 409);
    assert_eq!(send(&server, "PUT", "/audio/other", &[], &sent).await.status, 507);
    for line in [
        "tailcast_uploads 1",
        "tailcast_received_bytes_total 10001",
        "tailcast_refusals_total{reason=\"conflict\"} 1",
        "tailcast_refusals_total{reason=\"no-space\"} 1",
    ] {
        assert!(counted(line).await, "{line}: {}", server.get("/metrics").await.text());
    }
    drop(socket);
    for _ in 0..1000 {
        if counted("tailcast_uploads 0").await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a recorder that is gone is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_several_files_is_neither_removed_nor_given_away() {
    let root = Root::new();
    root.write("show.mp3", b"made of it");
    root.growing("show", "s16le:8000:1", &[0; 160]);
    root.write("show.toml", "private = false\n");
    root.write("coded.mp3", b"an MP3");
    let server = Running::start(&root).await;
    let json = [("content-type", "application/json")];
    for named in ["show.pcm", "show.mp3"] {
        for path in ["/audio/show", "/audio/show.mp3"] {
            is_problem(&send(&server, "DELETE", path, &[], &[]).await, 409, named);
        }
        is_problem(&send(&server, "PATCH", "/recordings/show", &json, br#"{"name":"x"}"#).await, 409, named);
    }
    for file in ["show.pcm", "show.mp3", "show.toml"] {
        assert!(root.file(file).exists(), "{file}");
    }
    assert!(!root.file("x.pcm").exists() && !root.file("x.toml").exists());
    // What else is changed concerns the sidecar, which is that of both.
    assert_eq!(send(&server, "PATCH", "/recordings/show", &json, br#"{"title":"x"}"#).await.status, 200);
    let taken = send(&server, "PUT", "/audio/coded", &[], &[0; 8]).await;
    is_problem(&taken, 409, "`coded.mp3`");
    assert!(!taken.text().contains("PATCH"), "{}", taken.text());
    fs::remove_file(root.file("show.mp3")).unwrap();
    is_problem(
        &send(&server, "PATCH", "/recordings/show", &json, br#"{"name":"coded"}"#).await,
        409,
        "coded.mp3",
    );
    assert_eq!(send(&server, "DELETE", "/audio/show", &[], &[]).await.status, 204);
    assert_eq!(server.get("/audio/show").await.status, 404);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_is_refused_with_how_long_it_may_be() {
    let root = Root::new();
    let (longest, long, longer) = ("n".repeat(245), "n".repeat(246), "n".repeat(256));
    let deep = format!("{}x", "d/".repeat(2043));
    // As another program may have written it.
    root.write(&format!("{long}.pcm"), [0; 160]);
    root.write("show.pcm", [0; 160]);
    let server = Running::start(&root).await;
    let json = [("content-type", "application/json")];
    let go_on = [PARTIAL, ("upload-offset", "160")];
    for (name, most) in [(&long, "245 bytes"), (&longer, "255 bytes"), (&deep, "4085 bytes")] {
        for path in [format!("/audio/{name}"), format!("/audio/{name}.wav")] {
            is_problem(&send(&server, "PUT", &path, &[], &[0; 8]).await, 404, most);
        }
        let body = format!("{{\"name\":\"{name}\"}}");
        is_problem(&send(&server, "PATCH", "/recordings/show", &json, body.as_bytes()).await, 404, most);
    }
    let path = format!("/audio/{}/x", longer);
    is_problem(&send(&server, "PUT", &path, &[], &[0; 8]).await, 404, "255 bytes");
    for path in
        [format!("/audio/{longer}"), format!("/recordings/{longer}"), format!("/waveform/{longer}.json")]
    {
        is_problem(&server.get(&path).await, 404, "255 bytes");
    }
    // It is read, and removed; but nothing is said of it, so nothing is appended.
    assert_eq!(server.get(&format!("/audio/{long}")).await.status, 200);
    is_problem(&send(&server, "PATCH", &format!("/audio/{long}"), &go_on, &[0; 8]).await, 404, "245 bytes");
    is_problem(
        &send(&server, "PATCH", &format!("/recordings/{long}"), &json, br#"{"title":"x"}"#).await,
        404,
        "245 bytes",
    );
    assert_eq!(fs::metadata(root.file(&format!("{long}.pcm"))).unwrap().len(), 160);
    assert_eq!(send(&server, "DELETE", &format!("/audio/{long}"), &[], &[]).await.status, 204);
    assert_eq!(send(&server, "PUT", &format!("/audio/{longest}"), &[], &[0; 8]).await.status, 201);
    assert_eq!(server.get(&format!("/audio/{longest}")).await.status, 200);
    assert_eq!(send(&server, "DELETE", &format!("/audio/{longest}"), &[], &[]).await.status, 204);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_say_something_else_of_a_body_are_not_passed_over() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    let server = Running::start(&root).await;
    for (header, status, named) in [
        (("content-range", "bytes 0-7/16"), 400, "Content-Range"),
        (("content-encoding", "gzip"), 415, "gzip"),
        (("upload-offset", "8"), 400, "Upload-Offset"),
        (("upload-complete", "1"), 400, "Upload-Complete"),
    ] {
        is_problem(&send(&server, "PUT", "/audio/new", &[header], &[0; 8]).await, status, named);
    }
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("PUT /audio/new HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: gzip, chunked", server.address);
    socket.write_all(format!("{head}\r\n\r\n8\r\n\x1f2345678\r\n").as_bytes()).await.unwrap();
    let answer = end(socket).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("`Transfer-Encoding: gzip, chunked`"),
        "{answer}"
    );
    let refused = send(&server, "PUT", "/audio/new", &[("content-encoding", "br")], &[0; 8]).await;
    assert_eq!(refused.header("accept-encoding"), Some("identity"));
    let at = ("upload-offset", "160");
    for (headers, status, named) in [
        (&[PARTIAL, at, ("content-range", "bytes 0-7/16")][..], 400, "Content-Range"),
        (&[PARTIAL, at, ("content-encoding", "gzip")], 415, "gzip"),
        (&[PARTIAL, at, ("upload-offset", "5")], 400, "Upload-Offset"),
        (&[PARTIAL, at, ("upload-complete", "?0"), ("upload-complete", "?1")], 400, "Upload-Complete"),
        (&[PARTIAL, ("upload-offset", "+160")], 400, "`+160`"),
        (&[PARTIAL, ("upload-offset", "-1")], 400, "`-1`"),
        (&[PARTIAL, ("upload-offset", "99999999999999999999")], 400, "`99999999999999999999`"),
        (&[PARTIAL, ("upload-offset", "")], 400, "``"),
        (&[PARTIAL], 400, "Upload-Offset"),
    ] {
        is_problem(&send(&server, "PATCH", "/audio/show", headers, &[0; 8]).await, status, named);
    }
    assert!(!root.file("new.pcm").exists() && !root.file("new.toml").exists());
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), [0; 160]);
    // These say what is so.
    let same = [("content-encoding", "identity"), ("upload-offset", "0")];
    assert_eq!(send(&server, "PUT", "/audio/new", &same, &[0; 8]).await.status, 201);
    let named = [("content-type", "Application/Partial-Upload; x=y"), at, ("upload-complete", "?0")];
    assert_eq!(send(&server, "PATCH", "/audio/show", &named, &[0; 8]).await.status, 200);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_an_object_of_bounded_length() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    let server = Running::start(&root).await;
    let json = [("content-type", "Application/JSON; charset=utf-8")];
    let change = async |body: Vec<u8>| send(&server, "PATCH", "/recordings/show", &json, &body).await;
    for body in ["[\"x\",null,true]", "[]", "null", "7", "\"x\""] {
        is_problem(&change(body.into()).await, 400, "object");
    }
    for (body, named) in [
        ("", "EOF"),
        ("{\"title\":7}", "integer `7`"),
        ("{\"ended\":\"x\"}", "string \"x\""),
        ("{\"titel\":\"x\"}", "titel"),
        ("{\"title\":\"a\",\"title\":\"b\"}", "title"),
    ] {
        is_problem(&change(body.into()).await, 400, named);
    }
    is_problem(&change(vec![b' '; 10_000_000]).await, 400, "65536 bytes");
    is_problem(&change(vec![b'['; 60_000]).await, 400, "object");
    assert_eq!(fs::read_to_string(root.file("show.toml")).unwrap(), "pcm = \"s16le:8000:1\"\n");
    assert_eq!(change(b" \n{\"title\":\"x\"}".to_vec()).await.json()["title"], "x");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named_and_nothing_is_left_behind() {
    let (root, outside) = (Root::new(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), root.file("out")).unwrap();
    root.write("notes.txt", "none of this");
    fs::create_dir(root.file("folder.pcm")).unwrap();
    root.write("show.pcm", [0; 160]);
    let server = Running::start(&root).await;
    for (path, named) in
        [("/audio/notes.txt/x", "notes.txt"), ("/audio/out/x", "out"), ("/audio/folder", "folder.pcm")]
    {
        is_problem(&send(&server, "PUT", path, &[], &[0; 8]).await, 409, named);
    }
    let json = [("content-type", "application/json")];
    for (name, named) in [("notes.txt/x", "notes.txt"), ("out/x", "out"), ("folder", "folder")] {
        let body = format!("{{\"name\":\"{name}\",\"title\":\"x\"}}");
        is_problem(&send(&server, "PATCH", "/recordings/show", &json, body.as_bytes()).await, 409, named);
    }
    let mut files: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["folder.pcm", "notes.txt", "out", "show.pcm"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_while_he_sends_gets_to_read_why() {
    let root = Root::new();
    root.growing("show", "s16le:8000:1", &[0; 160]);
    let server = Running::start(&root).await;
    let long = vec![b' '; 10_000_000];
    for (method, path, headers, status) in [
        ("PUT", "/audio/show", &[][..], 409),
        ("PUT", "/audio/new", &[("content-type", "audio/mpeg")], 415),
        ("PATCH", "/audio/none", &[PARTIAL, ("upload-offset", "0")], 404),
        ("PATCH", "/audio/show", &[PARTIAL, ("upload-offset", "1")], 409),
        ("PATCH", "/recordings/show", &[("content-type", "text/plain")], 415),
        ("PATCH", "/recordings/show", &[("content-type", "application/json")], 400),
    ] {
        is_problem(&send(&server, method, path, headers, &long).await, status, "");
    }
    // Who asks first is not told to go on.
    let head = format!(
        "PUT /audio/show HTTP/1.1\r\nhost: {}\r\ncontent-length: 8\r\nexpect: 100-continue\r\n\r\n",
        server.address
    );
    let answer = server.raw(&head).await;
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_under_a_condition_is_not_written_without() {
    let root = Root::new();
    root.finished("show", "s16le:8000:1", &[0; 160]);
    root.growing("live", "s16le:8000:1", &[0; 160]);
    root.write("short.wav", b"RIFF");
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_secs(60)).await;
    let tag = server.head("/audio/show").await.header("etag").unwrap().to_owned();
    let (mine, other) = (("if-match", tag.as_str()), ("if-match", "\"other\""));
    let (any, none) = (("if-match", "*"), ("if-none-match", "*"));
    for (method, path, condition) in [
        ("DELETE", "/audio/show", other),
        ("DELETE", "/audio/show", none),
        ("DELETE", "/audio/show", ("if-none-match", tag.as_str())),
        ("DELETE", "/audio/live", other),
        ("DELETE", "/audio/short", other),
        ("DELETE", "/audio/short", none),
        ("DELETE", "/audio/none", any),
        ("PUT", "/audio/new", any),
        ("PUT", "/audio/new", mine),
        ("PUT", "/audio/show", none),
    ] {
        is_problem(&send(&server, method, path, &[condition], &[0; 8]).await, 412, "If-Match");
    }
    let more = [PARTIAL, ("upload-offset", "160")];
    let reply = send(&server, "PATCH", "/audio/live", &[more[0], more[1], other], &[0; 8]).await;
    is_problem(&reply, 412, "If-Match");
    assert_eq!(fs::metadata(root.file("live.pcm")).unwrap().len(), 160);
    assert!(
        !root.file("new.pcm").exists() && root.file("show.pcm").exists() && root.file("short.wav").exists()
    );
    assert_eq!(send(&server, "PUT", "/audio/new", &[none], &[0; 8]).await.status, 201);
    let reply = send(&server, "PATCH", "/audio/live", &[more[0], more[1], any], &[0; 8]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for (path, condition) in [("/audio/show", mine), ("/audio/short", any)] {
        assert_eq!(send(&server, "DELETE", path, &[condition], &[]).await.status, 204, "{path}");
    }
    assert_eq!(server.panics(), 0);
}
