//! Which pixels an answer has, and which frames those are.

use std::ops::Range;

/// Whole pixels on the grid of a recording's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Numbered from the one that frame 0 is in.
    pub pixels: Range<u64>,
    /// What they cover of the recording. The last may be a shorter one, where a finished recording ends.
    pub frames: Range<u64>,
}

impl Window {
    /// The pixels of `samples_per_pixel` frames that have any of the frames `wanted`, of a recording of `frames` frames.
    /// While it grows the pixel at its edge is not among them: what is in it will be another.
    pub fn new(frames: u64, growing: bool, samples_per_pixel: u32, wanted: Range<u64>) -> Self {
        let each = u64::from(samples_per_pixel).max(1);
        let there = if growing { frames / each } else { frames.div_ceil(each) };
        let first = if wanted.start < frames { (wanted.start / each).min(there) } else { there };
        let end = if wanted.end <= wanted.start { first } else { wanted.end.div_ceil(each).min(there) };
        let pixels = first..end.max(first);
        let frame = |pixel: u64| (pixel * each).min(frames);
        Self { frames: frame(pixels.start)..frame(pixels.end), pixels }
    }

    /// Pixels.
    pub fn len(&self) -> u64 {
        self.pixels.end - self.pixels.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(frames: u64, growing: bool, wanted: Range<u64>) -> (Range<u64>, Range<u64>) {
        let window = Window::new(frames, growing, 10, wanted);
        (window.pixels, window.frames)
    }

    #[test]
    fn the_start_is_rounded_down_and_the_end_up() {
        assert_eq!(window(100, true, 19..41), (1..5, 10..50));
        assert_eq!(window(100, true, 20..40), (2..4, 20..40));
        assert_eq!(window(100, true, 20..21), (2..3, 20..30));
    }

    #[test]
    fn the_last_partial_pixel_is_there_when_it_is_finished() {
        assert_eq!(window(95, true, 0..u64::MAX), (0..9, 0..90));
        assert_eq!(window(95, false, 0..u64::MAX), (0..10, 0..95));
        assert_eq!(window(95, false, 93..94), (9..10, 90..95));
        assert_eq!(window(95, true, 93..94), (9..9, 90..90));
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert_eq!(window(95, true, 200..300), (9..9, 90..90));
        assert_eq!(window(95, false, 200..300), (10..10, 95..95));
        assert_eq!(window(95, false, 95..300), (10..10, 95..95));
        assert_eq!(window(95, false, u64::MAX..u64::MAX), (10..10, 95..95));
        assert_eq!(window(0, false, 0..u64::MAX), (0..0, 0..0));
        let backwards = std::ops::Range { start: 50, end: 20 };
        assert_eq!(window(95, false, backwards), (5..5, 50..50));
        assert_eq!(window(95, false, 55..55), (5..5, 50..50));
    }
}
