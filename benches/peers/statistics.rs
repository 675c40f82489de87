//! What is told of many measurements.

use std::fmt;
use std::time::Duration;

/// Measurements of one thing, one from each round.
#[derive(Debug, Clone)]
pub struct Sample {
    sorted: Vec<f64>,
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }
}

impl Sample {
    pub fn median(&self) -> f64 {
        let half = self.sorted.len() / 2;
        if self.sorted.len() % 2 == 1 {
            self.sorted[half]
        } else {
            f64::midpoint(self.sorted[half - 1], self.sorted[half])
        }
    }

    pub fn least(&self) -> f64 {
        self.sorted[0]
    }

    pub fn greatest(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// The value that `share` (0 to 1) of them do not exceed: the nearest rank.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).ceil() as usize;
        self.sorted[rank.clamp(1, self.sorted.len()) - 1]
    }

    /// The median, and what the middle half lies between.
    pub fn quartiles(&self) -> String {
        let [median, low, high] = [self.median(), self.quantile(0.25), self.quantile(0.75)].map(brief);
        format!("{median} ({low}..{high})")
    }
}

/// The median, and from where to where they go if there are several: `0.51 (0.49..0.55)`.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&brief(self.median()))?;
        if self.sorted.len() > 1 {
            write!(f, " ({}..{})", brief(self.least()), brief(self.greatest()))?;
        }
        Ok(())
    }
}

/// A number with about three digits that count.
pub fn brief(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        v if v < 0.0995 => 3,
        v if v < 9.95 => 2,
        v if v < 99.5 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// Delays to the millisecond, each with a weight.
#[derive(Debug, Clone)]
pub struct Delays {
    /// Weight of each millisecond; the last has all that are longer.
    weights: Vec<u64>,
    longest: Duration,
}

/// Longer ones are told apart by their maximum only.
const MOST_MS: usize = 20_000;

impl Default for Delays {
    fn default() -> Self {
        Self { weights: vec![0; MOST_MS + 1], longest: Duration::ZERO }
    }
}

impl Delays {
    pub fn add(&mut self, delay: Duration, weight: u64) {
        let ms = usize::try_from(delay.as_millis()).unwrap_or(MOST_MS).min(MOST_MS);
        self.weights[ms] += weight;
        self.longest = self.longest.max(delay);
    }

    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The delay that `share` (0 to 1) of the weight does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share * self.weights.iter().sum::<u64>() as f64).ceil() as u64;
        let mut passed = 0;
        let ms = self.weights.iter().position(|weight| {
            passed += weight;
            passed >= wanted.max(1)
        });
        Duration::from_millis(ms.unwrap_or(0) as u64)
    }
}

/// Numbers that look like chance and are the same in every run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to just before `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // The constants are Knuth's (MMIX); the upper bits are the better ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 24) % end
    }
}
