//! The waveform against a slow and obvious one, for whatever is asked of whatever kind of recording, finished, growing
//! and broken.

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Reply, Root, Running, eventually, sound};
use tailcast_codecs::{PcmSpec, SampleFormat};

/// Frames of a pyramid's block.
const BLOCK: usize = 1024;

/// The samples of every frame, as 16-bit integers, by their definition.
fn samples(spec: PcmSpec, bytes: &[u8]) -> Vec<Vec<i64>> {
    let name = spec.format.name();
    let sample = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if name.ends_with("be") {
            bytes.reverse();
        }
        if name == "u8" {
            return (i64::from(bytes[0]) - 128) * 256;
        }
        if name.starts_with("f32") {
            let value = f32::from_le_bytes(bytes.try_into().unwrap());
            let scaled = if value.is_nan() { 0.0 } else { (value * 32767.0).trunc() };
            return scaled.clamp(-32768.0, 32767.0) as i64;
        }
        if name.starts_with("s24-32") {
            bytes.truncate(3);
        }
        let bits = 8 * bytes.len() as u32;
        let unsigned = bytes.iter().rev().fold(0, |number: i64, byte| number * 256 + i64::from(*byte));
        let value = if unsigned >= 1 << (bits - 1) { unsigned - (1 << bits) } else { unsigned };
        value.div_euclid(1 << (bits - 16))
    };
    let frames = bytes.chunks_exact(spec.frame_bytes());
    frames.map(|frame| frame.chunks_exact(spec.format.bytes()).map(sample).collect()).collect()
}

/// All pixels, the last partial one among them: the numbers in the order in which they are told.
fn naive(pcm: &str, bytes: &[u8], each: usize, split: bool, bits: u8) -> Vec<i64> {
    let mut numbers = Vec::new();
    for pixel in samples(pcm.parse().unwrap(), bytes).chunks(each) {
        let mixed = |frame: &Vec<i64>| vec![frame.iter().sum::<i64>() / frame.len() as i64];
        let lanes: Vec<Vec<i64>> =
            pixel.iter().map(|frame| if split { frame.clone() } else { mixed(frame) }).collect();
        for lane in 0..lanes[0].len() {
            let values = || lanes.iter().map(|frame| frame[lane]);
            let (min, max) = (values().min().unwrap(), values().max().unwrap());
            numbers.extend([min, max].map(|number| if bits == 8 { number / 256 } else { number }));
        }
    }
    numbers
}

/// An answer, read by what the format says.
#[derive(Debug, PartialEq)]
struct Waveform {
    bits: u8,
    rate: i64,
    each: i64,
    length: i64,
    channels: i64,
    numbers: Vec<i64>,
}

fn dat(body: &[u8]) -> Waveform {
    let field = |at: usize| i64::from(i32::from_le_bytes(body[at..at + 4].try_into().unwrap()));
    assert_eq!(field(0), 2, "version");
    let (bits, numbers) = match field(4) {
        0 => (16, body[24..].as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes).into()).collect()),
        1 => (8, body[24..].iter().map(|byte| byte.cast_signed().into()).collect()),
        flags => panic!("flags {flags}"),
    };
    Waveform { bits, rate: field(8), each: field(12), length: field(16), channels: field(20), numbers }
}

fn json(body: &[u8]) -> Waveform {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(json["version"], 2);
    let number = |name: &str| json[name].as_i64().unwrap();
    let numbers = json["data"].as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect();
    Waveform {
        bits: number("bits") as u8,
        rate: number("sample_rate"),
        each: number("samples_per_pixel"),
        length: number("length"),
        channels: number("channels"),
        numbers,
    }
}

/// Both forms of what `query` asks for, which must say the same.
async fn both(server: &Running, name: &str, query: &str) -> Waveform {
    let binary = server.get(&format!("/waveform/{name}.dat?{query}")).await;
    let text = server.get(&format!("/waveform/{name}.json?{query}")).await;
    assert_eq!((binary.status, text.status), (200, 200), "{query}: {}", binary.text());
    assert_eq!(binary.header("content-length"), Some(&*binary.body.len().to_string()));
    assert_eq!(binary.header("content-type"), Some("application/octet-stream"));
    assert_eq!(text.header("content-length"), None);
    assert_eq!(text.header("content-type"), Some("application/json"));
    for (header, key) in [("tailcast-start-frame", "start"), ("tailcast-end-frame", "end")] {
        assert_eq!(text.header(header), Some(&*text.json()[key].to_string()));
        assert_eq!(text.header(header), binary.header(header));
    }
    assert_eq!(text.header("tailcast-state"), text.json()["state"].as_str());
    assert_eq!(text.header("tailcast-state"), binary.header("tailcast-state"));
    let waveform = dat(&binary.body);
    assert_eq!(waveform, json(&text.body), "{query}");
    assert_eq!(waveform.numbers.len() as i64, 2 * waveform.length * waveform.channels);
    waveform
}

