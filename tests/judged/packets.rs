//! The packets of an MP3, taken apart: nothing in one leans on another across a seam but what a decoder
//! carries over by itself.

use std::fs;
use std::process::Command;

use crate::judge::{Desk, says};
use crate::support::judged::Judged;
use crate::support::{Root, Running, sound, wait};

pub const TESTS: &[Judged] = &[
    Judged { name: "no_packet_of_an_mp3_needs_bytes_of_another", judges: &[], test: no_reservoir },
    Judged { name: "the_windows_of_an_mp3_fit_across_seams_full_of_attacks", judges: &[], test: block_types },
    Judged { name: "the_packets_of_an_mp3_are_those_of_lame", judges: &["lame"], test: oracle },
];

const SEGMENT: usize = 98;
const PREROLL: usize = 8;

/// A packet of layer III (ISO 11172-3, 2.4.1 and 13818-3).
struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    /// Takes the first off `stream`.
    fn take(stream: &mut &'a [u8]) -> Self {
        let packet = Self(stream);
        assert!(packet.bits(0, 11) == 0x7FF && packet.bits(13, 2) == 0b01, "not a layer III packet");
        let (packet, rest) = stream.split_at(packet.len());
        *stream = rest;
        Self(packet)
    }

    fn bits(&self, at: usize, count: usize) -> usize {
        (at..at + count).fold(0, |value, bit| value << 1 | usize::from(self.0[bit / 8] >> (7 - bit % 8) & 1))
    }

    fn is_mpeg1(&self) -> bool {
        self.bits(11, 2) == 0b11
    }

    fn channels(&self) -> usize {
        if self.bits(24, 2) == 0b11 { 1 } else { 2 }
    }

    fn len(&self) -> usize {
        const ONE: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const TWO: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let rate = [44_100, 48_000, 32_000][self.bits(20, 2)] >> [2, 0, 1, 0][self.bits(11, 2)];
        let (kbps, eighths) = if self.is_mpeg1() { (ONE, 144) } else { (TWO, 72) };
        eighths * 1000 * kbps[self.bits(16, 4)] / rate + self.bits(22, 1)
    }

    fn main_data_begin(&self) -> usize {
        self.bits(32, if self.is_mpeg1() { 9 } else { 8 })
    }

    /// The block type of each granule, first to last, for each channel.
    fn block_types(&self) -> Vec<[usize; 2]> {
        let (mpeg1, channels) = (self.is_mpeg1(), self.channels());
        // Side information starts with `main_data_begin`, private bits and (MPEG-1) `scfsi`; then come the
        // granules' channels, each of `len` bits with the window switching flag at `flag`.
        let (start, granules, len, flag) = match (mpeg1, channels) {
            (true, 1) => (9 + 5 + 4, 2, 59, 33),
            (true, _) => (9 + 3 + 8, 2, 59, 33),
            (false, 1) => (8 + 1, 1, 63, 38),
            (false, _) => (8 + 2, 1, 63, 38),
        };
        let block_type = |granule: usize, channel: usize| {
            let at = 32 + start + (granule * channels + channel) * len + flag;
            if self.bits(at, 1) == 1 { self.bits(at + 1, 2) } else { 0 }
        };
        (0..granules).map(|granule| [block_type(granule, 0), block_type(granule, channels - 1)]).collect()
    }
}

/// The packets of a file, without its tag and (by its word) its Info packet.
fn packets(mut file: &[u8]) -> Vec<Packet<'_>> {
    if file.starts_with(b"ID3") {
        let len = file[6..10].iter().fold(0, |len, byte| len << 7 | usize::from(*byte));
        file = &file[10 + len..];
    }
    let mut packets = Vec::new();
    while !file.is_empty() {
        let packet = Packet::take(&mut file);
        if !(packets.is_empty() && packet.0.windows(4).any(|word| word == b"Info")) {
            packets.push(packet);
        }
    }
    packets
}

