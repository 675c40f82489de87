//! Such a file is a recording like any other: in the list, in the feed, in HLS, with its sidecar.

use std::process::Command;

use crate::made::{self, FRAMES, HEADER, ONE_OF_EACH, name};
use crate::sound::{cache, start};
use crate::support::judged::Judged;
use crate::support::{Root, wait};

const FFMPEG: &[&str] = &["ffmpeg"];

pub const TESTS: &[Judged] = &[
    Judged { name: "the_list_and_the_feed_tell_the_length_that_is_served", judges: FFMPEG, test: told },
    Judged { name: "a_playlist_of_a_file_plays", judges: FFMPEG, test: playlist },
    Judged { name: "encode_gives_what_the_server_does", judges: FFMPEG, test: encoded },
    Judged { name: "a_sidecar_describes_a_file", judges: FFMPEG, test: described },
    Judged { name: "tags_say_what_a_sidecar_does_not", judges: FFMPEG, test: tagged },
    Judged { name: "what_was_recorded_goes_before_what_was_made_of_it", judges: FFMPEG, test: beside },
    Judged { name: "the_waveform_of_a_file_is_that_of_its_sound", judges: FFMPEG, test: waveform },
];

fn told() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let server = start(&root, &cache).await;
        let list = server.get("/recordings").await.json();
        assert_eq!(list["recordings"].as_array().unwrap().len(), ONE_OF_EACH.len());
        for entry in list["recordings"].as_array().unwrap() {
            assert_eq!((&entry["state"], &entry["frames"]), (&"finished".into(), &FRAMES.into()), "{entry}");
        }
        let feed = server.get("/feed.xml").await.text();
        let feed = roxmltree::Document::parse(&feed).unwrap();
        let enclosures: Vec<_> = feed.descendants().filter(|node| node.has_tag_name("enclosure")).collect();
        assert_eq!(enclosures.len(), ONE_OF_EACH.len());
        for enclosure in enclosures {
            let url = enclosure.attribute("url").unwrap();
            let path = url.strip_prefix(&server.url("")).unwrap();
            let reply = server.get(path).await;
            assert_eq!(enclosure.attribute("length").unwrap(), reply.body.len().to_string(), "{url}");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn playlist() {
    let (root, cache, out) = (made::folder(&ONE_OF_EACH), cache(), tempfile::tempdir().unwrap());
    wait(async {
        let server = start(&root, &cache).await;
        for file in ONE_OF_EACH {
            let url = server.url(&format!("/hls/{}/master.m3u8", name(file)));
            let wav = out.path().join("heard.wav");
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-y", "-i", &url, "-c:a", "pcm_s16le", "-ar", "44100"]).arg(&wav);
            let played = tokio::task::spawn_blocking(move || command.status().unwrap());
            assert!(played.await.unwrap().success(), "{file}");
            let frames = made::by_ffmpeg(&wav).len() / 4;
            assert!(frames.abs_diff(FRAMES) < 4800, "{file}: {frames} of {FRAMES} frames");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn encoded() {
    let (root, cache, out) = (made::folder(&ONE_OF_EACH), cache(), tempfile::tempdir().unwrap());
    wait(async {
        let server = start(&root, &cache).await;
        for file in ONE_OF_EACH {
            let mp3 = out.path().join("out.mp3");
            let mut command = Command::new(env!("CARGO_BIN_EXE_tailcast"));
            command
                .arg("encode")
                .arg(root.file(file))
                .args(["--pos", "9", "--duration", "5", "-o"])
                .arg(&mp3);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let served = server.get(&format!("/audio/{}.mp3?pos=9&duration=5", name(file))).await.body;
            assert!(std::fs::read(&mp3).unwrap() == served, "{file}");
            std::fs::remove_file(&mp3).unwrap();
        }
    });
}

fn described() {
    let (root, cache) = (made::folder(&["vbr.mp3"]), cache());
    // What raw PCM would be is no matter here.
    root.write("vbr.toml", "title = 'An old show'\nstarted = 1999-12-31T20:00:00Z\npcm = 's16le:8000:1'\n");
    wait(async {
        let server = start(&root, &cache).await;
        let entry = server.get("/recordings/vbr").await.json();
        assert_eq!((&entry["title"], &entry["frames"]), (&"An old show".into(), &FRAMES.into()), "{entry}");
        assert_eq!(entry["pcm"]["rate"], 44_100);
        root.write("vbr.toml", "title = 'Another title'\n");
        assert_eq!(server.get("/recordings/vbr").await.json()["title"], "Another title");
    });
}

fn tagged() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    for file in ONE_OF_EACH {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-i"]).arg(root.file(file)).args(["-c", "copy"]);
        command.args(["-metadata", "title=Tom & Jérry", "-metadata", "artist=Somebody"]);
        assert!(command.arg(root.file(&format!("t{file}"))).status().unwrap().success());
        root.touch(&format!("t{file}"), std::time::SystemTime::now() - std::time::Duration::from_secs(60));
    }
    root.write("tvbr.toml", "title = 'Another'\n");
    wait(async {
        // The second has it from what the first has kept.
        for _ in 0..2 {
            let server = start(&root, &cache).await;
            for file in ONE_OF_EACH {
                let title = if file == "vbr.mp3" { "Another" } else { "Tom & Jérry" };
                let entry = server.get(&format!("/recordings/t{}", name(file))).await.json();
                assert_eq!(entry["title"], title, "{file}: {entry}");
            }
            let feed = server.get("/feed.xml").await.text();
            assert_eq!(feed.matches("Somebody").count(), ONE_OF_EACH.len(), "{feed}");
        }
    });
}

fn beside() {
    let (root, cache): (Root, _) = (made::folder(&["f.flac"]), cache());
    root.finished("f", "s16le:8000:1", &[7; 16_000]);
    wait(async {
        let server = start(&root, &cache).await;
        let list = server.get("/recordings").await.json();
        assert_eq!(list["recordings"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(server.get("/audio/f.wav").await.body.len(), HEADER + 16_000);
    });
}

fn waveform() {
    let (root, cache) = (made::folder(&["f.flac"]), cache());
    root.finished("raw", "s16le:44100:2", &made::original_pcm());
    wait(async {
        let server = start(&root, &cache).await;
        let of = async |name: &str| server.get(&format!("/waveform/{name}.json")).await.json();
        assert_eq!(of("f").await, of("raw").await);
    });
}
