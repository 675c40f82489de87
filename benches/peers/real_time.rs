//! Listeners who take sound at its own pace, in recordings that grow, against an ffmpeg for each.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::time::{self, MissedTickBehavior};

use super::programs::{self, Ffmpeg};
use super::recorder::Recorder;
use super::report::{Aim, Bound, Section, Table};
use super::settings::Settings;
use super::statistics::Sample;
use super::turns::in_turns;
use super::{sound, usage};

const RECORDINGS: u64 = 10;
/// In each recording, from its edge back.
const LISTENERS: u64 = 20;
const APART: u64 = 10;
/// Seconds that are there before the listeners come.
const BEFORE: u64 = LISTENERS * APART + 10;
/// They are looked at for so many times as long as others are: what was there before they came is coded in the first
/// seconds, which is not to be taken for what they go on to take.
const WINDOWS: u32 = 2;
/// What is not counted.
const SETTLING: Duration = Duration::from_secs(10);
/// So many are run for as many listeners: more would want more than small machines have.
const FFMPEGS: u64 = 20;
/// Of MP3 at 128 kbit/s.
const BYTES_A_SECOND: usize = 16_000;
/// How often a listener takes something.
const SIP: Duration = Duration::from_millis(250);
/// A player's own buffer should hold what is read ahead, not the system's.
const RECEIVE_BUFFER: u32 = 64 << 10;

pub fn run(settings: &Settings) -> Section {
    let head = ["listeners", "ours, cores", "got, %", "ffmpeg -re, cores", "ours / ffmpeg"];
    let mut section = Section::new("Listeners at the pace of sound", Table::new(&head));
    section.say(&format!(
        "{} listeners of MP3, {LISTENERS} in each of {RECORDINGS} growing recordings, {APART} s apart in it. What ten seconds \
         after they came is taken of the processors, for {} s, against an `ffmpeg -re` for each: {FFMPEGS} of them are measured and \
         taken times {}. Got is how much of the sound's pace they get in that time; a server with less \
         than 100 % is still coding what was there before they came.",
        RECORDINGS * LISTENERS,
        window(settings).as_secs(),
        RECORDINGS * LISTENERS / FFMPEGS,
    ));
    let root = TempDir::new().unwrap();
    let rounds = settings.rounds.min(MOST_ROUNDS);
    let rounds = in_turns(rounds, || ours(settings), || theirs(settings, root.path()));
    let ratio: Sample = rounds.iter().map(|(ours, theirs)| ours.cores / theirs).collect();
    let each = |of: fn(&(Ours, f64)) -> f64| rounds.iter().map(of).collect::<Sample>().to_string();
    section.table.row(&[
        (RECORDINGS * LISTENERS).to_string(),
        each(|(ours, _)| ours.cores),
        each(|(ours, _)| 100.0 * ours.got),
        each(|(_, theirs)| *theirs),
        ratio.to_string(),
    ]);
    section.aims.push(Aim::ratio(
        "200 real-time listeners, CPU".to_owned(),
        "ffmpeg -re",
        &ratio,
        Bound::AtMost(0.1),
    ));
    section
}

/// They take a minute or so each.
const MOST_ROUNDS: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Ours {
    cores: f64,
    /// Seconds of sound that each listener gets in a second.
    got: f64,
}

fn ours(settings: &Settings) -> Ours {
    let root = TempDir::new().unwrap();
    let before = sound::frames(0, BEFORE * u64::from(sound::RATE));
    let files = (0..RECORDINGS).map(|number| {
        let mut file = File::create(root.path().join(format!("show{number}.pcm"))).unwrap();
        file.write_all(&before).unwrap();
        Box::new(file) as Box<dyn Write + Send>
    });
    let _recorder = Recorder::start(files.collect(), settings.recorder_period);
    let server = programs::tailcast(settings, root.path(), &[]);
    let heard = Arc::new(Mutex::new(0));
    let listeners = Listeners::start(server.address, Arc::clone(&heard));
    thread::sleep(SETTLING);
    let (begun, bytes) = (usage::cpu(server.child.id()), *heard.lock());
    let window = window(settings);
    thread::sleep(window);
    let cpu = usage::cpu(server.child.id()) - begun;
    let bytes = *heard.lock() - bytes;
    drop(listeners);
    let window = window.as_secs_f64();
    let sound = bytes as f64 / BYTES_A_SECOND as f64;
    Ours { cores: cpu / window, got: sound / (RECORDINGS * LISTENERS) as f64 / window }
}

/// How long the listeners are looked at.
fn window(settings: &Settings) -> Duration {
    settings.window * WINDOWS
}

/// Cores that an ffmpeg for each listener takes.
fn theirs(settings: &Settings, root: &Path) -> f64 {
    let (path, window) = (root.join("theirs.pcm"), window(settings));
    if !path.exists() {
        let seconds = window.as_secs() + SETTLING.as_secs() + FFMPEGS + 30;
        File::create(&path).unwrap().write_all(&sound::frames(0, seconds * u64::from(sound::RATE))).unwrap();
    }
    let start = |second: u64| {
        let second = second.to_string();
        let input =
            [&["-re"], &sound::FFMPEG_INPUT[..], &["-ss", &second, "-i", path.to_str().unwrap()]].concat();
        Ffmpeg::start(&[&input[..], &programs::MP3, &["-"]].concat(), Stdio::null(), Stdio::null())
    };
    let all: Vec<Ffmpeg> = (0..FFMPEGS).map(start).collect();
    thread::sleep(SETTLING);
    let cpu = || all.iter().map(Ffmpeg::cpu).sum::<f64>();
    let before = cpu();
    thread::sleep(window);
    let each = (cpu() - before) / window.as_secs_f64() / FFMPEGS as f64;
    each * (RECORDINGS * LISTENERS) as f64
}

/// Two hundred, until dropped.
struct Listeners {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Listeners {
    /// Lets them all come. `heard` counts their bytes.
    fn start(address: SocketAddr, heard: Arc<Mutex<usize>>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for recording in 0..RECORDINGS {
            for listener in 0..LISTENERS {
                let path = format!("/audio/show{recording}.mp3?pos=-{}", listener * APART);
                runtime.spawn(listen(address, path, Arc::clone(&heard)));
            }
        }
        Self { runtime: Some(runtime) }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn listen(address: SocketAddr, path: String, heard: Arc<Mutex<usize>>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: peers\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut sips = time::interval(SIP);
    // Who was late does not drink faster afterwards.
    sips.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sip = vec![0; BYTES_A_SECOND * SIP.as_millis() as usize / 1000];
    loop {
        sips.tick().await;
        socket.read_exact(&mut sip).await.unwrap();
        *heard.lock() += sip.len();
    }
}
