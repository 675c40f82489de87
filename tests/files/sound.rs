//! What is heard of a file is what is in it, to the frame.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::made::{self, CHUNK, FRAMES, HEADER, KINDS, ONE_OF_EACH, distance, name, pcm_of};
use crate::support::judged::Judged;
use crate::support::sound::random;
use crate::support::{Root, Running, is_problem, wait};

const FFMPEG: &[&str] = &["ffmpeg"];

pub const TESTS: &[Judged] = &[
    Judged { name: "what_is_lossless_is_served_as_it_was", judges: FFMPEG, test: lossless },
    Judged { name: "what_is_lossy_is_as_ffmpeg_decodes_it_at_the_same_frames", judges: FFMPEG, test: lossy },
    Judged { name: "the_length_is_told_before_anything_is_decoded", judges: FFMPEG, test: length },
    Judged { name: "a_position_lands_on_its_frame", judges: FFMPEG, test: positions },
    Judged { name: "chunks_in_any_order_are_the_same_bytes", judges: FFMPEG, test: any_order },
    Judged { name: "servers_agree_on_every_byte_and_on_the_etag", judges: FFMPEG, test: replicas },
    Judged { name: "deeper_and_other_sound_keeps_its_depth_and_shape", judges: FFMPEG, test: shapes },
    Judged {
        name: "other_containers_and_other_beginnings_are_at_their_place",
        judges: FFMPEG,
        test: containers,
    },
    Judged { name: "what_apple_tells_in_a_tag_is_taken_off", judges: FFMPEG, test: apple },
    Judged { name: "aac_that_cannot_be_decoded_whole_is_named", judges: FFMPEG, test: kinds_of_aac },
    Judged { name: "what_goes_on_at_another_rate_is_an_error_that_says_so", judges: FFMPEG, test: rates },
    Judged { name: "every_format_has_its_exact_length", judges: FFMPEG, test: formats },
];

/// A server whose decoded sound is kept in a folder of its own.
pub async fn start(root: &Root, cache: &TempDir) -> Running {
    let folder = cache.path().join("decoded");
    Running::with(root, |config| config.decoded_cache = Some(folder)).await
}

pub fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub async fn heard(server: &Running, file: &str) -> Vec<u8> {
    let reply = server.get(&format!("/audio/{}.wav", name(file))).await;
    assert_eq!(reply.status, 200, "{file}: {}", reply.text());
    pcm_of(&reply.body).to_vec()
}

fn lossless() {
    let (root, cache, original) = (made::folder(&made::all()), cache(), made::original_pcm());
    wait(async {
        let server = start(&root, &cache).await;
        for kind in KINDS.iter().filter(|kind| kind.lossless) {
            assert!(heard(&server, kind.file).await == original, "{}", kind.file);
        }
        assert_eq!(server.panics(), 0);
    });
}

fn lossy() {
    let (root, cache, original) = (made::folder(&made::all()), cache(), made::original_pcm());
    wait(async {
        let server = start(&root, &cache).await;
        for kind in KINDS.iter().filter(|kind| !kind.lossless) {
            let (ours, theirs) = (heard(&server, kind.file).await, made::by_ffmpeg(&root.file(kind.file)));
            // ffmpeg gives the padding at the end of AAC, too.
            let longer = if kind.file == "aac.m4a" { 1023 * 4 } else { 0 };
            assert!((ours.len()..=ours.len() + longer).contains(&theirs.len()), "{}", kind.file);
            if is_as_long(kind.file) {
                assert_eq!(ours.len(), original.len(), "{}: what the encoder added is gone", kind.file);
            }
            let (most, mean) = distance(&ours, &theirs);
            // A decoder of Opus never forgets for good what came before its preroll.
            let near = if kind.file == "o.opus" { 60 } else { 2 };
            assert!(most <= near && mean < 0.3, "{}: {most} at most, {mean:.3} in the mean", kind.file);
        }
        assert_eq!(server.panics(), 0);
    });
}

/// Whether a file says how long the original was, and has its rate.
fn is_as_long(file: &str) -> bool {
    !["noxing.mp3", "o.opus"].contains(&file)
}

