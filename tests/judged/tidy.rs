//! Programs that look for faults in files find none: not in whole ones, not in clips, not in what was saved
//! while the recording still grew.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judge::{self, Desk, Heard, says};
use crate::place::{Alike, assert_in_place};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "mp3val_finds_nothing_in_an_mp3", judges: &["mp3val"], test: mp3 },
    Judged {
        name: "opusinfo_and_oggz_validate_find_nothing_in_an_opus",
        judges: &["opusinfo", "oggz-validate"],
        test: opus,
    },
    Judged {
        name: "a_clip_that_was_still_being_recorded_is_heard_to_its_last_sample_and_no_further",
        judges: &["ffmpeg"],
        test: clips_to_their_end,
    },
    Judged {
        name: "what_was_saved_while_it_grew_is_heard_from_its_first_sample_to_its_last",
        judges: &["ffmpeg"],
        test: heard_to_the_end,
    },
];

/// Rate, channels, and frames that fill no packet and no page.
const KINDS: [(usize, usize, usize); 5] = [
    (44_100, 2, 300_001),
    (48_000, 2, 500_017),
    (48_000, 1, 9_600 * 20),
    (16_000, 1, 100_003),
    (96_000, 2, 700_001),
];

/// The whole, and clips of which one begins and one ends in a packet's middle.
const CLIPS: [&str; 4] = ["", "?pos=0.5&duration=3", "?pos=1.2345", "?duration=2.7182"];

fn finished(desk: &Desk, format: &str) -> Vec<PathBuf> {
    let root = Root::new();
    for (rate, channels, frames) in KINDS {
        let pcm = format!("s16le:{rate}:{channels}");
        root.finished(&format!("r{rate}c{channels}"), &pcm, &sound::noise(frames, channels, 1));
    }
    wait(async {
        let server = Running::start(&root).await;
        let mut files = Vec::new();
        for (rate, channels, _) in KINDS {
            for (number, clip) in CLIPS.into_iter().enumerate() {
                let reply = server.get(&format!("/audio/r{rate}c{channels}.{format}{clip}")).await;
                assert_eq!(reply.status, 200);
                files.push(desk.put(&format!("{rate}-{channels}-{number}.{format}"), &reply.body));
            }
        }
        assert_eq!(server.panics(), 0);
        files
    })
}

fn noise((_, channels, frames): (usize, usize, usize)) -> Vec<u8> {
    sound::noise(frames, channels, 2)
}

/// What a client saved that came when a third was there and stayed until the recording ended.
fn grown(desk: &Desk, format: &str, (rate, channels, frames): (usize, usize, usize)) -> PathBuf {
    let (root, pcm) = (Root::new(), format!("s16le:{rate}:{channels}"));
    let bytes = noise((rate, channels, frames));
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    root.growing("show", &pcm, first);
    wait(async {
        let server = Running::start(&root).await;
        let mut open = server.open("GET", &format!("/audio/show.{format}"), &[]).await;
        assert_eq!((open.status, open.headers.get("content-length")), (200, None));
        let mut body = open.take(4_000).await;
        for bytes in rest.chunks(rest.len() / 5 + 1) {
            body.extend(open.next().await.unwrap().unwrap());
            root.append("show.pcm", bytes);
        }
        root.end("show", &pcm);
        body.extend(open.rest().await.body);
        assert_eq!(server.panics(), 0);
        desk.put(&format!("{rate}-{channels}-grown.{format}"), &body)
    })
}

/// The lines in which a program complains about a file.
fn complaints(program: &str, file: &Path) -> Vec<String> {
    let said = says(Command::new(program).arg(file)).to_lowercase();
    let bad = |line: &&str| ["warning", "error", "hole", "unknown"].iter().any(|word| line.contains(word));
    said.lines().filter(bad).map(str::to_owned).collect()
}

fn assert_nothing(program: &str, file: &Path) {
    assert_eq!(complaints(program, file), [""; 0], "{program}");
}

/// Of what was saved while it grew mp3val may say one thing: that the Info packet promised more. It had to
/// promise something before the end was known.
fn mp3() {
    let desk = Desk::new();
    finished(&desk, "mp3").iter().for_each(|file| assert_nothing("mp3val", file));
    for file in KINDS.map(|kind| grown(&desk, "mp3", kind)) {
        let complaints = complaints("mp3val", &file);
        assert!(
            complaints.iter().all(|line| line.contains("data bytes specified in xing header")),
            "{complaints:?}"
        );
        assert!(complaints.len() <= 1, "{complaints:?}");
    }
}

fn opus() {
    let desk = Desk::new();
    for file in finished(&desk, "opus").into_iter().chain(KINDS.map(|kind| grown(&desk, "opus", kind))) {
        assert_nothing("opusinfo", &file);
        assert_nothing("oggz-validate", &file);
    }
}

/// Where a clip ends is known when it is asked for, whether the sound is there yet or not.
fn clips_to_their_end() {
    for (format, rate, frames) in [("wav", 44_100, 44_100), ("mp3", 44_100, 44_100), ("opus", 48_000, 48_000)]
    {
        let (desk, root, pcm) = (Desk::new(), Root::new(), format!("s16le:{rate}:2"));
        let bytes = sound::noise(rate * 3, 2, 2);
        let (first, rest) = bytes.split_at(rate * 4 * 3 / 2);
        root.growing("show", &pcm, first);
        let files = wait(async {
            let server = Running::start(&root).await;
            let path = format!("/audio/show.{format}?pos=1&duration=1");
            let open = server.open("GET", &path, &[]).await;
            assert_eq!((open.status, open.headers.get("content-length")), (200, None));
            root.append("show.pcm", rest);
            let body = open.rest().await.body;
            assert_eq!(server.panics(), 0);
            [desk.put(&format!("clip.{format}"), &body)]
        });
        assert_eq!(judge::ffmpeg(&files)[0].frames(), frames, "{format}");
    }
}

/// An MP3 that began before the recording's end was known cannot say where in its last packet that is.
fn heard_to_the_end() {
    for (format, longer) in [("wav", 0), ("mp3", 1151), ("opus", 0)] {
        let desk = Desk::new();
        let files = KINDS.map(|kind| grown(&desk, format, kind));
        for (heard, (rate, channels, frames)) in judge::ffmpeg(&files).iter().zip(KINDS) {
            let what = format!("{format} {rate} Hz");
            let frames_heard = (frames * heard.rate as usize * 2 + rate) / (rate * 2);
            assert!(
                (frames_heard..=frames_heard + longer).contains(&heard.frames()),
                "{what}: {}",
                heard.frames()
            );
            if heard.rate as usize == rate {
                let source = Heard::of_s16le(heard.rate, channels, &noise((rate, channels, frames)));
                let alike = Alike { least: 0.8, off: 0.15, frame: 1, parts: true };
                assert_in_place(&what, &heard.planes[0][..frames], &source.planes[0], 0, alike);
            }
        }
    }
}
