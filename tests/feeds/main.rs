//! The podcast, read by what players of podcasts read with: libraries that know nothing of this program, and that are more
//! forgiving than a schema here and stricter there. (`tests/feeds/install.sh` installs them.)

#[path = "../support/mod.rs"]
mod support;

use std::process::{Command, ExitCode};
use std::time::Duration;

use serde_json::{Value, json};
use support::judged::{Judged, run};
use support::{Root, Running, sound, wait};
use tailcast::access::{Key, Listing};

/// Where the libraries are installed.
const PYTHON: &str = "target/feeds/bin/python";
const PARTYTIME: &str = "tests/feeds/node_modules/podcast-partytime";

const TESTS: &[Judged] = &[
    Judged {
        name: "feedparser_finds_every_episode_and_is_told_that_it_has_it",
        judges: &[PYTHON],
        test: feedparser_finds_every_episode_and_is_told_that_it_has_it,
    },
    Judged {
        name: "feedparser_leads_to_the_episodes_of_a_signed_feed",
        judges: &[PYTHON],
        test: feedparser_leads_to_the_episodes_of_a_signed_feed,
    },
    Judged { name: "gpodder_finds_every_episode", judges: &[PYTHON], test: gpodder_finds_every_episode },
    Judged {
        name: "partytime_finds_every_episode_in_each_format_and_its_chapters",
        judges: &["node", PARTYTIME],
        test: partytime_finds_every_episode_in_each_format_and_its_chapters,
    },
    Judged {
        name: "partytime_finds_what_is_live",
        judges: &["node", PARTYTIME],
        test: partytime_finds_what_is_live,
    },
];

fn main() -> ExitCode {
    run(TESTS)
}

const PCM: &str = "s16le:44100:2";
const TITLE: &str = "]]> & <b>Evening</b> \"show\" é";

/// Two that have ended and one that grows, with all that one can say of them.
fn recordings() -> Root {
    let root = Root::new();
    let sidecar = |more: &str| {
        format!(
            "pcm = '{PCM}'\ndescription = 'A & B'\nauthor = 'C'\nimage = 'https://radio.example/c.jpg'\n{more}"
        )
    };
    let title = format!("title = '{TITLE}'\nstarted = '2026-11-23T20:00:00+01:00'\nended = true\n");
    let chapters = "[[chapters]]\nstart = 0\ntitle = 'Start'\n[[chapters]]\nstart = '1:02.5'\ntitle = 'News'";
    root.write("sub/odd #é.toml", sidecar(&format!("{title}{chapters}")));
    root.write("sub/odd #é.pcm", sound::noise(100_000, 2, 1));
    root.write("plain.toml", sidecar("started = '2026-11-22T20:00:00Z'\nended = true"));
    root.write("plain.pcm", sound::noise(50_000, 2, 1));
    root.write("live.toml", sidecar("title = 'Live'\nstarted = '2026-11-24T20:00:00-05:00'"));
    root.write("live.pcm", sound::noise(50_000, 2, 1));
    root
}

async fn serve(root: &Root) -> Running {
    Running::with(root, |config| {
        config.growth_timeout = Duration::from_secs(1 << 32);
        config.feed.author = Some("Radio Example".into());
        config.feed.email = Some("owner@radio.example".into());
        config.feed.image = Some("https://radio.example/cover.jpg".into());
        config.feed.language = Some("en".into());
    })
    .await
}

/// What a reader makes of the feed, the server's own URLs as paths.
fn read(program: &str, script: &str) -> Value {
    let root = recordings();
    wait(async { read_from(serve(&root).await, "/feed.xml", program, script).await })
}