fn length() {
    let (root, cache) = (made::folder(&made::all()), cache());
    wait(async {
        let server = start(&root, &cache).await;
        for kind in &KINDS {
            let head = server.head(&format!("/audio/{}.wav", name(kind.file))).await;
            let told: usize = head.header("content-length").unwrap().parse().unwrap();
            assert_eq!((head.status, chunks(cache.path())), (200, 0), "{}", kind.file);
            if is_as_long(kind.file) {
                assert_eq!(told, HEADER + FRAMES * 4, "{}", kind.file);
            }
            assert_eq!(heard(&server, kind.file).await.len() + HEADER, told, "{}", kind.file);
            fs::remove_dir_all(cache.path().join("decoded")).unwrap();
        }
    });
}

/// How many chunks there are in a folder.
pub fn chunks(folder: &Path) -> usize {
    let within =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_chunk = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "pcm");
    within(&folder.join("decoded")).flat_map(|key| within(&key)).filter(is_chunk).count()
}

fn positions() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let server = start(&root, &cache).await;
        for file in ONE_OF_EACH {
            // Far in first: nothing before that is decoded yet.
            let mut found = Vec::new();
            for pos in [25.5, 9.9, 31.0, 0.0, 10.0, 20.25] {
                let reply = server.get(&format!("/audio/{}.wav?pos={pos}&duration=2", name(file))).await;
                assert_eq!(reply.status, 200);
                found.push((pos, pcm_of(&reply.body).to_vec()));
            }
            let whole = heard(&server, file).await;
            for (pos, found) in found {
                let at = (pos * 44_100.0) as usize * 4;
                assert_eq!(found.len(), 2 * 44_100 * 4);
                assert!(found == whole[at..at + found.len()], "{file} from {pos} s on");
            }
        }
    });
}

fn any_order() {
    let root = made::folder(&made::all());
    wait(async {
        for kind in &KINDS {
            let (first, second) = (cache(), cache());
            let one_after_another = heard(&start(&root, &first).await, kind.file).await;
            let server = start(&root, &second).await;
            let mut next = random(3);
            let mut places: Vec<usize> = (0..8).map(|at| at * CHUNK / 2).filter(|at| *at < FRAMES).collect();
            places.sort_by_key(|_| next());
            for at in places {
                let (from, to) = (at * 4, (at + CHUNK / 2).min(one_after_another.len() / 4) * 4);
                let range = format!("bytes={}-{}", HEADER + from, HEADER + to - 1);
                let part = server.range(&format!("/audio/{}.wav", name(kind.file)), &range).await;
                assert_eq!(part.status, 206);
                assert!(part.body == one_after_another[from..to], "{} from frame {at} on", kind.file);
            }
        }
    });
}

fn replicas() {
    let roots = [made::folder(&ONE_OF_EACH), made::folder(&ONE_OF_EACH)];
    wait(async {
        for file in ONE_OF_EACH {
            let mut replies = Vec::new();
            for (number, root) in roots.iter().enumerate() {
                let server = start(root, &cache()).await;
                let path = format!("/audio/{}.mp3", name(file));
                // One of them has decoded another part first.
                server.get(&format!("{path}?pos={}&duration=1", 20 * number)).await;
                let reply = server.get(&path).await;
                replies.push((reply.header("etag").unwrap().to_owned(), reply.body));
            }
            assert!(replies[0] == replies[1], "{file}");
        }
    });
}

