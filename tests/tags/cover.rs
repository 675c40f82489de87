//! The picture that a sidecar names: in the headers that have room for it, at an address of its own, and in lists.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::{Root, codec, header_len, is_problem, sound};
use crate::{FORMATS, PCM, RATE, recording, says, start};

const ROOM: u32 = 65_536;

/// What begins as a JPEG and ends as none.
fn picture(seed: u8, bytes: usize) -> Vec<u8> {
    let noise = (0..bytes as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed);
    [0xFF, 0xD8, 0xFF].into_iter().chain(noise).take(bytes).collect()
}

/// Bytes of the header of a whole with room for a cover.
fn with_room(format: &str, room: u32) -> usize {
    header_len(format, PCM) + codec(format, PCM).cover_len(room) as usize
}

/// Whether there is a picture among these bytes, in a page of Ogg or not: enough of it to know it by.
fn has(format: &str, bytes: &[u8], picture: &[u8]) -> bool {
    use base64::Engine;
    // From a multiple of three on in the picture block, base64 is that of the rest alone.
    let part = &picture[3..3 + 300];
    let looked_for = match format {
        "mp3" => part.to_vec(),
        _ => {
            let block = [&[0; 32 + 10][..], picture].concat();
            base64::prelude::BASE64_STANDARD.encode(block).into_bytes()[60..460].to_vec()
        }
    };
    bytes.windows(looked_for.len()).any(|window| window == looked_for)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cover_that_comes_late_or_is_changed_moves_no_byte_behind_the_header() {
    for format in FORMATS {
        let root = recording("cover = 'c.jpg'\n");
        let server = start(&root).await;
        let (path, header) = (format!("/audio/show.{format}"), with_room(format, ROOM));
        let behind = format!("bytes={header}-{}", header + 20_000);
        let whole = format!("bytes=0-{}", header - 1);
        let without = (server.range(&path, &whole).await.body, server.range(&path, &behind).await.body);
        for seed in [1, 2] {
            let picture = picture(seed, 40_000);
            root.write("c.jpg", &picture);
            let with = (server.range(&path, &whole).await.body, server.range(&path, &behind).await.body);
            assert!(has(format, &with.0, &picture) && !has(format, &without.0, &picture), "{format} {seed}");
            assert!(with.1 == without.1 && with.0.len() == header, "{format} {seed}");
        }
        says(&root, "cover = 'c.jpg'\nended = true\n");
        let ended = server.get(&path).await;
        assert!(ended.body[header..][..20_001] == without.1, "{format}");
        assert!(has(format, &ended.body[..header], &picture(2, 40_000)), "{format}");
        // Any part of the header is that part of it.
        for (from, until) in [(0, 1), (4_000, 4_200), (30_000, 60_000), (header - 3, header + 3)] {
            let part = server.range(&path, &format!("bytes={from}-{}", until - 1)).await;
            assert!(part.body == ended.body[from..until], "{format} {from}");
        }
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_as_it_was_without_a_cover() {
    let root = recording("ended = true\n");
    let server = start(&root).await;
    for path in ["/audio/show.mp3", "/audio/show.opus", "/audio/show.wav", "/audio/show.mp3?pos=1"] {
        says(&root, "ended = true\n");
        let plain = server.get(path).await;
        root.write("c.jpg", picture(1, 10_000));
        says(&root, "ended = true\ncover = 'c.jpg'\ncover_room = 0\n");
        let none = server.get(path).await;
        assert_eq!((none.header("etag"), &none.body), (plain.header("etag"), &plain.body), "{path}");
        says(&root, "ended = true\ncover = 'c.jpg'\n");
        let some = server.get(path).await;
        let is_tagged = !path.ends_with("wav") && !path.contains("pos");
        assert_eq!(some.header("etag") != plain.header("etag"), is_tagged, "{path}");
        assert_eq!(some.body != plain.body, is_tagged, "{path}");
    }
    let clip = server.get("/audio/show.mp3?pos=1&duration=1").await;
    assert!(has("mp3", &clip.body, &picture(1, 10_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_picture_makes_another_tag_and_the_same_length() {
    let root = recording("ended = true\ncover = 'c.jpg'\n");
    let server = start(&root).await;
    for format in FORMATS {
        let path = format!("/audio/show.{format}");
        let mut tags: Vec<String> = Vec::new();
        for seed in [1, 2, 3] {
            root.write("c.jpg", picture(seed, 30_000));
            // It has been so for long, when it is read.
            root.touch("c.jpg", SystemTime::now() - Duration::from_secs(3600));
            let (first, again) = (server.get(&path).await, server.head(&path).await);
            let tag = first.header("etag").unwrap().to_owned();
            assert_eq!(again.header("etag"), Some(&*tag), "{format}");
            assert!(has(format, &first.body, &picture(seed, 30_000)), "{format} {seed}");
            assert!(!tags.contains(&tag), "{format} {seed}");
            tags.push(tag);
            let details = server.get("/recordings/show").await.json();
            assert_eq!(details["formats"][format]["length"], first.body.len(), "{format}");
            assert_eq!(details["formats"][format]["header_bytes"], with_room(format, ROOM), "{format}");
        }
        fs::remove_file(root.file("c.jpg")).unwrap();
        assert!(!tags.contains(&server.get(&path).await.header("etag").unwrap().to_owned()), "{format}");
    }
}

/// Bytes of what grows would otherwise be elsewhere in the middle of a body, or of a download that goes on.
#[tokio::test(flavor = "multi_thread")]
async fn room_that_is_made_while_it_grows_makes_it_another_recording() {
    for format in FORMATS {
        let root = recording("");
        let server = start(&root).await;
        let path = format!("/audio/show.{format}");
        let mut listener = server.open("GET", &path, &[]).await;
        listener.take(header_len(format, PCM) + 10_000).await;
        root.write("c.jpg", picture(1, 10_000));
        says(&root, "cover = 'c.jpg'\n");
        let now = server.range(&path, &format!("bytes=0-{}", with_room(format, ROOM) + 100)).await;
        assert!(has(format, &now.body, &picture(1, 10_000)), "{format}");
        let ended = loop {
            match listener.next().await {
                Ok(Some(_)) => {}
                ended => break ended,
            }
        };
        assert!(ended.is_err(), "{format}: it ended as if in order");
        assert_eq!(server.panics(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cover_that_cannot_be_used_is_told_of_and_takes_no_sound_away() {
    let root = recording("ended = true\ncover = 'c.jpg'\n");
    let server = start(&root).await;
    let plain = server.get("/audio/show.mp3").await;
    for (content, why) in [
        (None, "c.jpg"),
        (Some(picture(1, 65_537)), "65537"),
        (Some(b"GIF89a".to_vec()), "JPEG"),
        (Some(vec![]), "JPEG"),
        (Some(picture(1, 2_000_000)), "1048576"),
    ] {
        let _ = fs::remove_file(root.file("c.jpg"));
        if let Some(content) = content {
            root.write("c.jpg", content);
        }
        let whole = server.get("/audio/show.mp3").await;
        assert!(whole.status == 200 && whole.body == plain.body, "{why}");
        let told = server.get("/recordings/show").await.json();
        assert!(told["cover_error"].as_str().unwrap().contains(why), "{told}");
        is_problem(&server.get("/recordings/show/cover.jpg").await, 404, why);
    }
    // It is in a folder that is not served.
    let outside = Root::new();
    outside.write("c.jpg", picture(1, 100));
    let _ = fs::remove_file(root.file("c.jpg"));
    std::os::unix::fs::symlink(outside.file("c.jpg"), root.file("c.jpg")).unwrap();
    is_problem(&server.get("/recordings/show/cover.jpg").await, 404, "c.jpg");
    says(&root, "ended = true\ncover = '../c.jpg'\n");
    is_problem(&server.get("/recordings/show/cover.jpg").await, 404, "../c.jpg");
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cover_has_an_address_and_is_in_the_lists() {
    let root = recording("ended = true\ncover = 'c.jpeg'\n");
    root.write("c.jpeg", picture(1, 10_000));
    root.write("sub/one.pcm", sound::noise(RATE, 2, 3));
    // Whatever it is called.
    root.write("sub/one.toml", "ended = true\ncover = '../c.PNG'\n");
    root.write("c.PNG", picture(2, 10_000));
    root.write("none.pcm", sound::noise(RATE, 2, 3));
    let server = start(&root).await;
    for (path, picture) in [
        ("/recordings/show/cover.jpg", picture(1, 10_000)),
        ("/recordings/sub/one/cover.png", picture(2, 10_000)),
    ] {
        let cover = server.get_with(path, &[("accept-encoding", "gzip")]).await;
        assert_eq!((cover.status, cover.header("content-type")), (200, Some("image/jpeg")), "{path}");
        assert!(cover.body == picture, "{path}");
        let again = server.get_with(path, &[("if-none-match", cover.header("etag").unwrap())]).await;
        assert_eq!(again.status, 304, "{path}");
        for list in ["/feed.xml", "/recordings.xspf", "/recordings"] {
            let list = server.get(list).await.text();
            assert!(list.contains(path), "{path} is not in {list}");
        }
    }
    let page = server.get("/play/show").await.text();
    assert!(page.contains("src=\"/recordings/show/cover.jpg\""), "{page}");
    is_problem(&server.get("/recordings/none/cover.jpg").await, 404, "none");
    assert!(!server.get("/play/none").await.text().contains("<img"));
}
