//! What was decoded is kept, within bounds, and nothing depends on that.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::made::{self, CHUNK, FRAMES, HEADER, ONE_OF_EACH, name, pcm_of};
use crate::sound::{cache, chunks, start};
use crate::support::judged::Judged;
use crate::support::{Running, eventually, wait};

const FFMPEG: &[&str] = &["ffmpeg"];

pub const TESTS: &[Judged] = &[
    Judged { name: "a_restarted_server_decodes_nothing_again", judges: FFMPEG, test: restarted },
    Judged { name: "no_more_is_kept_than_may_be", judges: FFMPEG, test: bounded },
    Judged { name: "a_recording_may_be_larger_than_all_that_is_kept", judges: FFMPEG, test: tiny },
    Judged { name: "the_cache_may_be_deleted_at_any_time", judges: FFMPEG, test: deleted },
    Judged { name: "a_cache_that_cannot_be_written_is_done_without", judges: FFMPEG, test: unwritable },
    Judged { name: "what_is_broken_in_the_cache_is_decoded_again", judges: FFMPEG, test: broken },
    Judged { name: "what_a_crash_has_left_is_cleared_away", judges: FFMPEG, test: crashed },
    Judged { name: "two_servers_share_a_cache", judges: FFMPEG, test: shared },
    Judged { name: "a_file_that_is_removed_is_let_go_of", judges: FFMPEG, test: removed },
    Judged { name: "many_who_want_the_same_have_it_decoded_once", judges: FFMPEG, test: once },
    Judged { name: "what_is_decoded_and_kept_is_told_to_who_watches", judges: FFMPEG, test: watched },
];

async fn whole(server: &Running, file: &str) -> Vec<u8> {
    let reply = server.get(&format!("/audio/{}.wav", name(file))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    pcm_of(&reply.body).to_vec()
}

/// All that is in the cache, with what tells a file from another that was written in its place.
fn kept(cache: &Path) -> Vec<(PathBuf, u64, u64)> {
    let within =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = within(&cache.join("decoded")).flat_map(|key| within(&key));
    let mut kept: Vec<_> = files
        .filter_map(|path| {
            // It may just be going.
            let metadata = fs::metadata(&path).ok()?;
            Some((path, metadata.ino(), metadata.len()))
        })
        .collect();
    kept.sort();
    kept
}

/// A metric, if it is told.
async fn metric(server: &Running, name: &str) -> Option<f64> {
    let metrics = server.get("/metrics").await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("tailcast_{name} ")));
    line.map(|value| value.parse().unwrap())
}

fn watched() {
    let (root, cache) = (made::folder(&["f.flac", "v.ogg"]), cache());
    let bytes = || kept(cache.path()).iter().map(|(_, _, bytes)| (*bytes).max(4096)).sum::<u64>() as f64;
    let of_one = FRAMES.div_ceil(CHUNK) as f64;
    wait(async {
        let told = async |server: &Running, chunks: f64, hits: f64| {
            let sound = FRAMES as f64 / 44_100.0 * chunks / of_one;
            assert_eq!(metric(server, "decoded_chunks_total").await, Some(chunks));
            assert_eq!(metric(server, "decoded_hits_total").await, Some(hits));
            let seconds = metric(server, "decoded_seconds_total").await.unwrap();
            assert!((seconds - sound).abs() < 1e-6, "{seconds} s of {sound}");
            assert_eq!(metric(server, "decode_seconds_total").await.unwrap() > 0.0, chunks > 0.0);
        };
        let server = start(&root, &cache).await;
        told(&server, 0.0, 0.0).await;
        assert_eq!(metric(&server, "decoded_cache_bytes").await, None, "nobody has looked there yet");
        whole(&server, "f.flac").await;
        whole(&server, "f.flac").await;
        told(&server, of_one, 0.0).await;
        assert_eq!(metric(&server, "decoded_cache_bytes").await, Some(bytes()));
        server.stop().await;
        let server = start(&root, &cache).await;
        whole(&server, "f.flac").await;
        told(&server, 0.0, of_one).await;
        assert_eq!(metric(&server, "decoded_cache_bytes").await, Some(bytes()));
        assert_eq!(metric(&server, "decoded_evictions_total").await, Some(0.0));
        server.stop().await;
        let folder = cache.path().join("decoded");
        let server = Running::with(&root, |config| {
            (config.decoded_cache, config.decoded_cache_size) = (Some(folder), 6 << 20);
        })
        .await;
        let before = chunks(cache.path());
        whole(&server, "v.ogg").await;
        let made = metric(&server, "decoded_chunks_total").await.unwrap();
        let gone = metric(&server, "decoded_evictions_total").await.unwrap();
        assert_eq!(before as f64 + made - gone, chunks(cache.path()) as f64);
        assert!(gone > 1.0);
        assert_eq!(metric(&server, "limit{limit=\"decoded_cache_bytes\"}").await, Some(f64::from(6 << 20)));
    });
}

