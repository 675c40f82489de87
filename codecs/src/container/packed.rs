//! Packed audio: packets as they are, behind an ID3 tag with their time (RFC 8216 3.4).

use crate::Grid;
use crate::grid::scale;

/// Whose the private frame is, with the zero that ends it.
const OWNER: &[u8; 45] = b"com.apple.streaming.transportStreamTimestamp\0";
/// A tag's head, a frame's head, the owner, and a time stamp.
const LEN: usize = 10 + 10 + OWNER.len() + 8;
/// Ticks a second of the time stamps of an MPEG-2 transport stream.
const TICKS: u64 = 90_000;
/// They have 33 bits: after 26 hours they begin again.
const WRAP: u64 = 1 << 33;

/// An ID3v2.4 tag with one `PRIV` frame that says when packet `first` begins, by the canonical packets.
pub(super) fn timestamp(grid: &Grid, first: u64) -> [u8; LEN] {
    let frame = first.saturating_mul(grid.packet_frames);
    let ticks = scale(frame, TICKS, grid.rates.coded.into()) % WRAP;
    let mut tag = [0; LEN];
    // Sizes have seven bits a byte, and all of these fit into one.
    let head = b"ID3\x04\0\0\0\0\0".iter().chain(&[63]).chain(b"PRIV\0\0\0").chain(&[53, 0, 0]);
    let bytes = head.chain(OWNER).copied().chain(ticks.to_be_bytes());
    tag.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, Parameters};

    fn grid(pcm: &str) -> Grid {
        *Format::Mp3.codec(pcm.parse().unwrap(), Parameters::default()).unwrap().grid()
    }

    #[test]
    fn the_tag_states_its_own_sizes() {
        let tag = timestamp(&grid("s16le:44100:2"), 98);
        assert_eq!(usize::from(tag[9]), tag.len() - 10, "of the tag");
        assert_eq!(usize::from(tag[17]), tag.len() - 20, "of the frame");
        assert_eq!((&tag[..3], &tag[10..14]), (&b"ID3"[..], &b"PRIV"[..]));
        assert_eq!(&tag[20..64], b"com.apple.streaming.transportStreamTimestamp");
    }

    #[test]
    fn a_segment_begins_at_a_whole_tick_at_every_rate() {
        for rate in crate::mp3::RATES {
            let grid = grid(&format!("s16le:{rate}:2"));
            let ticks = |segment| {
                let tag = timestamp(&grid, segment * grid.segment_packets);
                u64::from_be_bytes(tag[65..].try_into().unwrap())
            };
            let each = grid.segment_packets * grid.packet_frames * 90_000 / u64::from(rate);
            assert_eq!(ticks(7) * u64::from(rate), 7 * grid.segment_packets * grid.packet_frames * 90_000);
            assert_eq!(ticks(1 << 40), (each << 40) % (1 << 33), "33 bits");
        }
    }
}