fn frames(reply: &Reply) -> [u64; 2] {
    ["tailcast-start-frame", "tailcast-end-frame"].map(|name| reply.header(name).unwrap().parse().unwrap())
}

fn noise_bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut next = sound::random(seed);
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}

fn gathered(server: &Running) -> u64 {
    server.waveforms.counters().gathered.load(Ordering::Relaxed)
}

fn read(server: &Running) -> u64 {
    server.waveforms.counters().read.load(Ordering::Relaxed)
}

fn patient(config: &mut tailcast::config::Config) {
    config.growth_timeout = Duration::from_secs(60);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_and_number_of_channels_is_as_the_naive_one() {
    for format in SampleFormat::ALL {
        for channels in [1, 2, 6] {
            let (root, pcm) = (Root::new(), format!("{format}:48000:{channels}"));
            let spec: PcmSpec = pcm.parse().unwrap();
            let mut bytes = noise_bytes(5_300 * spec.frame_bytes(), 1);
            if format.name() == "f32le" {
                // Sound as it is, rather than numbers of every size.
                let mut next = sound::random(2);
                bytes = (0..bytes.len() / 4)
                    .flat_map(|_| ((next() >> 40) as f32 / (1 << 23) as f32 - 1.0).to_le_bytes())
                    .collect();
            }
            root.finished("show", &pcm, &bytes);
            let server = Running::start(&root).await;
            for (each, split, bits) in [
                (100, false, 16),
                (100, true, 8),
                (1024, false, 8),
                (2048, true, 16),
                (1500, false, 16),
                (1025, true, 16),
            ] {
                let query = format!("samples_per_pixel={each}&bits={bits}&split_channels={split}");
                let waveform = both(&server, "show", &query).await;
                let lanes = if split { channels } else { 1 };
                assert_eq!((waveform.bits, waveform.rate, waveform.each), (bits, 48_000, each as i64));
                assert_eq!(
                    (waveform.channels, waveform.length),
                    (lanes, usize::div_ceil(5_300, each) as i64)
                );
                assert_eq!(waveform.numbers, naive(&pcm, &bytes, each, split, bits), "{pcm}?{query}");
            }
            assert_eq!(server.panics(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sound_is_as_the_naive_one() {
    let root = Root::new();
    let guitar = std::fs::read("fixtures/guitar-44k1-stereo.wav").unwrap();
    root.write("guitar.wav", &guitar);
    let speech = std::fs::read("fixtures/speech-16k-mono.pcm").unwrap();
    root.finished("speech", "s16le:16000:1", &speech);
    let server = Running::with(&root, |config| config.growth_timeout = Duration::from_millis(1)).await;
    for each in [256, 1000, 4096, 9999, 300_000] {
        for split in [false, true] {
            let query = format!("samples_per_pixel={each}{}", if split { "&split_channels" } else { "" });
            let waveform = both(&server, "guitar", &query).await;
            assert_eq!(waveform.numbers, naive("s16le:44100:2", &guitar[44..], each, split, 16), "{query}");
            let waveform = both(&server, "speech", &query).await;
            assert_eq!(waveform.numbers, naive("s16le:16000:1", &speech, each, split, 16), "{query}");
        }
    }
    assert_eq!(both(&server, "guitar", "").await.each, 256, "as audiowaveform has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_a_part_of_the_whole_on_the_same_grid() {
    let (root, pcm) = (Root::new(), "s16le:8000:2");
    let bytes = sound::noise(100_000, 2, 3);
    root.finished("show", pcm, &bytes);
    let server = Running::start(&root).await;
    for each in [50, 1024, 3001] {
        let whole = naive(pcm, &bytes, each, false, 16);
        for (place, first, end) in [
            ("start=2.5", 20_000, 100_000),
            ("start=2.5&end=7.125", 20_000, 57_000),
            ("start=-1", 92_000, 100_000),
            ("end=0:00:01.0001", 0, 8_001),
            ("start=-1&end=-0.5", 92_000, 96_000),
            ("start=3&end=3.000125", 24_000, 24_001),
            ("end=999", 0, 100_000),
        ] {
            let query = format!("samples_per_pixel={each}&{place}");
            let pixels = first / each..usize::div_ceil(end, each);
            let waveform = both(&server, "show", &query).await;
            assert_eq!(waveform.numbers, whole[2 * pixels.start..2 * pixels.end], "{query}");
            let reply = server.head(&format!("/waveform/show.json?{query}")).await;
            let covered = [pixels.start * each, (pixels.end * each).min(100_000)];
            assert_eq!(frames(&reply), covered.map(|frame| frame as u64), "{query}");
        }
        for place in ["start=12.5", "start=99:00:00", "start=live", "start=5&end=2", "start=5&end=5", "end=0"]
        {
            let waveform = both(&server, "show", &format!("samples_per_pixel={each}&{place}")).await;
            assert_eq!(waveform.numbers, [0i64; 0], "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_is_told_in_whole_pixels_that_join() {
    let (root, pcm) = (Root::new(), "s16le:44100:2");
    let bytes = sound::noise(60_123, 2, 4);
    for each in [441, 1024, 5_000] {
        let cut = 4 * 40_001;
        root.growing("show", pcm, &bytes[..cut]);
        let server = Running::with(&root, patient).await;
        let path = format!("/waveform/show.dat?samples_per_pixel={each}");
        let first = server.get(&path).await;
        assert_eq!((first.status, first.header("tailcast-state")), (200, Some("growing")));
        assert_eq!(frames(&first), [0, (40_001 / each * each) as u64]);
        let ahead = server.get(&format!("{path}&start=100")).await;
        assert_eq!((ahead.status, dat(&ahead.body).length), (200, 0));
        assert_eq!(frames(&ahead), [40_001 / each * each; 2].map(|frame| frame as u64));

        root.append("show.pcm", &bytes[cut..]);
        let next = format!("{path}&start={:.9}", frames(&first)[1] as f64 / 44_100.0);
        let second = server.get(&next).await;
        assert_eq!(frames(&second), [frames(&first)[1], (60_123 / each * each) as u64], "{each}");
        root.end("show", pcm);
        let last = server.get(&format!("{path}&start={:.9}", frames(&second)[1] as f64 / 44_100.0)).await;
        assert_eq!(last.header("tailcast-state"), Some("finished"));
        assert_eq!((dat(&last.body).length, frames(&last)[1]), (1, 60_123));

        let whole = dat(&server.get(&path).await.body).numbers;
        let joined: Vec<i64> =
            [first, second, last].iter().flat_map(|reply| dat(&reply.body).numbers).collect();
        assert_eq!(joined, whole);
        assert_eq!(whole, naive(pcm, &bytes, each, false, 16));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_does_not_have_read_again_what_was_read() {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    let bytes = sound::noise(400 * BLOCK, 2, 5);
    root.growing("show", pcm, &bytes[..4 * 300 * BLOCK]);
    let server = Running::with(&root, patient).await;
    let path = "/waveform/show.dat?samples_per_pixel=2048";
    server.get(path).await;
    assert_eq!((gathered(&server), read(&server)), (300 * BLOCK as u64, 0));
    for upto in [301, 302, 350, 400] {
        let there = std::fs::metadata(root.file("show.pcm")).unwrap().len() as usize;
        root.append("show.pcm", &bytes[there..4 * upto * BLOCK]);
        server.get(path).await;
        // The pixel at the edge is not told, and so its first block not wanted yet.
        assert_eq!(gathered(&server), (upto / 2 * 2 * BLOCK) as u64);
    }
    assert_eq!(read(&server), 0);
    // Every other number of frames takes the same blocks, and of the recording only what lies at the edges of pixels.
    server.get("/waveform/show.json?samples_per_pixel=20000&bits=8").await;
    assert_eq!(gathered(&server), 400 * BLOCK as u64);
    assert!(read(&server) <= 21 * BLOCK as u64, "{}", read(&server));
    // Each channel by itself is another pyramid; the very finest takes none.
    server.get("/waveform/show.json?samples_per_pixel=20000&split_channels").await;
    assert_eq!(gathered(&server), (400 * BLOCK + 400_000 / BLOCK * BLOCK) as u64);
    let before = (gathered(&server), read(&server));
    server.get("/waveform/show.json?samples_per_pixel=1000").await;
    assert_eq!((gathered(&server), read(&server)), (before.0, before.1 + 409_000));
}

/// A recording that nobody has asked for in a while is closed. That is none of its waveform's concern, unless another stands
/// in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_opened_anew_is_known_again_unless_it_is_another() {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    let bytes = sound::noise(300 * BLOCK, 2, 5);
    root.finished("show", pcm, &bytes);
    for number in 0..300 {
        root.finished(&format!("other{number}"), pcm, &[0; 4]);
    }
    let server = Running::start(&root).await;
    let path = "/waveform/show.dat?samples_per_pixel=2048";
    let others = async || {
        for number in 0..300 {
            // More of them than are kept open.
            server.get(&format!("/audio/other{number}.wav")).await;
        }
    };
    let first = server.get(path).await;
    assert_eq!(gathered(&server), 300 * BLOCK as u64);
    others().await;
    root.append("show.pcm", &bytes[..4 * 4 * BLOCK]);
    let again = server.get(path).await;
    assert_eq!(again.body[24..first.body.len()], first.body[24..]);
    assert_eq!(gathered(&server), 304 * BLOCK as u64, "only what is new is read");
    others().await;
    // As long as it was, in the same file: who rewrites it begins at its beginning.
    let other = sound::noise(304 * BLOCK, 2, 6);
    root.write("show.pcm", &other);
    assert_eq!(dat(&server.get(path).await.body).numbers, naive(pcm, &other, 2_048, false, 16));
    assert_eq!(gathered(&server), 608 * BLOCK as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_look_at_once_have_it_computed_once() {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    let bytes = sound::noise(2_000 * BLOCK, 2, 6);
    root.finished("show", pcm, &bytes);
    let server = Running::start(&root).await;
    let all = (0..30).map(|_| server.get("/waveform/show.dat?samples_per_pixel=102400"));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|reply| reply.body == all[0].body));
    assert_eq!(dat(&all[0].body).numbers, naive(pcm, &bytes, 102_400, false, 16));
    assert_eq!(gathered(&server), 2_000 * BLOCK as u64);
    eventually("nothing is under way", || server.waveforms.under_way() == 0).await;
    assert!(server.waveforms.cached_bytes() >= 4 * 2_000, "{}", server.waveforms.cached_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stretch_far_ahead_is_not_waited_for() {
    let root = Root::new();
    root.finished("show", "s16le:48000:2", b"");
    // Ten hours, of which only the end is sound.
    let (len, bytes) = (36_000 * 48_000u64, sound::noise(48_000, 2, 7));
    let mut file = File::create(root.file("show.pcm")).unwrap();
    file.seek(SeekFrom::Start(4 * len)).unwrap();
    file.write_all(&bytes).unwrap();
    let server = Running::start(&root).await;
    let waveform = both(&server, "show", "samples_per_pixel=4000&start=36000").await;
    assert_eq!(waveform.numbers, naive("s16le:48000:2", &bytes, 4_000, false, 16));
    assert_eq!(gathered(&server), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_looks_any_more_it_stops_and_the_next_goes_on() {
    let root = Root::new();
    root.finished("show", "s16le:192000:32", b"");
    // A sparse file of half a terabyte, which would take minutes.
    let file = File::create(root.file("show.pcm")).unwrap();
    file.set_len(64 * (1 << 33)).unwrap();
    let server = Running::start(&root).await;
    let path = "/waveform/show.json?samples_per_pixel=2000000000";
    let mut open = server.open("GET", path, &[]).await;
    assert!(open.next().await.unwrap().unwrap().starts_with(b"{\"version\":2"));
    eventually("it is at work", || gathered(&server) > 0).await;
    drop(open);
    eventually("it stops", || server.waveforms.under_way() == 0).await;
    let so_far = gathered(&server);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gathered(&server), so_far);
    assert!(so_far < 1 << 33);
    let open = server.open("GET", path, &[]).await;
    eventually("it goes on", || gathered(&server) > so_far).await;
    drop(open);
    eventually("it stops again", || server.waveforms.under_way() == 0).await;
}

/// While a body is under way, something happens to its recording; whether what came is right, and whether it broke off.
async fn broken(each: usize, happen: impl FnOnce(&Root, &[u8])) -> (bool, bool) {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    let bytes = sound::noise(2_000_000, 2, 8);
    root.finished("show", pcm, &bytes);
    let server = Running::with(&root, |config| config.threads = 1).await;
    let mut open = server.open("GET", &format!("/waveform/show.dat?samples_per_pixel={each}"), &[]).await;
    let mut body = open.take(24).await;
    happen(&root, &bytes);
    let in_order = loop {
        match open.next().await {
            Ok(Some(bytes)) => body.extend(bytes),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let whole = dat_of(&bytes, each);
    assert_eq!(server.panics(), 0);
    eventually("nothing is under way", || server.waveforms.under_way() == 0).await;
    (whole.starts_with(&body[24..]), in_order && body.len() == whole.len() + 24)
}

fn dat_of(bytes: &[u8], each: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for pixel in bytes.chunks(4 * each) {
        let means = pixel.as_chunks::<4>().0.iter().map(|[a, b, c, d]| {
            (i32::from(i16::from_le_bytes([*a, *b])) + i32::from(i16::from_le_bytes([*c, *d]))) / 2
        });
        let (min, max) = (means.clone().min().unwrap() as i16, means.max().unwrap() as i16);
        out.extend([min, max].iter().flat_map(|number| number.to_le_bytes()));
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_changes_meanwhile_is_never_told_wrong() {
    for each in [2, 4_096, 5_001] {
        let (right, _) = broken(each, |root, _| {
            OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap().set_len(4_000).unwrap();
        })
        .await;
        assert!(right, "{each}, cut short");
        let (right, _) = broken(each, |root, bytes| {
            let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            let mut file = OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap();
            file.write_all(&other).unwrap();
        })
        .await;
        assert!(right, "{each}, overwritten");
        let (right, whole) = broken(each, |root, bytes| {
            root.write("new.pcm", &bytes[..bytes.len() / 2]);
            std::fs::rename(root.file("new.pcm"), root.file("show.pcm")).unwrap();
        })
        .await;
        assert!(right && whole, "{each}, replaced: the one that is open is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_completed_breaks_off() {
    let root = Root::new();
    root.finished("show", "s16le:48000:2", b"");
    let file = OpenOptions::new().write(true).open(root.file("show.pcm")).unwrap();
    file.set_len(1 << 40).unwrap();
    let server = Running::start(&root).await;
    for query in ["samples_per_pixel=300", "samples_per_pixel=100000000"] {
        file.set_len(1 << 40).unwrap();
        let mut open = server.open("GET", &format!("/waveform/show.json?{query}"), &[]).await;
        open.take(24).await;
        file.set_len(1 << 20).unwrap();
        while let Ok(bytes) = open.next().await {
            assert!(bytes.is_some(), "it ended as if it were whole");
        }
        eventually("nothing is under way", || server.waveforms.under_way() == 0).await;
    }
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_recording_of_the_name_has_another_waveform() {
    let (root, pcm) = (Root::new(), "s16le:48000:1");
    let server = Running::start(&root).await;
    for seed in [9, 10, 11] {
        let bytes = sound::noise(50_000, 1, seed);
        root.write("new", &bytes);
        root.write("show.toml", format!("pcm = \"{pcm}\"\nended = true\n"));
        std::fs::rename(root.file("new"), root.file("show.pcm")).unwrap();
        let waveform = both(&server, "show", "samples_per_pixel=1024").await;
        assert_eq!(waveform.numbers, naive(pcm, &bytes, 1024, false, 16));
        // One for the one that is there: those of the others are gone.
        assert!(server.waveforms.cached_bytes() < 2 * 1024, "{}", server.waveforms.cached_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_edited_and_goes_on_has_another_waveform() {
    let (root, pcm) = (Root::new(), "s16le:48000:1");
    let mut bytes = sound::noise(50_000, 1, 12);
    root.finished("show", pcm, &bytes);
    let server = Running::start(&root).await;
    both(&server, "show", "samples_per_pixel=1024").await;
    // Where nobody looks to know it again.
    let at = 2 * 20 * BLOCK;
    bytes[at..at + 4].copy_from_slice(&[0, 0x80, 0xFF, 0x7F]);
    root.write("show.pcm", &bytes);
    server.get("/recordings/show").await;
    let more = sound::noise(1, 1, 14);
    root.append("show.pcm", &more);
    bytes.extend(more);
    let waveform = both(&server, "show", "samples_per_pixel=1024").await;
    assert_eq!(waveform.numbers, naive(pcm, &bytes, 1024, false, 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_one_has_a_tag_and_a_growing_one_is_not_stored() {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    root.finished("show", pcm, &sound::noise(50_000, 2, 12));
    root.write("paused.pcm", sound::noise(50_000, 2, 12));
    root.growing("growing", pcm, &sound::noise(50_000, 2, 12));
    let server = Running::start(&root).await;
    let mut tags = Vec::new();
    for path in [
        "/waveform/show.dat",
        "/waveform/show.json",
        "/waveform/show.dat?bits=8",
        "/waveform/show.dat?split_channels",
        "/waveform/show.dat?samples_per_pixel=257",
        "/waveform/show.dat?start=0.5",
        "/waveform/show.dat?end=0.5",
    ] {
        let (get, head) = (server.get(path).await, server.head(path).await);
        assert_eq!(get.header("cache-control"), Some("public, max-age=3600"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-type", "etag", "tailcast-end-frame", "tailcast-state"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let tag = get.header("etag").unwrap().to_owned();
        let same = server.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, Some(&*tag)));
        assert_eq!(server.get_with(path, &[("if-none-match", "\"x\"")]).await.status, 200);
        let other = server.get_with(path, &[("if-match", "\"x\"")]).await;
        assert_eq!((other.status, other.json()["type"].as_str()), (412, Some("/problems/precondition")));
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 7, "each has its own");

    let growing = server.get("/waveform/growing.dat").await;
    assert_eq!((growing.header("cache-control"), growing.header("etag")), (Some("no-store"), None));
    eventually("it counts as ended", || {
        let age = std::fs::metadata(root.file("paused.pcm")).unwrap().modified().unwrap().elapsed();
        age.is_ok_and(|age| age > Duration::from_millis(2_100))
    })
    .await;
    let paused = server.get("/waveform/paused.dat").await;
    assert_eq!(paused.header("cache-control"), Some("no-cache"));
    assert!(paused.header("etag").is_some());
    let exposed = server.get_with("/waveform/show.dat", &[("origin", "http://x")]).await;
    let exposed = exposed.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    for name in ["tailcast-start-frame", "tailcast-end-frame", "tailcast-state"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_with_its_value() {
    let root = Root::new();
    root.finished("show", "u8:48000:1", &[128; 5_000]);
    root.finished("long", "u8:48000:1", b"");
    OpenOptions::new().write(true).open(root.file("long.pcm")).unwrap().set_len(9_000_000_000).unwrap();
    let server = Running::start(&root).await;
    for (name, value, allowed) in [
        ("samples_per_pixel", "1", "2 to 2147483647"),
        ("samples_per_pixel", "2147483648", "2 to 2147483647"),
        ("samples_per_pixel", "-5", "2 to 2147483647"),
        ("samples_per_pixel", "", "2 to 2147483647"),
        ("samples_per_pixel", "auto", "2 to 2147483647"),
        ("bits", "12", "8, 16"),
        ("bits", "", "8, 16"),
        ("split_channels", "maybe", "true, 1, false, 0"),
        ("start", "soon", "seconds"),
        ("end", "1:2:3", "seconds"),
    ] {
        let reply = server.get(&format!("/waveform/show.json?{name}={value}")).await;
        let (status, json) = (reply.status, reply.json());
        assert_eq!((status, json["parameter"].as_str()), (400, Some(name)), "{name}={value}");
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("`{value}`")) && detail.contains(allowed), "{detail}");
    }
    let twice = server.get("/waveform/show.json?bits=8&bits=8").await;
    assert_eq!((twice.status, twice.json()["parameter"].as_str()), (400, Some("query")));
    assert_eq!(server.get("/waveform/show.json?_=17&zoom=2").await.status, 200);

    let long = server.get("/waveform/long.dat?samples_per_pixel=2").await;
    assert_eq!((long.status, long.json()["parameter"].as_str()), (400, Some("samples_per_pixel")));
    assert!(long.text().contains("`2`") && long.text().contains("3 and more"), "{}", long.text());
    assert_eq!(server.head("/waveform/long.dat?samples_per_pixel=3").await.status, 200);
    assert_eq!(server.head("/waveform/long.json?samples_per_pixel=2").await.status, 200);

    for path in ["show", "show.png", ".json", "show/.dat", "show.wav"] {
        let reply = server.get(&format!("/waveform/{path}")).await;
        assert_eq!(reply.status, 404, "{path}");
        let detail = reply.json()["detail"].to_string();
        assert!(detail.contains(path) && detail.contains(".json") && detail.contains(".dat"), "{detail}");
    }
    let none = server.get("/waveform/none.json").await;
    assert_eq!((none.status, none.json()["detail"].as_str()), (404, Some("there is no recording `none`")));
    assert_eq!(server.get("/waveform/show.JSON").await.status, 200);
    let post = server.open("POST", "/waveform/show.json", &[]).await.rest().await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(server.panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_as_elsewhere() {
    let (root, pcm) = (Root::new(), "s16le:48000:1");
    for name in ["show.json", "2026/november/show", "a b"] {
        root.finished(name, pcm, &sound::noise(3_000, 1, 13));
    }
    root.finished("empty", pcm, b"");
    let server = Running::start(&root).await;
    for path in ["show.json.json", "show.json.dat", "2026/november/show.dat", "a%20b.json"] {
        assert_eq!(server.get(&format!("/waveform/{path}")).await.status, 200, "{path}");
    }
    let empty = both(&server, "empty", "").await;
    assert_eq!((empty.length, empty.numbers.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_look_they_take_turns_and_all_get_what_they_want() {
    let (root, pcm) = (Root::new(), "s16le:48000:2");
    let shows: Vec<String> = (0..4).map(|number| format!("show{number}")).collect();
    for (name, seed) in shows.iter().zip(20..) {
        root.finished(name, pcm, &sound::noise(480_000, 2, seed));
    }
    let server = Running::with(&root, |config| config.threads = 2).await;
    let server = &server;
    let get = |number: usize| {
        // Too fine for what is kept, and coarse.
        let each = [7, 300, 5_000, 100_000][number % 4];
        let path = format!("/waveform/{}.dat?samples_per_pixel={each}", shows[number / 4 % 4]);
        async move { (server.get(&path).await.body, path) }
    };
    let mut alone = Vec::new();
    for number in 0..16 {
        alone.push(get(number).await.0);
    }
    let (over, is_over) = (AtomicBool::new(false), Ordering::Relaxed);
    let watch = async {
        let mut most = 0;
        while !over.load(is_over) {
            most = most.max(server.waveforms.turns());
            tokio::task::yield_now().await;
        }
        most
    };
    let look = async {
        let replies = futures_util::future::join_all((0..80).map(get)).await;
        over.store(true, is_over);
        replies
    };
    let (most, replies) = tokio::join!(watch, look);
    assert_eq!(most, 2, "turns at a time");
    for ((body, path), alone) in replies.iter().zip(alone.iter().cycle()) {
        assert!(body == alone, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_not_held_up_by_those_who_look() {
    let root = Root::new();
    root.finished("long", "s16le:48000:2", b"");
    OpenOptions::new().write(true).open(root.file("long.pcm")).unwrap().set_len(1 << 40).unwrap();
    root.finished("show", "s16le:48000:2", &sound::noise(480_000, 2, 14));
    let server = Running::with(&root, |config| config.threads = 1).await;
    let alone = std::time::Instant::now();
    server.get("/audio/show.mp3").await;
    let alone = alone.elapsed();
    let mut looking = Vec::new();
    for each in [3, 300, 100_000_000] {
        let path = format!("/waveform/long.json?samples_per_pixel={each}&split_channels");
        let mut open = server.open("GET", &path, &[]).await;
        open.take(10).await;
        looking.push(open);
    }
    let beside = std::time::Instant::now();
    server.get("/audio/show.mp3?bitrate=160").await;
    assert!(beside.elapsed() < 6 * alone + Duration::from_secs(1), "{:?}, {alone:?}", beside.elapsed());
    assert!(server.waveforms.under_way() > 0);
}