fn removed() {
    let (root, cache) = (made::folder(&["vbr.mp3"]), cache());
    wait(async {
        let server = start(&root, &cache).await;
        whole(&server, "vbr.mp3").await;
        fs::remove_file(root.file("vbr.mp3")).unwrap();
        assert_eq!(server.get("/recordings").await.json()["total"], 0);
        // It takes its place on the disk for as long as anybody has it open.
        let is_open = || {
            let open = fs::read_dir("/proc/self/fd").unwrap();
            let mut paths = open.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
            paths.any(|path| path.starts_with(root.path().join("vbr.mp3 (deleted)")))
        };
        eventually("nobody has the file open", || !is_open()).await;
    });
}

fn restarted() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let server = start(&root, &cache).await;
        let mut before = Vec::new();
        for file in ONE_OF_EACH {
            before.push(whole(&server, file).await);
        }
        server.stop().await;
        let left = kept(cache.path());
        assert_eq!(chunks(cache.path()), ONE_OF_EACH.len() * FRAMES.div_ceil(CHUNK));
        let server = start(&root, &cache).await;
        for (file, before) in ONE_OF_EACH.iter().zip(before) {
            assert!(whole(&server, file).await == before, "{file}");
        }
        assert_eq!(kept(cache.path()), left, "nothing was written again");
    });
}

fn bounded() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let folder = cache.path().join("decoded");
        let most = 6 << 20;
        let server = Running::with(&root, |config| {
            (config.decoded_cache, config.decoded_cache_size) = (Some(folder), most);
        })
        .await;
        let original = made::original_pcm();
        for _ in 0..2 {
            for file in ONE_OF_EACH {
                let heard = whole(&server, file).await;
                assert_eq!(heard.len(), original.len());
                let bytes: u64 = kept(cache.path()).iter().map(|(_, _, bytes)| bytes).sum();
                assert!((1 << 20..=most).contains(&bytes), "{bytes} bytes after {file}");
            }
        }
        assert!(whole(&server, "f.flac").await == original);
    });
}

fn tiny() {
    let (root, cache, original) = (made::folder(&["f.flac"]), cache(), made::original_pcm());
    wait(async {
        for most in [0, 2 << 20] {
            let folder = cache.path().join("decoded");
            let server = Running::with(&root, |config| {
                (config.decoded_cache, config.decoded_cache_size) = (Some(folder), most);
            })
            .await;
            assert!(whole(&server, "f.flac").await == original);
            assert!(whole(&server, "f.flac").await == original);
            let bytes: u64 = kept(cache.path()).iter().map(|(_, _, bytes)| bytes).sum();
            assert!(bytes <= most, "{bytes}");
        }
    });
}