fn shapes() {
    let kinds = [
        ("deep.flac", "s32le", "flac", "s32", "s24le", 2),
        ("mono.flac", "s16le", "flac", "s16", "s16le", 1),
        ("six.flac", "s16le", "flac", "s16", "s16le", 6),
        ("six.m4a", "s16le", "alac", "s16p", "s16le", 6),
    ];
    for (file, input, codec, format, told, channels) in kinds {
        let (root, cache) = (Root::new(), cache());
        let width = if input == "s32le" { 4 } else { 2 };
        let mut pcm = crate::support::sound::noise(48_000 * 3, channels * width / 2, 5);
        if input == "s32le" {
            // 24 bits, in the more significant bytes.
            pcm.as_chunks_mut().0.iter_mut().for_each(|sample: &mut [u8; 4]| sample[0] = 0);
        }
        let path = root.file("in.bin");
        fs::write(&path, &pcm).unwrap();
        let mut command = std::process::Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", input, "-ar", "48000", "-ac", &channels.to_string(), "-i"]);
        command.arg(&path).args(["-c:a", codec, "-sample_fmt", format]).arg(root.file(file));
        assert!(command.status().unwrap().success(), "{file}");
        fs::remove_file(&path).unwrap();
        made::put(&root, file, &fs::read(root.file(file)).unwrap());
        wait(async {
            let server = start(&root, &cache).await;
            let status = server.get(&format!("/recordings/{}", name(file))).await.json();
            assert_eq!(status["pcm"]["format"], told, "{file}: {status}");
            assert_eq!(status["pcm"]["channels"], channels, "{file}");
            let wav = root.file("heard.wav");
            fs::write(&wav, server.get(&format!("/audio/{}.wav", name(file))).await.body).unwrap();
            let mut command = std::process::Command::new("ffmpeg");
            command.args(["-v", "error", "-i"]).arg(&wav).args(["-f", input, "-"]);
            assert!(command.output().unwrap().stdout == pcm, "{file}");
        });
    }
}

fn containers() {
    let (root, cache) = (made::folder(&["f.flac", "aac.m4a", "o.opus", "v.ogg"]), cache());
    let kinds: [(&str, &str, &[&str]); 4] = [
        ("inogg.ogg", "f.flac", &[]),
        ("inmp4.m4a", "o.opus", &["-f", "mp4"]),
        ("fragments.m4a", "aac.m4a", &["-movflags", "frag_keyframe+empty_moov"]),
        // As what was cut out of a stream that had begun long before.
        ("late.ogg", "v.ogg", &["-copyts"]),
    ];
    for (file, of, arguments) in kinds {
        let mut command = std::process::Command::new("ffmpeg");
        let from = if file == "late.ogg" { "10" } else { "0" };
        command.args(["-v", "error", "-ss", from, "-i"]).arg(root.file(of));
        command.args(["-c", "copy"]).args(arguments).arg(root.file(file));
        assert!(command.status().unwrap().success(), "{file}");
        made::put(&root, file, &fs::read(root.file(file)).unwrap());
    }
    wait(async {
        let server = start(&root, &cache).await;
        for (file, ..) in kinds {
            let (ours, theirs) = (heard(&server, file).await, made::by_ffmpeg(&root.file(file)));
            // ffmpeg gives the padding at the end of what is in MP4, too.
            let most = if file.ends_with("m4a") { 1023 * 4 } else { 0 };
            assert!((ours.len()..=ours.len() + most).contains(&theirs.len()), "{file}");
            let (most, mean) = distance(&ours, &theirs);
            assert!(most <= 60 && mean < 0.3, "{file}: {most} at most, {mean:.3} in the mean");
        }
        assert_eq!(server.panics(), 0);
    });
}

/// Without its edit list, and with what Apple's encoder says instead.
fn apple() {
    let (root, cache, mut bytes) = (made::folder(&["aac.m4a"]), cache(), made::bytes("aac.m4a"));
    let find = |bytes: &[u8], name: &[u8; 4]| bytes.windows(4).rposition(|at| at == name).unwrap();
    let edits = find(&bytes, b"edts");
    bytes[edits..edits + 4].copy_from_slice(b"free");
    let text = format!(" 00000000 {:08X} 00000000 {FRAMES:016X}", 1024);
    let part = |name: &[u8; 4], content: &[u8]| {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    };
    let with_flags = |flags: u8, content: &[u8]| [&[0, 0, 0, flags], content].concat();
    let tag = [
        part(b"mean", &with_flags(0, b"com.apple.iTunes")),
        part(b"name", &with_flags(0, b"iTunSMPB")),
        part(b"data", &with_flags(1, &[&[0; 4], text.as_bytes()].concat())),
    ];
    let tag = part(b"----", &tag.concat());
    // The list of tags is the last there is, in all of these.
    for name in [b"moov", b"udta", b"meta", b"ilst"] {
        let at = find(&bytes, name) - 4;
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(at + len as usize, bytes.len());
        bytes[at..at + 4].copy_from_slice(&(len + tag.len() as u32).to_be_bytes());
    }
    made::put(&root, "tagged.m4a", &[bytes, tag].concat());
    wait(async {
        let server = start(&root, &cache).await;
        assert!(heard(&server, "tagged.m4a").await == heard(&server, "aac.m4a").await);
    });
}

