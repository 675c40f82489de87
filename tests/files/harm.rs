//! A file that is damaged, or was made to do harm, is served as far as it can be, or is an error that says what it is: never
//! more than that.

use std::time::{Duration, Instant};

use crate::made::{self, HEADER, ONE_OF_EACH, name};
use crate::sound::{cache, start};
use crate::support::judged::Judged;
use crate::support::sound::random;
use crate::support::{Root, Running, eventually, is_problem, wait};

const FFMPEG: &[&str] = &["ffmpeg"];

pub const TESTS: &[Judged] = &[
    Judged { name: "what_is_no_such_file_is_an_error_that_names_it", judges: &[], test: garbage },
    Judged { name: "a_file_that_was_cut_off_is_served_as_far_as_it_goes", judges: FFMPEG, test: cut_off },
    Judged { name: "a_file_with_wrong_bytes_harms_nobody", judges: FFMPEG, test: mutated },
    Judged { name: "a_length_that_cannot_be_is_an_error", judges: FFMPEG, test: endless },
    Judged { name: "a_file_that_is_being_copied_is_not_served_yet", judges: FFMPEG, test: copied },
    Judged { name: "a_file_that_was_replaced_is_another_recording", judges: FFMPEG, test: replaced },
    Judged { name: "a_file_that_grows_is_another_recording", judges: FFMPEG, test: grown },
];

fn garbage() {
    let (root, cache) = (Root::new(), cache());
    let mut next = random(1);
    let noise: Vec<u8> = (0..100_000).map(|_| next() as u8).collect();
    for (number, ending) in ["flac", "mp3", "ogg", "opus", "m4a", "MP3"].into_iter().enumerate() {
        made::put(&root, &format!("empty{number}.{ending}"), b"");
        made::put(&root, &format!("noise{number}.{ending}"), &noise);
        made::put(&root, &format!("zeros{number}.{ending}"), &[0; 100_000]);
        made::put(&root, &format!("text{number}.{ending}"), b"There is no sound in this file.\n");
    }
    wait(async {
        let server = start(&root, &cache).await;
        for (number, ending) in ["flac", "mp3", "ogg", "opus", "m4a", "MP3"].into_iter().enumerate() {
            for kind in ["empty", "noise", "zeros", "text"] {
                let reply = server.get(&format!("/audio/{kind}{number}.wav")).await;
                is_problem(&reply, 500, &format!("{kind}{number}.{ending}"));
                assert_eq!(reply.json()["type"], "/problems/undecodable");
            }
        }
        let list = server.get("/recordings").await.json();
        let listed = list["unusable"].as_array().unwrap();
        assert_eq!(listed.len(), 24);
        assert!(listed.iter().all(|entry| entry["error"].is_string()), "{list}");
        assert_eq!(server.panics(), 0);
    });
}

