//! MP3: constant bit rate, no bit reservoir, coded by LAME; sample-exact by its Info packet.
//!
//! Without a reservoir every packet holds all of its own data (`main_data_begin` is 0), so any packet can be
//! the first of a stream. The sizes follow MPEG's padding rule, the decoder's delay is LAME's 576 frames and
//! the filter bank's 529, and the Info packet tells players how many frames to drop at both ends.

use crate::container::Container;
use crate::grid::{PacketSizes, Rates, VirtualTotal};
use crate::lame::Lame;
use crate::pcm::PcmError;
use crate::tags;
use crate::{Codec, CodecError, Cut, Feed, Grid, PcmSpec, Planar, SegmentEncoder, Sound, Tags};

/// The sample rates that MPEG-1, MPEG-2 and MPEG-2.5 layer III know, in frames a second.
pub const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// LAME's own delay, in frames; what the Info packet calls the encoder delay of a stream cut at a packet.
const ENCODER_DELAY: u64 = 576;
/// The delay of every layer III decoder's filter bank, in frames.
const DECODER_DELAY: u64 = 529;
/// Frames beyond a packet's end that LAME's psychoacoustics look at before they let it go.
const LOOKAHEAD: u64 = 224;

const SEGMENT_PACKETS: u64 = 98;
const PREROLL_PACKETS: u64 = 8;

/// What the tag in front calls the encoder.
const ENCODER: &str = "tailcast";

/// The tag where there is nothing to say: ID3v2.3 with one text frame. It is there for the players: without a tag in
/// front ffmpeg and mpv look for an ID3v1 tag in the last 128 bytes of a growing stream, and wait for them until it
/// ends.
const ID3: &[u8] = b"ID3\x03\0\0\0\0\0\x13TSSE\0\0\0\x09\0\0\0tailcast";

/// CRC-16 as LAME's Info tag has it: polynomial 0x8005 reflected, starting at zero.
const INFO_CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_ARC);

/// Which of the three MPEG standards has a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mpeg {
    One,
    Two,
    TwoAndAHalf,
}

impl Mpeg {
    fn of(rate: u32) -> Self {
        match rate {
            32_000.. => Self::One,
            16_000.. => Self::Two,
            _ => Self::TwoAndAHalf,
        }
    }

    /// Frames of a packet.
    fn packet_frames(self) -> u32 {
        if self == Self::One { 1152 } else { 576 }
    }

    /// Bit rates by their index in the header, in kbit/s (ISO 11172-3 2.4.2.3, ISO 13818-3 2.4.2.3).
    fn bitrates(self) -> &'static [u32] {
        match self {
            Self::One => &[0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            _ => &[0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        }
    }
}

/// The bit rates on offer at a sample rate, in kbit/s, lowest first.
pub fn bitrates(rate: u32) -> &'static [u32] {
    match Mpeg::of(rate) {
        Mpeg::One => &[64, 96, 128, 160, 192, 256, 320],
        Mpeg::Two => &[32, 48, 64, 80, 96, 112, 128, 160],
        // LAME makes 64 of anything higher.
        Mpeg::TwoAndAHalf => &[32, 48, 64],
    }
}

/// The rate that a recording is coded at: its own if MPEG knows it, else the nearest (the higher of two).
pub fn coded_rate(source: u32) -> u32 {
    RATES.iter().rev().copied().min_by_key(|rate| rate.abs_diff(source)).unwrap_or(48_000)
}

/// MP3 at one bit rate.
#[derive(Debug)]
pub struct Mp3 {
    feed: Feed,
    kbps: u32,
    grid: Grid,
    info_kbps: u32,
    info_len: usize,
}