fn served(rate: usize, channels: usize, kbps: u32, pcm: &[u8]) -> Vec<u8> {
    let root = Root::new();
    root.finished("show", &format!("s16le:{rate}:{channels}"), pcm);
    wait(async {
        let server = Running::start(&root).await;
        let reply = server.get(&format!("/audio/show.mp3?bitrate={kbps}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(server.panics(), 0);
        reply.body
    })
}

/// Near silence with attacks at random places, other ones in each channel and some in both: what makes an
/// encoder change from long blocks to short ones and back all the time.
fn attacks(frames: usize, channels: usize) -> Vec<u8> {
    let mut random = sound::random(7);
    let mut level = vec![0.0f64; channels];
    let mut out = Vec::with_capacity(frames * channels * 2);
    for _ in 0..frames {
        let both = random().is_multiple_of(4500);
        for level in &mut level {
            let attack = both || random().is_multiple_of(4500);
            *level = if attack { 25_000.0 } else { (*level * 0.97).max(40.0) };
            let noise = (random() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
            out.extend(((noise * *level) as i16).to_le_bytes());
        }
    }
    out
}

const KINDS: [(usize, usize, u32); 5] =
    [(44_100, 2, 128), (48_000, 2, 320), (44_100, 1, 64), (22_050, 2, 64), (16_000, 1, 64)];

fn no_reservoir() {
    for (rate, channels, kbps) in KINDS {
        let file = served(rate, channels, kbps, &attacks(rate * 8, channels));
        let packets = packets(&file);
        assert!(packets.len() > 2 * SEGMENT);
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(packet.main_data_begin(), 0, "packet {number} at {rate} Hz, {kbps} kbit/s");
        }
    }
}

/// Long windows and short ones overlap with those before and behind them, which fits only in these orders:
/// long 0, start 1, short 2, stop 3.
fn fits(before: usize, behind: usize) -> bool {
    match before {
        0 | 3 => matches!(behind, 0 | 1),
        _ => matches!(behind, 2 | 3),
    }
}

fn block_types() {
    for (rate, channels, kbps) in KINDS {
        let file = served(rate, channels, kbps, &attacks(rate * 90, channels));
        let packets = packets(&file);
        let granules: Vec<[usize; 2]> = packets.iter().flat_map(Packet::block_types).collect();
        let seam = SEGMENT * granules.len() / packets.len();
        let mut switching = 0;
        for (number, pair) in granules.windows(2).enumerate() {
            let at_seam = (number + 1).is_multiple_of(seam);
            switching += u32::from(at_seam && pair[0] != [0, 0]);
            for (before, behind) in pair[0].into_iter().zip(pair[1]) {
                let place =
                    format!("{rate} Hz, {kbps} kbit/s, behind granule {number} (at a seam: {at_seam})");
                assert!(fits(before, behind), "{before} -> {behind}: {place}");
            }
        }
        // Else there was nothing to see.
        assert!(switching > 10, "only {switching} seams in the midst of short blocks");
    }
}

/// Rates, channels, bit rates at which LAME is asked: the defaults, and the ends of what is on offer.
const ORACLE: [(usize, usize, u32); 11] = [
    (44_100, 2, 128),
    (48_000, 2, 128),
    (32_000, 2, 128),
    (44_100, 1, 64),
    (44_100, 2, 64),
    (44_100, 2, 320),
    (24_000, 2, 160),
    (22_050, 2, 64),
    (16_000, 1, 32),
    (11_025, 2, 64),
    (8_000, 1, 32),
];

/// What a segment's encoder is fed: the preroll before it (silence before the recording), the segment, and a
/// packet for LAME to look ahead into.
fn fed(pcm: &[u8], segment: usize, packet_bytes: usize) -> Vec<u8> {
    let mut with_silence = vec![0; PREROLL * packet_bytes];
    with_silence.extend(pcm);
    let start = segment * SEGMENT * packet_bytes;
    with_silence[start..start + (PREROLL + SEGMENT + 1) * packet_bytes].to_vec()
}

fn by_lame(desk: &Desk, (rate, channels, kbps): (usize, usize, u32), pcm: &[u8]) -> Vec<u8> {
    let khz = (rate as f64 / 1000.0).to_string();
    let (input, output) = (desk.put("fed.pcm", pcm), desk.path("lame.mp3"));
    let mut lame = Command::new("lame");
    lame.args(["--quiet", "-r", "--bitwidth", "16", "--signed", "--little-endian", "-s", &khz]);
    // Left to itself it lowers the rate for low bit rates.
    lame.args(["--resample", &khz, "-m", if channels == 1 { "m" } else { "j" }, "-b", &kbps.to_string()]);
    says(lame.args(["-q", "5", "--nores", "-t"]).arg(input).arg(&output));
    fs::read(output).unwrap()
}

/// LAME's own program, over the same samples, gives the very same bytes.
fn oracle() {
    for kind @ (rate, channels, kbps) in ORACLE {
        let desk = Desk::new();
        let packet_frames = if rate < 32_000 { 576 } else { 1152 };
        let pcm = sound::noise(packet_frames * SEGMENT * 4, channels, 9);
        let file = served(rate, channels, kbps, &pcm);
        let ours = packets(&file);
        for segment in 0..3 {
            let lame = by_lame(&desk, kind, &fed(&pcm, segment, packet_frames * channels * 2));
            let theirs = packets(&lame);
            let pairs = ours[segment * SEGMENT..][..SEGMENT].iter().zip(&theirs[PREROLL..]);
            for (number, (us, lame)) in pairs.enumerate() {
                assert!(us.0 == lame.0, "packet {number} of segment {segment}, {kind:?}");
            }
        }
    }
}