/// Asks for the whole and for its end: it is served, or said to be no use.
async fn served(server: &Running, name: &str) -> bool {
    let begun = Instant::now();
    let path = format!("/audio/{name}.wav");
    let head = server.head(&path).await;
    assert!(matches!(head.status, 200 | 500), "{name}: {}", head.status);
    if head.status == 200 {
        let len: u64 = head.header("content-length").unwrap().parse().unwrap();
        let last = server.range(&path, "bytes=-4000").await;
        assert!(last.status == 206 || len <= 4000 && last.status == 200, "{name}: {}", last.status);
        // What a hostile header claims need not be heard to its end.
        if len < 20 << 20 {
            assert_eq!(server.get(&path).await.body.len() as u64, len, "{name}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{name}: {:?}", begun.elapsed());
    head.status == 200
}

fn cut_off() {
    let (root, cache) = (Root::new(), cache());
    for file in ONE_OF_EACH {
        let (stem, ending) = file.split_once('.').unwrap();
        let bytes = made::bytes(file);
        for percent in [1, 30, 77, 99] {
            made::put(&root, &format!("{stem}{percent}.{ending}"), &bytes[..bytes.len() * percent / 100]);
        }
    }
    wait(async {
        let server = start(&root, &cache).await;
        for file in ONE_OF_EACH {
            let was_served = served(&server, &format!("{}77", name(file))).await;
            // ffmpeg has written at the end of MP4 files what is in them.
            assert_eq!(was_served, !file.ends_with("m4a"), "{file}");
            for percent in [1, 30, 99] {
                served(&server, &format!("{}{percent}", name(file))).await;
            }
        }
        let original = made::original_pcm();
        let flac = server.get("/audio/f77.wav").await.body;
        let there = original.len() * 7 / 10;
        assert!(flac[HEADER..HEADER + there] == original[..there], "what is there is where it was");
        assert_eq!(flac.len(), HEADER + original.len(), "the rest is silence");
        assert_eq!(server.panics(), 0);
    });
}

fn mutated() {
    let (root, cache) = (Root::new(), cache());
    let mut next = random(99);
    let mut names = Vec::new();
    for file in ONE_OF_EACH {
        let (stem, ending) = file.split_once('.').unwrap();
        let whole = made::bytes(file);
        for number in 0..12 {
            let mut bytes = whole.clone();
            // Half of them where the headers are: at the beginning, or of MP4 the end.
            let (from, len) = match number % 2 {
                0 if ending == "m4a" => (bytes.len() - 6000, 6000),
                0 => (0, 600),
                _ => (0, bytes.len()),
            };
            for _ in 0..1 << (number / 2) {
                bytes[from + next() as usize % len] = next() as u8;
            }
            names.push(format!("{stem}{number}"));
            made::put(&root, &format!("{stem}{number}.{ending}"), &bytes);
        }
    }
    wait(async {
        let server = start(&root, &cache).await;
        for name in &names {
            served(&server, name).await;
        }
        assert_eq!(server.get("/recordings").await.status, 200);
        assert_eq!(server.panics(), 0);
    });
}

/// Of more frames than can be counted. Symphonia panics where it is built with checks for that.
fn endless() {
    let (root, cache, mut bytes) = (Root::new(), cache(), made::bytes("aac.m4a"));
    let times = bytes.windows(4).rposition(|at| at == b"stts").unwrap() + 8;
    let count = u32::from_be_bytes(bytes[times..times + 4].try_into().unwrap()) as usize;
    assert!(count > 1, "there are packets of two lengths");
    bytes[times + 4..times + 4 + count * 8].fill(0xFF);
    made::put(&root, "endless.m4a", &bytes);
    root.finished("other", "s16le:8000:1", &[0; 16_000]);
    wait(async {
        let server = start(&root, &cache).await;
        for _ in 0..2 {
            is_problem(&server.get("/audio/endless.wav").await, 500, "endless.m4a");
            let list = server.get("/recordings").await.json();
            assert_eq!(list["recordings"][0]["name"], "other", "{list}");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn copied() {
    let (root, cache, bytes) = (Root::new(), cache(), made::bytes("f.flac"));
    wait(async {
        let server = start(&root, &cache).await;
        root.append("f.flac", &bytes[..bytes.len() / 2]);
        for _ in 0..3 {
            let reply = server.get("/audio/f.wav").await;
            is_problem(&reply, 503, "f.flac");
            assert!(reply.header("retry-after").is_some());
            assert!(server.get("/recordings").await.json()["unusable"][0]["error"].is_string());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        root.append("f.flac", &bytes[bytes.len() / 2..]);
        is_problem(&server.get("/audio/f.wav").await, 503, "f.flac");
        tokio::time::sleep(Duration::from_millis(2200)).await;
        let reply = server.get("/audio/f.wav").await;
        assert!(made::pcm_of(&reply.body) == made::original_pcm());
        let list = server.get("/recordings").await.json();
        assert_eq!(list["recordings"][0]["state"], "finished", "{list}");

        // Whoever knows that it is whole says so.
        root.write("now.toml", "ended = true\n");
        root.write("now.mp3", made::bytes("vbr.mp3"));
        assert_eq!(server.get("/audio/now.wav?duration=1").await.status, 200);
        assert_eq!(server.panics(), 0);
    });
}

fn replaced() {
    let (root, cache) = (made::folder(&["f.flac"]), cache());
    wait(async {
        let server = start(&root, &cache).await;
        let before = server.get("/audio/f.wav").await;
        let etag = before.header("etag").unwrap().to_owned();
        let mut other = made::bytes("u.FLAC");
        root.write("new", &other);
        std::fs::rename(root.file("new"), root.file("f.flac")).unwrap();
        root.touch("f.flac", std::time::SystemTime::now() - Duration::from_secs(1800));
        let now = server.get("/audio/f.wav").await;
        assert_eq!(now.status, 200, "{}", now.text());
        assert_ne!(now.header("etag").unwrap(), etag);
        assert!(now.body == before.body, "it is the same sound, coded otherwise");

        // Written over, as long as it was.
        let middle = other.len() / 2;
        other[middle] ^= 0xFF;
        std::fs::write(root.file("f.flac"), &other).unwrap();
        root.touch("f.flac", std::time::SystemTime::now() - Duration::from_secs(900));
        let mut last = None;
        for _ in 0..20 {
            let reply = server.get("/audio/f.wav").await;
            if reply.status == 200 {
                last = Some(reply);
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let last = last.expect("it is served again");
        assert_eq!(last.body.len(), before.body.len());
        assert!(last.body != before.body, "one packet of it is broken");
        assert_eq!(server.panics(), 0);
    });
}

fn grown() {
    let (root, cache) = (made::folder(&["noxing.mp3"]), cache());
    wait(async {
        let server = start(&root, &cache).await;
        let before = server.get("/audio/noxing.wav").await.body.len();
        let mut listener = server.open("GET", "/audio/noxing.wav", &[]).await;
        listener.take(100).await;
        root.append("noxing.mp3", &made::bytes("noxing.mp3"));
        // Whoever listens is not given anything else as if it were this.
        let ended = async {
            let mut heard = 100;
            while let Ok(Some(bytes)) = listener.next().await {
                heard += bytes.len();
            }
            heard
        };
        assert!(ended.await <= before);
        is_problem(&server.get("/audio/noxing.wav").await, 503, "noxing");
        root.touch("noxing.mp3", std::time::SystemTime::now() - Duration::from_secs(60));
        let begun = Instant::now();
        let mut after = 0;
        while after == 0 && begun.elapsed() < Duration::from_secs(10) {
            let reply = server.get("/audio/noxing.wav").await;
            after = if reply.status == 200 { reply.body.len() } else { 0 };
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(after - HEADER, 2 * (before - HEADER));
        eventually("nothing panics", || server.panics() == 0).await;
    });
}
