//! Players. They write what they would let one hear to a file, which must be the sound that was recorded, from its first
//! sample to its last.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::judge::{Desk, Heard};
use crate::place::{Alike, assert_in_place};
use crate::stage::{Client, FORMATS, RATE, Recorder, finished, longer_than, seconds, server};
use crate::support::judged::Judged;
use crate::support::{Root, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "ffmpeg_hears_a_finished_recording", judges: &["ffmpeg"], test: || ended(&FFMPEG) },
    Judged { name: "ffmpeg_hears_a_growing_recording", judges: &["ffmpeg"], test: || growing(&FFMPEG) },
    Judged { name: "mpv_hears_a_finished_recording", judges: &["mpv"], test: || ended(&MPV) },
    Judged { name: "mpv_hears_a_growing_recording", judges: &["mpv"], test: || growing(&MPV) },
    Judged { name: "vlc_hears_a_finished_recording", judges: &["cvlc"], test: || ended(&VLC) },
    Judged { name: "vlc_hears_a_growing_recording", judges: &["cvlc"], test: || growing(&VLC) },
    Judged { name: "ffmpeg_follows_a_playlist", judges: &["ffmpeg"], test: || follows(&FFMPEG) },
    Judged { name: "mpv_follows_a_playlist", judges: &["mpv"], test: || follows(&MPV) },
    Judged { name: "vlc_follows_a_playlist", judges: &["cvlc"], test: || follows(&VLC) },
    Judged {
        name: "mpv_hears_what_a_playlist_has",
        judges: &["mpv"],
        test: || playlists(&MPV, &["m3u8", "pls"]),
    },
    Judged {
        name: "vlc_hears_what_a_playlist_has",
        judges: &["cvlc"],
        test: || playlists(&VLC, &["m3u8", "pls", "xspf"]),
    },
    Judged { name: "mpg123_hears_a_finished_recording", judges: &["mpg123"], test: || ended(&MPG123) },
    Judged { name: "mpg123_hears_a_growing_recording", judges: &["mpg123"], test: || growing(&MPG123) },
];

/// A program that plays a URL into a WAV file of 16 bits.
struct Player {
    command: fn(url: &str, file: &Path) -> Command,
    formats: &'static [&'static str],
    /// Frames that it leaves out at the start of any Opus file.
    skips_of_opus: usize,
    /// Frames of silence before the sound of an MP3 that cannot say how many packets it has, as one that grows.
    lead_of_growing_mp3: usize,
}

/// By which LAME and a decoder of MP3 are late together. mpg123 takes it off where it knows the end too.
const MP3_DELAY: usize = 576 + 529;
/// Frames of an MP3's last packet that are behind the end, at most.
const MP3_PADDING: usize = 1151;

const FFMPEG: Player =
    Player { command: ffmpeg, formats: &FORMATS, skips_of_opus: 0, lead_of_growing_mp3: 0 };
const MPV: Player = Player { command: mpv, formats: &FORMATS, skips_of_opus: 0, lead_of_growing_mp3: 0 };
/// VLC 3.0 takes the pre-skip for longer than it is: what it plays of opusenc's files begins as late. It decodes MP3 by
/// mpg123.
const VLC: Player =
    Player { command: vlc, formats: &FORMATS, skips_of_opus: 3_840 - 312, lead_of_growing_mp3: MP3_DELAY };
const MPG123: Player =
    Player { command: mpg123, formats: &["mp3"], skips_of_opus: 0, lead_of_growing_mp3: MP3_DELAY };

fn ffmpeg(url: &str, file: &Path) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i", url, "-c:a", "pcm_s16le", "-flush_packets", "1"]).arg(file);
    ffmpeg
}

fn mpv(url: &str, file: &Path) -> Command {
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--no-video", "--really-quiet", "--audio-format=s16", "--ao=pcm"]);
    mpv.arg(format!("--ao-pcm-file={}", file.display())).arg(url);
    mpv
}

/// It refuses to be root, and so is nobody where the tests are.
fn vlc(url: &str, file: &Path) -> Command {
    let folder = file.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let as_somebody =
        "[ $(id -u) != 0 ] || set -- setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; \"$@\"";
    let mut vlc = Command::new("sh");
    vlc.env("HOME", folder).args(["-c", as_somebody, "sh", "cvlc", "--quiet"]);
    vlc.args(["--aout=afile", "--audiofile-format=s16", "--audiofile-file"])
        .arg(file)
        .args([url, "vlc://quit"]);
    vlc
}

fn mpg123(url: &str, file: &Path) -> Command {
    let mut mpg123 = Command::new("mpg123");
    mpg123.args(["-q", "-w"]).arg(file).arg(url);
    mpg123
}

fn ended(player: &Player) {
    let sound = seconds(3);
    let root = finished(&sound);
    wait(async {
        let server = server(&root).await;
        for format in player.formats {
            let desk = Desk::new();
            let file = desk.path("heard.wav");
            let url = server.url(&format!("/audio/show.{format}"));
            Client::start(&desk, (player.command)(&url, &file)).finish();
            let skipped = if *format == "opus" { player.skips_of_opus } else { 0 };
            assert_heard(format, &read_wav(&file), &sound, skipped);
        }
        assert_eq!(server.panics(), 0);
    });
}

