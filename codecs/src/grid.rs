//! The arithmetic of a coded stream: bytes <-> packets <-> segments <-> frames, both ways, in closed form.
//!
//! Three kinds of position occur, and each function says which one it takes:
//!
//! * a **source frame**: a frame of the recording, at the recording's own rate;
//! * a **coded frame**: a frame at the rate that the codec takes (the same thing where nothing is resampled);
//! * a **byte**, either of the canonical packets laid end to end (`offset`) or of one rendition (`byte`),
//!   which has a header, starts at some packet and may group its packets into pages.

use crate::Codec;

/// Nanoseconds are what positions in time are parsed to: exact for every decimal fraction anyone writes.
pub const NANOS: u64 = 1_000_000_000;

/// How long a growing rendition claims to be, for clients that must be told a length before there is one.
pub const VIRTUAL_HOURS: u64 = 24;

/// `numerator / denominator`, rounded up; a zero denominator counts as one.
fn div_ceil(numerator: u128, denominator: u128) -> u64 {
    saturate(numerator.div_ceil(denominator.max(1)))
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `value * numerator / denominator`, rounded half up, without overflow on the way.
pub fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let denominator = u128::from(denominator.max(1));
    saturate((u128::from(value) * u128::from(numerator) * 2 + denominator) / (denominator * 2))
}

/// The rate of the recording and the rate that the codec takes, in frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// The recording's own rate.
    pub source: u32,
    /// The rate at which the encoder is fed and the decoder gives back.
    pub coded: u32,
}

impl Rates {
    /// The coded frame nearest to a source frame.
    pub fn to_coded(self, source_frame: u64) -> u64 {
        scale(source_frame, self.coded.into(), self.source.into())
    }

    /// The source frame nearest to a coded frame.
    pub fn to_source(self, coded_frame: u64) -> u64 {
        scale(coded_frame, self.source.into(), self.coded.into())
    }
}

/// How many bytes the first `m` packets of a fresh encoder take: `A(m) = m*base + ceil((m-1)*carry/per)`,
/// `A(0) = 0`.
///
/// With `carry = 0` every packet has `base` bytes. Otherwise it is the padding rule of MPEG audio
/// (ISO 11172-3, 2.4.3.1) as LAME carries it out: the first packet is short, and a packet is one byte longer
/// whenever the fractions have added up to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketSizes {
    /// Whole bytes of every packet.
    pub base: u64,
    /// Numerator of the fraction of a byte that is left over in each packet.
    pub carry: u64,
    /// Denominator of that fraction; at least 1.
    pub per: u64,
}

impl PacketSizes {
    /// Packets that all have the same size in bytes.
    pub const fn constant(bytes: u64) -> Self {
        Self { base: bytes, carry: 0, per: 1 }
    }

    /// Bytes of a fresh encoder's first `packets` packets.
    pub fn total(self, packets: u64) -> u64 {
        let carried = u128::from(packets.saturating_sub(1)) * u128::from(self.carry);
        packets.saturating_mul(self.base).saturating_add(div_ceil(carried, self.per.into()))
    }
}

/// Packets grouped into pages (Ogg): a page of `m` packets takes `head + m * (lacing + packet)` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// Packets of a full page; the last one of a rendition may have fewer.
    pub packets: u64,
    /// Bytes before the lacing values of a page.
    pub head: u64,
    /// Bytes that each packet adds to the page's head.
    pub lacing: u64,
}

/// What a *growing* rendition says its total length is (the HTTP facts behind this are in `docs/http.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtualTotal {
    /// Always this many bytes: the largest that the format's header can state.
    Bytes(u64),
    /// The header and a day of packets from where the rendition starts.
    Day,
    /// None is stated.
    Unknown,
}

