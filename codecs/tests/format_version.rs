//! Pins `FORMAT_VERSION` to digests of real output.
//!
//! If this fails, bytes have changed that clients may have half of, and caches whole. If that is what you want,
//! raise `FORMAT_VERSION` in `codecs/src/lib.rs`, put the digests that the failure prints here, and say so in
//! `CHANGELOG.md`. If not, find out what changed them: a library, a compiler's flag, a parameter.
#![cfg(target_arch = "x86_64")]

use std::sync::Arc;

use tailcast_codecs::coder::Available;
use tailcast_codecs::container::Run;
use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::tags::{Chapter, Picture};
use tailcast_codecs::{Codec, Cut, FORMAT_VERSION, PcmSpec, SegmentCoder, Tags};

const PINNED_VERSION: u32 = 4;

/// The recording's format, the rendition's, and CRC-64 of headers without tags and of the first segments.
const PINNED: [(&str, Format, Parameters, u64); 13] = [
    ("s16le:48000:2", Format::Wav, DEFAULT, 0xd3e8_9c15_e270_7a42),
    ("s24-32be:48000:6", Format::Wav, DEFAULT, 0x7fd0_d13e_b24b_0710),
    ("f32le:44100:2", Format::Wav, MONO, 0xfb3b_a1db_4c9a_92d7),
    ("s16le:44100:2", Format::Mp3, DEFAULT, 0xbe85_b459_14e9_4a83),
    ("s16le:44100:1", Format::Mp3, DEFAULT, 0xdb7d_3662_412b_87ad),
    ("s24le:96000:2", Format::Mp3, kbps(320), 0x33b7_d63f_e89e_d5b8),
    ("s16le:22050:2", Format::Mp3, kbps(64), 0xb644_d20a_09b2_0cc4),
    ("u8:8000:1", Format::Mp3, DEFAULT, 0xb5dc_98a5_2e61_a2d7),
    ("s16le:48000:2", Format::Opus, DEFAULT, 0x2742_fb70_1476_c983),
    ("s16le:44100:2", Format::Opus, kbps(128), 0x3186_4a8f_d8a7_cdd1),
    ("s16le:16000:1", Format::Opus, DEFAULT, 0x2ad6_fde2_5409_d55a),
    ("s16be:24000:2", Format::Opus, kbps(24), 0x24b4_b4ab_8984_a2ef),
    ("f32le:48000:6", Format::Opus, MONO, 0xbf5a_28a2_ed34_05ea),
];

const fn kbps(bitrate: u32) -> Parameters {
    Parameters { bitrate: Some(bitrate), channels: None }
}

const DEFAULT: Parameters = Parameters { bitrate: None, channels: None };
const MONO: Parameters = Parameters { bitrate: None, channels: Some(1) };

/// Struck tones that die away, over a little noise from a linear congruential generator, as 16-bit values; other
/// formats take the same bytes as they come. (Plain noise will not do: packets of that come out the same behind a
/// seam and without one.)
fn sound(spec: PcmSpec, frames: u64) -> Vec<u8> {
    let mut state = 1u32;
    let len = usize::try_from(frames).unwrap() * spec.frame_bytes();
    let mut out = Vec::with_capacity(len + 4);
    let (mut n, mut level, mut slope) = (0i32, 0i32, 0i32);
    while out.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if n % 21_011 == 0 {
            level = 14_000 << 12;
            slope = 400 + (state >> 20) as i32;
        }
        level -= level >> 13;
        n += 1;
        let triangle = (n.wrapping_mul(slope) % 65_536).abs() - 32_768;
        let value = ((triangle * (level >> 12)) >> 15) + (state >> 24) as i32 - 128;
        match spec.format.bytes() {
            1 => out.push((value >> 8) as u8 ^ 0x80),
            4 => out.extend((value as f32 / 32_768.0).to_le_bytes()),
            3 => out.extend(&(value << 8).to_le_bytes()[..3]),
            _ => out.extend((value as i16).to_le_bytes()),
        }
    }
    out.truncate(len);
    out
}

/// From before a second on, within what follows, and behind it.
fn tags() -> Tags<'static> {
    let chapter = |millis: u64, title| Chapter { start: millis * 1_000_000, title };
    Tags {
        title: Some("A title"),
        artist: Some("Somebody"),
        date: Some("2026-11-23T20:00:00+01:00"),
        chapters: vec![chapter(0, "one"), chapter(1_100, "two"), chapter(60_000, "three")],
        cover: None,
    }
}

