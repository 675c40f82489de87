//! The way through the pixels of an answer, in turns: which blocks of the pyramid to take, which frames to read.
//!
//! Most of a long pixel is whole blocks of the pyramid. What it has of a block at either edge is read from the recording
//! itself, together with what its neighbour has of the same block. So every pixel is exact, however many frames it has.

use std::ops::Range;

use super::peaks::{Meter, Peak, join_each};
use super::pyramid::Pyramid;

/// Bytes of PCM that are read for a turn, about.
pub const TURN_BYTES: usize = 1 << 20;
/// Pairs of least and greatest that a turn has at most.
const TURN_PEAKS: usize = 1 << 14;

/// Where in an answer's frames the next turn begins.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    meter: Meter,
    /// Frames of a pixel.
    each: u64,
    at: u64,
    end: u64,
}

/// What to do for a turn, and what is known already.
#[derive(Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// Of whole blocks, in the order of the steps that take them.
    known: Vec<Peak>,
    reads: Vec<Range<u64>>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Take in so many frames of what was read.
    Frames(usize),
    /// Take in what is known of whole blocks.
    Known,
    /// The pixel is complete.
    Complete,
}

impl Walk {
    /// Through `frames`, which begin where a pixel of `each` frames does.
    pub fn new(meter: Meter, each: u32, frames: Range<u64>) -> Self {
        Self { meter, each: u64::from(each).max(1), at: frames.start, end: frames.end }
    }

    /// Whether there is nothing left.
    pub fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// Goes on as far as one turn gets, or as the pyramid reaches. Without a pyramid everything is read.
    pub fn plan(&mut self, pyramid: Option<&Pyramid>) -> Plan {
        let mut plan = Plan::default();
        let mut frames = (TURN_BYTES / self.meter.frame_bytes().max(1)).max(1) as u64;
        let mut pixels = (TURN_PEAKS / self.meter.lanes()).max(1);
        while !self.is_over() && frames > 0 && pixels > 0 {
            let pixel_end = (self.at / self.each + 1).saturating_mul(self.each).min(self.end);
            match self.known_blocks(pyramid, pixel_end) {
                Blocks::Some(pyramid, blocks) => self.take(&mut plan, pyramid, blocks),
                Blocks::NotYet => return plan,
                Blocks::None { until } => {
                    let to = until.min(self.at.saturating_add(frames));
                    frames -= to - self.at;
                    self.read(&mut plan, to);
                }
            }
            if self.at == pixel_end {
                plan.steps.push(Step::Complete);
                pixels -= 1;
            }
        }
        plan
    }

    /// What the pyramid has for the next stretch of the pixel that ends at `pixel_end`.
    fn known_blocks<'a>(&self, pyramid: Option<&'a Pyramid>, pixel_end: u64) -> Blocks<'a> {
        let Some(pyramid) = pyramid else { return Blocks::None { until: pixel_end } };
        let block = pyramid.block();
        let (first, end) = (self.at.div_ceil(block), pixel_end / block);
        if first >= end {
            Blocks::None { until: pixel_end }
        } else if first * block > self.at {
            Blocks::None { until: first * block }
        } else if pyramid.blocks() <= first {
            Blocks::NotYet
        } else {
            Blocks::Some(pyramid, first..end.min(pyramid.blocks()))
        }
    }

    fn take(&mut self, plan: &mut Plan, pyramid: &Pyramid, blocks: Range<u64>) {
        let from = plan.known.len();
        plan.known.resize(from + self.meter.lanes(), Peak::NONE);
        self.at = blocks.end * pyramid.block();
        pyramid.measure(blocks, plan.known.get_mut(from..).unwrap_or_default());
        plan.steps.push(Step::Known);
    }

    fn read(&mut self, plan: &mut Plan, to: u64) {
        plan.steps.push(Step::Frames(usize::try_from(to - self.at).unwrap_or(0)));
        match plan.reads.last_mut() {
            Some(last) if last.end == self.at => last.end = to,
            _ => plan.reads.push(self.at..to),
        }
        self.at = to;
    }
}

/// What a pyramid has for a stretch.
enum Blocks<'a> {
    /// These.
    Some(&'a Pyramid, Range<u64>),
    /// Those that are wanted will be there later.
    NotYet,
    /// None up to this frame.
    None { until: u64 },
}

impl Plan {
    /// Whether it leads nowhere.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The frames that have to be read, in order.
    pub fn reads(&self) -> &[Range<u64>] {
        &self.reads
    }

    /// How many these are.
    pub fn frames_read(&self) -> u64 {
        self.reads.iter().map(|frames| frames.end - frames.start).sum()
    }
}

/// Puts pixels together from what turns give.
#[derive(Debug, Clone)]
pub struct Gather {
    meter: Meter,
    /// The pixel that is not complete.
    open: Vec<Peak>,
}

impl Gather {
    /// For pixels of such peaks.
    pub fn new(meter: Meter) -> Self {
        Self { meter, open: vec![Peak::NONE; meter.lanes()] }
    }

