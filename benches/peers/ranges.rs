//! Ranges of what needs no coding any more, against nginx on the same bytes in a file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::exchange::{self, Client};
use super::programs;
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::{Random, Sample, brief};
use super::turns::in_turns;
use super::usage;

/// A kind of range, and how many connections ask for such at a time.
struct Size {
    name: &'static str,
    bytes: Option<u64>,
    connections: u64,
}

const SIZES: [Size; 3] = [
    Size { name: "64 KiB", bytes: Some(64 << 10), connections: 8 },
    Size { name: "1 MiB", bytes: Some(1 << 20), connections: 8 },
    Size { name: "whole", bytes: None, connections: 4 },
];
/// Bytes that are asked for in all, at the least.
const TOTAL: u64 = 2 << 30;

/// What a program makes of it.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// In GB a second.
    throughput: f64,
    /// Seconds of the server's processor for a GB.
    cpu: f64,
}

pub fn run(settings: &Settings, root: &Path) -> Section {
    let head = [
        "",
        "range",
        "connections",
        "ours, GB/s",
        "nginx, GB/s",
        "throughput, ours / nginx",
        "CPU s/GB, ours",
        "CPU s/GB, nginx",
    ];
    let mut section = Section::new("Warm ranges", Table::new(&head));
    section.say(
        "A finished MP3 in tailcast's cache and a WAV out of the recording, by ranges from random places and whole, with kept \
         connections; nginx (`sendfile`) has the same bytes as files in the page cache. The clients take the same processors.",
    );
    // No access log, as nginx keeps none here.
    let server = programs::tailcast(settings, root, &["--log", "info,tailcast::access=off"]);
    for extension in ["mp3", "wav"] {
        let path = format!("/audio/show.{extension}");
        let file = root.join(format!("show.{extension}"));
        let len = exchange::download(server.address, &path, &file);
        let nginx = programs::nginx(root);
        for size in &SIZES {
            let work = Work::new(size, len);
            let rounds = in_turns(
                settings.rounds,
                || work.run(server.address, server.child.id(), &path),
                || work.run(nginx.address, nginx.pid(), &format!("/show.{extension}")),
            );
            tell(&mut section, extension, size, &work, &rounds);
        }
        drop(nginx);
        fs::remove_file(file).unwrap();
    }
    section
}

fn tell(section: &mut Section, extension: &str, size: &Size, work: &Work, rounds: &[(Cost, Cost)]) {
    let sample = |of: &dyn Fn(&(Cost, Cost)) -> f64| -> Sample { rounds.iter().map(of).collect() };
    let ratio = sample(&|(ours, theirs)| ours.throughput / theirs.throughput);
    let name = extension.to_ascii_uppercase();
    section.table.row(&[
        name.clone(),
        size.name.to_owned(),
        work.connections.to_string(),
        sample(&|(ours, _)| ours.throughput).to_string(),
        sample(&|(_, theirs)| theirs.throughput).to_string(),
        ratio.to_string(),
        brief(sample(&|(ours, _)| ours.cpu).median()),
        brief(sample(&|(_, theirs)| theirs.cpu).median()),
    ]);
    let what = format!("warm ranges of {name}, {}, throughput", size.name);
    section.aims.push(Aim::ratio(what, "nginx", &ratio, Bound::AtLeast(0.8)));
}

struct Work {
    len: u64,
    size: u64,
    connections: u64,
    /// Of each connection.
    requests: u64,
}

impl Work {
    fn new(size: &Size, len: u64) -> Self {
        let (bytes, connections) = (size.bytes.unwrap_or(len).min(len), size.connections);
        Self { len, size: bytes, connections, requests: TOTAL.div_ceil(bytes * connections) }
    }

    fn run(&self, address: SocketAddr, server: u32, path: &str) -> Cost {
        let before = usage::cpu(server);
        let begun = Instant::now();
        let bytes: u64 = thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections)
                .map(|seed| scope.spawn(move || self.client(address, path, seed)))
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        let gigabytes = bytes as f64 / 1e9;
        let throughput = gigabytes / begun.elapsed().as_secs_f64();
        Cost { throughput, cpu: (usage::cpu(server) - before) / gigabytes }
    }

    /// One connection's requests; the bytes it got.
    fn client(&self, address: SocketAddr, path: &str, seed: u64) -> u64 {
        let mut client = Client::connect(address);
        let mut random = Random::seeded(seed);
        let mut ask = |_| {
            let from = random.below(self.len - self.size + 1);
            let range = format!("{from}-{}", from + self.size - 1);
            client.get(path, (self.size < self.len).then_some(&range))
        };
        (0..self.requests).map(&mut ask).sum()
    }
}
