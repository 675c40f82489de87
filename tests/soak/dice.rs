//! Chance that can be had again by its seed.

use std::ops::Range;

use crate::support::sound;

pub struct Dice(Box<dyn FnMut() -> u64 + Send>);

impl Dice {
    /// Those of `who`, whose throws are nobody else's.
    pub fn new(seed: u64, who: u64) -> Self {
        let mut seeds = sound::random(seed ^ who.rotate_left(40));
        Self(Box::new(sound::random(seeds())))
    }

    pub fn number(&mut self) -> u64 {
        (self.0)()
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.number() % most.max(1)
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// Whether something happens that does so `times` out of a hundred.
    pub fn happens(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
