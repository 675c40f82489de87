//! The same work by tailcast and by the programs that one would take instead, in turns, in one run: what counts are the
//! ratios. Writes `docs/performance.md` and its picture.
//!
//! `just bench-peers`, or `cargo bench --bench peers` where Debian's ffmpeg, icecast2 and nginx are (`install.sh`). It
//! takes most of an hour; `MINUTES=5 ROUNDS=1 SECONDS=10` makes it shorter, `ONLY=live,seeks` runs parts and writes nothing
//! ([`settings`] has all that can be set).
//!
//! | module | what is there |
//! |---|---|
//! | [`whole`], [`seeks`], [`real_time`], [`files`] | against ffmpeg |
//! | [`live`] | against icecast |
//! | [`ranges`] | against nginx |
//! | [`cached`], [`memory`] | by itself |
//! | [`programs`], [`usage`] | starting programs, and what they take of the machine |
//! | [`sound`], [`recorder`] | what they get to hear |
//! | [`exchange`], [`crowd`], [`framing`], [`timeline`] | clients: one after another, thousands, what they read |
//! | [`report`], [`chart`], [`machine`], [`statistics`] | what is written of it |

use std::fs;
use std::path::Path;

use tempfile::TempDir;

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod cached;
mod chart;
mod crowd;
mod exchange;
mod files;
mod framing;
mod live;
mod machine;
mod memory;
mod programs;
mod ranges;
mod real_time;
mod recorder;
mod report;
mod seeks;
mod settings;
mod sound;
mod statistics;
mod timeline;
mod turns;
mod usage;
mod whole;

use report::{Section, aims, wrapped};
use settings::Settings;
use support::raise_the_limit_of_descriptors;

fn main() {
    raise_the_limit_of_descriptors();
    let settings = Settings::from_environment();
    let sections = measure(&settings);
    println!("{}", aims(&sections));
    if settings.is_whole() {
        write(&settings, &sections);
    }
}

/// A part of the run: its name for `ONLY`, and what it does in the folder of recordings.
type Part = (&'static str, fn(&Settings, &Path) -> Section);

const PARTS: [Part; 8] = [
    ("whole", whole::run),
    ("seeks", seeks::run),
    ("cached", cached::run),
    ("live", |settings, _| live::run(settings)),
    ("real_time", |settings, _| real_time::run(settings)),
    ("ranges", ranges::run),
    ("memory", memory::run),
    ("files", files::run),
];

fn measure(settings: &Settings) -> Vec<Section> {
    let known = |only: &String| PARTS.iter().any(|(name, _)| name == only);
    assert!(settings.only.iter().all(known), "ONLY may have {}", PARTS.map(|(name, _)| name).join(", "));
    let root = TempDir::new().unwrap();
    if ["whole", "cached", "ranges", "files"].iter().any(|part| settings.wants(part)) {
        sound::write_show(root.path(), settings.minutes);
    }
    let mut sections = Vec::new();
    for (_, run) in PARTS.iter().filter(|(name, _)| settings.wants(name)) {
        let section = run(settings, root.path());
        println!("{section}");
        sections.push(section);
    }
    sections
}

/// The picture's path, from the folder of the docs.
const PICTURE: &str = "pictures/performance.svg";

fn write(settings: &Settings, sections: &[Section]) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let tables: String = sections.iter().map(|section| format!("\n{section}")).collect();
    let text = format!(
        "{}{}\n\n![What tailcast takes, as a share of what other programs take for the same work]({PICTURE})\n\n\
         ## Aims\n\n{}{tables}\n{}",
        include_str!("head.md"),
        wrapped(&machine::description(settings)),
        aims(sections),
        include_str!("tail.md"),
    );
    fs::write(docs.join(PICTURE), chart::draw(sections)).unwrap();
    fs::write(docs.join("performance.md"), text).unwrap();
    println!("written to {}", docs.join("performance.md").display());
}
