//! The soak: a server on a folder in which recorders start, pause, stop, edit their files, cut them short, replace and
//! remove them, put coded files among them, and send what they record over HTTP or as to Icecast, while listeners of every
//! kind come and go, some of them killed. No listener may get a wrong byte, no refusal may be without a reason, and when all
//! have gone nothing may be left of them.
//!
//! `cargo test` soaks for some seconds, `just soak` for an hour (`MINUTES=5 just soak` for less). `SEED=n` has the
//! same chance again, `TAILCAST=path` another build of the program. It needs a `/proc`.
//!
//! What is right ([`judge`]) is told by the recorders' own files, of which every byte is kept with the time when it
//! was written ([`life`]), and by servers that are started afresh on one of these, ended ([`replica`]). Of what is decoded
//! here the file that it becomes is the truth ([`source`]).

mod client;
mod coded;
mod curl;
mod dice;
mod hls;
mod judge;
mod life;
mod listener;
mod machine;
mod player;
mod playlist;
mod recorder;
mod refusal;
mod replica;
mod report;
mod request;
mod source;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tone;
mod upload;
mod views;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::process::Process;
use tempfile::TempDir;

use judge::Judge;
use listener::Listener;
use machine::Takes;
use recorder::Recorder;
use replica::Replicas;
use request::Answer;
use stage::{ALL_GONE, ALL_LEAVE, LAST_ORDERS, Plan, RECORDERS_GO, Soak};

const GROWTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Coded sound that the server keeps, in KiB.
const CACHE: u64 = 8 * 1024;
/// What it keeps of what it has decoded, less than there are coded files.
const DECODED: u64 = 3 * 1024;
/// Segments under way before nobody else is begun with, so few that it comes to that.
const QUEUE: usize = 16;
/// Longer than anybody listens.
const LONGEST: Duration = Duration::from_secs(120);

#[test]
fn nobody_hears_a_wrong_byte_and_nothing_is_left_of_anybody() {
    soak(Plan {
        seed: seed(),
        time: Duration::from_secs(8),
        recorders: 4,
        listeners: 16,
        growth: 4_000,
        close: Duration::from_secs(1),
    });
}