/// Everything about the shape of a coded stream that does not depend on where a rendition of it starts.
///
/// Packet `n` of the canonical stream stands for the coded frames from `n * packet_frames` on. Its bytes are
/// made by the encoder of segment `n / segment_packets`, which is fresh and was fed `preroll_packets` packets
/// of sound before its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The recording's rate and the encoder's.
    pub rates: Rates,
    /// Coded frames that a packet stands for.
    pub packet_frames: u64,
    /// Packets of a segment.
    pub segment_packets: u64,
    /// Packets coded and thrown away before a segment's first.
    pub preroll_packets: u64,
    /// Whether segment 0 has a preroll too (of silence), or starts plainly.
    pub preroll_before_zero: bool,
    /// Coded frames by which the decoder's output lags behind the encoder's input.
    pub delay: u64,
    /// Coded frames beyond its own end that a packet cannot be coded without.
    pub lookahead: u64,
    /// Packets that a rendition has before the one its first frame lies in, for the decoder to settle.
    pub warmup_packets: u64,
    /// Packets that a rendition of any sound has at the least: players refuse some formats with fewer.
    pub least_packets: u64,
    /// The sizes of the packets.
    pub sizes: PacketSizes,
    /// How packets are grouped, if they do not stand one after another just as they are.
    pub paging: Option<Paging>,
    /// Bytes before the first packet or page of a rendition whose header has no tags.
    pub header_len: u64,
    /// The same of one whose header has tags ([`Cut::has_tags`]); no more in a format that has no place for them.
    pub tagged_header_len: u64,
    /// What a growing rendition claims as its length.
    pub virtual_total: VirtualTotal,
}

impl Grid {
    /// The preroll of a segment, in packets.
    pub fn preroll(&self, segment: u64) -> u64 {
        if segment == 0 && !self.preroll_before_zero { 0 } else { self.preroll_packets }
    }

    /// Packets that become bytes together: those of a full page, or one where there are no pages.
    pub fn unit_packets(&self) -> u64 {
        self.paging.map_or(1, |paging| paging.packets)
    }

    /// Bytes of one whole segment.
    pub fn segment_len(&self) -> u64 {
        self.within(self.segment_packets)
    }

    /// Bytes of a segment's first `packets` packets.
    ///
    /// The sizes go on where those of the preroll ended. (Segment 0 of a codec that has none there counts as
    /// if it had one: such a codec's packets are all of one size, and it makes no difference.)
    pub fn within(&self, packets: u64) -> u64 {
        self.sizes.total(self.preroll_packets.saturating_add(packets))
            - self.sizes.total(self.preroll_packets)
    }

    /// Where packet `n` starts in the canonical packets laid end to end, in bytes.
    pub fn offset(&self, packet: u64) -> u64 {
        let (segment, index) = (packet / self.segment_packets, packet % self.segment_packets);
        segment.saturating_mul(self.segment_len()).saturating_add(self.within(index))
    }

    /// The packet that holds byte `offset` of the canonical packets.
    pub fn packet_at(&self, offset: u64) -> u64 {
        let segment_len = self.segment_len().max(1);
        let (segment, rest) = (offset / segment_len, offset % segment_len);
        if self.sizes.carry == 0 {
            return segment * self.segment_packets + rest / self.sizes.base.max(1);
        }
        // A packet has `base` or `base + 1` bytes, so this is at or before the one sought, and close to it.
        let mut index = rest / (self.sizes.base + 1);
        while index + 1 < self.segment_packets && self.within(index + 1) <= rest {
            index += 1;
        }
        segment * self.segment_packets + index
    }

    /// Coded frames (from zero) that must be there for packet `n` to be coded without knowing of an end.
    pub fn frames_for(&self, packet: u64) -> u64 {
        packet.saturating_add(1).saturating_mul(self.packet_frames).saturating_add(self.lookahead)
    }

    /// How many packets (from packet 0 on) it takes to hear everything before coded frame `end`: enough that the
    /// decoder's delay is made up for, and that a rendition of the last frame alone has as many as it must.
    pub fn packets_until(&self, end: u64) -> u64 {
        let heard = self.delay.saturating_add(end).div_ceil(self.packet_frames);
        let Some(last_frame) = end.checked_sub(1) else { return heard };
        heard.max((last_frame / self.packet_frames).saturating_add(self.least_packets))
    }

    /// How many packets (from packet 0 on) can be coded when `coded_frames` coded frames are there.
    pub fn codable(&self, coded_frames: u64) -> u64 {
        coded_frames.saturating_sub(self.lookahead) / self.packet_frames
    }
}