fn digest(codec: &Arc<dyn Codec>, seconds: u64) -> u64 {
    let spec = codec.feed().spec();
    let frames = u64::from(spec.rate) * seconds;
    let pcm = sound(spec, frames);
    let grid = codec.grid();
    let cut = Cut::new(grid, grid.rates.coded.into());
    let mut bytes = codec.header(&cut, None, &tags());
    bytes.extend(codec.header(&cut, Some(12_345), &tags()));
    for number in 0..=grid.rates.to_coded(frames) / grid.packet_frames / grid.segment_packets {
        let mut coder = SegmentCoder::new(Arc::clone(codec), number);
        while let Some(batch) = coder.next(Available::Ended(frames), 20) {
            let range = batch.source.start as usize * spec.frame_bytes()
                ..batch.source.end as usize * spec.frame_bytes();
            coder.code(&batch, &pcm[range], &mut bytes).unwrap();
        }
    }
    crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_XZ).checksum(&bytes)
}

/// CRC-64 of headers with tags, of a whole that grows and of a clip: without room for a cover, and with one.
const PINNED_TAGS: [(&str, Format, u64, u64); 4] = [
    ("s16le:44100:2", Format::Mp3, 0x0f5d_0733_bf6c_a338, 0x9843_14ec_a43f_737c),
    ("s16le:8000:1", Format::Mp3, 0x8e17_e2cd_1ef4_923d, 0x4d2d_82ec_8bb5_0e2c),
    ("s16le:44100:2", Format::Opus, 0x1b1d_eefd_8aff_22f8, 0x21fb_6316_6b62_4475),
    ("s16le:8000:1", Format::Opus, 0x14db_7725_05fd_88a7, 0xca92_c954_dcde_6c42),
];

fn digest_of_tags(codec: &dyn Codec, room: u32) -> u64 {
    let grid = codec.grid();
    let picture: Vec<u8> = (0..=250).cycle().take(room as usize).collect();
    let cover = (room > 0).then_some(Picture { media_type: "image/jpeg", bytes: &picture });
    let (whole, clip) = (Cut::new(grid, 0), Cut::clip(grid, grid.rates.coded.into()));
    let [whole, clip] = [whole, clip].map(|cut| cut.with_cover(codec, room));
    let mut bytes = codec.header(&whole, None, &Tags { cover, ..Tags::default() });
    bytes.extend(codec.header(&clip, Some(12_345), &Tags { cover, ..tags() }));
    crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_XZ).checksum(&bytes)
}

#[test]
fn the_tags_of_this_version_are_these() {
    let mut wrong = String::new();
    for (spec, format, plain, with_cover) in PINNED_TAGS {
        let codec = format.codec(spec.parse().unwrap(), DEFAULT).unwrap();
        for (room, pinned) in [(0, plain), (65_536, with_cover)] {
            let digest = digest_of_tags(&*codec, room);
            if digest != pinned {
                wrong += &format!("{}, {room}: {digest:#018x}, not {pinned:#018x}\n", codec.id());
            }
        }
    }
    assert!(wrong.is_empty() && FORMAT_VERSION == PINNED_VERSION, "the tags have changed:\n{wrong}");
}

/// CRC-64 of what HLS has before the packets: of two runs, the second of which a recording ends in, and of what all need.
const PINNED_HEADS: [(&str, Format, u64); 4] = [
    ("s16le:44100:2", Format::Mp3, 0xde07_467b_0e1b_24b2),
    ("s16le:8000:1", Format::Mp3, 0x5811_4470_08a3_dccd),
    ("s16le:44100:2", Format::Opus, 0x0c9d_6e84_8b0c_00ad),
    ("s16le:8000:1", Format::Opus, 0x21c1_e54f_24fa_670b),
];

fn digest_of_heads(codec: &dyn Codec) -> u64 {
    let (container, grid) = (codec.container().unwrap(), codec.grid());
    let whole = Run { first: 98_000, packets: grid.segment_packets, last_frames: grid.packet_frames };
    let last = Run { first: 14, packets: 10, last_frames: 7 };
    let mut bytes = container.initialization().unwrap().unwrap_or_default();
    bytes.extend(container.head(grid, &whole).unwrap());
    bytes.extend(container.head(grid, &last).unwrap());
    crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_XZ).checksum(&bytes)
}

#[test]
fn the_heads_of_this_version_are_these() {
    let mut wrong = String::new();
    for (spec, format, pinned) in PINNED_HEADS {
        let codec = format.codec(spec.parse().unwrap(), DEFAULT).unwrap();
        let digest = digest_of_heads(&*codec);
        if digest != pinned {
            wrong += &format!("{}: {digest:#018x}, not {pinned:#018x}\n", codec.id());
        }
    }
    assert!(wrong.is_empty() && FORMAT_VERSION == PINNED_VERSION, "the heads have changed:\n{wrong}");
}

#[test]
fn the_bytes_of_this_version_are_these() {
    let mut wrong = String::new();
    for (spec, format, parameters, pinned) in PINNED {
        let codec = format.codec(spec.parse().unwrap(), parameters).unwrap();
        let digest = digest(&codec, 6);
        if digest != pinned {
            wrong += &format!("{}: {digest:#018x}, not {pinned:#018x}\n", codec.id());
        }
    }
    assert!(wrong.is_empty() && FORMAT_VERSION == PINNED_VERSION, "the coded bytes have changed:\n{wrong}");
}
