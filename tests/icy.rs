//! What radio players are told: titles between the bytes of an MP3 that grows, for who asks, at no cost to who does not.

mod support;

use std::time::Duration;

use support::{Open, Root, Running, codec, sound};
use tailcast_codecs::Cut;

const PCM: &str = "s16le:48000:2";
const RATE: usize = 48_000;
const INTERVAL: usize = 16_000;
const ASKING: (&str, &str) = ("icy-metadata", "1");
const CHAPTERS: &str =
    "[[chapters]]\nstart = 2\ntitle = \"Sam's news\"\n[[chapters]]\nstart = 5.5\ntitle = 'Music'";

/// Eight seconds that grow, with a sidecar that says this.
fn growing(sidecar: &str) -> Root {
    let root = Root::new();
    root.write("show.toml", format!("pcm = '{PCM}'\n{sidecar}\n"));
    root.write("show.pcm", sound::noise(8 * RATE, 2, 3));
    root
}

/// A server at which what grows does so until its sidecar says otherwise.
async fn start(root: &Root) -> Running {
    Running::with(root, |config| config.growth_timeout = Duration::from_secs(3600)).await
}

async fn radio(server: &Running, path: &str) -> Open {
    server.open("GET", path, &[ASKING]).await
}

/// What is in a body with titles: the sound, and each block with the bytes of sound before it.
fn taken_apart(body: &[u8]) -> (Vec<u8>, Vec<(usize, String)>) {
    let (mut sound, mut blocks) = (Vec::new(), Vec::new());
    let mut rest = body;
    loop {
        let (piece, behind) = rest.split_at(INTERVAL.min(rest.len()));
        sound.extend_from_slice(piece);
        let Some((sixteens, behind)) = behind.split_first() else { return (sound, blocks) };
        let (block, behind) = behind.split_at(usize::from(*sixteens) * 16);
        let text = std::str::from_utf8(block).unwrap().trim_end_matches('\0').to_owned();
        blocks.push((sound.len(), text));
        rest = behind;
    }
}

