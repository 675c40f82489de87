//! What a run is to do, from the environment.

use std::env;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Minutes of sound in the recordings that are coded whole (`MINUTES`).
    pub minutes: u64,
    /// Turns that each program gets at each work (`ROUNDS`).
    pub rounds: usize,
    /// How long listeners are looked at (`SECONDS`).
    pub window: Duration,
    /// Listeners at the live edge, one run for each number (`LISTENERS`, as in `1000,4000`).
    pub listeners: Vec<usize>,
    /// How often a recorder writes (`RECORDER_MS`).
    pub recorder_period: Duration,
    /// The parts to run (`ONLY`, as in `live,seeks`); none means all.
    pub only: Vec<String>,
    /// A program that stands in for tailcast (`TAILCAST`), such as a build to be compared.
    pub tailcast: Option<String>,
}

impl Settings {
    pub fn from_environment() -> Self {
        Self {
            minutes: number("MINUTES", 120),
            rounds: number("ROUNDS", 5),
            window: Duration::from_secs(number("SECONDS", 30)),
            listeners: list("LISTENERS").unwrap_or_else(|| vec![1000, 4000]),
            recorder_period: Duration::from_millis(number("RECORDER_MS", 100)),
            only: list("ONLY").unwrap_or_default(),
            tailcast: env::var("TAILCAST").ok(),
        }
    }

    /// Whether all parts run.
    pub fn is_whole(&self) -> bool {
        self.only.is_empty()
    }

    /// Whether a part is to run.
    pub fn wants(&self, part: &str) -> bool {
        self.is_whole() || self.only.iter().any(|only| only == part)
    }
}

fn number<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    env::var(name).map_or(default, |text| parse(name, &text))
}

fn list<T: FromStr<Err: Display>>(name: &str) -> Option<Vec<T>> {
    let text = env::var(name).ok()?;
    Some(text.split(',').map(|item| parse(name, item.trim())).collect())
}

fn parse<T: FromStr<Err: Display>>(name: &str, text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}
