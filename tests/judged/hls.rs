//! HLS is the same sound: what ffmpeg makes of a playlist is held against what it makes of the file, sample for sample.

use std::path::Path;
use std::process::Command;

use crate::judge::{self, Desk, Heard, says};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "a_playlist_is_heard_as_the_file_is", judges: &["ffmpeg"], test: alike },
    Judged {
        name: "the_clock_of_a_playlist_goes_on_from_segment_to_segment",
        judges: &["ffprobe"],
        test: clock,
    },
];

/// By which LAME and a decoder of MP3 are late together. Of Opus ffmpeg takes that off by what the MP4 file's beginning says.
const MP3_DELAY: usize = 576 + 529;

const KINDS: [(&str, usize, usize); 5] = [
    ("s16le:44100:2", 44_100, 2),
    ("s16le:48000:2", 48_000, 2),
    ("s16le:96000:2", 96_000, 2),
    ("s16le:16000:1", 16_000, 1),
    ("s16le:8000:1", 8_000, 1),
];

fn alike() {
    for (pcm, rate, channels) in KINDS {
        let root = Root::new();
        // Ends in the middle of a packet, and not in the first of a segment: a file of one packet of MP3 ffmpeg leaves out.
        root.finished("show", pcm, &sound::noise(rate * 13 / 2 + 77, channels, 5));
        let desk = Desk::new();
        wait(async {
            let server = Running::start(&root).await;
            for format in ["mp3", "opus"] {
                let file = desk.put(
                    &format!("whole.{format}"),
                    &server.get(&format!("/audio/show.{format}")).await.body,
                );
                let whole = judge::ffmpeg(&[file]).remove(0);
                let url = server.url(&format!("/hls/show/master.m3u8?format={format}"));
                let heard = playlist(&url, &desk.path(&format!("{format}.wav")));
                assert_alike(&format!("{format} of {pcm}"), format, &heard, &whole);
            }
            assert_eq!(server.panics(), 0);
        });
    }
}

/// Decodes what a playlist names.
fn playlist(url: &str, output: &Path) -> Heard {
    let mut ffmpeg = Command::new("ffmpeg");
    // It warns that MP3 packets at the seams have the time of the one before, whoever made them.
    ffmpeg.args([
        "-nostdin",
        "-v",
        "fatal",
        "-y",
        "-i",
        url,
        "-map",
        "0:p:0",
        "-c:a",
        "pcm_f32be",
        "-f",
        "au",
    ]);
    says(ffmpeg.arg(output));
    judge::read_au(output)
}

fn assert_alike(what: &str, format: &str, heard: &Heard, whole: &Heard) {
    assert_eq!(heard.rate, whole.rate, "{what}");
    let late = if format == "mp3" { MP3_DELAY } else { 0 };
    for (heard, whole) in heard.planes.iter().zip(&whole.planes) {
        let behind = heard.len().checked_sub(late + whole.len());
        // Packed audio cannot say how much of its last packets is behind the end, and in MP4 ffmpeg does not look.
        let most = if format == "mp3" { 2 * 1152 } else { 960 };
        assert!(behind.is_some_and(|behind| behind <= most), "{what}: {} for {}", heard.len(), whole.len());
        // Where it cuts an Ogg file of speech it lets the last few be others.
        let certain = if format == "opus" { whole.len() - 24 } else { whole.len() };
        assert!(heard[late..late + certain] == whole[..certain], "{what}");
    }
}

fn clock() {
    let root = Root::new();
    root.finished("show", "s16le:44100:2", &sound::noise(44_100 * 9, 2, 5));
    wait(async {
        let server = Running::start(&root).await;
        for (variant, packet, packets) in [("mp3-128-2", 1152.0 / 44_100.0, 346), ("opus-96-2", 0.02, 451)] {
            let url = server.url(&format!("/hls/show/{variant}/playlist.m3u8"));
            let mut ffprobe = Command::new("ffprobe");
            ffprobe.args(["-v", "fatal", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]).arg(url);
            let times = says(&mut ffprobe);
            let times: Vec<f64> =
                times.lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect();
            assert_eq!(times.len(), packets, "{variant}");
            let off = |(number, time): (usize, &f64)| (time - number as f64 * packet).abs();
            // A clock of 90 kHz and six digits; and ffprobe tells the first time of a segment for the packet before it, too.
            let wrong: Vec<_> = times.iter().enumerate().filter(|at| off(*at) > 1e-4).collect();
            assert!(wrong.len() <= 4, "{variant}: {wrong:?}");
        }
    });
}
