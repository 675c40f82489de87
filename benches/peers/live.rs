//! Many listeners at the live edge of one recording, against icecast and a source client.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tailcast_codecs::format::{Format, Parameters};
use tailcast_codecs::{Cut, Grid};
use tempfile::TempDir;

use super::crowd::{Crowd, Heard, Listening};
use super::programs::{self, START};
use super::recorder::{Log, Recorder};
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::Sample;
use super::support::wait_for;
use super::timeline::{Reference, Timeline};
use super::turns::in_turns;
use super::{sound, usage};

/// What it takes to have listeners, and what they get.
#[derive(Debug, Clone)]
struct Measured {
    /// Seconds of the processor for a thousand listeners' second of sound, all
    /// that it takes from PCM to them.
    cpu: f64,
    /// The part of the server that they are connected to.
    cpu_of_server: f64,
    /// Resident memory of the server for each of them, in KiB.
    memory: f64,
    /// Seconds of sound that each gets in a second.
    got: f64,
    heard: Heard,
}

/// They take a minute or so each.
const MOST_ROUNDS: usize = 3;

pub fn run(settings: &Settings) -> Section {
    let head = [
        "",
        "listeners",
        "CPU, s",
        "of the server alone",
        "memory each, KiB",
        "late: median, ms",
        "p99, ms",
        "longest, ms",
        "got, %",
    ];
    let mut section = Section::new("Listeners at the live edge", Table::new(&head));
    section.say(
        "All listen to one recording as it grows. CPU is what a second of sound for a thousand listeners takes of the \
         processors, from PCM to the socket: for icecast that of the server and of its source client (ffmpeg, fed by the \
         recorder through a pipe, each packet sent when it is made). Memory is the server's with all of them against with \
         one. Late is what comes after the recorder has written the sound of its packet; the oldest byte of each read counts \
         for all of it. Who gets less than 100 % falls behind.",
    );
    let reference = reference(settings);
    for &listeners in &settings.listeners {
        let rounds = in_turns(
            settings.rounds.min(MOST_ROUNDS),
            || tailcast(settings, Format::Mp3, listeners),
            || icecast(settings, &reference, listeners),
        );
        let (ours, theirs): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
        tell(&mut section.table, "tailcast, MP3", listeners, &ours);
        tell(&mut section.table, "icecast, MP3", listeners, &theirs);
        aim(&mut section.aims, listeners, &ours, &theirs);
        for (format, name) in [(Format::Opus, "tailcast, Opus"), (Format::Wav, "tailcast, WAV")] {
            tell(&mut section.table, name, listeners, &[tailcast(settings, format, listeners)]);
        }
    }
    section
}

fn tell(table: &mut Table, name: &str, listeners: usize, rounds: &[Measured]) {
    let sample =
        |of: &dyn Fn(&Measured) -> f64| -> String { rounds.iter().map(of).collect::<Sample>().to_string() };
    let late = |share: f64| sample(&|round| round.heard.delays.quantile(share).as_secs_f64() * 1000.0);
    table.row(&[
        name.to_owned(),
        listeners.to_string(),
        sample(&|round| round.cpu),
        sample(&|round| round.cpu_of_server),
        sample(&|round| round.memory),
        late(0.5),
        late(0.99),
        sample(&|round| round.heard.delays.longest().as_secs_f64() * 1000.0),
        sample(&|round| 100.0 * round.got),
    ]);
}

fn aim(aims: &mut Vec<Aim>, listeners: usize, ours: &[Measured], theirs: &[Measured]) {
    let what = |of: &str| format!("{listeners} live listeners, {of}");
    let cpu: Sample = ours.iter().zip(theirs).map(|(ours, theirs)| ours.cpu / theirs.cpu).collect();
    let memory: Sample = ours.iter().map(|round| round.memory).collect();
    let late: Sample = ours.iter().map(|round| round.heard.delays.quantile(0.99).as_secs_f64()).collect();
    aims.push(Aim::ratio(what("CPU"), "icecast", &cpu, Bound::AtMost(1.0)));
    aims.push(Aim::figure(what("memory each"), memory.median(), "KiB", Bound::AtMost(16.0)));
    aims.push(Aim::figure(what("late, p99"), late.median(), "s", Bound::Below(1.0)));
}

/// What is measured of.
struct Stage<'a> {
    settings: &'a Settings,
    log: &'a Arc<Log>,
    server: u32,
    /// Bytes of a second of sound.
    rate: f64,
    /// The source client, where one is needed.
    coder: Option<u32>,
}