fn title(text: &str) -> String {
    format!("StreamTitle='{text}';")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_blocks_it_is_what_the_others_get() {
    let root = growing("title = 'Evening'");
    let server = start(&root).await;
    for path in ["/audio/show.mp3", "/audio/show.mp3?pos=1.5", "/audio/show.mp3?bitrate=320&channels=1"] {
        let (asking, plain) = (radio(&server, path).await, server.open("GET", path, &[]).await);
        root.end("show", PCM);
        let (asking, plain) = (asking.rest().await, plain.rest().await);
        let (sound, blocks) = taken_apart(&asking.body);
        assert!(sound == plain.body, "{path}");
        assert_eq!(blocks.len(), plain.body.len() / INTERVAL, "{path}");
        assert_eq!(plain.header("icy-metaint"), None);
        root.write("show.toml", format!("pcm = '{PCM}'\ntitle = 'Evening'\n"));
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_is_told_where_it_begins_to_be_heard_and_only_there() {
    let root = growing(&format!("title = 'Evening'\n{CHAPTERS}"));
    let server = start(&root).await;
    // From before the first chapter, and from within it.
    for (pos, first) in [(0, "Evening"), (3, "Sam\u{2019}s news")] {
        let open = radio(&server, &format!("/audio/show.mp3?pos={pos}")).await;
        root.write("show.toml", format!("pcm = '{PCM}'\ntitle = 'Evening'\nended = true\n{CHAPTERS}"));
        let (_, blocks) = taken_apart(&open.rest().await.body);
        let codec = codec("mp3", PCM);
        let cut = Cut::new(codec.grid(), pos * RATE as u64);
        let heard = |byte: usize| cut.frame_at_byte(byte as u64) as f64 / RATE as f64;
        let mut told = None;
        for (byte, block) in &blocks {
            let expected = match heard(*byte) {
                ..2.0 => "Evening",
                2.0..5.5 => "Sam\u{2019}s news",
                _ => "Music",
            };
            let is_new = told.replace(expected) != Some(expected);
            assert_eq!(*block, if is_new { title(expected) } else { String::new() }, "at {byte} from {pos}");
        }
        assert_eq!(blocks[0].1, title(first));
        assert_eq!(told, Some("Music"));
        root.write("show.toml", format!("pcm = '{PCM}'\ntitle = 'Evening'\n{CHAPTERS}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_is_written_later_is_told_to_who_listens() {
    let root = growing("");
    let server = start(&root).await;
    let mut open = radio(&server, "/audio/show.mp3").await;
    // Its first block, which says what there is to say: its name.
    let mut body = open.take(INTERVAL + 1).await;
    root.write("show.toml", format!("pcm = '{PCM}'\ntitle = 'Named'\n"));
    root.append("show.pcm", &sound::noise(8 * RATE, 2, 4));
    loop {
        body.extend(open.next().await.unwrap().expect("it goes on"));
        let (_, blocks) = taken_apart_so_far(&body);
        assert_eq!(blocks[0].1, title("show"));
        if blocks.iter().any(|(_, block)| *block == title("Named")) {
            break;
        }
        root.append("show.pcm", &sound::noise(RATE / 2, 2, 5));
    }
}

/// The same of a body of which more is to come, whose last block may be there in part.
fn taken_apart_so_far(body: &[u8]) -> (Vec<u8>, Vec<(usize, String)>) {
    let mut whole = 0;
    while let Some(sixteens) = body.get(whole + INTERVAL) {
        let next = whole + INTERVAL + 1 + usize::from(*sixteens) * 16;
        if next > body.len() {
            break;
        }
        whole = next;
    }
    taken_apart(&body[..whole])
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_it_is_and_that_its_bytes_cannot_be_counted() {
    let root = growing("title = \"Evening\\nin Z\u{fc}rich\"");
    let server = start(&root).await;
    for method in ["GET", "HEAD"] {
        let open = server.open(method, "/audio/show.mp3", &[ASKING]).await;
        let header = |name: &str| open.headers.get(name).map(|value| value.as_bytes());
        assert_eq!(open.status, 200);
        assert_eq!(header("icy-metaint"), Some(&b"16000"[..]));
        assert_eq!(header("icy-name"), Some("Evening in Z\u{fc}rich".as_bytes()));
        assert_eq!(header("icy-br"), Some(&b"128"[..]));
        assert_eq!(header("icy-pub"), Some(&b"0"[..]));
        assert_eq!(header("content-type"), Some(&b"audio/mpeg"[..]));
        assert_eq!(header("accept-ranges"), Some(&b"none"[..]));
        assert_eq!(header("cache-control"), Some(&b"no-store"[..]));
        for none in ["etag", "content-length", "content-range"] {
            assert_eq!(header(none), None, "{none}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_counts_in_bytes_gets_no_titles_between_them() {
    let root = growing("title = 'Evening'");
    root.finished("ended", PCM, &sound::noise(RATE, 2, 3));
    let server = start(&root).await;
    let plain = server.range("/audio/show.mp3", "bytes=0-39999").await;
    let asking = server.get_with("/audio/show.mp3", &[ASKING, ("range", "bytes=0-39999")]).await;
    assert_eq!((asking.status, &asking.body), (206, &plain.body));
    assert_eq!((asking.header("icy-metaint"), asking.header("accept-ranges")), (None, Some("bytes")));
    // What it is called is in nobody's way.
    assert_eq!((asking.header("icy-name"), asking.header("icy-br")), (Some("Evening"), Some("128")));
    // A range that is ignored is one that was asked for.
    let open = server.open("GET", "/audio/show.mp3", &[ASKING, ("range", "bytes=0-1,5-6")]).await;
    assert_eq!((open.status, open.headers.get("icy-metaint")), (200, None));
    // What has ended, and a clip of the past, are files; the other formats have no such thing.
    for path in ["/audio/ended.mp3", "/audio/show.mp3?duration=2"] {
        let (asking, plain) = (server.get_with(path, &[ASKING]).await, server.get(path).await);
        assert_eq!(asking.body, plain.body, "{path}");
        assert!(asking.header("etag").is_some() && asking.header("icy-name").is_none(), "{path}");
    }
    for path in ["/audio/show.wav", "/audio/show.opus"] {
        let open = server.open("GET", path, &[ASKING]).await;
        assert_eq!((open.headers.get("icy-metaint"), open.headers.get("icy-name")), (None, None), "{path}");
    }
    for asking in ["0", "", "yes"] {
        let open = server.open("GET", "/audio/show.mp3", &[("icy-metadata", asking)]).await;
        assert_eq!(open.headers.get("icy-metaint"), None, "{asking}");
    }
    // Conditions are what they are.
    let refused = server.get_with("/audio/show.mp3", &[ASKING, ("if-match", "\"x\"")]).await;
    assert_eq!((refused.status, refused.header("icy-metaint")), (412, None));
}