/// A rendition's place on the grid: it starts at one coded frame, to the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    grid: Grid,
    start: u64,
    first_packet: u64,
    has_tags: bool,
    cover: CoverRoom,
}

/// Room for a picture in a header that has tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct CoverRoom {
    /// The most bytes that the picture may have.
    picture: u32,
    /// Bytes of the header that it takes.
    len: u64,
}

impl Cut {
    /// The rendition that goes on from coded frame `start` to the recording's end.
    ///
    /// Its header has tags if it is the whole. From later on it is what somebody hears who seeks, and who seeks does
    /// not wait for kilobytes without sound.
    pub fn new(grid: &Grid, start: u64) -> Self {
        let first_packet = (start / grid.packet_frames).saturating_sub(grid.warmup_packets);
        Self { grid: *grid, start, first_packet, has_tags: start == 0, cover: CoverRoom::default() }
    }

    /// A clip from coded frame `start` on, which somebody keeps: its header has tags wherever it starts.
    pub fn clip(grid: &Grid, start: u64) -> Self {
        Self { has_tags: true, ..Self::new(grid, start) }
    }

    /// The same with room for a picture of up to so many bytes in the header, if that has tags. `codec` is the one whose
    /// grid it is.
    #[must_use]
    pub fn with_cover(self, codec: &dyn Codec, picture: u32) -> Self {
        Self { cover: CoverRoom { picture, len: codec.cover_len(picture) }, ..self }
    }

    /// The most bytes that a picture in its header may have.
    pub fn cover_room(&self) -> u32 {
        if self.has_tags { self.cover.picture } else { 0 }
    }

    /// The grid it lies on.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The coded frame it starts at.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Whether there are tags in its header.
    pub fn has_tags(&self) -> bool {
        self.has_tags
    }

    /// Bytes before its first packet or page.
    pub fn header_len(&self) -> u64 {
        if self.has_tags {
            self.grid.tagged_header_len.saturating_add(self.cover.len)
        } else {
            self.grid.header_len
        }
    }

    /// The canonical number of its first packet.
    pub fn first_packet(&self) -> u64 {
        self.first_packet
    }

    /// Coded frames that a decoder gives before the first one wanted: the codec's delay, and what lies
    /// between the first packet's start and the rendition's.
    pub fn skip(&self) -> u64 {
        self.grid.delay + self.start - self.first_packet * self.grid.packet_frames
    }

    /// Packets that it takes to hear `frames` coded frames.
    pub fn packets(&self, frames: u64) -> u64 {
        let end = self.start.saturating_add(frames);
        if frames == 0 { 0 } else { self.grid.packets_until(end) - self.first_packet }
    }

    /// Packets of this rendition that can be coded when the recording has `coded_frames` coded frames.
    pub fn codable(&self, coded_frames: u64) -> u64 {
        self.grid.codable(coded_frames).saturating_sub(self.first_packet)
    }

    /// Coded frames (from the recording's start) on which the first `packets` packets depend.
    pub fn depends_on(&self, packets: u64) -> u64 {
        packets.checked_sub(1).map_or(0, |last| self.grid.frames_for(self.first_packet.saturating_add(last)))
    }

    /// Bytes of the first `packets` packets with their pages; the last page may be a short one.
    pub fn body_len(&self, packets: u64) -> u64 {
        match self.grid.paging {
            None => {
                self.grid.offset(self.first_packet.saturating_add(packets))
                    - self.grid.offset(self.first_packet)
            }
            Some(paging) => {
                let full = packets / paging.packets;
                let rest = packets % paging.packets;
                let last = if rest == 0 { 0 } else { self.page_len(paging, rest) };
                full.saturating_mul(self.page_len(paging, paging.packets)).saturating_add(last)
            }
        }
    }

    /// Bytes of a page of `packets` packets.
    fn page_len(&self, paging: Paging, packets: u64) -> u64 {
        paging.head + packets * (paging.lacing + self.grid.sizes.base)
    }

