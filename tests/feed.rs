//! What is read elsewhere: the podcast, the playlists, the chapters, and what is live as Icecast tells it.

mod support;

use std::fs;
use std::time::{Duration, SystemTime};

use roxmltree::{Document, Node};
use serde_json::Value;
use support::{Reply, Root, Running, is_problem, sound};

const PCM: &str = "s16le:48000:2";
/// When the files were, since 1970: on the 13th of September 2020.
const WRITTEN: Duration = Duration::from_secs(1_600_000_000);
const ITUNES: &str = "http://www.itunes.com/dtds/podcast-1.0.dtd";
const PODCAST: &str = "https://podcastindex.org/namespace/1.0";
const XSPF: &str = "http://xspf.org/ns/0/";

/// A server at which what grows does so until its sidecar says otherwise.
async fn start(root: &Root) -> Running {
    Running::with(root, |config| config.growth_timeout = Duration::from_secs(1 << 32)).await
}

/// A recording with a sidecar that says this, and when it was last written to.
fn write(root: &Root, name: &str, sidecar: &str) {
    root.write(&format!("{name}.toml"), format!("pcm = '{PCM}'\n{sidecar}\n"));
    root.write(&format!("{name}.pcm"), sound::noise(4_800, 2, 1));
    for file in [format!("{name}.toml"), format!("{name}.pcm")] {
        root.touch(&file, SystemTime::UNIX_EPOCH + WRITTEN);
    }
}

fn ended(title: &str, started: &str) -> String {
    format!("title = '{title}'\nstarted = '{started}'\nended = true")
}

async fn text(server: &Running, path: &str) -> String {
    let reply = server.get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Strictly: no replacement for what is no UTF-8.
    String::from_utf8(reply.body).unwrap()
}

/// The elements of a name (with its namespace) anywhere in a node.
fn all<'a, 'i>(node: Node<'a, 'i>, namespace: &str, name: &str) -> Vec<Node<'a, 'i>> {
    let is_it = |node: &Node<'_, '_>| {
        node.tag_name().name() == name && node.tag_name().namespace().unwrap_or_default() == namespace
    };
    node.descendants().filter(is_it).collect()
}

fn items<'a>(feed: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    all(feed.root(), "", "item")
}

fn live_items<'a>(feed: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    all(feed.root(), PODCAST, "liveItem")
}

/// The text of an element that there is once.
fn said<'a>(node: Node<'a, 'a>, namespace: &str, name: &str) -> &'a str {
    let children: Vec<_> = node
        .children()
        .filter(|child| {
            child.tag_name().name() == name && child.tag_name().namespace().unwrap_or_default() == namespace
        })
        .collect();
    assert_eq!(children.len(), 1, "{name} in {:?}", node.document().input_text());
    children[0].text().unwrap_or_default()
}

fn titles<'a>(items: &[Node<'a, 'a>]) -> Vec<&'a str> {
    items.iter().map(|item| said(*item, "", "title")).collect()
}

/// All lines of `Vary`.
fn varies_by(reply: &Reply) -> String {
    let lines = reply.headers.get_all("vary").iter().map(|line| line.to_str().unwrap());
    lines.collect::<Vec<_>>().join(", ")
}

/// The path of a whole URL of this server.
fn path<'a>(server: &Running, url: &'a str) -> &'a str {
    url.strip_prefix(&server.url("")).unwrap_or_else(|| panic!("{url} is not whole, or elsewhere"))
}

