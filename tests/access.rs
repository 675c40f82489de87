//! Who may read what: every way in, for everybody who may not come in, and for those who may.

mod support;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use support::{Reply, Root, Running, eventually, is_problem, sound};
use tailcast::access::{Grant, Key, Listing, Part, Settings, Tokens, TokensFor};
use tailcast::config::Cors;
use tailcast::recording::RecordingName;

const PCM: &str = "s16le:8000:1";
const RATE: u64 = 8000;
const NANOS: u64 = 1_000_000_000;

/// How a route is asked for, of one recording or of all.
enum Way {
    /// The same for everybody: nothing of it is a recording's.
    Open(&'static str),
    /// Lists and what they are made into.
    List(&'static str),
    /// One recording, `NAME` in the path.
    One(&'static [&'static str]),
    /// Only who may write gets there.
    Written,
}

/// What every route is. One that is not here fails a test below.
const WAYS: [(&str, Way); 19] = [
    ("/", Way::List("/")),
    ("/play/{*name}", Way::One(&["/play/NAME"])),
    ("/feed.xml", Way::List("/feed.xml")),
    ("/recordings.m3u8", Way::List("/recordings.m3u8")),
    ("/recordings.pls", Way::List("/recordings.pls")),
    ("/recordings.xspf", Way::List("/recordings.xspf")),
    ("/status-json.xsl", Way::List("/status-json.xsl")),
    ("/events", Way::List("/events")),
    ("/recordings", Way::List("/recordings")),
    (
        "/recordings/{*name}",
        Way::One(&[
            "/recordings/NAME",
            "/recordings/NAME?format=mp3&byte=500",
            "/recordings/NAME/events",
            "/recordings/NAME/chapters.json",
            "/recordings/NAME/cover.jpg",
        ]),
    ),
    (
        "/audio/{*name}",
        Way::One(&[
            "/audio/NAME",
            "/audio/NAME.mp3",
            "/audio/NAME.opus",
            "/audio/NAME.wav?pos=1&duration=1",
            "/audio/NAME?pos=-1",
        ]),
    ),
    (
        "/hls/{*name}",
        Way::One(&[
            "/hls/NAME/master.m3u8",
            "/hls/NAME/mp3-64-1/playlist.m3u8",
            "/hls/NAME/opus-64-1/playlist.m3u8",
        ]),
    ),
    ("/waveform/{*name}", Way::One(&["/waveform/NAME.json", "/waveform/NAME.dat"])),
    ("/metrics", Way::Open("/metrics")),
    ("/healthz", Way::Open("/healthz")),
    ("/readyz", Way::Open("/readyz")),
    ("/openapi.json", Way::Open("/openapi.json")),
    ("/admin/metadata", Way::Written),
    ("/{*mount}", Way::Written),
];

/// Routes that are in the program and have a file's name in them.
const FILES: &str = "/assets/{version}/{file}";

/// The paths of the router, as its source has them.
fn routes() -> Vec<String> {
    let source = include_str!("../src/routes/mod.rs");
    let routes = source.split(".route(\"").skip(1).filter_map(|route| route.split_once('"'));
    routes.map(|(path, _)| path.to_owned()).collect()
}

fn key() -> Key {
    Key::parse(&[7; 32]).unwrap()
}

fn settings(tokens_for: TokensFor) -> Settings {
    Settings { tokens: Some(Tokens::parse("right\n").unwrap()), tokens_for, key: Some(key()) }
}

/// Recordings that are called after who may have them, each growing and finished, and one in a folder.
fn recordings() -> Root {
    let root = Root::new();
    let chapters = "cover = 'c.jpg'\ncover_room = 0\n[[chapters]]\nstart = 0\ntitle = 'Chapter'\n";
    for (name, rule) in [
        ("open", ""),
        ("secret", "private = true\n"),
        ("later", "embargo = 2126-01-01T00:00:00Z\n"),
        ("folder/secret", "private = true\n"),
        ("over", "embargo = 2020-01-01T00:00:00Z\n"),
    ] {
        root.write(&format!("{name}.toml"), format!("pcm = '{PCM}'\nended = true\n{rule}{chapters}"));
        root.write(&format!("{name}.pcm"), sound::noise(RATE as usize * 6, 1, 1));
    }
    for folder in ["", "folder/"] {
        root.write(&format!("{folder}c.jpg"), b"\xff\xd8\xffnearly a picture");
    }
    root.write("secret-live.toml", format!("pcm = '{PCM}'\nprivate = true\n{chapters}"));
    root.write("secret-live.pcm", sound::noise(RATE as usize * 6, 1, 1));
    root.write("secret-broken.toml", "private = true\nended = 'Secret words'\n");
    root.write("secret-broken.pcm", [0; 64]);
    root.write("secret-utf16.toml", b"\xff\xfep\0r\0i\0v\0a\0t\0e\0");
    root.write("secret-utf16.pcm", [0; 64]);
    root.write("secret-long.toml", format!("# {}\nprivate = true", "x".repeat(70_000)));
    root.write("secret-long.pcm", [0; 64]);
    std::os::unix::fs::symlink("nothing-there.toml", root.file("secret-link.toml")).unwrap();
    root.write("secret-link.pcm", [0; 64]);
    root.write("secret-header.toml", "private = true\n");
    root.write("secret-header.wav", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0nonsense nonsense");
    root
}

const SHUT: [&str; 9] = [
    "secret",
    "later",
    "folder/secret",
    "secret-live",
    "secret-broken",
    "secret-header",
    "secret-utf16",
    "secret-long",
    "secret-link",
];

async fn server(root: &Root, settings: Settings) -> Running {
    Running::with(root, |config| config.access = settings).await
}

fn signed(key: &Key, name: &str, part: Part, expires: i64) -> String {
    key.sign(&Grant { name: RecordingName::parse(name).unwrap(), part, expires })
}

fn in_an_hour() -> i64 {
    Timestamp::now().as_second() + 3600
}

fn with(path: &str, query: &str) -> String {
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

/// An answer, without the body of one that goes on for ever.
async fn ask(server: &Running, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let open = server.open(method, path, headers).await;
    if open.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return Reply { status: open.status, headers: open.headers, body: Vec::new() };
    }
    open.rest().await
}

/// What tells an answer from another, but for the name and the date.
fn alike(reply: &Reply, name: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter().filter(|(name, _)| *name != "date" && *name != "content-length");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (reply.status, headers.collect(), reply.text().replace(name, "NAME"))
}

const CONDITIONS: [&[(&str, &str)]; 5] = [
    &[],
    &[("range", "bytes=0-9")],
    &[("if-none-match", "*")],
    &[("if-match", "\"x\"")],
    &[("accept", "audio/mpeg"), ("origin", "https://elsewhere.example")],
];

#[test]
fn every_route_is_decided_on() {
    for route in routes() {
        let is_known = route == FILES || WAYS.iter().any(|(known, _)| *known == route);
        assert!(is_known, "who may read {route}?");
    }
    assert!(WAYS.iter().all(|(known, _)| routes().iter().any(|route| route == known)));
}

#[test]
fn no_handler_of_one_who_reads_goes_round_the_guard() {
    for file in std::fs::read_dir("src/routes").unwrap() {
        let path = file.unwrap().path();
        // Who writes is asked for a token, and told of what is there by a pass only.
        if path.ends_with("ingest.rs") || path.ends_with("source.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(!source.contains("unguarded"), "{} does", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_looks_as_if_it_were_not_there() {
    let root = recordings();
    // Where a password could open it, one is asked for: browsers send none otherwise.
    for (settings, status) in [(Settings::default(), 404), (settings(TokensFor::Private), 401)] {
        let server = server(&root, settings).await;
        for (_, way) in &WAYS {
            let Way::One(paths) = way else { continue };
            for path in *paths {
                for headers in CONDITIONS {
                    for method in ["GET", "HEAD"] {
                        let missing = ask(&server, method, &path.replace("NAME", "missing"), headers).await;
                        assert_eq!(missing.status, status, "{path}");
                        assert_eq!(missing.header("www-authenticate").is_some(), status == 401, "{path}");
                        for name in SHUT {
                            let reply = ask(&server, method, &path.replace("NAME", name), headers).await;
                            assert_eq!(
                                alike(&reply, name),
                                alike(&missing, "missing"),
                                "{method} {path} {name}"
                            );
                        }
                    }
                }
                let open = ask(&server, "GET", &path.replace("NAME", "open"), &[]).await;
                assert_eq!(open.status, 200, "{path}: {}", open.text());
            }
        }
        assert_eq!(ask(&server, "GET", "/audio/over.mp3", &[]).await.status, 200, "an embargo that is over");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_tells_of_what_is_private_but_to_who_has_a_token() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::Private)).await;
    let token = [("authorization", "Bearer right")];
    for (route, way) in &WAYS {
        let (Way::List(path) | Way::Open(path)) = way else { continue };
        for query in ["", "?limit=1000", "?q=secret"] {
            let reply = ask(&server, "GET", &format!("{path}{query}"), &[]).await;
            assert!(reply.status == 200, "{route}");
            let told =
                reply.text().replace("q=secret", "").replace("“secret”", "").replace("value=\"secret\"", "");
            for hidden in ["secret", "later", "Secret words"] {
                let is_told = told.contains(hidden) && *path != "/openapi.json" && *path != "/metrics";
                assert!(!is_told, "{path}{query} tells of {hidden}: {told}");
            }
        }
    }
    for path in ["/?login", "/feed.xml?limit=3&login", "/audio/open.mp3?login=1"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
        assert_eq!(server.get_with(path, &token).await.status, 200, "{path}");
    }
    let public: Value = server.get("/recordings").await.json();
    assert_eq!((&public["total"], &public["unusable"]), (&2.into(), &Value::Null));
    let all = server.get_with("/recordings", &token).await;
    assert_eq!((&all.json()["total"], all.json()["unusable"].as_array().unwrap().len()), (&11.into(), 5));
    for path in ["/feed.xml", "/recordings.m3u8", "/recordings.pls", "/recordings.xspf", "/"] {
        let reply = server.get_with(path, &token).await;
        assert!(reply.text().contains("secret"), "{path}");
        assert!(reply.header("cache-control").unwrap().starts_with("private, "), "{path}");
        assert!(reply.headers.get_all("vary").iter().any(|vary| vary == "authorization"), "{path}");
        let etag = reply.header("etag").unwrap_or("\"none\"").to_owned();
        assert_ne!(server.get_with(path, &[("if-none-match", &etag)]).await.status, 304, "{path}");
    }
    assert!(server.get_with("/status-json.xsl", &token).await.text().contains("secret-live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_reading_takes_a_token_nothing_is_read_without() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::All)).await;
    let paths = WAYS.iter().flat_map(|(_, way)| match way {
        Way::Written => vec![],
        Way::Open(path) if *path != "/metrics" => vec![],
        Way::Open(path) | Way::List(path) => vec![*path],
        Way::One(paths) => paths.to_vec(),
    });
    // user:right
    let right = ["Bearer right", "bearer right", "Basic dXNlcjpyaWdodA=="];
    let wrong = [
        "",
        "Bearer wrong",
        "Bearer",
        "right",
        "Basic cmlnaHQ6dXNlcg==",
        "Basic !",
        "Digest right",
        "Bearer right, Bearer right",
    ];
    for path in paths {
        let path = path.replace("NAME", "open");
        for method in ["GET", "HEAD"] {
            for condition in CONDITIONS {
                let reply = ask(&server, method, &path, condition).await;
                assert_eq!(reply.status, 401, "{method} {path}");
                let asked: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
                assert!(
                    asked[0].to_str().unwrap().starts_with("Bearer")
                        && asked[1].to_str().unwrap().starts_with("Basic")
                );
                assert_eq!(reply.header("cache-control"), Some("no-store"));
                assert_eq!(reply.header("etag"), None);
            }
            for wrong in wrong {
                let reply = ask(&server, method, &path, &[("authorization", wrong)]).await;
                assert_eq!(reply.status, 401, "{method} {path} {wrong:?}");
            }
        }
        assert!(!ask(&server, "GET", &path, &[]).await.text().contains("open"), "{path}");
        for right in right {
            let reply = ask(&server, "GET", &path, &[("authorization", right)]).await;
            assert_eq!(reply.status, 200, "{path} {right}: {}", reply.text());
            let kept = reply.header("cache-control").unwrap();
            assert!(kept.starts_with("private, ") || kept == "no-store", "{path}: {kept}");
        }
    }
    is_problem(&server.get("/recordings").await, 401, "Authorization");
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let preflight = [("origin", "https://radio.example"), ("access-control-request-method", "GET")];
    assert_eq!(ask(&server, "OPTIONS", "/audio/open.mp3", &preflight).await.status, 200);
    assert_eq!(server.get_with("/audio/secret.mp3", &[("authorization", "Bearer right")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_opens_its_recording_in_every_way_and_no_other() {
    let root = recordings();
    for settings in [
        settings(TokensFor::All),
        settings(TokensFor::Private),
        Settings { key: Some(key()), ..Settings::default() },
    ] {
        let server = server(&root, settings).await;
        let other = Key::parse(&[8; 32]).unwrap();
        let whole = Part::default();
        for name in ["open", "secret", "later", "folder/secret", "secret-live"] {
            let right = signed(&key(), name, whole, in_an_hour());
            let sig = right.rsplit_once("sig=").unwrap().1;
            let wrong = [
                signed(&other, name, whole, in_an_hour()),
                signed(&key(), "over", whole, in_an_hour()),
                signed(&key(), &name.to_uppercase(), whole, in_an_hour()),
                signed(&key(), &format!("{name}.mp3"), whole, in_an_hour()),
                signed(&key(), name, whole, in_an_hour() - 7200),
                format!("expires={}&sig={sig}", in_an_hour() + 10),
                format!("from=0&{right}"),
                format!("to=9999&{right}"),
                format!("expires={}&sig=", in_an_hour()),
                format!("{right}A"),
                right.replace(sig, &sig.to_lowercase()),
            ];
            for (_, way) in &WAYS {
                let Way::One(paths) = way else { continue };
                for path in *paths {
                    let path = path.replace("NAME", name);
                    let reply = ask(&server, "GET", &with(&path, &right), &[]).await;
                    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                    let kept = reply.header("cache-control").unwrap();
                    assert!(kept.starts_with("private, ") || kept == "no-store", "{path}: {kept}");
                    for wrong in &wrong {
                        for headers in CONDITIONS {
                            let reply = ask(&server, "GET", &with(&path, wrong), headers).await;
                            assert_eq!(reply.status, 403, "{path} {wrong}: {}", reply.text());
                            assert_eq!(reply.header("etag"), None);
                        }
                    }
                    for twice in
                        [format!("{right}&{right}"), format!("{right}&s%69g={sig}"), format!("sig={sig}")]
                    {
                        let reply = ask(&server, "GET", &with(&path, &twice), &[]).await;
                        assert_eq!(reply.status, 400, "{path} {twice}: {}", reply.text());
                    }
                }
            }
            for (_, way) in &WAYS {
                if let Way::List(path) = way {
                    is_refused(&ask(&server, "GET", &with(path, &right), &[]).await);
                }
            }
            is_refused(&ask(&server, "GET", &with("/metrics", &right), &[]).await);
        }
        // Whether there is one of the name makes no difference to who has no signature for it.
        let wrong = signed(&other, "secret", whole, in_an_hour());
        let missing = server.get(&with("/audio/missing.mp3", &wrong)).await;
        let secret = server.get(&with("/audio/secret.mp3", &wrong)).await;
        assert_eq!(alike(&secret, "secret"), alike(&missing, "missing"));
        for trick in [
            "/audio/./secret.mp3",
            "/audio/%2e%2e/secret.mp3",
            "/audio//secret.mp3",
            "/audio/open/../secret.mp3",
            "/audio/secret%00.mp3",
            "/audio/open%2f..%2fsecret",
            "/audio/Secret.mp3",
            "/audio/secret.toml",
            "/audio/secret.pcm",
            "/%61udio/secret.mp3",
            "/audio/secret/",
        ] {
            for query in ["", &signed(&key(), "open", whole, in_an_hour())] {
                let raw = format!("GET {trick}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                let answer = server.raw(&raw).await;
                let status = &answer[9..12];
                assert!(matches!(status, "400" | "401" | "403" | "404"), "{trick}?{query}: {answer}");
            }
        }
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_so_while_it_is_renamed() {
    let root = Root::new();
    root.write("a.toml", format!("pcm = '{PCM}'\nprivate = true\nended = true\n"));
    root.write("a.pcm", sound::noise(RATE as usize, 1, 1));
    let server = Running::with(&root, |config| {
        config.access = settings(TokensFor::Private);
        config.ingest.tokens = Some(Tokens::parse("right").unwrap());
        config.ingest.sync = tailcast::ingest::Sync::Never;
    })
    .await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let renaming = async {
        let client = reqwest::Client::new();
        for number in 0..3000 {
            let (old, new) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let change = client.patch(server.url(&format!("/recordings/{old}"))).bearer_auth("right");
            let change = change.header("content-type", "application/json");
            let answer = change.body(format!("{{\"name\":\"{new}\"}}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{number}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let asking = async |path: &str| {
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let reply = server.get(path).await;
            assert_eq!(reply.status, 401, "{path}: {}", reply.text());
        }
    };
    tokio::join!(renaming, asking("/audio/a.wav"), asking("/audio/b.wav"), asking("/recordings/b"));
}

/// The lists that a signature can open.
const SIGNED: [&str; 5] =
    ["/feed.xml", "/recordings.m3u8", "/recordings.pls", "/recordings.xspf", "/status-json.xsl"];

fn listing(q: &str, expires: i64) -> String {
    key().sign_list(&Listing { q, expires })
}

/// The paths of the server's own URLs in a text, that stand in quotes, between tags or on lines of their own.
fn links(server: &Running, text: &str) -> Vec<String> {
    let root = server.url("");
    let rest = text.split(root.trim_end_matches('/')).skip(1);
    rest.map(|rest| rest.split(['"', '<', '\n']).next().unwrap().replace("&amp;", "&")).collect()
}

/// As an app that knows nothing but the address of the feed.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_feed_leads_to_all_that_it_lists_and_so_does_a_playlist() {
    for tokens_for in [TokensFor::All, TokensFor::Private] {
        let root = recordings();
        let server = server(&root, settings(tokens_for)).await;
        for path in SIGNED {
            let list = server.get(&with(path, &listing("", in_an_hour()))).await;
            assert_eq!(list.status, 200, "{path}: {}", list.text());
            assert!(list.header("cache-control").unwrap().starts_with(['p', 'n']), "{path}");
            let text = list.text();
            // Of what grows alone: nothing does here by then.
            let named = if path == "/status-json.xsl" { "secret-live" } else { "folder/secret" };
            assert!(text.contains(named), "{path}: {text}");
            let links = links(&server, &text);
            let leads = |path: &String| path.starts_with(['/']) && path.len() > 1;
            for link in links.iter().filter(|link| leads(link)) {
                let (path_of_link, query) = link.split_once('?').expect(link);
                assert!(query.contains("sig="), "{link}");
                let range = [("range", "bytes=0-9")];
                let reply =
                    ask(&server, "GET", link, if link.contains("/audio/") { &range } else { &[] }).await;
                assert!([200, 206, 307].contains(&reply.status), "{link}: {}", reply.text());
                // And nowhere else.
                if path_of_link.starts_with("/audio/") {
                    let elsewhere = link.replace(path_of_link, "/audio/later.wav");
                    let is_its_own = path_of_link.starts_with("/audio/later.");
                    let reply = ask(&server, "GET", &elsewhere, &range).await;
                    assert_eq!(reply.status == 403, !is_its_own, "{elsewhere}: {}", reply.text());
                }
            }
        }
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_of_a_list_is_of_its_words_and_opens_nothing_else() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::Private)).await;
    let (all, some) = (listing("", in_an_hour()), listing("folder", in_an_hour()));
    for path in SIGNED {
        for query in [
            &listing("", Timestamp::now().as_second()),
            &all.replace("expires=1", "expires=2"),
            &format!("{all}&from=1"),
            &format!("{all}x"),
            &signed(&key(), "secret", Part::default(), in_an_hour()),
            &signed(&Key::parse(&[8; 32]).unwrap(), "secret", Part::default(), in_an_hour()),
            &some,
            &format!("q=open&{some}"),
        ] {
            is_refused(&server.get(&with(path, query)).await);
        }
    }
    for path in ["/feed.xml", "/recordings.m3u8"] {
        is_refused(&server.get(&format!("{path}?q=folder&{all}")).await);
        let text = server.get(&format!("{path}?limit=9&q=folder&{some}")).await.text();
        assert!(text.contains("folder/secret") && !text.contains("later"), "{text}");
    }
    for path in ["/", "/recordings", "/events", "/metrics", "/audio/secret.mp3", "/play/secret"] {
        is_refused(&server.get(&with(path, &all)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_feed_is_the_podcast_that_it_is_without_and_is_kept() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::Private)).await;
    let guid = |text: &str| {
        let (_, rest) = text.split_once("<podcast:guid>").unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let path = with("/feed.xml", &listing("", in_an_hour()));
    let first = server.get(&path).await;
    assert_eq!(guid(&first.text()), guid(&server.get("/feed.xml").await.text()));
    assert!(links(&server, &first.text()).contains(&path), "its own address");
    let again = server.get_with(&path, &[("if-none-match", first.header("etag").unwrap())]).await;
    assert_eq!(again.status, 304);
}

fn is_refused(reply: &Reply) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(!reply.text().contains("secret"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_means_nothing_where_none_is_taken() {
    let root = recordings();
    let server = server(&root, Settings::default()).await;
    let right = signed(&key(), "secret", Part::default(), in_an_hour());
    is_problem(&server.get(&with("/audio/secret.mp3", &right)).await, 403, "--sign-key-file");
    is_problem(&server.get(&with("/audio/open.mp3", &right)).await, 403, "--sign-key-file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_part_is_all_that_is_given() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::All)).await;
    let part = Part { from: Some(2 * NANOS), to: Some(4 * NANOS) };
    for name in ["secret", "secret-live"] {
        let right = signed(&key(), name, part, in_an_hour());
        let get = async |more: &str| server.get(&with(&format!("/audio/{name}.wav{more}"), &right)).await;
        let token = [("authorization", "Bearer right")];
        let clip = server.get_with(&format!("/audio/{name}.wav?pos=2&duration=2"), &token).await;
        for more in ["", "?pos=2", "?pos=2&duration=2", "?pos=0:00:02"] {
            let reply = get(more).await;
            assert_eq!(reply.status, 200, "{more}: {}", reply.text());
            assert!(reply.body == clip.body, "{more}");
        }
        let within = get("?pos=3&duration=0.5").await;
        assert_eq!(within.body.len() as u64, 80 + RATE);
        assert_eq!(get("?pos=3").await.body.len() as u64, 80 + 2 * RATE);
        for more in [
            "?pos=0",
            "?pos=1.999",
            "?pos=4",
            "?pos=5",
            "?pos=2&duration=2.001",
            "?pos=3&duration=10h",
            "?pos=live",
            "?pos=-0.5",
            "?pos=-5",
            "?pos=0&duration=3",
        ] {
            assert_eq!(get(more).await.status, 403, "{more}");
        }
        let range = [("range", "bytes=0-99999999")];
        let ranged = server.get_with(&with(&format!("/audio/{name}.wav"), &right), &range).await;
        assert!(ranged.body == clip.body);
        for (_, way) in &WAYS {
            let Way::One(paths) = way else { continue };
            for path in paths.iter().filter(|path| !path.starts_with("/audio/")) {
                let reply = ask(&server, "GET", &with(&path.replace("NAME", name), &right), &[]).await;
                assert_eq!(reply.status, 403, "{path}");
            }
        }
        for tampered in [
            right.replace("to=4", "to=5"),
            right.replace("from=2", "from=1"),
            right.replace("from=2.000000000&", ""),
        ] {
            assert_eq!(server.get(&with(&format!("/audio/{name}.wav?pos=2"), &tampered)).await.status, 403);
        }
        let mp3 = server.get(&with(&format!("/audio/{name}.mp3"), &right)).await;
        let whole = server.get_with(&format!("/audio/{name}.mp3?pos=2&duration=2"), &token).await;
        assert!(mp3.body == whole.body && !mp3.body.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_goes_on_to_all_that_a_playlist_names() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::All)).await;
    for name in ["secret", "secret-live", "folder/secret"] {
        let right = signed(&key(), name, Part::default(), in_an_hour());
        for parts in ["true", "false"] {
            let master = format!("/hls/{name}/master.m3u8?parts={parts}");
            let mut asked = 0;
            for playlist in named(&server.get(&with(&master, &right)).await.text()) {
                let path = format!("/hls/{name}/{playlist}");
                let text = server.get(&path).await.text();
                for uri in named(&text) {
                    let (folder, _) = path.split_once("playlist.m3u8").unwrap();
                    assert!(uri.contains("sig="), "{uri} in {text}");
                    let file = format!("{folder}{uri}");
                    let reply = server.get(&resolved(&file)).await;
                    assert_eq!(reply.status, 200, "{file}: {}", reply.text());
                    assert!(!reply.header("cache-control").unwrap().contains("public"));
                    let bare = resolved(file.split_once('?').unwrap().0);
                    assert_eq!(server.get(&bare).await.status, 401, "{bare}");
                    asked += 1;
                }
            }
            assert!(asked > 4, "{asked}");
        }
    }
}

/// The URIs in a playlist, but for what is only announced, which may be long in coming.
fn named(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with("#EXT-X-PRELOAD-HINT"));
    lines
        .filter_map(|line| match line.split_once("URI=\"") {
            Some((_, uri)) => uri.split_once('"').map(|(uri, _)| uri.to_owned()),
            None => (!line.starts_with('#') && !line.is_empty()).then(|| line.to_owned()),
        })
        .collect()
}

/// A path without `x/..` in it.
fn resolved(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => parts.truncate(parts.len() - 1),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_elsewhere_takes_the_signature_along() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::All)).await;
    let right = signed(&key(), "secret-live", Part::default(), in_an_hour());
    let request = format!(
        "GET /audio/secret-live.mp3?pos=-1&{right} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\nConnection: close\r\n\r\n"
    );
    let answer = server.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 307") && answer.contains(&right), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_page_keeps_its_address_to_itself_and_has_a_player_that_plays() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::All)).await;
    let right = signed(&key(), "secret", Part::default(), in_an_hour());
    let page = server.get(&with("/play/secret", &right)).await;
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let source =
        page.text().split_once("<audio controls").unwrap().1.split_once("src=\"").unwrap().1.to_owned();
    let source = source.split_once('"').unwrap().0.replace("&amp;", "&");
    assert_eq!(server.get(&source).await.status, 200, "{source}");
}

/// As a page sees it that watches the list, event by event.
#[tokio::test(flavor = "multi_thread")]
async fn who_watches_the_list_sees_what_becomes_private_go_and_never_what_is() {
    let root = recordings();
    let server = server(&root, settings(TokensFor::Private)).await;
    let mut public = server.open("GET", "/events", &[]).await;
    let mut all = server.open("GET", "/events", &[("authorization", "Bearer right")]).await;
    let write = |name: &str, more: &str| {
        root.write(&format!("{name}.toml"), format!("pcm = '{PCM}'\nended = true\n{more}"))
    };
    // Each is seen before the next is made, by who sees all.
    write("secret", "private = true\ntitle = 'Hidden'");
    until(&mut all, "Hidden").await;
    write("new-secret", "private = true\n");
    root.write("new-secret.pcm", [0; 64]);
    until(&mut all, "new-secret").await;
    write("open", "private = true\ntitle = 'Closed now'");
    until(&mut all, "Closed now").await;
    write("later", "title = 'Published'");
    until(&mut all, "Published").await;
    let seen = until(&mut public, "Published").await;
    assert!(seen.contains("\"gone\":[\"open\"]"), "{seen}");
    for hidden in ["Hidden", "secret", "Closed now"] {
        assert!(!seen.contains(hidden), "{seen}");
    }
}

async fn until(events: &mut support::Open, wanted: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        seen += &String::from_utf8(events.next().await.unwrap().expect("the events ended")).unwrap();
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_recording_that_becomes_private_is_told_that_it_is_gone() {
    let root = recordings();
    root.write("live.toml", format!("pcm = '{PCM}'\n"));
    root.write("live.pcm", [0; 64]);
    let server = server(&root, Settings::default()).await;
    let mut events = server.open("GET", "/recordings/live/events", &[]).await;
    until(&mut events, "event: status").await;
    root.write("live.toml", format!("pcm = '{PCM}'\nprivate = true\ntitle = 'Hidden'"));
    root.append("live.pcm", &[0; 64]);
    let mut seen = until(&mut events, "event: lost").await;
    while let Ok(Some(more)) = events.next().await {
        seen += &String::from_utf8(more).unwrap();
    }
    assert!(!seen.contains("Hidden"), "{seen}");
    assert_eq!(server.get("/recordings/live").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_private_is_shut_with_the_next_request_and_opened_with_the_one_after() {
    let root = recordings();
    let server = server(&root, Settings::default()).await;
    let etag = server.get("/audio/open.mp3").await.header("etag").unwrap().to_owned();
    let condition = [("if-none-match", etag.as_str())];
    assert_eq!(server.get_with("/audio/open.mp3", &condition).await.status, 304);
    root.write("open.toml", format!("pcm = '{PCM}'\nended = true\nprivate = true"));
    assert_eq!(server.get_with("/audio/open.mp3", &condition).await.status, 404);
    assert_eq!(server.get("/recordings").await.json()["total"], 1);
    root.write("open.toml", format!("pcm = '{PCM}'\nended = true\n"));
    assert_eq!(server.get("/audio/open.mp3").await.status, 200);
    // Emptied on their way to being written again, as editors do: one that nobody has opened, and one that somebody has.
    let private = format!("pcm = '{PCM}'\nended = true\nprivate = true");
    root.write("open.toml", &private);
    assert_eq!(server.get("/recordings").await.json()["total"], 1);
    for name in ["secret", "open"] {
        let emptied = Instant::now();
        root.write(&format!("{name}.toml"), "");
        let (sound, list) =
            (server.get(&format!("/audio/{name}.mp3")).await, server.get("/recordings").await);
        // Later on it is a sidecar that says nothing.
        if emptied.elapsed() < Duration::from_secs(1) {
            assert_eq!((sound.status, &list.json()["total"]), (404, &1.into()), "{name}");
        }
        root.write(&format!("{name}.toml"), &private);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_those_origins_may_read_that_are_said_to() {
    let root = recordings();
    let allowed = |reply: &Reply| reply.header("access-control-allow-origin").map(str::to_owned);
    let ask = async |cors: Cors, method: &str| {
        let server = Running::with(&root, |config| config.cors = cors).await;
        let headers = [
            ("origin", "https://radio.example"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization,range"),
        ];
        server.open(method, "/audio/open.mp3", &headers).await.rest().await
    };
    let one = |origin: &'static str| Cors::Only(vec![http::HeaderValue::from_static(origin)]);
    for method in ["GET", "OPTIONS"] {
        assert_eq!(allowed(&ask(Cors::Any, method).await).as_deref(), Some("*"));
        let reply = ask(one("https://radio.example"), method).await;
        assert_eq!(allowed(&reply).as_deref(), Some("https://radio.example"));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(allowed(&ask(one("https://other.example"), method).await), None);
        assert_eq!(allowed(&ask(Cors::Only(Vec::new()), method).await), None);
    }
    let preflight = ask(Cors::Any, "OPTIONS").await;
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("authorization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_counts_at_the_admin_address_needs_no_token() {
    let root = recordings();
    let server = Running::with(&root, |config| {
        config.access = settings(TokensFor::All);
        config.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let url = format!("http://{}/metrics", server.admin.unwrap());
    let reply = support::Open::at(url, &[]).await.rest().await;
    assert_eq!(reply.status, 200);
    assert!(!reply.text().contains("secret"));
    eventually("nobody is served", || server.panics() == 0).await;
}