impl Mp3 {
    /// `kbps` is one of [`bitrates`]`(`[`coded_rate`]`(spec.rate))`, `channels` 1 or 2.
    ///
    /// # Errors
    /// When the recording's channels cannot be mixed to `channels`.
    pub fn new(spec: PcmSpec, channels: u16, kbps: u32) -> Result<Self, PcmError> {
        let rate = coded_rate(spec.rate);
        let feed = Feed::new(spec, channels, rate)?;
        let (info_kbps, info_len) = info_packet_size(rate, channels, kbps);
        let grid = Grid {
            rates: Rates { source: spec.rate, coded: rate },
            packet_frames: Mpeg::of(rate).packet_frames().into(),
            segment_packets: SEGMENT_PACKETS,
            preroll_packets: PREROLL_PACKETS,
            preroll_before_zero: true,
            delay: ENCODER_DELAY + DECODER_DELAY,
            lookahead: LOOKAHEAD,
            warmup_packets: 0,
            // ffmpeg refuses a file of one.
            least_packets: 2,
            sizes: packet_sizes(rate, kbps),
            paging: None,
            header_len: (ID3.len() + info_len) as u64,
            tagged_header_len: (tags::LEN + info_len) as u64,
            virtual_total: VirtualTotal::Day,
        };
        Ok(Self { feed, kbps, grid, info_kbps, info_len })
    }

    fn stereo(&self) -> bool {
        self.feed.channels() == 2
    }

    /// The four bytes that every packet starts with, here for the Info packet.
    fn packet_header(&self) -> [u8; 4] {
        let rate = self.grid.rates.coded;
        let mpeg = Mpeg::of(rate);
        let version = match mpeg {
            Mpeg::One => 0b11,
            Mpeg::Two => 0b10,
            Mpeg::TwoAndAHalf => 0b00,
        };
        let rate_index = match rate {
            44_100 | 22_050 | 11_025 => 0,
            48_000 | 24_000 | 12_000 => 1,
            _ => 2,
        };
        let index = mpeg.bitrates().iter().zip(0u8..).find(|(kbps, _)| **kbps == self.info_kbps);
        let kbps_index = index.map_or(0, |(_, index)| index);
        let mode = if self.stereo() { 0b01 } else { 0b11 };
        // Sync, version, layer III, no CRC | bit rate, sample rate, no padding | mode, original.
        [0xFF, 0xE0 | version << 3 | 0b011, kbps_index << 4 | rate_index << 2, mode << 6 | 0b100]
    }

    /// The packet that carries no sound but the lengths: Xing's, with LAME's extension.
    fn info_packet(&self, lengths: Lengths) -> Vec<u8> {
        let mut packet = Vec::with_capacity(self.info_len);
        packet.extend(self.packet_header());
        packet.resize(4 + side_info(self.grid.rates.coded, self.feed.channels()), 0);
        packet.extend(b"Info");
        let frames = lengths.packets.and_then(|packets| u32::try_from(packets).ok());
        let bytes = u32::try_from(lengths.bytes).ok();
        packet.extend((u32::from(frames.is_some()) | u32::from(bytes.is_some()) << 1).to_be_bytes());
        packet.extend(frames.into_iter().chain(bytes).flat_map(u32::to_be_bytes));
        // LAME's extension: version, method (CBR), low-pass (not stated), peak and two gains (not measured),
        // flags, bit rate, delay and padding, miscellaneous, gain, preset, length, CRC of the music (unknown:
        // it is not coded yet) and of this packet.
        packet.extend(b"LAME3.100\x01\0");
        packet.extend([0; 9]);
        packet.push(u8::try_from(self.kbps).unwrap_or(u8::MAX));
        packet.extend(delay_and_padding(lengths.delay, lengths.padding));
        packet.extend([0; 4]);
        packet.extend(bytes.unwrap_or_default().to_be_bytes());
        packet.extend([0; 2]);
        packet.extend(INFO_CRC.checksum(&packet).to_be_bytes());
        packet.resize(self.info_len, 0);
        packet
    }