    /// Header and body, for a rendition of `packets` packets (without a trailer, which [`crate::Codec`] adds).
    pub fn len(&self, packets: u64) -> u64 {
        self.header_len().saturating_add(self.body_len(packets))
    }

    /// Bytes that exist for good when `packets` packets can be coded and more may come. A page that is not
    /// full does not: it may become a longer one.
    pub fn exists(&self, packets: u64) -> u64 {
        self.len(packets - packets % self.grid.unit_packets())
    }

    /// What this rendition claims as its total while it grows.
    pub fn virtual_total(&self) -> Option<u64> {
        match self.grid.virtual_total {
            VirtualTotal::Bytes(bytes) => Some(bytes),
            VirtualTotal::Day => {
                let day = VIRTUAL_HOURS * 3600 * u64::from(self.grid.rates.coded);
                Some(self.len(day.div_ceil(self.grid.packet_frames)))
            }
            VirtualTotal::Unknown => None,
        }
    }

    /// The packet of this rendition (0 = its first) that a byte belongs to; the header's bytes belong to the
    /// first, and those of a page to the page's first.
    pub fn packet_at_byte(&self, byte: u64) -> u64 {
        let body = byte.saturating_sub(self.header_len());
        match self.grid.paging {
            None => {
                let origin = self.grid.offset(self.first_packet);
                self.grid.packet_at(origin.saturating_add(body)) - self.first_packet
            }
            Some(paging) => body / self.page_len(paging, paging.packets) * paging.packets,
        }
    }

    /// The byte at which a packet of this rendition, or the page that holds it, starts.
    pub fn byte_of_packet(&self, packet: u64) -> u64 {
        self.len(packet - packet % self.grid.unit_packets())
    }

    /// The first coded frame that is heard from the packet or page at a byte.
    pub fn frame_at_byte(&self, byte: u64) -> u64 {
        let packet = self.first_packet.saturating_add(self.packet_at_byte(byte));
        packet.saturating_mul(self.grid.packet_frames).saturating_sub(self.grid.delay).max(self.start)
    }