// ---- episodes

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_has_the_length_and_the_type_that_are_answered() {
    let root = Root::new();
    for (number, pcm) in
        ["s16le:44100:2", "s16le:8000:1", "s24le:96000:2", "f32le:22050:6"].iter().enumerate()
    {
        root.finished(&format!("show {number}"), pcm, &vec![0; 123_456]);
    }
    root.finished("empty", PCM, &[]);
    let server = start(&root).await;
    let mut counted = 0;
    for format in ["", "?format=opus", "?format=wav"] {
        let feed = text(&server, &format!("/feed.xml{format}")).await;
        let feed = Document::parse(&feed).unwrap();
        assert_eq!(items(&feed).len(), 5);
        for item in items(&feed) {
            let enclosures = all(item, "", "enclosure");
            let alternates = all(item, PODCAST, "alternateEnclosure");
            assert_eq!(
                (enclosures.len(), alternates.len()),
                (1, if format == "?format=wav" { 3 } else { 2 })
            );
            let of_alternate = |node: &Node<'_, '_>| {
                let source = all(*node, PODCAST, "source")[0].attribute("uri").unwrap().to_owned();
                (
                    source,
                    node.attribute("length").unwrap().to_owned(),
                    node.attribute("type").unwrap().to_owned(),
                )
            };
            let of_enclosure = |node: &Node<'_, '_>| {
                ["url", "length", "type"].map(|name| node.attribute(name).unwrap().to_owned()).into()
            };
            let defaults: Vec<_> = alternates.iter().map(|node| node.attribute("default")).collect();
            assert_eq!(defaults[0], Some("true"));
            assert!(defaults[1..].iter().all(Option::is_none));
            assert_eq!(of_alternate(&alternates[0]), of_enclosure(&enclosures[0]));
            for (url, length, media_type) in alternates.iter().map(of_alternate) {
                let reply = server.get(path(&server, &url)).await;
                assert_eq!(reply.status, 200);
                assert_eq!(reply.header("content-length"), Some(length.as_str()), "{url}");
                assert_eq!(reply.body.len().to_string(), length, "{url}");
                assert_eq!(reply.header("content-type"), Some(media_type.as_str()), "{url}");
                counted += 1;
            }
        }
    }
    assert_eq!(counted, 5 * (2 + 2 + 3));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_says_what_its_sidecar_does() {
    let root = Root::new();
    let more = "description = 'A & B'\nauthor = 'C'\nimage = 'https://radio.example/c.jpg?a&b'\n\
                [[chapters]]\nstart = 0\ntitle = 'x'";
    write(&root, "2026/a show", &format!("{}\n{more}", ended("Evening", "2026-11-23T20:00:00+01:00")));
    write(&root, "plain", "ended = true");
    let server = start(&root).await;
    let feed = text(&server, "/feed.xml").await;
    let feed = Document::parse(&feed).unwrap();
    let [show, plain] = items(&feed)[..] else { panic!("{}", feed.input_text()) };
    assert_eq!(said(show, "", "title"), "Evening");
    assert_eq!(said(show, "", "description"), "A & B");
    assert_eq!(said(show, "", "guid"), "2026/a show@2026-11-23T19:00:00Z");
    assert_eq!(said(show, "", "pubDate"), "Mon, 23 Nov 2026 19:00:00 GMT");
    assert_eq!(said(show, ITUNES, "duration"), "0");
    assert_eq!(said(show, ITUNES, "author"), "C");
    assert_eq!(all(show, ITUNES, "image")[0].attribute("href"), Some("https://radio.example/c.jpg?a&b"));
    assert_eq!(path(&server, said(show, "", "link")), "/play/2026/a%20show");
    let chapters = all(show, PODCAST, "chapters")[0];
    assert_eq!(chapters.attribute("type"), Some("application/json+chapters"));
    let url = path(&server, chapters.attribute("url").unwrap());
    assert_eq!(url, "/recordings/2026/a%20show/chapters.json");
    assert_eq!(server.get(url).await.status, 200);
    // Without a start it is as old as its file.
    assert_eq!(said(plain, "", "title"), "plain");
    assert_eq!(said(plain, "", "pubDate"), "Sun, 13 Sep 2020 12:26:40 GMT");
    assert_eq!(said(plain, "", "guid"), "plain");
    assert!(all(plain, "", "description").is_empty() && all(plain, PODCAST, "chapters").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_are_told_of_and_of_those_what_is_searched_for() {
    let root = Root::new();
    for number in 0..105 {
        let started = format!("2026-01-01T{:02}:{:02}:00Z", number / 60, number % 60);
        write(&root, &format!("show {number:03}"), &ended(&format!("Title {number}"), &started));
    }
    write(&root, "live", "started = '2020-01-01T00:00:00Z'");
    write(&root, "broken", "");
    root.write("broken.toml", "nonsense");
    root.write("broken too.wav", b"RIFF\x04\0\0\0WAVEfmt \x02\0\0\0\0\0");
    let server = start(&root).await;
    let feed = text(&server, "/feed.xml").await;
    let feed = Document::parse(&feed).unwrap();
    let newest: Vec<String> = (5..105).rev().map(|number| format!("Title {number}")).collect();
    assert_eq!(titles(&items(&feed)), newest);
    assert_eq!(titles(&live_items(&feed)), ["live"], "what is live is there however long ago it began");
    let own = feed.descendants().find(|node| node.attribute("rel") == Some("self")).unwrap();
    assert_eq!(path(&server, own.attribute("href").unwrap()), "/feed.xml");

    let some = text(&server, "/feed.xml?q=t%C3%8Dtle+4&limit=2&format=opus").await;
    let some = Document::parse(&some).unwrap();
    assert_eq!(titles(&items(&some)), ["Title 104", "Title 94"]);
    assert!(live_items(&some).is_empty());
    assert_eq!(all(some.root(), "", "enclosure")[0].attribute("type"), Some("audio/ogg; codecs=opus"));
    let own = some.descendants().find(|node| node.attribute("rel") == Some("self")).unwrap();
    let own = path(&server, own.attribute("href").unwrap());
    assert_eq!(own, "/feed.xml?q=t%C3%8Dtle%204&limit=2&format=opus");
    assert_eq!(text(&server, own).await, some.input_text());
    assert_ne!(guid_of(&some), guid_of(&feed), "it is another podcast");

    for (query, named, parameter) in
        [("limit=0", "`0`", "limit"), ("limit=x", "`x`", "limit"), ("format=flac", "`flac`", "format")]
    {
        for path in ["/feed.xml", "/recordings.m3u8", "/recordings.pls", "/recordings.xspf"] {
            let reply = server.get(&format!("{path}?{query}")).await;
            is_problem(&reply, 400, named);
            assert_eq!(reply.json()["parameter"], parameter);
        }
    }
}

fn guid_of<'a>(feed: &'a Document<'_>) -> &'a str {
    all(feed.root(), PODCAST, "guid")[0].text().unwrap()
}

// ---- what is live

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_is_live_and_the_same_episode_when_it_has_ended() {
    let root = Root::new();
    write(&root, "show", "title = 'Evening'\nstarted = '2026-11-23T20:00:00+01:00'");
    let server = start(&root).await;
    let before = text(&server, "/feed.xml").await;
    let feed = Document::parse(&before).unwrap();
    let [live] = live_items(&feed)[..] else { panic!("{before}") };
    assert!(items(&feed).is_empty());
    assert_eq!(live.attribute("status"), Some("live"));
    assert_eq!(live.attribute("start"), Some("2026-11-23T20:00:00+01:00"));
    let page = all(live, PODCAST, "contentLink")[0].attribute("href").unwrap();
    assert_eq!(server.get(path(&server, page)).await.status, 200);
    let enclosure = all(live, "", "enclosure")[0];
    assert_eq!(path(&server, enclosure.attribute("url").unwrap()), "/audio/show.mp3?pos=live");
    assert_eq!(enclosure.attribute("length"), Some("0"), "nobody knows");
    let mut sound = server.open("GET", "/audio/show.mp3?pos=live", &[]).await;
    assert_eq!(Some(sound.headers["content-type"].to_str().unwrap()), enclosure.attribute("type"));
    assert!(!sound.next().await.unwrap().unwrap().is_empty());
    let alternates = all(live, PODCAST, "alternateEnclosure");
    assert!(alternates.iter().all(|node| node.attribute("length").is_none()));
    let [_, _, stream] = alternates[..] else { panic!("{alternates:?}") };
    let playlist =
        server.get(path(&server, all(stream, PODCAST, "source")[0].attribute("uri").unwrap())).await;
    assert_eq!((playlist.status, playlist.header("content-type")), (200, stream.attribute("type")));

    root.append("show.pcm", &sound::noise(4_800, 2, 1));
    assert_eq!(text(&server, "/feed.xml").await, before, "that it grows is nothing new");

    write(&root, "show", &ended("Evening", "2026-11-23T20:00:00+01:00"));
    let after = text(&server, "/feed.xml").await;
    let after = Document::parse(&after).unwrap();
    let [episode] = items(&after)[..] else { panic!("{}", after.input_text()) };
    assert!(live_items(&after).is_empty());
    assert_eq!(said(episode, "", "guid"), said(live, "", "guid"));
}

// ---- what the feed says of itself

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_changes_when_an_episode_does_and_not_else() {
    let root = Root::new();
    write(&root, "a", &ended("A", "2026-11-23T20:00:00Z"));
    write(&root, "b", &ended("B", "2026-11-22T20:00:00Z"));
    let server = start(&root).await;
    let mut seen = Vec::new();
    for path in ["/feed.xml", "/recordings.m3u8", "/recordings.pls", "/recordings.xspf"] {
        let first = server.get(path).await;
        let tag = first.header("etag").unwrap();
        assert!(tag.starts_with('"'), "{tag}");
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let again = server.get_with(path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)));
        assert_eq!(again.header("cache-control"), Some("no-cache"));
        let other = server.get_with(path, &[("if-match", "\"other\"")]).await;
        is_problem(&other, 412, "\"other\"");
        let head = server.head(path).await;
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag)));
        assert_eq!(head.header("content-type"), first.header("content-type"));
        // Whoever has only the date gets it once more: what is removed makes nothing newer.
        let dated = [("if-modified-since", "Sat, 01 Jan 2050 00:00:00 GMT")];
        assert_eq!(server.get_with(path, &dated).await.status, 200);
        seen.push(tag.to_owned());
    }
    let mut before = seen[0].clone();
    let mut change = async |what: &str, change: &dyn Fn()| {
        change();
        let tag = server.get("/feed.xml").await.header("etag").unwrap().to_owned();
        assert_ne!(tag, before, "{what}");
        assert_eq!(server.get("/feed.xml").await.header("etag"), Some(tag.as_str()), "{what}");
        before = tag;
    };
    change("another title", &|| write(&root, "b", &ended("C", "2026-11-22T20:00:00Z"))).await;
    change("one more", &|| write(&root, "c", &ended("D", "2026-11-21T20:00:00Z"))).await;
    change("longer", &|| root.append("c.pcm", &[0; 4])).await;
    change("gone", &|| fs::remove_file(root.file("c.pcm")).unwrap()).await;
    let at = |seconds| SystemTime::UNIX_EPOCH + WRITTEN + Duration::from_secs(seconds);
    change("written to", &|| root.touch("b.pcm", at(9))).await;
    // Nothing that is told of it is another then, and it is not the newest.
    let edit = || {
        root.write("a.pcm", sound::noise(4_800, 2, 2));
        root.touch("a.pcm", at(8));
    };
    change("edited, no longer than before", &edit).await;
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_was_last_changed_is_told_by_the_files_and_not_by_the_clock() {
    let root = Root::new();
    write(&root, "a", &ended("A", "2020-11-23T20:00:00Z"));
    let at = |seconds| SystemTime::UNIX_EPOCH + WRITTEN + Duration::from_secs(seconds);
    root.touch("a.pcm", at(0));
    root.touch("a.toml", at(60));
    let server = start(&root).await;
    let reply = server.get("/feed.xml").await;
    assert_eq!(reply.header("last-modified"), Some("Sun, 13 Sep 2020 12:27:40 GMT"), "the sidecar's");
    assert!(reply.text().contains("<lastBuildDate>Sun, 13 Sep 2020 12:27:40 GMT</lastBuildDate>"));
    root.touch("a.pcm", at(61));
    let reply = server.get("/feed.xml").await;
    assert_eq!(reply.header("last-modified"), Some("Sun, 13 Sep 2020 12:27:41 GMT"));
    root.touch("a.pcm", at(10_000_000_000));
    assert_eq!(server.get("/feed.xml").await.header("last-modified"), None, "a date in the future is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_of_the_same_recordings_have_the_same_podcast() {
    let root = Root::new();
    write(&root, "a", &ended("A", "2026-11-23T20:00:00Z"));
    write(&root, "b", "ended = true");
    let public =
        |config: &mut tailcast::config::Config| config.public_url = Some("https://radio.example".into());
    let (one, other) = (Running::with(&root, public).await, Running::with(&root, public).await);
    let (first, second) = (one.get("/feed.xml").await, other.get("/feed.xml").await);
    assert_eq!(first.text(), second.text());
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(varies_by(&first), "accept-encoding");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_the_feed_says_what_the_settings_do() {
    use tailcast::config::{Category, Feed};
    let root = Root::new();
    let server = Running::with(&root, |config| {
        config.public_url = Some("https://radio.example/live".into());
        config.feed = Feed {
            title: "A & <B>".into(),
            description: "C".into(),
            author: Some("D".into()),
            email: Some("owner@radio.example".into()),
            image: Some("https://radio.example/cover.jpg".into()),
            language: Some("pt-BR".into()),
            category: Some(Category { name: "Society & Culture".into(), within: Some("Documentary".into()) }),
            explicit: true,
        };
    })
    .await;
    let reply = server.get("/feed.xml").await;
    assert_eq!(reply.header("content-type"), Some("application/rss+xml; charset=utf-8"));
    let text = reply.text();
    let feed = Document::parse(&text).unwrap();
    assert_eq!(feed.root_element().attribute("version"), Some("2.0"));
    let channel = all(feed.root(), "", "channel")[0];
    for (namespace, name, expected) in [
        ("", "title", "A & <B>"),
        ("", "description", "C"),
        ("", "link", "https://radio.example/live/"),
        ("", "language", "pt-BR"),
        (ITUNES, "author", "D"),
        (ITUNES, "explicit", "true"),
        // Python's uuid.uuid5 of `radio.example/live/feed.xml`.
        (PODCAST, "guid", "a43ce545-6a65-578f-8177-cf5824c090db"),
    ] {
        assert_eq!(said(channel, namespace, name), expected, "{name}");
    }
    let owner = all(channel, ITUNES, "owner")[0];
    assert_eq!((said(owner, ITUNES, "name"), said(owner, ITUNES, "email")), ("D", "owner@radio.example"));
    let categories: Vec<_> =
        all(channel, ITUNES, "category").iter().map(|node| node.attribute("text")).collect();
    assert_eq!(categories, [Some("Society & Culture"), Some("Documentary")]);
    assert_eq!(all(channel, ITUNES, "image")[0].attribute("href"), Some("https://radio.example/cover.jpg"));
    let own = channel.children().find(|node| node.attribute("rel") == Some("self")).unwrap();
    assert_eq!(own.attribute("href"), Some("https://radio.example/live/feed.xml"));
    // Nothing to tell of is no date.
    assert!(all(channel, "", "lastBuildDate").is_empty() && reply.header("last-modified").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_those_by_which_one_came() {
    let root = Root::new();
    root.finished("show", PCM, &[0; 4]);
    let trusting = Running::start(&root).await;
    let forwarded = [("x-forwarded-host", "radio.example"), ("x-forwarded-proto", "https")];
    let reply = trusting.get_with("/recordings.m3u8", &forwarded).await;
    assert!(reply.text().ends_with("\nhttps://radio.example/audio/show.mp3\n"), "{}", reply.text());
    assert_eq!(varies_by(&reply), "accept-encoding, x-forwarded-host, x-forwarded-proto");
    let wary = Running::with(&root, |config| config.limits.trusted_proxies = Vec::new()).await;
    let reply = wary.get_with("/recordings.m3u8", &forwarded).await;
    assert!(reply.text().ends_with(&format!("\n{}\n", wary.url("/audio/show.mp3"))), "{}", reply.text());
    assert_eq!(varies_by(&reply), "accept-encoding");
    let old = wary.raw("GET /feed.xml HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 400") && old.contains("/problems/malformed"), "{old}");
}

// ---- whatever is written in a title

#[tokio::test(flavor = "multi_thread")]
async fn a_title_or_a_name_can_say_anything_and_do_nothing() {
    let root = Root::new();
    let hostile = "]]></title><script>&amp;\\u0007\\u001b[31m\\uFFFF \\\"x\\\" \u{e9}\u{1f600}\\nhttp://evil/\\r\\nFile2=http://evil/";
    let sidecar =
        format!("title = \"{hostile}\"\ndescription = \"{hostile}\"\nauthor = \"{hostile}\"\nended = true");
    write(&root, "<a> & 'b\" #?%", &sidecar);
    let server = start(&root).await;
    let shown = "]]></title><script>&amp;[31m \"x\" \u{e9}\u{1f600}\nhttp://evil/\r\nFile2=http://evil/";
    let feed = text(&server, "/feed.xml").await;
    let feed = Document::parse(&feed).unwrap();
    let [item] = items(&feed)[..] else { panic!("{}", feed.input_text()) };
    for (namespace, name) in [("", "title"), ("", "description"), (ITUNES, "author")] {
        assert_eq!(said(item, namespace, name), shown);
    }
    let heard = "/audio/%3Ca%3E%20%26%20%27b%22%20%23%3F%25.mp3";
    assert_eq!(path(&server, all(item, "", "enclosure")[0].attribute("url").unwrap()), heard);
    assert_eq!(server.get(heard).await.status, 200);
    let xspf = text(&server, "/recordings.xspf").await;
    let xspf = Document::parse(&xspf).unwrap();
    assert_eq!(all(xspf.root(), XSPF, "title")[1].text(), Some(shown));
    let m3u = text(&server, "/recordings.m3u8").await;
    assert_eq!(m3u.lines().count(), 4, "{m3u:?}");
    let pls = text(&server, "/recordings.pls").await;
    assert_eq!(pls.lines().count(), 6, "{pls:?}");
    assert!(!m3u.contains(['\r', '\u{7}', '\u{1b}']) && !pls.contains(['\r', '\u{7}', '\u{1b}']));
}

// ---- playlists

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_has_what_there_is_the_newest_first() {
    let root = Root::new();
    write(&root, "a", &ended("A", "2026-11-21T20:00:00Z"));
    root.write("a.pcm", vec![0; 96_000 * 2 * 3 + 4]);
    write(&root, "sub/b", "title = 'B'\nauthor = 'C'\nstarted = '2026-11-22T20:00:00Z'");
    let server = start(&root).await;
    let url = |path| server.url(path);
    let reply = server.get("/recordings.m3u8").await;
    assert_eq!(reply.header("content-type"), Some("audio/x-mpegurl; charset=utf-8"));
    let (live, show) = (url("/audio/sub/b.mp3?pos=live"), url("/audio/a.mp3"));
    let expected = format!("#EXTM3U\n#PLAYLIST:Recordings\n#EXTINF:-1,B\n{live}\n#EXTINF:3,A\n{show}\n");
    assert_eq!(reply.text(), expected);

    let reply = server.get("/recordings.pls?format=opus").await;
    assert_eq!(reply.header("content-type"), Some("audio/x-scpls; charset=utf-8"));
    let (live, show) = (url("/audio/sub/b.opus?pos=live"), url("/audio/a.opus"));
    let expected = format!(
        "[playlist]\nFile1={live}\nTitle1=B\nLength1=-1\nFile2={show}\nTitle2=A\nLength2=3\nNumberOfEntries=2\nVersion=2\n"
    );
    assert_eq!(reply.text(), expected);

    let reply = server.get("/recordings.xspf?format=wav").await;
    assert_eq!(reply.header("content-type"), Some("application/xspf+xml; charset=utf-8"));
    let text = reply.text();
    let xspf = Document::parse(&text).unwrap();
    let tracks = all(xspf.root(), XSPF, "track");
    let of = |number: usize, name| tracks[number].children().find(|node| node.has_tag_name((XSPF, name)));
    let of = |number, name| of(number, name).and_then(|node| node.text());
    assert_eq!(of(0, "location"), Some(url("/audio/sub/b.wav?pos=live").as_str()));
    assert_eq!((of(0, "title"), of(0, "creator"), of(0, "duration")), (Some("B"), Some("C"), None));
    assert_eq!((of(1, "title"), of(1, "duration")), (Some("A"), Some("3000")));
    assert_eq!(of(1, "info"), Some(url("/play/a").as_str()));

    assert_eq!(server.get("/recordings.m3u8?limit=1").await.text().lines().count(), 4);
    assert_eq!(server.get("/recordings.m3u8?q=nothing").await.text().lines().count(), 2);
}

// ---- chapters

#[tokio::test(flavor = "multi_thread")]
async fn chapters_are_those_of_the_sidecar() {
    let root = Root::new();
    let chapters = "[[chapters]]\nstart = 0\ntitle = 'Start'\n[[chapters]]\nstart = '0:05:00.5'\ntitle = 'News \"\"'\n\
                    url = 'https://radio.example/n'\nimage = 'https://radio.example/n.jpg'";
    write(&root, "sub/show", &format!("title = 'Evening'\nauthor = 'A'\n{chapters}"));
    write(&root, "none", "");
    write(&root, "odd/chapters.json", "ended = true");
    let server = start(&root).await;
    let reply = server.get("/recordings/sub/show/chapters.json").await;
    assert_eq!(reply.header("content-type"), Some("application/json+chapters"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    let expected: Value = serde_json::json!({
        "version": "1.2.0", "title": "Evening", "author": "A",
        "chapters": [
            { "startTime": 0.0, "title": "Start" },
            { "startTime": 300.5, "title": "News \"\"", "url": "https://radio.example/n", "img": "https://radio.example/n.jpg" },
        ],
    });
    assert_eq!(reply.json(), expected);
    let tag = reply.header("etag").unwrap();
    let again = server.get_with("/recordings/sub/show/chapters.json", &[("if-none-match", tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    is_problem(&server.get("/recordings/none/chapters.json").await, 404, "`none` has no chapters");
    is_problem(&server.get("/recordings/gone/chapters.json").await, 404, "gone/chapters.json");
    assert_eq!(server.get("/recordings/odd/chapters.json").await.json()["name"], "odd/chapters.json");
    write(&root, "sub/show", "[[chapters]]\nstart = 5\ntitle = 'a'\n[[chapters]]\nstart = 4\ntitle = 'b'");
    is_problem(&server.get("/recordings/sub/show/chapters.json").await, 500, "start `4`");
}

// ---- as Icecast tells it

async fn status(server: &Running) -> Value {
    let reply = server.get("/status-json.xsl").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.json()["icestats"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_told_as_icecast_does() {
    let root = Root::new();
    write(&root, "ended", "ended = true");
    let server = start(&root).await;
    let none = status(&server).await;
    assert_eq!(none.get("source"), None, "{none}");
    for key in ["admin", "host", "location", "server_id", "server_start", "server_start_iso8601"] {
        assert!(none[key].is_string(), "{key}: {none}");
    }
    assert_eq!(none["host"], "127.0.0.1");

    write(&root, "sub/b", "title = 'B \"quoted\" </script>'\nstarted = '2026-11-22T20:00:00+01:00'");
    root.write(
        "sub/b.toml",
        fs::read_to_string(root.file("sub/b.toml")).unwrap().replace("48000:2", "8000:1"),
    );
    let one = status(&server).await["source"].clone();
    let expected = serde_json::json!({
        "bitrate": 64, "channels": 1, "listeners": 0, "listenurl": server.url("/audio/sub/b.mp3?pos=live"),
        "samplerate": 8000, "server_name": "B \"quoted\" </script>", "server_type": "audio/mpeg",
        "stream_start": "Sun, 22 Nov 2026 19:00:00 +0000", "stream_start_iso8601": "2026-11-22T19:00:00+0000",
        "title": "B \"quoted\" </script>",
    });
    assert_eq!(one, expected);

    write(&root, "a", "");
    let several = status(&server).await["source"].clone();
    assert_eq!(several.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_counted_for_each_recording_while_they_listen() {
    let root = Root::new();
    write(&root, "a", "started = '2026-11-22T20:00:00Z'");
    write(&root, "b", "started = '2026-11-21T20:00:00Z'");
    let server = start(&root).await;
    let listeners = async || {
        let sources = status(&server).await["source"].clone();
        [0, 1].map(|number: usize| sources[number]["listeners"].as_u64().unwrap())
    };
    let mut first = server.open("GET", "/audio/a.mp3", &[]).await;
    first.take(500).await;
    let mut second = server.open("GET", "/audio/a.wav", &[]).await;
    second.take(500).await;
    server.head("/audio/b.mp3").await;
    assert_eq!(listeners().await, [2, 0]);
    drop((first, second));
    for _ in 0..1000 {
        if listeners().await == [0, 0] {
            return;
        }
        // Each look is a request, which gives the server time to notice who has left.
        tokio::task::yield_now().await;
    }
    panic!("they left and are counted");
}

// ---- where it is found

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_where_the_podcast_is() {
    let root = Root::new();
    let server = start(&root).await;
    let page: Reply = server.get("/").await;
    let link = "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"Podcast\" href=\"/feed.xml\">";
    assert!(page.text().contains(link), "{}", page.text());
}
