//! Peaks of blocks of a recording from its first frame on, so that those of a long stretch are had without reading it.
//!
//! The finest level has blocks of equal length; each block of a level above it has those of eight below. Sound is only
//! ever appended. When there are too many blocks the finest ones are joined in pairs, and are twice as long from then on:
//! so a pyramid has a greatest size, however long its recording.

use std::ops::Range;

use super::peaks::{Peak, join_each};

/// Frames of a block as it is appended.
pub const BLOCK: u64 = 1024;
/// Peaks in the finest level at which its blocks are joined in pairs.
const MOST_PEAKS: usize = 1 << 20;
/// Blocks of a level in one of the level above.
const FAN: usize = 8;

/// The peaks of a recording's blocks, several in each if its channels are kept apart.
#[derive(Debug)]
pub struct Pyramid {
    lanes: usize,
    /// Frames of a block as it is appended.
    base: u64,
    /// Appended blocks in one of the finest level: a power of two.
    grain: u64,
    /// Blocks in the finest level at which they are joined; even.
    most: usize,
    /// From the finest. Whole blocks only, each with the peaks of its lanes.
    levels: Vec<Vec<Peak>>,
    /// What was appended of the finest level's next block.
    open: Vec<Peak>,
    open_blocks: u64,
}

/// Blocks of so many lanes that a finest level has at most.
fn most_blocks(lanes: usize) -> usize {
    (MOST_PEAKS / lanes.max(1)).max(2) & !1
}

/// Frames of a block in the pyramid of a recording of `frames` frames.
pub fn block_for(frames: u64, lanes: usize) -> u64 {
    let mut block = BLOCK;
    while frames / block >= most_blocks(lanes) as u64 {
        block *= 2;
    }
    block
}

impl Pyramid {
    /// An empty one, for so many peaks in a block.
    pub fn new(lanes: usize) -> Self {
        Self::with(lanes, BLOCK, most_blocks(lanes))
    }

    pub(super) fn with(lanes: usize, base: u64, most: usize) -> Self {
        let open = vec![Peak::NONE; lanes];
        Self { lanes, base, grain: 1, most, levels: vec![Vec::new()], open, open_blocks: 0 }
    }

    /// Frames of a block of the finest level.
    pub fn block(&self) -> u64 {
        self.base * self.grain
    }

    /// Whole blocks in the finest level.
    pub fn blocks(&self) -> u64 {
        self.blocks_in(0) as u64
    }

    /// Frames that were appended: where the next block begins.
    pub fn frames(&self) -> u64 {
        (self.blocks() * self.grain + self.open_blocks) * self.base
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(Vec::capacity).sum::<usize>() * size_of::<Peak>()
    }

    fn blocks_in(&self, level: usize) -> usize {
        self.levels.get(level).map_or(0, Vec::len) / self.lanes.max(1)
    }

    /// Appends blocks of [`BLOCK`] frames: the peaks of all lanes of the first, then of the second.
    pub fn append(&mut self, peaks: &[Peak]) {
        for block in peaks.chunks_exact(self.lanes.max(1)) {
            join_each(&mut self.open, block);
            self.open_blocks += 1;
            if self.open_blocks == self.grain {
                self.close();
            }
        }
    }

    /// Puts the open block, which is whole, where it belongs.
    fn close(&mut self) {
        self.open_blocks = 0;
        let whole = std::mem::replace(&mut self.open, vec![Peak::NONE; self.lanes]);
        self.push(0, &whole);
        if self.blocks_in(0) >= self.most {
            self.halve();
        }
    }

    /// Puts a block on a level, and what thereby has become whole above it.
    fn push(&mut self, level: usize, block: &[Peak]) {
        if level == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let Some(blocks) = self.levels.get_mut(level) else { return };
        blocks.extend_from_slice(block);
        if blocks.len() % (FAN * self.lanes) == 0 {
            let last = blocks.get(blocks.len() - FAN * self.lanes..).unwrap_or_default();
            let above = joined(last, self.lanes);
            self.push(level + 1, &above);
        }
    }

    /// Joins the finest blocks in pairs.
    fn halve(&mut self) {
        let finest = std::mem::replace(&mut self.levels, vec![Vec::new()]).swap_remove(0);
        self.grain *= 2;
        for pair in finest.chunks_exact(2 * self.lanes) {
            self.push(0, &joined(pair, self.lanes));
        }
    }

