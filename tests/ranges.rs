//! A finished rendition is a file: any part of it, in any order, is the same bytes.

mod support;

use futures_util::{StreamExt, stream};
use support::{Root, Running, sound};

const RANGES: usize = 200;

/// A finished recording of every format, and 200 random ranges of it.
fn some_ranges(len: u64) -> Vec<(u64, u64)> {
    let mut random = sound::random(len);
    (0..RANGES)
        .map(|_| {
            let first = random() % len;
            let most = if random().is_multiple_of(4) { len - first } else { (len - first).min(20_000) };
            (first, first + random() % most)
        })
        .collect()
}

async fn check(server: &Running, path: &str, whole: &[u8], (first, last): (u64, u64)) {
    let reply = server.range(path, &format!("bytes={first}-{last}")).await;
    assert_eq!(reply.status, 206, "{path} {first}-{last}");
    assert_eq!(reply.header("content-range").unwrap(), format!("bytes {first}-{last}/{}", whole.len()));
    assert_eq!(reply.header("content-length").unwrap(), (last - first + 1).to_string());
    assert!(reply.body == whole[first as usize..=last as usize], "{path} {first}-{last} differs");
}

async fn agree(format: &str) {
    let root = Root::new();
    root.finished("show", "s16le:44100:2", &sound::noise(44_100 * 31 + 7, 2, 1));
    let path = format!("/audio/show.{format}?pos=1.5");
    let lengths = Running::start(&root).await.head(&path).await;
    let len: u64 = lengths.header("content-length").unwrap().parse().unwrap();

    // The ranges first, on a server that has coded nothing yet; then the whole.
    let server = Running::start(&root).await;
    let mut ranges = some_ranges(len);
    let parts = stream::iter(ranges.clone())
        .map(|(first, last)| {
            let (server, path) = (&server, path.clone());
            async move {
                let reply = server.range(&path, &format!("bytes={first}-{last}")).await;
                (first, last, reply.body)
            }
        })
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    let whole = server.get(&path).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body.len() as u64, len, "the length before anything was coded was not true");
    assert_eq!(whole.header("content-length").unwrap(), len.to_string());
    for (first, last, body) in parts {
        assert!(body == whole.body[first as usize..=last as usize], "{format} {first}-{last}, cold, differs");
    }

    // On another that has coded nothing: in order, then shuffled (their own order is random).
    let server = Running::start(&root).await;
    let shuffled = ranges.clone();
    ranges.sort_unstable();
    for range in ranges.into_iter().chain(shuffled) {
        check(&server, &path, &whole.body, range).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_a_wav_agree_with_the_whole() {
    agree("wav").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_an_mp3_agree_with_the_whole() {
    agree("mp3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_an_opus_agree_with_the_whole() {
    agree("opus").await;
}
