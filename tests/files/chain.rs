//! Several Ogg streams one after another, as `cat` makes them of files, or a station of its titles, are one recording: of all of
//! their sound, and nothing else.

use std::process::Command;

use crate::made::{self, CHUNK, HEADER, distance};
use crate::sound::{cache, chunks, heard, make, start};
use crate::support::judged::Judged;
use crate::support::sound::random;
use crate::support::{Root, is_problem, wait};

const FFMPEG: &[&str] = &["ffmpeg"];
const OPUS: &[&str] = &["ffmpeg", "opusdec"];

pub const TESTS: &[Judged] = &[
    Judged { name: "a_chain_is_the_sound_of_its_links", judges: FFMPEG, test: links },
    Judged { name: "a_chain_of_opus_is_as_opusdec_decodes_it", judges: OPUS, test: opus },
    Judged { name: "a_chain_of_what_is_lossless_is_served_as_it_was", judges: FFMPEG, test: lossless },
    Judged { name: "a_chain_in_any_order_is_the_same_bytes", judges: FFMPEG, test: any_order },
    Judged { name: "links_of_other_kinds_are_an_error_that_names_them", judges: FFMPEG, test: kinds },
    Judged { name: "a_link_that_was_only_begun_is_passed_over", judges: FFMPEG, test: begun },
    Judged { name: "a_chain_is_called_what_its_links_agree_on", judges: FFMPEG, test: titles },
];

/// Two of the same serial number among them, as of a file that was put behind itself.
const LINKS: [&str; 4] = ["v.ogg", "w.oga", "v.ogg", "v.ogg"];

fn chain(files: &[&str]) -> Vec<u8> {
    files.iter().map(|file| made::bytes(file)).collect::<Vec<_>>().concat()
}

fn links() {
    let (root, cache) = (made::folder(&["v.ogg", "w.oga"]), cache());
    made::put(&root, "chain.ogg", &chain(&LINKS));
    wait(async {
        let server = start(&root, &cache).await;
        let head = server.head("/audio/chain.wav").await;
        let told: usize = head.header("content-length").unwrap().parse().unwrap();
        assert_eq!((head.status, chunks(cache.path())), (200, 0), "nothing is decoded to tell the length");
        let (v, w) = (heard(&server, "v.ogg").await, heard(&server, "w.oga").await);
        let ours = heard(&server, "chain.ogg").await;
        assert_eq!(told, HEADER + ours.len());
        assert!(ours == [&v[..], &w, &v, &v].concat(), "it is what its links are");
        let theirs: Vec<u8> = LINKS.iter().flat_map(|file| made::by_ffmpeg(&root.file(file))).collect();
        let (most, mean) = distance(&ours, &theirs);
        assert!(
            ours.len() == theirs.len() && most <= 2 && mean < 0.3,
            "{most} at most, {mean:.3} in the mean"
        );
        assert_eq!(server.panics(), 0);
    });
}

fn opus() {
    let (root, cache, out) = (made::folder(&["o.opus"]), cache(), tempfile::tempdir().unwrap());
    make(&root, "other.opus", &root.file("o.opus"), &["-c:a", "libopus", "-b:a", "64k", "-t", "12.3"]);
    // With a serial number of its own: with that of the first, opusdec takes both for one stream.
    make(&root, "again.opus", &root.file("o.opus"), &["-c", "copy"]);
    let links = ["o.opus", "other.opus", "again.opus"].map(|file| std::fs::read(root.file(file)).unwrap());
    made::put(&root, "chain.opus", &links.concat());
    let raw = out.path().join("chain.raw");
    let mut command = Command::new("opusdec");
    command.args(["--quiet", "--no-dither", "--rate", "48000"]).arg(root.file("chain.opus")).arg(&raw);
    assert!(command.status().unwrap().success());
    wait(async {
        let server = start(&root, &cache).await;
        let (ours, theirs) = (heard(&server, "chain.opus").await, std::fs::read(&raw).unwrap());
        assert_eq!(ours.len(), theirs.len());
        let (most, mean) = distance(&ours, &theirs);
        // A decoder of Opus never forgets for good what came before its preroll.
        assert!(most <= 60 && mean < 0.5, "{most} at most, {mean:.3} in the mean");
    });
}

