//! Opus in Ogg: hard constant bit rate, 20 ms packets, ten packets a page.
//!
//! The packets are canonical and shared by every rendition; pages are packed from them for each, since where
//! pages begin depends on where a rendition does.

use opus::{Application, Bitrate, Channels, Signal};

use crate::container::{Container, OpusTrack};
use crate::grid::{PacketSizes, Paging, Rates, VirtualTotal};
use crate::ogg::{self, PageHead};
use crate::pcm::PcmError;
use crate::tags;
use crate::{Codec, CodecError, Cut, Feed, Grid, Page, PcmSpec, Planar, SegmentEncoder, Sound, Tags};

/// The rates that Opus takes as they are, in frames a second.
pub const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The bit rates on offer, in kbit/s.
pub const BITRATES: [u32; 8] = [24, 32, 48, 64, 96, 128, 160, 192];

/// The rate at which Ogg counts Opus samples, whatever the encoder was fed (RFC 7845, 4).
const GRANULE_RATE: u32 = 48_000;
/// How far the encoder looks ahead, in samples at 48 kHz.
const LOOK_AHEAD: u32 = 312;
const PAGE_PACKETS: u64 = 10;
const SEGMENT_PACKETS: u64 = 100;
/// After so many an encoder of music makes of the same sound what one does that ran through, but for luck.
const MUSIC_PREROLL_PACKETS: u64 = 8;
/// Speech (SILK) takes longer to come close.
const VOICE_PREROLL_PACKETS: u64 = 16;
/// RFC 7845, 4.6: a decoder needs 80 ms to settle; twice that costs 160 ms of skipped sound and no more.
const WARMUP_PACKETS: u64 = 8;
/// All the effort that libopus knows.
const COMPLEXITY: i32 = 10;

const VENDOR: &str = "tailcast";

/// The rate that a recording is coded at: its own if Opus takes it, else 48 kHz.
pub fn coded_rate(source: u32) -> u32 {
    if RATES.contains(&source) { source } else { GRANULE_RATE }
}

/// Whether a recording is coded as speech: one channel, at 8, 12 or 16 kHz. (What is resampled is coded at 48 kHz.)
pub fn is_voice(spec: PcmSpec, channels: u16) -> bool {
    channels == 1 && coded_rate(spec.rate) <= 16_000
}

/// Coded frames by which a decoder lags behind the encoder's input.
///
/// That is the encoder's look-ahead, but for speech at 8 kHz. There libopus works at 8 kHz throughout (SILK's narrow
/// band), and decoders give the sound a little later: their own at 3.7 samples (at 48 kHz) and ffmpeg's at six behind
/// what the look-ahead says. A whole frame more is exact for ffmpeg and nearer for libopus.
fn delay(spec: PcmSpec, channels: u16, kbps: u32) -> u64 {
    let rate = coded_rate(spec.rate);
    let narrow_band_speech = is_voice(spec, channels) && rate == 8_000 && kbps <= 64;
    u64::from(LOOK_AHEAD * (rate / 1000) / (GRANULE_RATE / 1000)) + u64::from(narrow_band_speech)
}

/// Opus at one bit rate.
#[derive(Debug)]
pub struct Opus {
    feed: Feed,
    kbps: u32,
    signal: Signal,
    grid: Grid,
}