    fn lengths(&self, cut: &Cut, frames: Option<u64>) -> Lengths {
        let tag_len = cut.header_len().saturating_sub(self.info_len as u64);
        let without_tag = |bytes: u64| bytes.saturating_sub(tag_len);
        let delay = cut.skip() - DECODER_DELAY;
        match frames {
            Some(frames) => {
                let packets = cut.packets(frames);
                let coded = packets * self.grid.packet_frames;
                let padding = coded.saturating_sub(delay + frames);
                Lengths { packets: Some(packets), bytes: without_tag(cut.len(packets)), delay, padding }
            }
            // A number of packets would be taken for the duration, for good. The bytes, and none but these,
            // make a seek bar whose positions are right.
            None => {
                let bytes = without_tag(cut.virtual_total().unwrap_or(u64::MAX));
                Lengths { packets: None, bytes, delay, padding: 0 }
            }
        }
    }
}

/// What the Info packet says. Bytes are from the Info packet on, packets without it.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    packets: Option<u64>,
    bytes: u64,
    delay: u64,
    padding: u64,
}

/// Two numbers of twelve bits. The delay is at most 576 + 1151; the padding below 529 + 2 * 1152.
fn delay_and_padding(delay: u64, padding: u64) -> [u8; 3] {
    let both = (delay.min(0xFFF) << 12) | padding.min(0xFFF);
    let [.., a, b, c] = both.to_be_bytes();
    [a, b, c]
}

/// Bytes of side information behind a packet's header.
fn side_info(rate: u32, channels: u16) -> usize {
    match (Mpeg::of(rate), channels) {
        (Mpeg::One, 1) => 17,
        (Mpeg::One, _) => 32,
        (_, 1) => 9,
        (_, _) => 17,
    }
}

fn packet_sizes(rate: u32, kbps: u32) -> PacketSizes {
    let numerator = 125 * u64::from(Mpeg::of(rate).packet_frames()) * u64::from(kbps);
    let rate = u64::from(rate);
    PacketSizes { base: numerator / rate, carry: numerator % rate, per: rate }
}

/// Bit rate and bytes of the Info packet: the stream's own bit rate, or the next whose packets have the room.
fn info_packet_size(rate: u32, channels: u16, kbps: u32) -> (u32, usize) {
    // "Info", flags, two numbers, LAME's extension.
    let needed = 4 + side_info(rate, channels) + 16 + 36;
    let size = |kbps: u32| usize::try_from(packet_sizes(rate, kbps).base).unwrap_or(0);
    let fits = |candidate: &u32| *candidate >= kbps && size(*candidate) >= needed;
    let chosen = Mpeg::of(rate).bitrates().iter().copied().find(fits).unwrap_or(kbps);
    (chosen, size(chosen))
}

impl Codec for Mp3 {
    fn id(&self) -> String {
        format!("mp3-{}-{}-{}", self.feed.spec(), self.feed.channels(), self.kbps)
    }

    fn media_type(&self) -> &'static str {
        "audio/mpeg"
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn header(&self, cut: &Cut, frames: Option<u64>, tags: &Tags<'_>) -> Vec<u8> {
        let mut header = if cut.has_tags() { tags::id3(ENCODER, tags, cut, frames) } else { ID3.to_vec() };
        header.extend(self.info_packet(self.lengths(cut, frames)));
        header
    }

    fn cover_len(&self, picture: u32) -> u64 {
        tags::id3_cover_len(picture) as u64
    }

    fn container(&self) -> Option<Container> {
        Some(Container::PackedAudio)
    }

    fn encoder(&self, _segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        let lame = Lame::new(self.grid.rates.coded, self.feed.channels(), self.kbps)?;
        Ok(Box::new(Mp3Encoder { lame, planar: Planar::new() }))
    }
}

struct Mp3Encoder {
    lame: Lame,
    planar: Planar,
}

impl SegmentEncoder for Mp3Encoder {
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.planar.iter_mut().for_each(Vec::clear);
        sound.planar(&mut self.planar)?;
        self.lame.encode(&self.planar, out)
    }
}