fn deleted() {
    let (root, cache, original) = (made::folder(&["f.flac"]), cache(), made::original_pcm());
    wait(async {
        let server = start(&root, &cache).await;
        let mut listener = server.open("GET", "/audio/f.wav", &[]).await;
        let mut heard = Vec::new();
        while let Some(bytes) = listener.next().await.unwrap() {
            heard.extend(bytes);
            // Again and again: what is there is gone, or just being written.
            let _ = fs::remove_dir_all(cache.path().join("decoded"));
        }
        assert!(pcm_of(&heard) == original);
        assert!(whole(&server, "f.flac").await == original);
        assert_eq!(server.panics(), 0);
    });
}

fn unwritable() {
    let (root, cache, original) = (made::folder(&["f.flac"]), cache(), made::original_pcm());
    fs::write(cache.path().join("a file"), "").unwrap();
    wait(async {
        for folder in [None, Some(cache.path().join("a file/decoded")), Some("/dev/full".into())] {
            let server = Running::with(&root, |config| config.decoded_cache = folder).await;
            assert!(whole(&server, "f.flac").await == original);
            let part = server.range("/audio/f.wav", &format!("bytes={}-", HEADER + 4 * CHUNK * 2)).await;
            assert!(part.body == original[4 * CHUNK * 2..]);
            assert_eq!(server.panics(), 0);
        }
    });
}

fn broken() {
    let (root, cache, original) = (made::folder(&["f.flac"]), cache(), made::original_pcm());
    wait(async {
        let server = start(&root, &cache).await;
        whole(&server, "f.flac").await;
        server.stop().await;
        for (number, (path, _, len)) in kept(cache.path()).into_iter().enumerate() {
            let mut bytes = fs::read(&path).unwrap();
            match number % 3 {
                // As a crash of the whole machine may leave it, whose disk had only got to its length.
                0 => bytes.fill(0),
                1 => bytes.truncate(len as usize / 2),
                _ => bytes[len as usize / 3] ^= 1,
            }
            fs::write(&path, bytes).unwrap();
        }
        let server = start(&root, &cache).await;
        assert!(whole(&server, "f.flac").await == original);
    });
}

fn crashed() {
    let (root, cache) = (made::folder(&["f.flac"]), cache());
    wait(async {
        let server = start(&root, &cache).await;
        server.get("/audio/f.wav?duration=1").await;
        server.stop().await;
        let key = kept(cache.path())[0].0.parent().unwrap().to_owned();
        let (old, new) = (key.join("3.pcm.1-1.part"), key.join("3.pcm.2-1.part"));
        for part in [&old, &new] {
            fs::write(part, "half of it").unwrap();
        }
        let an_hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::open(&old).unwrap().set_modified(an_hour_ago).unwrap();
        let somebodys = cache.path().join("decoded/notes/mine.part");
        fs::create_dir_all(somebodys.parent().unwrap()).unwrap();
        fs::write(&somebodys, "").unwrap();
        let server = start(&root, &cache).await;
        server.get("/audio/f.wav?pos=15&duration=1").await;
        assert!(!old.exists(), "it is nobody's any more");
        assert!(new.exists(), "another server may be writing it");
        assert!(somebodys.exists(), "it is none of ours");
    });
}

fn shared() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let servers = [start(&root, &cache).await, start(&root, &cache).await];
        for file in ONE_OF_EACH {
            let (a, b) = tokio::join!(whole(&servers[0], file), whole(&servers[1], file));
            assert!(a == b, "{file}");
        }
        assert_eq!(chunks(cache.path()), ONE_OF_EACH.len() * FRAMES.div_ceil(CHUNK));
    });
}

fn once() {
    let (root, cache) = (made::folder(&["vbr.mp3"]), cache());
    wait(async {
        let server = start(&root, &cache).await;
        let all = (0..40).map(|_| whole(&server, "vbr.mp3"));
        let heard = futures_util::future::join_all(all).await;
        assert!(heard.iter().all(|other| *other == heard[0]));
        // Who decodes a chunk a second time writes it a second time, and the first is then another file.
        let left = kept(cache.path());
        assert!(whole(&server, "vbr.mp3").await == heard[0]);
        assert_eq!(kept(cache.path()), left);
    });
}