    /// The byte from which a client must read to hear coded frame `frame`.
    pub fn byte_at_frame(&self, frame: u64) -> u64 {
        let heard_in = frame.max(self.start).saturating_add(self.grid.delay) / self.grid.packet_frames;
        self.byte_of_packet(heard_in.saturating_sub(self.first_packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// MP3 at 44.1 kHz and 128 kbit/s, whose figures are known from LAME itself.
    fn mp3() -> Grid {
        let numerator = 125 * 1152 * 128;
        Grid {
            rates: Rates { source: 44_100, coded: 44_100 },
            packet_frames: 1152,
            segment_packets: 98,
            preroll_packets: 8,
            preroll_before_zero: true,
            delay: 1105,
            lookahead: 224,
            least_packets: 2,
            warmup_packets: 0,
            sizes: PacketSizes { base: numerator / 44_100, carry: numerator % 44_100, per: 44_100 },
            paging: None,
            header_len: 500,
            tagged_header_len: 4_500,
            virtual_total: VirtualTotal::Day,
        }
    }

    fn opus() -> Grid {
        Grid {
            rates: Rates { source: 48_000, coded: 48_000 },
            packet_frames: 960,
            segment_packets: 200,
            preroll_packets: 16,
            preroll_before_zero: false,
            delay: 312,
            lookahead: 0,
            least_packets: 1,
            warmup_packets: 8,
            sizes: PacketSizes::constant(240),
            paging: Some(Paging { packets: 10, head: 27, lacing: 1 }),
            header_len: 100,
            tagged_header_len: 4_100,
            virtual_total: VirtualTotal::Unknown,
        }
    }

    #[test]
    fn ninety_eight_packets_at_128_kbit_are_40960_bytes() {
        assert_eq!(mp3().segment_len(), 40_960);
        assert_eq!(mp3().sizes.total(1), 417);
        assert_eq!(mp3().sizes.total(2), 835);
    }

    #[test]
    fn an_opus_page_at_96_kbit_is_2437_bytes() {
        let cut = Cut::new(&opus(), 0);
        assert_eq!(cut.body_len(10), 2437);
        assert_eq!(cut.body_len(11), 2437 + 27 + 241);
        assert_eq!(cut.exists(19), 4_100 + 2437);
    }

    #[test]
    fn a_whole_and_a_clip_have_tags_and_what_is_heard_from_later_on_has_not() {
        for grid in [mp3(), opus()] {
            let (whole, rest, clip) = (Cut::new(&grid, 0), Cut::new(&grid, 1), Cut::clip(&grid, 1));
            assert_eq!([whole, rest, clip].map(|cut| cut.has_tags()), [true, false, true]);
            for (cut, header) in
                [(whole, 4_000), (rest, 0), (clip, 4_000)].map(|(cut, more)| (cut, grid.header_len + more))
            {
                assert_eq!((cut.header_len(), cut.len(0), cut.byte_of_packet(0)), (header, header, header));
                assert_eq!((cut.packet_at_byte(header - 1), cut.frame_at_byte(header)), (0, cut.start()));
            }
            assert_eq!(clip.virtual_total().map(|total| total - 4_000), rest.virtual_total());
        }
    }

    #[test]
    fn enough_packets_to_make_up_for_the_delay() {
        let cut = Cut::new(&mp3(), 2000);
        assert_eq!((cut.first_packet(), cut.skip()), (1, 1105 + 848));
        // The last of 1456 frames is the last of packet 2, and is heard from packet 3.
        assert_eq!(cut.packets(1456), 3);
        assert_eq!(cut.packets(1457), 4);
        assert_eq!(cut.packets(0), 0);
        // 312 and 648 frames fill exactly one packet; one more frame takes a second.
        let cut = Cut::new(&opus(), 0);
        assert_eq!((cut.packets(648), cut.packets(649)), (1, 2));
    }

    #[test]
    fn a_rendition_has_its_least_packets_wherever_it_starts() {
        // 1105 and 47 frames would fit into one.
        for start in [0, 1, 46, 1151, 1152, 112_895] {
            assert_eq!(Cut::new(&mp3(), start).packets(1), 2, "from {start}");
        }
    }

    #[test]
    fn positions_far_out_do_not_overflow() {
        let cut = Cut::new(&mp3(), u64::MAX / 4096);
        assert!(cut.len(u64::MAX / 4096) > 0);
        assert!(Cut::new(&opus(), 0).frame_at_byte(u64::MAX) > 0);
        assert_eq!(Rates { source: 1, coded: u32::MAX }.to_coded(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_packet_is_found_at_its_first_and_its_last_byte(packet in 0u64..10_000_000) {
            let grid = mp3();
            prop_assert_eq!(grid.packet_at(grid.offset(packet)), packet);
            prop_assert_eq!(grid.packet_at(grid.offset(packet + 1) - 1), packet);
        }

        #[test]
        fn a_seek_to_a_frame_reads_from_at_or_before_it(start in 0u64..1 << 40, ahead in 0u64..1 << 40) {
            for grid in [mp3(), opus()] {
                let cut = Cut::new(&grid, start);
                let byte = cut.byte_at_frame(start + ahead);
                let heard = cut.frame_at_byte(byte);
                let unit = grid.packet_frames * grid.paging.map_or(1, |paging| paging.packets);
                prop_assert!(heard <= start + ahead && start + ahead < heard + unit);
                prop_assert_eq!(cut.byte_at_frame(heard), byte);
            }
        }

        #[test]
        fn what_exists_while_growing_is_never_the_last_page(start in 0u64..100_000, length in 1u64..1_000_000) {
            // The delay makes every rendition one packet longer than the sound, so that a page which is
            // full of real sound always has another behind it and need not be marked as the last.
            let cut = Cut::new(&opus(), start);
            prop_assert!(cut.exists(cut.codable(start + length)) < cut.len(cut.packets(length)));
        }

        #[test]
        fn resampled_positions_come_back(frame in 0u64..1 << 48, source in 8_000u32..192_000) {
            let rates = Rates { source, coded: 192_000 };
            prop_assert_eq!(rates.to_source(rates.to_coded(frame)), frame);
        }
    }
}