fn lossless() {
    let (root, cache, original) = (made::folder(&["f.flac"]), cache(), made::original_pcm());
    make(&root, "one.ogg", &root.file("f.flac"), &["-c", "copy"]);
    let link = std::fs::read(root.file("one.ogg")).unwrap();
    made::put(&root, "chain.ogg", &[&link[..], &link].concat());
    wait(async {
        let server = start(&root, &cache).await;
        assert!(heard(&server, "chain.ogg").await == [&original[..], &original].concat());
    });
}

fn any_order() {
    let root = Root::new();
    made::put(&root, "chain.ogg", &chain(&LINKS));
    wait(async {
        let whole = heard(&start(&root, &cache()).await, "chain.ogg").await;
        let second = cache();
        let mut places: Vec<usize> = (0..whole.len() / 4).step_by(CHUNK / 2).collect();
        let mut next = random(5);
        places.sort_by_cached_key(|_| next());
        for (number, at) in places.into_iter().enumerate() {
            // What was learnt of it is found again by another server.
            let server = start(&root, &second).await;
            let (from, to) = (at * 4, (at + CHUNK / 2 + number).min(whole.len() / 4) * 4);
            let range = format!("bytes={}-{}", HEADER + from, HEADER + to - 1);
            let part = server.range("/audio/chain.wav", &range).await;
            assert!(part.status == 206 && part.body == whole[from..to], "from frame {at} on");
        }
    });
}

fn kinds() {
    let (root, cache) = (made::folder(&["v.ogg"]), cache());
    make(&root, "mono.ogg", &root.file("v.ogg"), &["-c:a", "libvorbis", "-ac", "1"]);
    let mono = std::fs::read(root.file("mono.ogg")).unwrap();
    made::put(&root, "two.ogg", &[made::bytes("v.ogg"), mono].concat());
    made::put(&root, "rates.ogg", &chain(&["v.ogg", "o.opus"]));
    make(&root, "speex.ogg", &root.file("v.ogg"), &["-c:a", "libspeex", "-ar", "16000", "-ac", "1"]);
    let speex = std::fs::read(root.file("speex.ogg")).unwrap();
    made::put(&root, "speech.ogg", &[&made::bytes("v.ogg")[..], &speex].concat());
    wait(async {
        let server = start(&root, &cache).await;
        for (name, said) in [
            ("two", "of s16le:44100:2 and then of s16le:44100:1"),
            ("rates", "of s16le:44100:2 and then of s16le:48000:2"),
            ("speech", "of its 2 Ogg streams, one after another, number 2"),
        ] {
            let reply = server.get(&format!("/audio/{name}.wav")).await;
            is_problem(&reply, 500, name);
            assert!(reply.text().contains(said), "{}", reply.text());
        }
    });
}

fn begun() {
    let (root, cache) = (made::folder(&["v.ogg"]), cache());
    let other = made::bytes("w.oga");
    // Its headers, up to where the third page begins; and what was sent of them when the file ended.
    let pages: Vec<usize> = (0..other.len()).filter(|at| other[*at..].starts_with(b"OggS\0")).collect();
    for (name, len) in [("half", pages[2] - 100), ("headers", pages[2])] {
        let v = made::bytes("v.ogg");
        let chain = [&v[..], &other[..pages[2]], &v, &other[..len]].concat();
        made::put(&root, &format!("{name}.ogg"), &chain);
    }
    wait(async {
        let server = start(&root, &cache).await;
        let v = heard(&server, "v.ogg").await;
        for name in ["half", "headers"] {
            assert!(heard(&server, &format!("{name}.ogg")).await == [&v[..], &v].concat(), "{name}");
        }
        assert_eq!(server.panics(), 0);
    });
}

fn titles() {
    let (root, cache) = (made::folder(&["v.ogg"]), cache());
    let mut songs = Vec::new();
    for song in ["one", "other"] {
        let (file, title) = (format!("{song}.ogg"), format!("title={song}"));
        let tags = ["-c", "copy", "-metadata", &title, "-metadata", "artist=Somebody"];
        make(&root, &file, &root.file("v.ogg"), &tags);
        songs.push(std::fs::read(root.file(&file)).unwrap());
    }
    made::put(&root, "chain.ogg", &songs.concat());
    wait(async {
        let server = start(&root, &cache).await;
        let title =
            async |name: &str| server.get(&format!("/recordings/{name}")).await.json()["title"].clone();
        assert_eq!((title("one").await, title("chain").await), ("one".into(), serde_json::Value::Null));
        assert!(server.get("/feed.xml").await.text().matches("Somebody").count() == 3);
    });
}
