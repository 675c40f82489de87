//! Recordings that are sent here: what is kept of them, and who may send.

mod support;

use std::fs;
use std::process::{Command, Stdio};

use support::{Reply, Root, Running, eventually, is_problem, sound};
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
    for (path, kind) in
        [("/audio/x.mp3", "audio/mpeg"), ("/audio/x.mp3", "audio/wav"), ("/audio/x", "text/plain")]
    {
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

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_limit_nothing_is_taken_and_what_was_is_kept() {
    let (root, sent) = (Root::new(), sound::noise(50_000, 2, 2));
    let server = Running::with(&root, |config| config.ingest.most = Some(100_001)).await;
    let reply = send(&server, "PUT", "/audio/show", &[], &sent).await;
    is_problem(&reply, 507, "100001 bytes");
    assert_eq!(fs::read(root.file("show.pcm")).unwrap(), &sent[..100_001]);
    let server = Running::with(&root, |config| config.ingest.keep_free = u64::MAX).await;
    is_problem(&send(&server, "PUT", "/audio/other", &[], &sent).await, 507, "0 bytes");
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
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
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

/// What a shell says and gives for a line of the README, with sound on its standard input.
fn shell(line: &str, input: &std::path::Path) {
    let done = Command::new("sh")
        .args(["-c", line])
        .stdin(fs::File::open(input).unwrap())
        .stderr(Stdio::inherit())
        .status();
    assert!(done.unwrap().success(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recorders_send_byte_for_byte_what_they_hear() {
    let (root, sent) = (Root::new(), sound::noise(96_000, 2, 3));
    let server = Running::start(&root).await;
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(input.path(), &sent).unwrap();
    let pcm = "-f s16le -ar 48000 -ac 2";
    for (name, needed, line) in [
        ("curl", "curl", format!("curl -sSf -T - {}", server.url("/audio/curl"))),
        ("ffmpeg", "ffmpeg", format!("ffmpeg -v error {pcm} -i - {pcm} {}", server.url("/audio/ffmpeg"))),
        (
            "sox",
            "sox",
            format!(
                "sox -t raw -r 48000 -c 2 -b 16 -e signed - -t raw - | curl -sSf -T - {}",
                server.url("/audio/sox")
            ),
        ),
    ] {
        // Where it is not installed the others are tried still.
        if Command::new(needed).arg("--version").output().is_err() {
            continue;
        }
        let path = input.path().to_owned();
        tokio::task::spawn_blocking(move || shell(&line, &path)).await.unwrap();
        // ffmpeg does not wait for the answer.
        let ended = || {
            fs::read_to_string(root.file(&format!("{name}.toml"))).is_ok_and(|text| text.contains("ended"))
        };
        eventually(&format!("{name} has ended"), ended).await;
        assert!(fs::read(root.file(&format!("{name}.pcm"))).unwrap() == sent, "{name}");
        assert!(server.get(&format!("/audio/{name}.wav")).await.body.ends_with(&sent), "{name}");
    }
    assert_eq!(server.panics(), 0);
}