impl Opus {
    /// `kbps` is one of [`BITRATES`], `channels` 1 or 2.
    ///
    /// # Errors
    /// When the recording's channels cannot be mixed to `channels`.
    pub fn new(spec: PcmSpec, channels: u16, kbps: u32) -> Result<Self, PcmError> {
        let rate = coded_rate(spec.rate);
        let voice = is_voice(spec, channels);
        let packet_len = packet_len(kbps);
        let header_len = |tags_len| ogg::packet_len(opus_head(1, 0, 0).len()) + ogg::packet_len(tags_len);
        let grid = Grid {
            rates: Rates { source: spec.rate, coded: rate },
            packet_frames: u64::from(rate / 50),
            segment_packets: SEGMENT_PACKETS,
            preroll_packets: if voice { VOICE_PREROLL_PACKETS } else { MUSIC_PREROLL_PACKETS },
            preroll_before_zero: false,
            delay: delay(spec, channels, kbps),
            lookahead: 0,
            least_packets: 1,
            warmup_packets: WARMUP_PACKETS,
            sizes: PacketSizes::constant(packet_len as u64),
            paging: Some(Paging {
                packets: PAGE_PACKETS,
                head: ogg::HEAD_LEN as u64,
                lacing: ogg::lacing_len(packet_len) as u64,
            }),
            header_len: header_len(no_tags().len()) as u64,
            tagged_header_len: header_len(tags::LEN) as u64,
            virtual_total: VirtualTotal::Unknown,
        };
        // Never `Signal::Auto`: it lets the encoder change its mode by what it heard before, so that two
        // encoders that meet at a seam might disagree.
        let signal = if voice { Signal::Voice } else { Signal::Music };
        Ok(Self { feed: Feed::new(spec, channels, rate)?, kbps, signal, grid })
    }

    /// Coded frames as samples at 48 kHz.
    fn granule(&self, coded_frames: u64) -> u64 {
        coded_frames.saturating_mul(u64::from(GRANULE_RATE / self.grid.rates.coded.max(1)))
    }

    /// The stream's serial number. Any will do that another rendition is not likely to have: players chain
    /// streams by it.
    fn serial(&self, cut: &Cut) -> u32 {
        const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        let mut digest = CRC.digest();
        digest.update(self.id().as_bytes());
        digest.update(&cut.start().to_le_bytes());
        digest.finalize()
    }

    fn packet_len(&self) -> usize {
        packet_len(self.kbps)
    }
}

/// Bytes of a packet of 20 ms.
fn packet_len(kbps: u32) -> usize {
    usize::try_from(kbps * 1000 / 400).unwrap_or(0)
}

/// Bytes of the comment header of a rendition with tags.
fn tags_len(cut: &Cut) -> usize {
    tags::LEN + tags::opus_cover_len(cut.cover_room())
}

/// Pages of a rendition's two headers.
fn header_pages(cut: &Cut) -> u64 {
    let comments = if cut.has_tags() { ogg::packet_pages(tags_len(cut)) } else { 1 };
    1 + comments as u64
}

/// The identification header (RFC 7845, 5.1).
fn opus_head(channels: u8, pre_skip: u16, rate: u32) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(pre_skip.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend([0; 3]); // no gain, channel mapping family 0
    head
}

/// The comment header (RFC 7845, 5.2) where there is nothing to say: a vendor, no comments.
fn no_tags() -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    tags.extend(u32::try_from(VENDOR.len()).unwrap_or(0).to_le_bytes());
    tags.extend(VENDOR.as_bytes());
    tags.extend([0; 4]);
    tags
}

impl Codec for Opus {
    fn id(&self) -> String {
        format!("opus-{}-{}-{}", self.feed.spec(), self.feed.channels(), self.kbps)
    }