/// Of HE-AAC half the sound would be decoded, of other kinds nothing.
fn kinds_of_aac() {
    let (root, cache) = (Root::new(), cache());
    for file in ["he-aac", "he-aac-v2", "aac-22k05"] {
        let of = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{file}.aac"));
        make(&root, &format!("{file}.m4a"), &of, &["-c", "copy"]);
    }
    let of = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guitar-44k1-stereo.wav");
    make(&root, "main.m4a", &of, &["-c:a", "aac", "-profile:a", "aac_main"]);
    make(&root, "six.m4a", &of, &["-c:a", "aac", "-ac", "6"]);
    wait(async {
        let server = start(&root, &cache).await;
        for (name, said) in [
            ("he-aac", "HE-AAC"),
            ("he-aac-v2", "HE-AAC"),
            ("main", "AAC Main"),
            ("six", "AAC of 6 channels"),
        ] {
            let reply = server.get(&format!("/audio/{name}.wav")).await;
            is_problem(&reply, 500, name);
            let detail = reply.json()["detail"].to_string();
            assert!(detail.contains(said) && detail.contains("only AAC-LC"), "{name}: {detail}");
        }
        assert_eq!(server.get("/recordings/aac-22k05").await.json()["pcm"]["rate"], 22_050);
        assert_eq!(server.panics(), 0);
    });
}

/// Silence, or the end, where the rest is.
fn rates() {
    let (root, cache) = (made::folder(&["noxing.mp3"]), cache());
    make(&root, "other.mp3", &root.file("noxing.mp3"), &["-c:a", "libmp3lame", "-ar", "48000"]);
    make(&root, "mono.mp3", &root.file("noxing.mp3"), &["-c:a", "libmp3lame", "-ac", "1"]);
    let first = made::bytes("noxing.mp3");
    for file in ["other.mp3", "mono.mp3", "noxing.mp3"] {
        let both = [&first[..], &fs::read(root.file(file)).unwrap()].concat();
        made::put(&root, &format!("and {file}"), &both);
    }
    let aac = ["aac-44k1.aac", "aac-22k05.aac"]
        .map(|file| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file)).unwrap());
    // Which it is by its bytes.
    made::put(&root, "aac.m4a", &aac.concat());
    wait(async {
        let server = start(&root, &cache).await;
        for name in ["and other", "and mono", "aac"] {
            let reply = server.get(&format!("/audio/{name}.wav").replace(' ', "%20")).await;
            is_problem(&reply, 500, name);
            assert!(reply.text().contains("at another rate, or with other channels"), "{}", reply.text());
        }
        let reply = server.get("/audio/and%20noxing.wav").await;
        assert!(reply.status == 200 && reply.body.len() > 2 * FRAMES * 4, "one behind itself is");
        assert_eq!(server.panics(), 0);
    });
}

/// Puts into a folder what ffmpeg makes of a file.
pub fn make(root: &Root, file: &str, of: &Path, arguments: &[&str]) {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(of).args(arguments).arg(root.file(file));
    assert!(command.status().unwrap().success(), "{file}");
    made::put(root, file, &fs::read(root.file(file)).unwrap());
}

fn formats() {
    let (root, cache) = (made::folder(&ONE_OF_EACH), cache());
    wait(async {
        let server = start(&root, &cache).await;
        for file in ONE_OF_EACH {
            for format in ["wav", "mp3", "opus"] {
                let path = format!("/audio/{}.{format}", name(file));
                let head = server.head(&path).await;
                let told: usize = head.header("content-length").unwrap().parse().unwrap();
                let middle = server.range(&path, &format!("bytes={}-{}", told / 2, told / 2 + 9999)).await;
                let whole = server.get(&path).await;
                assert_eq!((whole.status, whole.body.len()), (200, told), "{path}");
                assert!(middle.status == 206 && middle.body == whole.body[told / 2..][..10_000], "{path}");
            }
        }
        assert_eq!(server.panics(), 0);
    });
}
