//! The first 4 KiB after a seek to where nothing is coded: a new connection to tailcast, a new ffmpeg.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::exchange::Client;
use super::process::Process;
use super::programs::{self, Ffmpeg};
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::sound;
use super::statistics::Sample;
use super::support::read_until;
use super::whole::{FORMATS, Format};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Where seeks go to.
struct Place {
    name: &'static str,
    recording: &'static str,
    second: u64,
}

const PLACES: [Place; 4] = [
    Place { name: "0:00:00", recording: "hours", second: 0 },
    Place { name: "1:00:00", recording: "hours", second: HOUR },
    Place { name: "1:59:00", recording: "hours", second: 2 * HOUR - 60 },
    Place { name: "day 7", recording: "week", second: 6 * DAY + 12 * HOUR },
];
/// How long the two recordings are.
const LENGTHS: [(&str, u64); 2] = [("hours", 2 * HOUR), ("week", 7 * DAY)];

/// Seeks to each place with a server that has coded nothing.
const SEEKS: u64 = 10;
/// Servers in a round that nobody takes turns with: one seek in a hundred wants hundreds of them to be told.
const MORE: u64 = 9;
/// Seconds that those of one server are from those of the one before, so that they land all over a segment.
const SHIFT: f64 = 0.11;
/// Seconds between two of them: more than two segments, so that none finds what the one before has coded or begun ahead.
const APART: f64 = 5.7;
/// What is not wanted any more should not be in the next one's way.
const PAUSE: Duration = Duration::from_millis(30);
const WANTED: usize = 4096;

/// Writes the two recordings: sound where seeks go to, and holes.
fn write_recordings(root: &Path) {
    for (name, seconds) in LENGTHS {
        let places = PLACES.iter().filter(|place| place.recording == name).map(|place| place.second);
        sound::write_sparse(root, name, seconds, places);
    }
}

pub fn run(settings: &Settings, root: &Path) -> Section {
    write_recordings(root);
    let head = ["", "to", "ours, ms", "ours, p99", "ffmpeg, ms", "ours / ffmpeg"];
    let mut section = Section::new("The first 4 KiB after a cold seek", Table::new(&head));
    section.say(
        "From asking to having them: a new connection to tailcast and `?pos=`, a new ffmpeg with `-ss` to a pipe. The \
         first three places are in a recording of two hours, the last in one of seven days, both with sound around the places and \
         holes elsewhere. One seek of ours in ten takes turns with one of ffmpeg; the others are there for the p99.",
    );
    for format in &FORMATS {
        measure(settings, root, format, &mut section);
    }
    section
}

fn measure(settings: &Settings, root: &Path, format: &Format, section: &mut Section) {
    let mut medians = Vec::new();
    for place in &PLACES {
        let (mut all, mut alone) = (Vec::new(), Vec::new());
        // Never from 0 itself: the header of a whole has as many bytes as are waited for.
        let second = |server: u64, number: u64| {
            place.second as f64 + number as f64 * APART + (server + 1) as f64 * SHIFT
        };
        for _ in 0..settings.rounds {
            let server = programs::tailcast(settings, root, &[]);
            all.extend((0..SEEKS).map(|number| {
                let second = second(0, number);
                (ours(&server, place, format, second), theirs(root, place, format, second))
            }));
            was_cold(&server);
            for more in 1..=MORE {
                let server = programs::tailcast(settings, root, &[]);
                alone.extend((0..SEEKS).map(|number| ours(&server, place, format, second(more, number))));
                was_cold(&server);
            }
        }
        let ours: Sample = all.iter().map(|(ours, _)| ours).chain(&alone).map(|time| time * 1000.0).collect();
        let theirs: Sample = all.iter().map(|(_, theirs)| theirs * 1000.0).collect();
        let ratio: Sample = all.iter().map(|(ours, theirs)| ours / theirs).collect();
        let p99 = ours.quantile(0.99);
        section.table.row(&[
            format.name.to_owned(),
            place.name.to_owned(),
            ours.quartiles(),
            format!("{p99:.1}"),
            theirs.quartiles(),
            ratio.quartiles(),
        ]);
        let what = format!("cold seek, {}, to {}", format.name, place.name);
        section.aims.push(Aim::ratio(what.clone(), "ffmpeg", &ratio, Bound::AtMost(0.25)));
        section.aims.push(Aim::figure(format!("{what}, p99"), p99, "ms", Bound::Below(50.0)));
        medians.push(ours.median());
    }
    let medians: Sample = medians.into_iter().collect();
    let flat = medians.greatest() / medians.least();
    let what = format!("cold seek, {}, the slowest place to the fastest", format.name);
    section.aims.push(Aim::figure(what, flat, "", Bound::AtMost(FLAT)));
}

/// Sees that nobody found anything in the cache.
fn was_cold(server: &Process) {
    let metrics = Client::connect(server.address).text("/metrics");
    assert!(metrics.contains("\ntailcast_cache_hits_total 0\n"), "{metrics}");
}

/// What counts as the same at every position: medians differ by that much from one run to the next.
const FLAT: f64 = 1.25;

fn ours(server: &Process, place: &Place, format: &Format, second: f64) -> f64 {
    let begun = Instant::now();
    let path = format!("/audio/{}.{}?pos={second:.2}", place.recording, format.extension);
    Client::connect(server.address).get_first(&path, None, WANTED as u64);
    let took = begun.elapsed().as_secs_f64();
    thread::sleep(PAUSE);
    took
}

fn theirs(root: &Path, place: &Place, format: &Format, second: f64) -> f64 {
    let path = root.join(format!("{}.pcm", place.recording));
    let second = format!("{second:.2}");
    let input = [&sound::FFMPEG_INPUT[..], &["-ss", &second, "-i", path.to_str().unwrap()]].concat();
    let begun = Instant::now();
    let mut ffmpeg =
        Ffmpeg::start(&[&input[..], &format.ffmpeg, &["-"]].concat(), Stdio::null(), Stdio::piped());
    read_until(ffmpeg.child.stdout.take().unwrap(), WANTED);
    begun.elapsed().as_secs_f64()
}