    /// Takes the peaks of some of the finest level's blocks, which must be there, into `peaks`.
    pub fn measure(&self, blocks: Range<u64>, peaks: &mut [Peak]) {
        let place = |block: u64| usize::try_from(block).unwrap_or(usize::MAX).min(self.blocks_in(0));
        let (mut first, mut end) = (place(blocks.start), place(blocks.end));
        for level in &self.levels {
            // Up to where the level above can go on.
            let (from, to) = (first.next_multiple_of(FAN).min(end), end - end % FAN);
            self.join(level, first..from, peaks);
            self.join(level, to.max(from)..end, peaks);
            if from >= to {
                return;
            }
            (first, end) = (from / FAN, to / FAN);
        }
    }

    fn join(&self, level: &[Peak], blocks: Range<usize>, peaks: &mut [Peak]) {
        let found = level.get(blocks.start * self.lanes..blocks.end * self.lanes).unwrap_or_default();
        found.chunks_exact(self.lanes).for_each(|block| join_each(peaks, block));
    }
}

fn joined(blocks: &[Peak], lanes: usize) -> Vec<Peak> {
    let mut peaks = vec![Peak::NONE; lanes];
    blocks.chunks_exact(lanes.max(1)).for_each(|block| join_each(&mut peaks, block));
    peaks
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "places in what a test has in memory")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peak(value: i16) -> Peak {
        Peak { min: value, max: value }
    }

    fn naive(blocks: &[Peak]) -> Peak {
        joined(blocks, 1)[0]
    }

    #[test]
    fn a_pyramid_has_a_greatest_size() {
        let mut pyramid = Pyramid::new(2);
        let blocks = vec![peak(1); 2 * 3_000_000];
        pyramid.append(&blocks);
        assert_eq!(pyramid.frames(), 3_000_000 * BLOCK);
        assert_eq!(pyramid.block(), block_for(pyramid.frames(), 2));
        assert!(pyramid.bytes() <= 12 << 20, "{}", pyramid.bytes());
    }

    #[test]
    fn the_length_of_blocks_is_known_beforehand() {
        assert_eq!(block_for(0, 1), BLOCK);
        assert_eq!(block_for(BLOCK << 20, 1), 2 * BLOCK);
        assert_eq!(block_for((BLOCK << 20) - 1, 1), BLOCK);
        assert_eq!(block_for(BLOCK << 20, 32), 64 * BLOCK);
        let mut pyramid = Pyramid::with(1, 1, 8);
        let of = |pyramid: &Pyramid| (pyramid.block(), pyramid.blocks(), pyramid.frames());
        pyramid.append(&[peak(0); 7]);
        assert_eq!(of(&pyramid), (1, 7, 7));
        pyramid.append(&[peak(0)]);
        assert_eq!(of(&pyramid), (2, 4, 8));
        pyramid.append(&[peak(0)]);
        assert_eq!(of(&pyramid), (2, 4, 9));
    }

    proptest! {
        #[test]
        fn a_stretch_of_blocks_has_the_peaks_of_its_blocks(
            values in prop::collection::vec(any::<i16>(), 0..700),
            pieces in prop::collection::vec(1usize..50, 1..20),
            (from, to) in (0u64..700, 0u64..700),
            most in prop::sample::select(vec![2usize, 16, 64, 1 << 20]),
        ) {
            let base: Vec<Peak> = values.iter().map(|value| peak(*value)).collect();
            let mut pyramid = Pyramid::with(1, 1, most);
            let (mut rest, mut pieces) = (base.as_slice(), pieces.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
                pyramid.append(piece);
                rest = behind;
            }
            prop_assert_eq!(pyramid.frames(), values.len() as u64);
            prop_assert!(pyramid.blocks() < most as u64);
            let (from, to) = (from.min(to).min(pyramid.blocks()), to.max(from).min(pyramid.blocks()));
            let mut peaks = [Peak::NONE];
            pyramid.measure(from..to, &mut peaks);
            let frames = (from * pyramid.block()) as usize..(to * pyramid.block()) as usize;
            prop_assert_eq!(peaks[0], naive(&base[frames]));
        }
    }
}