/// How long one listener is there before the others come, whose memory is told by the difference.
const ALONE: Duration = Duration::from_secs(3);

impl Stage<'_> {
    fn measure(
        &self,
        listeners: usize,
        listening: impl Fn() -> Listening + Send + Sync + Clone + 'static,
    ) -> Measured {
        let window = self.settings.window;
        let mut crowd = Crowd::new(self.log);
        crowd.join(1, listening.clone());
        thread::sleep(ALONE);
        let alone = usage::memory(self.server, "VmRSS");
        crowd.join(listeners - 1, listening);
        thread::sleep(window / 3);
        let before = (usage::cpu(self.server), self.coder.map_or(0.0, usage::cpu));
        let heard = crowd.hear(window);
        let server = usage::cpu(self.server) - before.0;
        let coder = self.coder.map_or(0.0, usage::cpu) - before.1;
        let memory = (usage::memory(self.server, "VmRSS") - alone) / (listeners - 1) as f64;
        // Of sound: a server that does not get round to all of it has not done all of the work either.
        let listened = heard.bytes as f64 / self.rate;
        Measured {
            cpu: (server + coder) / listened * 1000.0,
            cpu_of_server: server / listened * 1000.0,
            memory,
            got: listened / (listeners as f64 * window.as_secs_f64()),
            heard,
        }
    }
}

/// tailcast with listeners of one format.
fn tailcast(settings: &Settings, format: Format, listeners: usize) -> Measured {
    let root = TempDir::new().unwrap();
    let file = File::create(root.path().join("show.pcm")).unwrap();
    let recorder = Recorder::start(vec![Box::new(file)], settings.recorder_period);
    let server = programs::tailcast(settings, root.path(), &[]);
    let log = Arc::clone(recorder.log());
    wait_for(START, || log.frames() > 2 * u64::from(sound::RATE));
    let codec = format.codec(sound::spec(), Parameters::default()).unwrap();
    let rate = bytes_a_second(codec.grid());
    let stage = Stage { settings, log: recorder.log(), server: server.child.id(), rate, coder: None };
    let address = server.address;
    // `pos=live` does not tell which packet is the first. The last whole second does, and is caught up with at once.
    stage.measure(listeners, move || {
        let second = log.frames() / u64::from(sound::RATE);
        let coded_rate = u64::from(codec.grid().rates.coded);
        Listening {
            address,
            path: format!("/audio/show.{format}?pos={second}"),
            timeline: Timeline::Rendition(Cut::new(codec.grid(), second * coded_rate)),
        }
    })
}

fn bytes_a_second(grid: &Grid) -> f64 {
    let packets = 10_000;
    let seconds = (packets * grid.packet_frames) as f64 / f64::from(grid.rates.coded);
    Cut::new(grid, 0).body_len(packets) as f64 / seconds
}

/// Bytes of a second of the source client's MP3.
const MP3_RATE: f64 = 16_000.0;

/// icecast, with ffmpeg as its source client, fed by the same recorder.
fn icecast(settings: &Settings, reference: &Arc<Reference>, listeners: usize) -> Measured {
    let server = programs::icecast(listeners);
    let mut source = programs::source_client(&server, "show.mp3");
    let pipe = source.child.stdin.take().unwrap();
    let recorder = Recorder::start(vec![Box::new(pipe)], settings.recorder_period);
    let log = Arc::clone(recorder.log());
    wait_for(START, || log.frames() > 4 * u64::from(sound::RATE));
    let stage = Stage {
        settings,
        log: recorder.log(),
        server: server.pid(),
        rate: MP3_RATE,
        coder: Some(source.child.id()),
    };
    // The burst at the start does no harm: listeners find their place by the bytes they get.
    let listening = Listening {
        address: server.address,
        path: "/show.mp3".to_owned(),
        timeline: Timeline::Joined(Arc::clone(reference)),
    };
    stage.measure(listeners, move || listening.clone())
}

/// The stream that the source client sends, as far as listeners may hear it: ffmpeg makes the same of the same sound.
fn reference(settings: &Settings) -> Arc<Reference> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("reference.pcm");
    let mut file = File::create(&path).unwrap();
    let seconds = settings.window.as_secs() * 2 + 240;
    for second in 0..seconds {
        file.write_all(&sound::frames(second * u64::from(sound::RATE), sound::RATE.into())).unwrap();
    }
    let input = [&sound::FFMPEG_INPUT[..], &["-i", path.to_str().unwrap()]].concat();
    let arguments = [&input[..], &programs::MP3, &["-id3v2_version", "0", "-"]].concat();
    Arc::new(Reference::new(programs::output(&arguments)))
}
