//! Titles and chapters in the headers of wholes and clips: they take the same bytes whatever they say, and the ETag
//! knows them.

mod cover;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use support::{Root, Running, codec, sound};

const PCM: &str = "s16le:48000:2";
const RATE: usize = 48_000;
const FORMATS: [&str; 2] = ["mp3", "opus"];
const CHAPTERS: &str = "[[chapters]]\nstart = 1\ntitle = 'Een'\n[[chapters]]\nstart = 2\ntitle = 'Twee'\n";

fn says(root: &Root, sidecar: &str) {
    root.write("show.toml", format!("pcm = '{PCM}'\n{sidecar}"));
}

/// Three seconds with a sidecar that says this.
fn recording(sidecar: &str) -> Root {
    let root = Root::new();
    says(&root, sidecar);
    root.write("show.pcm", sound::noise(3 * RATE, 2, 3));
    root
}

/// A server at which what grows does so until its sidecar says otherwise.
async fn start(root: &Root) -> Running {
    Running::with(root, |config| config.growth_timeout = Duration::from_secs(3600)).await
}

fn header_len(format: &str) -> usize {
    support::header_len(format, PCM)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_changes_the_header_and_the_tag_and_no_length_and_no_packet() {
    let root = recording("ended = true\n");
    let server = start(&root).await;
    for format in FORMATS {
        let path = format!("/audio/show.{format}");
        says(&root, "ended = true\n");
        let plain = server.get(&path).await;
        let mut tags = vec![plain.header("etag").unwrap().to_owned()];
        for sidecar in
            ["title = 'Soir'\n", "title = 'Nuit'\n", "author = 'Qui'\n", "started = '2026-11-23T20:00:00Z'\n"]
        {
            says(&root, &format!("ended = true\n{sidecar}{CHAPTERS}"));
            let tagged = server.get(&path).await;
            let header = header_len(format);
            assert_eq!(tagged.body.len(), plain.body.len(), "{format} {sidecar}");
            assert!(tagged.body[header..] == plain.body[header..], "{format} {sidecar}");
            let said = sidecar.split('\'').nth(1).unwrap();
            assert!(has(&tagged.body[..header], said.trim_end_matches('Z')), "{format} {sidecar}");
            assert!(has(&tagged.body[..header], "Twee"), "{format} {sidecar}");
            let tag = tagged.header("etag").unwrap().to_owned();
            assert!(!tags.contains(&tag), "{format} {sidecar}");
            tags.push(tag);
        }
        // Said again what it said first, it is the same again, to a client that kept it as well.
        says(&root, "ended = true\n");
        let again = server.get_with(&path, &[("if-none-match", &tags[0])]).await;
        assert_eq!(again.status, 304, "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_what_was_renamed_begins_anew() {
    let root = recording("title = 'Soir'\nended = true\n");
    let server = start(&root).await;
    let first = server.range("/audio/show.mp3", "bytes=0-999").await;
    let tag = first.header("etag").unwrap().to_owned();
    says(&root, "title = 'Nuit'\nended = true\n");
    let rest = server.get_with("/audio/show.mp3", &[("range", "bytes=1000-"), ("if-range", &tag)]).await;
    assert_eq!(rest.status, 200);
    assert!(has(&rest.body[..header_len("mp3")], "Nuit"));
}

/// It has no tag while it grows, so any that a client may have from before is another's.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_what_is_renamed_while_it_grows_begins_anew() {
    let root = recording("title = 'Soir'\n");
    let server = start(&root).await;
    for format in FORMATS {
        says(&root, "title = 'Soir'\n");
        let path = format!("/audio/show.{format}");
        assert_eq!(server.range(&path, "bytes=0-999").await.header("etag"), None);
        says(&root, "title = 'Nuit'\n");
        let mut rest = server.open("GET", &path, &[("range", "bytes=1000-"), ("if-range", "\"any\"")]).await;
        assert_eq!(rest.status, 200);
        assert!(has(&rest.take(header_len(format)).await, "Nuit"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sound_of_wav_and_its_tag_are_what_they_are_whatever_it_is_called() {
    let root = recording("ended = true\n");
    let server = start(&root).await;
    let plain = server.get("/audio/show.wav").await;
    says(&root, &format!("title = 'Soir'\nended = true\n{CHAPTERS}"));
    let tagged = server.get("/audio/show.wav").await;
    assert_eq!(plain.header("etag"), tagged.header("etag"));
    assert!(plain.body == tagged.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_comes_while_it_grows_moves_no_byte_behind_the_header() {
    let root = recording("");
    let server = start(&root).await;
    for format in FORMATS {
        let path = format!("/audio/show.{format}");
        let header = header_len(format);
        says(&root, "");
        let behind = format!("bytes={header}-{}", header + 20_000);
        let before = server.range(&path, &behind).await;
        assert_eq!(before.status, 206);
        says(&root, &format!("title = 'Soir'\n{CHAPTERS}"));
        let after = server.range(&path, &behind).await;
        assert!(before.body == after.body, "{format}");
        let head = server.range(&path, &format!("bytes=0-{}", header - 1)).await;
        assert!(has(&head.body, "Soir"), "{format}");
        // And when it has ended.
        says(&root, &format!("title = 'Nuit'\nended = true\n{CHAPTERS}"));
        let ended = server.get(&path).await;
        assert!(ended.body[header..][..before.body.len()] == before.body, "{format}");
        assert!(has(&ended.body[..header], "Nuit"), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_has_one_tag_while_its_recording_grows_and_after() {
    let root = recording(&format!("title = 'Soir'\n{CHAPTERS}"));
    let server = start(&root).await;
    for format in FORMATS {
        says(&root, &format!("title = 'Soir'\n{CHAPTERS}"));
        let path = format!("/audio/show.{format}?pos=0.5&duration=1");
        let growing = server.get(&path).await;
        says(&root, &format!("title = 'Soir'\nended = true\n{CHAPTERS}"));
        let ended = server.get(&path).await;
        assert!(
            growing.header("etag").is_some() && growing.header("etag") == ended.header("etag"),
            "{format}"
        );
        assert!(growing.body == ended.body, "{format}");
        // The second chapter begins behind it.
        let header = &ended.body[..header_len(format)];
        assert!(has(header, "Een") && !has(header, "Twee"), "{format}");
    }
}

/// What stands before the sound where nothing is said: a tag with the encoder's name; comments without any.
fn plain(format: &str) -> &'static [u8] {
    match format {
        "mp3" => b"ID3\x03\0\0\0\0\0\x13TSSE\0\0\0\x09\0\0\0tailcast\xff\xfb",
        _ => b"\x01\x18OpusTags\x08\0\0\0tailcast\0\0\0\0OggS",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_seeks_gets_a_short_header_and_the_packets_of_a_clip() {
    let root = recording("ended = true\n");
    let server = start(&root).await;
    for format in FORMATS {
        // The second is a clip to the recording's end.
        let [path, clip] = ["", "&duration=2.5"].map(|more| format!("/audio/show.{format}?pos=0.5{more}"));
        says(&root, "ended = true\n");
        let untitled = server.get(&path).await;
        says(&root, &format!("title = 'Soir'\nended = true\n{CHAPTERS}"));
        let (titled, kept) = (server.get(&path).await, server.get(&clip).await);
        assert!(titled.body == untitled.body && titled.header("etag") == untitled.header("etag"), "{format}");
        let begins = titled.body.windows(plain(format).len()).position(|bytes| bytes == plain(format));
        // The page before has 19 bytes, and 28 of its own; the other's head is 27.
        assert_eq!(begins, Some(if format == "mp3" { 0 } else { 47 + 26 }), "{format}");
        let short = codec(format, PCM).grid().header_len as usize;
        assert!(titled.body[short..] == kept.body[header_len(format)..], "{format}");
        assert!(
            has(&kept.body[..header_len(format)], "Soir") && titled.header("etag") != kept.header("etag")
        );
        // And of what grows.
        says(&root, "title = 'Soir'\n");
        let growing = server.range(&path, &format!("bytes=0-{}", short + 9_999)).await;
        assert!(growing.body[short..] == titled.body[short..][..10_000], "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_for_hls_have_no_titles() {
    let root = recording("ended = true\n");
    let server = start(&root).await;
    for format in FORMATS {
        let index = format!("/hls/show/master.m3u8?format={format}");
        says(&root, "ended = true\n");
        let segments = media(&server, &index).await;
        says(&root, &format!("title = 'Soir'\nended = true\n{CHAPTERS}"));
        assert!(segments == media(&server, &index).await, "{format}");
    }
}

/// What the first playlist of a master playlist names, and its first segment with its tag.
async fn media(server: &Running, index: &str) -> (String, Vec<u8>, Option<String>) {
    let named = |text: &str| text.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    let playlist = format!("/hls/show/{}", named(&server.get(index).await.text()));
    let text = server.get(&playlist).await.text();
    let (folder, _) = playlist.rsplit_once('/').unwrap();
    let segment = server.get(&format!("{folder}/{}", named(&text))).await;
    assert_eq!(segment.status, 200);
    let tag = segment.header("etag").map(str::to_owned);
    (text, segment.body, tag)
}
