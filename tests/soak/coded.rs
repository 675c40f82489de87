//! Coded files that are put among the recordings, made once. The MP3 and Opus in them are the program's own, the FLAC is
//! put together here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::{Cut, PcmSpec};

use crate::program;
use crate::source;
use crate::tone::Tone;

/// What they are: some chunks each, and together more than the server keeps of what it has decoded.
const SORTS: [(&str, &str, u64); 3] = [
    ("mp3", "s16le:44100:2", 573_377),
    ("opus", "s16le:48000:2", 631_001),
    ("flac", "s16le:22050:1", 260_113),
];
/// Of each sort.
const EACH: u64 = 2;
/// Of what sources send.
const SECONDS: usize = 10;

pub struct Coded {
    pub extension: &'static str,
    pub spec: PcmSpec,
    pub frames: u64,
    pub bytes: Vec<u8>,
}

/// All that there are, made in a `folder`.
pub fn make(folder: &Path, seed: u64) -> Vec<Coded> {
    let each = SORTS.iter().flat_map(|sort| (0..EACH).map(move |number| (*sort, number)));
    each.map(|((extension, spec, frames), number)| {
        let spec: PcmSpec = spec.parse().unwrap();
        let pcm = Tone::new(spec, seed ^ (number + 1) << 50).take(frames as usize * spec.frame_bytes());
        let bytes =
            if extension == "flac" { flac(spec, &pcm) } else { encoded(folder, extension, spec, &pcm) };
        Coded { extension, spec, frames, bytes }
    })
    .collect()
}

/// An MP3 of some seconds for sources, without its header: packets that can be sent one behind the other, again and again.
pub fn packets(folder: &Path, seed: u64) -> Vec<u8> {
    let spec: PcmSpec = source::PCM.parse().unwrap();
    let pcm = Tone::new(spec, seed ^ 1 << 49).take(SECONDS * spec.rate as usize * spec.frame_bytes());
    let codec = Format::Mp3.codec(spec, Parameters::default()).unwrap();
    let header = Cut::new(codec.grid(), 0).header_len() as usize;
    encoded(folder, "mp3", spec, &pcm).split_off(header)
}

fn encoded(folder: &Path, extension: &str, spec: PcmSpec, pcm: &[u8]) -> Vec<u8> {
    let (from, to) = (folder.join("coded.pcm"), folder.join(format!("coded.{extension}")));
    fs::write(&from, pcm).unwrap();
    let mut encode = Command::new(program());
    encode.arg("encode").arg(&from).arg("-o").arg(&to).args(["--pcm", &spec.to_string()]);
    let status = encode.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "a coded file cannot be made: {status}");
    let bytes = fs::read(&to).unwrap();
    fs::remove_file(from).unwrap();
    fs::remove_file(to).unwrap();
    bytes
}

/// Frames of a FLAC frame.
const BLOCK: u16 = 4096;

/// A FLAC file of 16-bit samples that are not compressed (RFC 9639).
fn flac(spec: PcmSpec, pcm: &[u8]) -> Vec<u8> {
    let (rate, channels) = (u64::from(spec.rate), spec.channels as usize);
    let frames = (pcm.len() / spec.frame_bytes()) as u64;
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([BLOCK.to_be_bytes(), BLOCK.to_be_bytes()].concat());
    file.extend([0; 6]);
    file.extend((rate << 44 | (channels as u64 - 1) << 41 | 15 << 36 | frames).to_be_bytes());
    // No digest of the sound.
    file.extend([0; 16]);
    for (number, block) in pcm.chunks(usize::from(BLOCK) * spec.frame_bytes()).enumerate() {
        file.extend(flac_frame(number as u32, block, channels));
    }
    file
}

fn flac_frame(number: u32, block: &[u8], channels: usize) -> Vec<u8> {
    let len = (block.len() / 2 / channels) as u16;
    // Of a length that stands behind the number; rate and bits are those of the file.
    let mut frame = vec![0xFF, 0xF8, 0x70, (channels as u8 - 1) << 4];
    frame.extend(char::from_u32(number).unwrap().to_string().into_bytes());
    frame.extend((len - 1).to_be_bytes());
    frame.push(crc(&frame, 0x07, 8) as u8);
    for channel in 0..channels {
        // As they are.
        frame.push(0b10);
        let samples = block.chunks_exact(2).skip(channel).step_by(channels);
        samples.for_each(|sample| frame.extend([sample[1], sample[0]]));
    }
    let crc = crc(&frame, 0x8005, 16);
    frame.extend(crc.to_be_bytes());
    frame
}

/// A remainder of so many bits.
fn crc(bytes: &[u8], polynomial: u16, bits: u32) -> u16 {
    let mask = u16::MAX >> (16 - bits);
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << (bits - 8), |crc, _| {
            let shifted = crc << 1;
            (if crc >> (bits - 1) & 1 == 1 { shifted ^ polynomial } else { shifted }) & mask
        })
    })
}