/// As the one before, with more of all: `just soak`.
#[test]
#[ignore = "takes an hour, or MINUTES"]
fn nobody_hears_a_wrong_byte_for_an_hour() {
    let minutes = number("MINUTES").unwrap_or(60);
    soak(Plan {
        seed: seed(),
        time: Duration::from_secs(60 * minutes),
        recorders: 8,
        listeners: 48,
        growth: 15_000,
        close: Duration::from_secs(5),
    });
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seed() -> u64 {
    number("SEED").unwrap_or_else(|| rand::random::<u32>().into())
}

/// The program that is soaked.
fn program() -> PathBuf {
    env::var_os("TAILCAST").map_or_else(|| env!("CARGO_BIN_EXE_tailcast").into(), PathBuf::from)
}

/// A server on a folder that keeps what it has decoded in another.
fn serve(root: &Path, decoded: &Path, tokens: &Path) -> Process {
    let mut command = Command::new(program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info,tailcast::access=warn"]);
    command.args(["--growth-timeout", &GROWTH_TIMEOUT.as_secs().to_string()]);
    command.args(["--decoded-cache-size", &format!("{DECODED}KiB"), "--decoded-cache"]).arg(decoded);
    command.arg("--ingest-token-file").arg(tokens);
    command.args(["--cache", &format!("{CACHE}KiB"), "--queue", &QUEUE.to_string(), "--root"]).arg(root);
    Process::start(command, "http://")
}

fn soak(plan: Plan) {
    println!("SEED={}", plan.seed);
    let (root, kept, decoded) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    recorder::make_folders(root.path());
    let (coded, mp3) = (coded::make(kept.path(), plan.seed), coded::packets(kept.path(), plan.seed));
    let tokens = kept.path().join("tokens");
    fs::write(&tokens, upload::TOKEN).unwrap();
    let mut server = serve(root.path(), decoded.path(), &tokens);
    machine::metrics(server.address);
    let before = Takes::of(&server);
    let soak = Soak::new(plan, root.path(), kept.path(), server.address, coded, mp3);
    let mut wrong = go_on(&soak, &server);
    if wrong.is_empty() {
        wrong = after(&soak, &mut server, before, decoded.path());
    }
    if !wrong.is_empty() {
        let (root, kept) = (root.keep(), kept.keep());
        println!(
            "{plan:?}\nkept are {} (what was served) and {} (what was written)",
            root.display(),
            kept.display()
        );
        println!("the server said:\n{}", server.said.lock().unwrap().join("\n"));
        panic!("{}", wrong.join("\n"));
    }
}

/// Everybody comes and everybody goes; what was wrong.
fn go_on(soak: &Soak, server: &Process) -> Vec<String> {
    thread::scope(|scope| {
        let judge = scope.spawn(|| noticed(soak, || judge_all(soak)));
        let recorders = (0..soak.plan.recorders)
            .map(|number| scope.spawn(move || noticed(soak, || Recorder::new(soak, number).run())));
        let listeners = (0..soak.plan.listeners)
            .map(|number| scope.spawn(move || noticed(soak, || Listener::new(soak, number).run())));
        let members: Vec<_> =
            recorders.collect::<Vec<_>>().into_iter().chain(listeners.collect::<Vec<_>>()).collect();
        let watched = noticed(soak, || watch(soak, server));
        for step in [LAST_ORDERS, RECORDERS_GO, ALL_LEAVE] {
            soak.close(step);
            soak.pass(soak.plan.close);
        }
        let joined = members.into_iter().map(|member| member.join());
        let panicked = joined.filter(|joined| !matches!(joined, Ok(Some(())))).count();
        soak.close(ALL_GONE);
        let mut wrong = judge.join().ok().flatten().unwrap_or_else(|| vec!["the judge panicked".to_owned()]);
        if panicked > 0 {
            wrong.push(format!("{panicked} recorders or listeners panicked: see above"));
        }
        if watched.is_none() {
            wrong.push("the server could not be looked at".to_owned());
        }
        wrong
    })
}

/// Does something; if it panics, all the others stop too.
fn noticed<T>(soak: &Soak, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        soak.fail();
    }
    done.ok()
}

/// Looks at the server until time is up, or something is wrong.
fn watch(soak: &Soak, server: &Process) {
    let begun = Instant::now();
    println!(
        "| minute | memory, MiB | descriptors | threads | listeners | not judged, MiB |\n|---|---|---|---|---|---|"
    );
    while begun.elapsed() < soak.plan.time && !soak.has_failed() {
        soak.pass(soak.plan.time / 20);
        let Takes { descriptors, threads, memory } = Takes::of(server);
        let listeners = machine::sum(&machine::metrics(server.address), "tailcast_listeners");
        let unjudged = soak.unjudged();
        let minute = begun.elapsed().as_secs_f64() / 60.0;
        println!(
            "| {minute:.1} | {} | {descriptors} | {threads} | {listeners} | {unjudged} |",
            memory / 1024
        );
    }
}

/// Judges answers when all is known that they may be of; what was wrong.
fn judge_all(soak: &Soak) -> Vec<String> {
    let replicas = Replicas::default();
    let mut judge = Judge { archive: &soak.archive, growth_timeout: GROWTH_TIMEOUT, replicas, bytes: 0 };
    let mut waiting: Vec<Answer> = Vec::new();
    while !soak.has_failed() {
        // Before it is looked whether anything has come.
        let all_came = soak.is_closing(ALL_GONE);
        waiting.append(&mut soak.to_judge());
        let (mut ripe, unripe): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|answer| judge.is_ripe(answer));
        waiting = unripe;
        // What the same replica tells one after another.
        ripe.sort_by_key(|answer| judge.lives(answer).first().map(|life| life.number));
        for answer in ripe {
            if let Err(error) = judge.judge(&answer) {
                soak.fail();
                return vec![report::of(&judge, &answer, &error)];
            }
            soak.judged(&answer);
        }
        if all_came && waiting.is_empty() {
            soak.tally.add("judge: bytes compared", judge.bytes);
            soak.tally.add("judge: replicas", judge.replicas.started as u64);
            break;
        }
        // Whoever came while these were judged, which may have taken long, asked before those who come from now on.
        waiting.append(&mut soak.to_judge());
        let longest_ago = Instant::now().checked_sub(LONGEST);
        let asked = waiting.iter().map(|answer| answer.reply.asked).chain(longest_ago).min();
        if let Some(asked) = asked {
            soak.archive.forget(asked);
        }
        thread::sleep(Duration::from_millis(200));
    }
    vec![]
}

/// That nothing is left when all have gone, and that the server stops in order; what was wrong.
fn after(soak: &Soak, server: &mut Process, before: Takes, decoded: &Path) -> Vec<String> {
    let kept = machine::gives_back(server, before, CACHE, decoded);
    let mut wrong: Vec<String> = kept.err().into_iter().collect();
    let after = Takes::of(server);
    wrong.extend(machine::has_said(server));
    let status = server.terminate();
    if status.code() != Some(0) {
        wrong.push(format!("the server ends with {status}"));
    }
    println!();
    println!("lives of recordings: {}", soak.archive.count());
    soak.tally.print();
    println!("before: {before:?}\nafter: {after:?}");
    wrong
}