async fn read_from(server: Running, path: &str, program: &str, script: &str) -> Value {
    let output = Command::new(program).arg(script).arg(server.url(path)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    let found = String::from_utf8(output.stdout).unwrap().replace(&server.url(""), "");
    server.stop().await;
    serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"))
}

/// The length that is answered for a path.
fn length(path: &str) -> u64 {
    let root = recordings();
    wait(async {
        let server = serve(&root).await;
        server.head(path).await.header("content-length").unwrap().parse().unwrap()
    })
}

const ODD: &str = "/audio/sub/odd%20%23%C3%A9.mp3";
const ODD_OPUS: &str = "/audio/sub/odd%20%23%C3%A9.opus";
const PLAIN: &str = "/audio/plain.mp3";

fn feedparser_finds_every_episode_and_is_told_that_it_has_it() {
    let found = &read(PYTHON, "tests/feeds/read.py")["feedparser"];
    let expected = json!({
        "broken": false, "again": 304, "link": "/", "self": ["/feed.xml"],
        "title": "Recordings", "author": "Radio Example",
        "entries": [
            {
                "id": "sub/odd #é@2026-11-23T19:00:00Z", "title": TITLE, "published": [2026, 11, 23, 19, 0, 0],
                "enclosures": [[ODD, length(ODD), "audio/mpeg"]],
            },
            {
                "id": "plain@2026-11-22T20:00:00Z", "title": "plain", "published": [2026, 11, 22, 20, 0, 0],
                "enclosures": [[PLAIN, length(PLAIN), "audio/mpeg"]],
            },
        ],
    });
    assert_eq!(found, &expected);
}

fn feedparser_leads_to_the_episodes_of_a_signed_feed() {
    let (root, key) = (recordings(), Key::parse(&[7; 32]).unwrap());
    for name in ["sub/odd #é", "plain", "live"] {
        let sidecar = std::fs::read_to_string(root.file(&format!("{name}.toml"))).unwrap();
        root.write(&format!("{name}.toml"), format!("private = true\n{sidecar}"));
    }
    let signature = key.sign_list(&Listing { q: "", expires: jiff::Timestamp::now().as_second() + 3600 });
    let found = wait(async {
        let server = Running::with(&root, |config| config.access.key = Some(key)).await;
        assert_eq!(server.get("/feed.xml").await.text().matches("<item>").count(), 0);
        read_from(server, &format!("/feed.xml?{signature}"), PYTHON, "tests/feeds/read.py").await
    });
    assert_eq!(found["got"], json!([length(ODD), length(PLAIN)]));
    let files = |episode: &Value| episode["enclosures"][0]["file_size"].clone();
    let told: Vec<Value> = found["gpodder"]["episodes"].as_array().unwrap().iter().map(files).collect();
    assert_eq!(json!(told), found["got"]);
}

fn gpodder_finds_every_episode() {
    let found = &read(PYTHON, "tests/feeds/read.py")["gpodder"];
    assert_eq!(found["title"], "Recordings");
    assert_eq!(found["link"], "/");
    assert_eq!(found["cover_url"], "https://radio.example/cover.jpg");
    assert_eq!(found["itunes_owner"]["email"], "owner@radio.example");
    assert_eq!(found["explicit"], false);
    let episodes = found["episodes"].as_array().unwrap();
    let of = |key: &str| episodes.iter().map(|episode| episode[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("guid"), ["sub/odd #é@2026-11-23T19:00:00Z", "plain@2026-11-22T20:00:00Z"]);
    assert_eq!(of("title"), [TITLE, "plain"]);
    assert_eq!(of("total_time"), [2, 1]);
    assert_eq!(of("published"), [1_795_460_400, 1_795_377_600]);
    assert_eq!(of("description"), ["A & B", "A & B"]);
    assert_eq!(of("episode_art_url"), ["https://radio.example/c.jpg", "https://radio.example/c.jpg"]);
    let enclosure = |path| json!([{ "url": path, "file_size": length(path), "mime_type": "audio/mpeg" }]);
    assert_eq!(of("enclosures"), [enclosure(ODD), enclosure(PLAIN)]);
}

fn partytime_finds_every_episode_in_each_format_and_its_chapters() {
    let found = read("node", "tests/feeds/read.js");
    assert!(found["guid"].as_str().is_some_and(|guid| guid.len() == 36), "{found}");
    assert_eq!(found["pubsub"]["self"], "/feed.xml");
    assert_eq!(found["owner"]["email"], "owner@radio.example");
    assert_eq!(found["explicit"], false);
    let [odd, plain] = &found["items"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((odd["title"].as_str(), plain["title"].as_str()), (Some(TITLE), Some("plain")));
    assert_eq!(odd["enclosure"], json!({ "url": ODD, "length": length(ODD), "type": "audio/mpeg" }));
    assert_eq!(odd["duration"], 2);
    assert_eq!(odd["podcastChapters"]["url"], "/recordings/sub/odd%20%23%C3%A9/chapters.json");
    assert_eq!(odd["podcastChapters"]["type"], "application/json+chapters");
    assert_eq!(plain.get("podcastChapters"), None);
    let alternate = |path: &str, media_type: &str, bitrate: u32, is_default: bool| {
        json!({
            "type": media_type, "length": length(path), "bitrate": bitrate, "default": is_default,
            "source": [{ "uri": path, "contentType": media_type }],
        })
    };
    let alternates = [
        alternate(ODD, "audio/mpeg", 128_000, true),
        alternate(ODD_OPUS, "audio/ogg; codecs=opus", 96_000, false),
    ];
    assert_eq!(odd["alternativeEnclosures"], json!(alternates));
}

fn partytime_finds_what_is_live() {
    let found = read("node", "tests/feeds/read.js");
    let [live] = &found["podcastLiveItems"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!(live["status"], "live");
    assert_eq!(live["start"], "2026-11-25T01:00:00.000Z");
    assert_eq!(live["title"], "Live");
    assert_eq!(live["guid"], "live@2026-11-25T01:00:00Z");
    assert_eq!(live["enclosure"]["url"], "/audio/live.mp3?pos=live");
    assert_eq!(live["contentLinks"][0]["url"], "/play/live");
    let sources =
        live["alternativeEnclosures"].as_array().unwrap().iter().map(|each| &each["source"][0]["uri"]);
    assert_eq!(
        sources.collect::<Vec<_>>(),
        ["/audio/live.mp3?pos=live", "/audio/live.opus?pos=live", "/hls/live/master.m3u8"]
    );
}