    fn media_type(&self) -> &'static str {
        "audio/ogg; codecs=opus"
    }

    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn feed(&self) -> &Feed {
        &self.feed
    }

    fn header(&self, cut: &Cut, frames: Option<u64>, tags: &Tags<'_>) -> Vec<u8> {
        let channels = u8::try_from(self.feed.channels()).unwrap_or(2);
        // At most 318 + 9 * 960.
        let pre_skip = u16::try_from(self.granule(cut.skip())).unwrap_or(u16::MAX);
        let head = opus_head(channels, pre_skip, self.grid.rates.source);
        let tags = if cut.has_tags() { tags::opus(VENDOR, tags, cut, frames) } else { no_tags() };
        let serial = self.serial(cut);
        let mut out = Vec::new();
        ogg::write_packet(PageHead { flags: ogg::FIRST, granule: 0, serial, sequence: 0 }, &head, &mut out);
        ogg::write_packet(PageHead { flags: 0, granule: 0, serial, sequence: 1 }, &tags, &mut out);
        out
    }

    fn cover_len(&self, picture: u32) -> u64 {
        let with = ogg::packet_len(tags::LEN + tags::opus_cover_len(picture));
        with.saturating_sub(ogg::packet_len(tags::LEN)) as u64
    }

    fn container(&self) -> Option<Container> {
        Some(Container::Cmaf(OpusTrack {
            channels: u8::try_from(self.feed.channels()).unwrap_or(2),
            pre_skip: u16::try_from(self.granule(self.grid.delay)).unwrap_or(u16::MAX),
        }))
    }

    fn encoder(&self, segment: u64) -> Result<Box<dyn SegmentEncoder>, CodecError> {
        let channels = if self.feed.channels() == 1 { Channels::Mono } else { Channels::Stereo };
        let mut encoder =
            opus::Encoder::new(self.grid.rates.coded, channels, Application::Audio).map_err(failed)?;
        encoder.set_vbr(false).map_err(failed)?;
        let bits = i32::try_from(self.kbps * 1000).unwrap_or(i32::MAX);
        encoder.set_bitrate(Bitrate::Bits(bits)).map_err(failed)?;
        encoder.set_complexity(COMPLEXITY).map_err(failed)?;
        encoder.set_signal(self.signal).map_err(failed)?;
        let independent = match self.signal {
            Signal::Music => Some(self.grid.preroll(segment)).filter(|first| *first > 0),
            _ => None,
        };
        Ok(Box::new(OpusEncoder {
            encoder,
            independent,
            coded: 0,
            packet_frames: usize::try_from(self.grid.packet_frames).unwrap_or(0),
            packet: vec![0; self.packet_len()],
            planar: Planar::new(),
            interleaved: Vec::new(),
        }))
    }

    fn page(&self, page: &Page<'_>, out: &mut Vec<u8>) {
        let packets = page.number * PAGE_PACKETS + (page.packets.len() / self.packet_len()) as u64;
        let (flags, granule) = match page.last {
            None => (0, self.granule(packets * self.grid.packet_frames)),
            Some(frames) => (ogg::LAST, self.granule(page.cut.skip().saturating_add(frames))),
        };
        // A stream of 2^32 pages lasts 27 years.
        let sequence = u32::try_from(page.number.saturating_add(header_pages(page.cut))).unwrap_or(u32::MAX);
        let head = PageHead { flags, granule, serial: self.serial(page.cut), sequence };
        ogg::write_page(head, self.packet_len(), page.packets, out);
    }
}

fn failed(error: opus::Error) -> CodecError {
    CodecError::Library { library: "libopus", what: error.to_string() }
}

struct OpusEncoder {
    encoder: opus::Encoder,
    /// The packet (0 is the preroll's first) that is coded without regard to the ones before it: the segment's own
    /// first, whose decoder has heard those of another encoder. Predicted from this one's, the energy of a band now
    /// and then came out wrong by dBs.
    independent: Option<u64>,
    /// Packets so far.
    coded: u64,
    packet_frames: usize,
    packet: Vec<u8>,
    planar: Planar,
    interleaved: Vec<f32>,
}

impl SegmentEncoder for OpusEncoder {
    fn encode(&mut self, sound: Sound<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.planar.iter_mut().for_each(Vec::clear);
        sound.planar(&mut self.planar)?;
        interleave(&self.planar, &mut self.interleaved);
        let Self { encoder, packet, .. } = self;
        for frames in self.interleaved.chunks_exact(self.packet_frames * self.planar.len().max(1)) {
            encoder.set_prediction_disabled(self.independent == Some(self.coded)).map_err(failed)?;
            self.coded += 1;
            // With a buffer of just the packet's size a packet can only be too short, which the coder's
            // check of the sizes finds.
            let given = encoder.encode_float(frames, packet).map_err(failed)?;
            out.extend(packet.iter().take(given));
        }
        Ok(())
    }
}

fn interleave(planar: &Planar, out: &mut Vec<f32>) {
    out.clear();
    match planar.as_slice() {
        [left, right] => out.extend(left.iter().zip(right).flat_map(|(l, r)| [*l, *r])),
        [one] => out.extend_from_slice(one),
        _ => {}
    }
}