/// Playlists in these forms, of the one recording that there is.
fn playlists(player: &Player, forms: &[&str]) {
    let sound = seconds(3);
    let root = finished(&sound);
    wait(async {
        let server = server(&root).await;
        for form in forms {
            let desk = Desk::new();
            let file = desk.path("heard.wav");
            let url = server.url(&format!("/recordings.{form}?format=wav"));
            Client::start(&desk, (player.command)(&url, &file)).finish();
            assert_heard("wav", &read_wav(&file), &sound, 0);
        }
        assert_eq!(server.panics(), 0);
    });
}

/// What a player lets one hear of a recording of `sound` that it follows from when most of it is there until it has ended.
fn heard_to_the_end(player: &Player, sound: &[u8], path: &str) -> Heard {
    let (root, desk) = (Root::new(), Desk::new());
    let recorder = Recorder::begin(&root, sound);
    let file = desk.path("heard.wav");
    wait(async {
        let server = server(&root).await;
        let client = Client::start(&desk, (player.command)(&server.url(path), &file));
        longer_than(&file, 0).await;
        recorder.end().await;
        client.finish();
        assert_eq!(server.panics(), 0);
    });
    read_wav(&file)
}

/// The player comes when most of it is there, and stays until it has ended.
fn growing(player: &Player) {
    let sound = seconds(3);
    for format in player.formats {
        let heard = heard_to_the_end(player, &sound, &format!("/audio/show.{format}"));
        match *format {
            "opus" => assert_heard(format, &heard, &sound, player.skips_of_opus),
            "mp3" => assert_heard(format, &without_padding(heard, player, sound.len() / 4), &sound, 0),
            _ => assert_heard(format, &heard, &sound, 0),
        }
    }
}

/// HLS of a recording that grows, from some place near its edge to its end: what is heard is as recorded, without a gap.
fn follows(player: &Player) {
    let sound = seconds(16);
    // The bit rate that is usual, and no choice: noise is hardly known again at half of it.
    for (format, bitrate) in [("mp3", 128), ("opus", 96)] {
        let path = format!("/hls/show/master.m3u8?format={format}&bitrate={bitrate}");
        let heard = heard_to_the_end(player, &sound, &path);
        let source = Heard::of_s16le(RATE as u32, 2, &sound);
        // Behind the end there is at most what fills two packets, and with MP3 its delay.
        let behind = if format == "mp3" { MP3_DELAY + 2 * 1152 } else { 312 + 960 };
        let from = begins_at(&heard, &source);
        let frames = source.frames() - from;
        assert!(from < source.frames() * 3 / 4, "{format}: from {from}");
        assert!(
            (frames..=frames + behind).contains(&heard.frames()),
            "{format}: {} of {frames}",
            heard.frames()
        );
        // A decoder that begins in the middle needs a tenth of a second at most to be right.
        let settled = RATE / 10;
        let planes = heard.planes.iter().map(|plane| plane[settled..frames].to_vec()).collect();
        assert_heard(format, &Heard { planes, ..heard }, &sound, from + settled);
    }
}

/// The frame of `source` that what was heard begins with.
fn begins_at(heard: &Heard, source: &Heard) -> usize {
    // Half a second in, where decoders have settled.
    let (skipped, len) = (RATE / 2, 2000);
    let probe = &heard.planes[0][skipped..skipped + len];
    let likeness = |at: &usize| -> i64 {
        let there = &source.planes[0][*at..*at + len];
        (probe.iter().zip(there).map(|(a, b)| f64::from(a * b)).sum::<f64>() * 1e6) as i64
    };
    (skipped..source.frames() - len).max_by_key(likeness).unwrap() - skipped
}

/// The `frames` of sound in what a player made of an MP3 whose end was not known when it began: it can cut nothing at its end.
fn without_padding(heard: Heard, player: &Player, frames: usize) -> Heard {
    let lead = player.lead_of_growing_mp3;
    let padding = heard.frames().checked_sub(lead + frames);
    assert!(padding.is_some_and(|padding| padding <= MP3_PADDING), "{} of {frames}", heard.frames());
    let planes = heard.planes.iter().map(|plane| plane[lead..lead + frames].to_vec()).collect();
    Heard { planes, ..heard }
}

/// That what was heard is the recording from frame `from` on, in its place, and has as many frames.
fn assert_heard(format: &str, heard: &Heard, sound: &[u8], from: usize) {
    let source = Heard::of_s16le(RATE as u32, 2, sound);
    assert_eq!(heard.frames(), source.frames() - from, "{format}");
    if format == "wav" {
        assert!(heard.planes == source.planes, "wav");
        return;
    }
    // Noise is what codecs keep least of.
    let alike = Alike { least: 0.75, off: 0.15, frame: 1, parts: true };
    for (channel, (heard, source)) in heard.planes.iter().zip(&source.planes).enumerate() {
        assert_in_place(&format!("{format}, channel {channel}"), heard, source, from, alike);
    }
}

/// Reads a WAV file of 16 bits, stereo at [`RATE`], by its chunks; the last may say any size.
fn read_wav(file: &Path) -> Heard {
    let bytes = std::fs::read(file).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert!(bytes.len() > 44 && &bytes[8..12] == b"WAVE", "{} bytes", bytes.len());
    let mut at = 12;
    while &bytes[at..at + 4] != b"data" {
        if &bytes[at..at + 4] == b"fmt " {
            assert_eq!((word(at + 12), bytes[at + 10], bytes[at + 22]), (RATE, 2, 16));
        }
        at += 8 + word(at + 4);
    }
    Heard::of_s16le(RATE as u32, 2, &bytes[at + 8..])
}