    /// Carries out a plan with the bytes of what it reads; gives the peaks of the pixels that become complete, all lanes
    /// of one after another.
    pub fn take(&mut self, plan: &Plan, bytes: &[u8]) -> Vec<Peak> {
        let (mut peaks, mut bytes, mut known) =
            (Vec::new(), bytes, plan.known.chunks_exact(self.meter.lanes()));
        for step in &plan.steps {
            match step {
                Step::Frames(frames) => {
                    let len = (frames * self.meter.frame_bytes()).min(bytes.len());
                    let (stretch, behind) = bytes.split_at(len);
                    self.meter.measure(stretch, &mut self.open);
                    bytes = behind;
                }
                Step::Known => join_each(&mut self.open, known.next().unwrap_or_default()),
                Step::Complete => {
                    peaks.extend_from_slice(&self.open);
                    self.open.fill(Peak::NONE);
                }
            }
        }
        peaks
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "places in what a test has in memory")]
mod tests {
    use super::*;
    use crate::waveform::window::Window;
    use proptest::prelude::*;

    /// The peaks of all lanes of each block of `each` frames.
    fn measured(meter: Meter, bytes: &[u8], each: usize) -> Vec<Peak> {
        let mut peaks = Vec::new();
        for block in bytes.chunks(each * meter.frame_bytes()) {
            let mut block_peaks = vec![Peak::NONE; meter.lanes()];
            meter.measure(block, &mut block_peaks);
            peaks.extend(block_peaks);
        }
        peaks
    }

    /// Walks while the pyramid is appended to in pieces; the reads must be of what is there.
    fn walked(
        mut walk: Walk,
        bytes: &[u8],
        mut pyramid: Option<Pyramid>,
        base: u64,
        pieces: &[usize],
    ) -> Vec<Peak> {
        let meter = walk.meter;
        let (mut gather, mut peaks) = (Gather::new(meter), Vec::new());
        let blocks = measured(meter, bytes, base as usize);
        let mut to_come =
            blocks.chunks_exact(meter.lanes()).take(bytes.len() / meter.frame_bytes() / base as usize);
        let mut pieces = pieces.iter().cycle();
        while !walk.is_over() {
            let plan = walk.plan(pyramid.as_ref());
            let read = plan.reads().iter().flat_map(|frames| {
                &bytes[frames.start as usize * meter.frame_bytes()..frames.end as usize * meter.frame_bytes()]
            });
            peaks.extend(gather.take(&plan, &read.copied().collect::<Vec<u8>>()));
            if plan.is_empty() {
                let piece: Vec<Peak> =
                    to_come.by_ref().take(*pieces.next().unwrap()).flatten().copied().collect();
                assert!(!piece.is_empty(), "it waits for what never comes");
                pyramid.as_mut().unwrap().append(&piece);
            }
        }
        peaks
    }

    proptest! {
        #[test]
        fn the_pixels_are_those_of_the_samples(
            samples in prop::collection::vec(any::<i16>(), 0..3000),
            (channels, split) in (1u16..4, any::<bool>()),
            each in prop_oneof![2u32..40, 40u32..4000],
            (start, end) in (0u64..3000, 0u64..3000),
            (base, most) in (1u64..9, prop::sample::select(vec![2usize, 4, 32, 1 << 20])),
            pieces in prop::collection::vec(1usize..60, 1..9),
            (growing, with_pyramid) in (any::<bool>(), any::<bool>()),
        ) {
            let spec = format!("s16le:48000:{channels}").parse().unwrap();
            let meter = Meter::new(spec, split);
            let mut bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            bytes.truncate(bytes.len() / meter.frame_bytes() * meter.frame_bytes());
            let frames = (bytes.len() / meter.frame_bytes()) as u64;
            let window = Window::new(frames, growing, each, start..end);
            let pyramid = with_pyramid.then(|| Pyramid::with(meter.lanes(), base, most));
            let walk = Walk::new(meter, each, window.frames.clone());
            let peaks = walked(walk, &bytes, pyramid, base, &pieces);
            let all = measured(meter, &bytes, each as usize);
            let pixels = window.pixels.start as usize * meter.lanes()..window.pixels.end as usize * meter.lanes();
            prop_assert_eq!(peaks, &all[pixels]);
        }
    }

    #[test]
    fn what_two_pixels_have_of_a_block_is_read_once() {
        let meter = Meter::new("s16le:48000:1".parse().unwrap(), false);
        let mut pyramid = Pyramid::with(1, 10, 1 << 20);
        pyramid.append(&[Peak { min: 0, max: 0 }; 10]);
        let plan = Walk::new(meter, 33, 0..99).plan(Some(&pyramid));
        assert_eq!(plan.reads(), [30..40, 60..70, 90..99]);
        let plan = Walk::new(meter, 50, 0..100).plan(Some(&pyramid));
        assert!(plan.reads().is_empty());
    }

    #[test]
    fn a_turn_is_bounded() {
        let meter = Meter::new("s32le:48000:32".parse().unwrap(), true);
        for each in [2, 1 << 30] {
            let mut walk = Walk::new(meter, each, 0..1 << 40);
            let plan = walk.plan(None);
            assert!(walk.at * meter.frame_bytes() as u64 <= TURN_BYTES as u64);
            assert!(plan.steps.len() <= 2 * TURN_PEAKS / 32);
        }
    }
}
