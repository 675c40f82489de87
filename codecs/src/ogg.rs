//! Ogg pages, as far as an Opus stream needs them (RFC 3533, RFC 7845).
//!
//! Written here because no library's writer can start at an arbitrary sequence number, which is what a page
//! with random access is. In the tests the pages are read back by other programs.

/// CRC-32 of a page: polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533, 6).
const CRC: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::Algorithm {
    width: 32,
    poly: 0x04c1_1db7,
    init: 0,
    refin: false,
    refout: false,
    xorout: 0,
    check: 0x89a1_897f,
    residue: 0,
});

/// Bytes of a page before its lacing values.
pub const HEAD_LEN: usize = 27;

const CRC_AT: std::ops::Range<usize> = 22..26;

/// Lacing values that a page can have.
const LACINGS: usize = 255;

/// Flag on a page that begins in the middle of a packet.
const CONTINUED: u8 = 0x01;
/// Flag on the first page of a stream.
pub const FIRST: u8 = 0x02;
/// Flag on the last page of a stream.
pub const LAST: u8 = 0x04;

/// Lacing values that a packet of `bytes` bytes takes: one for each full 255, and one below 255 to end it.
pub const fn lacing_len(bytes: usize) -> usize {
    bytes / 255 + 1
}

/// Pages that a packet of `bytes` bytes takes that is on pages of its own.
pub const fn packet_pages(bytes: usize) -> usize {
    lacing_len(bytes).div_ceil(LACINGS)
}

/// Bytes of these pages.
pub const fn packet_len(bytes: usize) -> usize {
    packet_pages(bytes) * HEAD_LEN + lacing_len(bytes) + bytes
}

/// What stands in a page's head.
#[derive(Debug, Clone, Copy)]
pub struct PageHead {
    /// [`FIRST`], [`LAST`] or neither.
    pub flags: u8,
    /// For Opus: samples at 48 kHz up to the end of the page's last packet, or to the end of the sound.
    pub granule: u64,
    /// Which stream of the file.
    pub serial: u32,
    /// Pages of this stream before this one.
    pub sequence: u32,
}

/// Appends a packet on pages of its own, as many as it takes. `head` is that of the first.
pub fn write_packet(head: PageHead, packet: &[u8], out: &mut Vec<u8>) {
    let pages = packet_pages(packet.len());
    let last = pages.saturating_sub(1);
    let pieces = packet.chunks(LACINGS * 255).chain([&[][..]]).take(pages);
    for ((number, sequence), piece) in (0..).zip(head.sequence..).zip(pieces) {
        let start = out.len();
        // No packet ends on one that is not the last (RFC 3533, 6).
        let granule = if number == last { head.granule } else { u64::MAX };
        let flags = if number == 0 { head.flags } else { CONTINUED };
        let ends = usize::from(number == last);
        begin_page(PageHead { flags, granule, sequence, ..head }, piece.len() / 255 + ends, out);
        out.resize(out.len() + piece.len() / 255, 255);
        out.extend((number == last).then_some(u8::try_from(piece.len() % 255).unwrap_or(0)));
        out.extend_from_slice(piece);
        sign(out, start);
    }
}

/// Appends a page with `packets` (end to end, each of `packet_len` bytes) to `out`.
pub fn write_page(head: PageHead, packet_len: usize, packets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let count = packets.len().checked_div(packet_len).unwrap_or(0);
    // Ten packets of at most 480 bytes (192 kbit/s) take twenty.
    begin_page(head, count * lacing_len(packet_len), out);
    for _ in 0..count {
        out.resize(out.len() + packet_len / 255, 255);
        out.push(u8::try_from(packet_len % 255).unwrap_or(0));
    }
    out.extend_from_slice(packets);
    sign(out, start);
}

/// Appends what stands before a page's lacing values, of which there are at most 255.
fn begin_page(head: PageHead, lacings: usize, out: &mut Vec<u8>) {
    out.extend(b"OggS\0");
    out.push(head.flags);
    out.extend(head.granule.to_le_bytes());
    out.extend(head.serial.to_le_bytes());
    out.extend(head.sequence.to_le_bytes());
    out.extend([0; 4]);
    out.push(u8::try_from(lacings).unwrap_or(u8::MAX));
}

/// Puts the CRC into the page that starts at `start`.
fn sign(out: &mut [u8], start: usize) {
    let Some(page) = out.get_mut(start..) else { return };
    let crc = CRC.checksum(page).to_le_bytes();
    if let Some(place) = page.get_mut(CRC_AT) {
        place.copy_from_slice(&crc);
    }
}

/// Whether a page, head and all, is what its CRC was made of.
pub fn is_whole(page: &[u8]) -> bool {
    let Some((before, [a, b, c, d, after @ ..])) = page.split_at_checked(CRC_AT.start) else { return false };
    let mut digest = CRC.digest();
    [before, &[0; 4], after].into_iter().for_each(|part| digest.update(part));
    digest.finalize().to_le_bytes() == [*a, *b, *c, *d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_back_by_the_ogg_crate() {
        let packets: Vec<u8> = (0..=250).cycle().take(3 * 600).collect();
        let mut stream = Vec::new();
        let head = PageHead { flags: FIRST | LAST, granule: 2880, serial: 7, sequence: 0 };
        write_page(head, 600, &packets, &mut stream);
        assert_eq!(stream.len(), HEAD_LEN + 3 * lacing_len(600) + 1800);
        assert!(is_whole(&stream) && !is_whole(&stream[..stream.len() - 1]) && !is_whole(&stream[..20]));
        let mut reader = ogg::PacketReader::new(std::io::Cursor::new(stream));
        for expected in packets.chunks(600) {
            let packet = reader.read_packet().unwrap().unwrap();
            assert_eq!((packet.data.as_slice(), packet.stream_serial()), (expected, 7));
        }
        assert!(reader.read_packet().unwrap().is_none());
    }

    #[test]
    fn a_packet_of_any_length_is_read_back_from_pages_of_its_own() {
        for len in [0, 1, 254, 255, 256, 65_024, 65_025, 65_026, 65_279, 65_280, 65_281, 200_000] {
            let packet: Vec<u8> = (0..=250).cycle().take(len).collect();
            let mut stream = Vec::new();
            write_packet(PageHead { flags: FIRST, granule: 0, serial: 7, sequence: 0 }, &packet, &mut stream);
            assert_eq!(stream.len(), packet_len(len), "{len}");
            let sequence = u32::try_from(packet_pages(len)).unwrap();
            write_page(PageHead { flags: LAST, granule: 1, serial: 7, sequence }, 3, b"end", &mut stream);
            let mut reader = ogg::PacketReader::new(std::io::Cursor::new(stream));
            assert!(reader.read_packet().unwrap().unwrap().data == packet, "{len}");
            assert_eq!(reader.read_packet().unwrap().unwrap().data, b"end", "{len}");
        }
    }

    #[test]
    fn a_packet_of_a_multiple_of_255_bytes_is_ended_by_a_zero() {
        assert_eq!(lacing_len(255), 2);
        let mut page = Vec::new();
        let head = PageHead { flags: 0, granule: 0, serial: 1, sequence: 1 };
        write_page(head, 255, &[9; 255], &mut page);
        assert_eq!(&page[26..29], &[2, 255, 0]);
    }
}
