//! A seek in a rendition all of which is coded already.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::exchange::Client;
use super::programs;
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::{Random, Sample, brief};
use super::whole::FORMATS;

/// Minutes of the recording that are coded beforehand.
const MINUTES: u64 = 3;
/// Seeks of each kind in a round.
const SEEKS: u64 = 200;
const WANTED: u64 = 4096;

pub fn run(settings: &Settings, root: &Path) -> Section {
    let head = ["", "connection", "median, ms", "p99, ms"];
    let mut section = Section::new("A seek in what is coded", Table::new(&head));
    section.say(
        "4 KiB by `Range` from random places of what is in tailcast's cache. Who seeks in a player has a connection already; \
         the time of a new one is with its making.",
    );
    for format in &FORMATS {
        let path = format!("/audio/show.{}?duration={MINUTES}m", format.extension);
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        for _ in 0..settings.rounds {
            let server = programs::tailcast(settings, root, &[]);
            let mut client = Client::connect(server.address);
            let len = client.get(&path, None);
            let mut random = Random::seeded(0);
            kept.extend((0..SEEKS).map(|_| seek(&mut client, &path, random.below(len - WANTED))));
            let mut anew = |_| seek_anew(server.address, &path, random.below(len - WANTED));
            fresh.extend((0..SEEKS).map(&mut anew));
        }
        for (name, times) in [("kept", kept), ("new", fresh)] {
            let times: Sample = times.into_iter().collect();
            section.table.row(&[
                format.name.to_owned(),
                name.to_owned(),
                times.quartiles(),
                brief(times.quantile(0.99)),
            ]);
            let what = format!("cached seek, {}, {name} connection, median", format.name);
            section.aims.push(Aim::figure(what, times.median(), "ms", Bound::Below(2.0)));
        }
    }
    section
}

/// In milliseconds.
fn seek(client: &mut Client, path: &str, byte: u64) -> f64 {
    let begun = Instant::now();
    client.get(path, Some(&format!("{byte}-{}", byte + WANTED - 1)));
    begun.elapsed().as_secs_f64() * 1000.0
}

/// In milliseconds.
fn seek_anew(address: SocketAddr, path: &str, byte: u64) -> f64 {
    let begun = Instant::now();
    Client::connect(address).get_first(path, Some(&format!("{byte}-")), WANTED);
    begun.elapsed().as_secs_f64() * 1000.0
}
