//! The commands as they are used: the real program, told what to do in every way there is, its exit codes and
//! what it says.

mod support;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use support::process::{Process, tailcast};
use support::{Open, Reply, Root, Running, eventually, sound};
use tailcast::demo::piece;
use tempfile::TempDir;

/// Options of `serve`, each with a value that is none.
const WRONG: [(&str, &str); 22] = [
    ("root", "/there/is/no/such/folder"),
    ("listen", "localhost"),
    ("pcm", "s17le:48000:2"),
    ("growth-timeout", "soon"),
    ("cache", "much"),
    ("threads", "0"),
    ("shutdown-timeout", "-1"),
    ("log", "tailcast=loud"),
    ("log", "inof"),
    ("public-url", "radio.example"),
    ("feed-title", " "),
    ("feed-description", " "),
    ("feed-author", " "),
    ("feed-email", "nobody"),
    ("feed-image", "cover.jpg"),
    ("feed-language", "a language"),
    ("feed-category", ">"),
    ("feed-explicit", "yes"),
    ("read-token-file", "/there/are/no/such/tokens"),
    ("read-token-for", "some"),
    ("sign-key-file", "/there/is/no/such/key"),
    ("cors-origin", "radio.example"),
];

/// The program, with nothing in the environment that it would listen to.
fn program(arguments: &[&str]) -> Command {
    let mut command = tailcast();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAILCAST_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself; one that does not (because it serves what it should have refused, say)
/// is ended after a time in which it surely would have.
fn output(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (ended, end) = mpsc::channel::<()>();
    let id = child.id().to_string();
    let watch = thread::spawn(move || {
        if end.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout) {
            Command::new("kill").args(["-s", "KILL", &id]).status().unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{command:?}: {said}");
    output
}

fn succeeds(command: Command) -> Output {
    let shown = format!("{command:?}");
    let output = output(command);
    assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs a command that has to fail, in words that hold every one of `named`.
fn fails(command: Command, named: &[&str]) {
    let shown = format!("{command:?}");
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0), "{shown}: {:?}: {said}", output.status);
    for named in named {
        assert!(said.contains(named), "{shown}: `{named}` is not in: {said}");
    }
}

/// A command that runs until it is told to stop; what it says goes to files.
struct Daemon {
    child: Child,
    said: TempDir,
}

impl Daemon {
    /// A server of a folder, what it logs behind its first line, and where that says it listens.
    fn logging_to_a_pipe(root: &str) -> (Self, BufReader<ChildStderr>, SocketAddr) {
        let mut command = program(&["serve", "--root", root, "--listen", "127.0.0.1:0"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut server = Self { child, said: TempDir::new().unwrap() };
        let mut log = BufReader::new(server.child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let address = url_in(&line).unwrap().parse().unwrap();
        (server, log, address)
    }

    fn start(mut command: Command) -> Self {
        let said = tempfile::tempdir().unwrap();
        let file = |name| File::create(said.path().join(name)).unwrap();
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Self { child, said }
    }

    fn stdout(&self) -> String {
        fs::read_to_string(self.said.path().join("stdout")).unwrap()
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.said.path().join("stderr")).unwrap()
    }

    /// The address in the first whole URL that it says.
    async fn address(&mut self) -> SocketAddr {
        let mut address = None;
        eventually("it says where it listens", || {
            let said = self.stdout() + &self.stderr();
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {said}");
            address = url_in(&said).map(|url| url.parse().unwrap());
            address.is_some()
        })
        .await;
        address.unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// How it ended, which it is to do soon.
    async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let said = self.stderr();
        assert!(!said.contains("panicked"), "{said}");
        status.unwrap()
    }

    async fn stop(mut self, signal: &str) {
        self.signal(signal);
        assert_eq!(self.ended().await.code(), Some(0), "after SIG{signal}: {}", self.stderr());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `127.0.0.1:8000` of `… http://127.0.0.1:8000/…`.
fn url_in(said: &str) -> Option<&str> {
    Some(said.split_once("http://")?.1.split_once('/')?.0)
}

async fn get(address: SocketAddr, path: &str) -> Reply {
    Open::at(format!("http://{address}{path}"), &[]).await.rest().await
}

/// The format, rate and channels that a server says a recording has.
async fn pcm_of(address: SocketAddr, name: &str) -> String {
    let pcm = &get(address, &format!("/recordings/{name}")).await.json()["pcm"];
    format!("{}:{}:{}", pcm["format"].as_str().unwrap(), pcm["rate"], pcm["channels"])
}

/// Where an option is written.
#[derive(Debug, Clone, Copy)]
enum Place {
    CommandLine,
    Environment,
    File,
}

impl Place {
    const ALL: [Self; 3] = [Self::CommandLine, Self::Environment, Self::File];

    /// What an error calls an option that was written here.
    fn name(self, option: &str, file: &Path) -> String {
        match self {
            Self::CommandLine => format!("--{option}"),
            Self::Environment => format!("TAILCAST_{}", option.to_uppercase().replace('-', "_")),
            Self::File => format!("`{option}` in {}", file.display()),
        }
    }

    /// `serve` with options that are all written here; `file` is where a file would be.
    fn serve(self, options: &[(&str, &str)], file: &Path) -> Command {
        let mut command = program(&["serve"]);
        let mut lines = String::new();
        for (option, value) in options {
            match self {
                Self::CommandLine => drop(command.arg(format!("--{option}={value}"))),
                Self::Environment => drop(command.env(self.name(option, file), value)),
                Self::File => lines += &format!("{option} = '{value}'\n"),
            }
        }
        if !lines.is_empty() {
            fs::write(file, lines).unwrap();
            command.arg("--config").arg(file);
        }
        command
    }
}

/// A folder with a recording `show` that has no sidecar, and room beside it for a file of settings.
fn some_root() -> (Root, String, TempDir) {
    let root = Root::new();
    root.write("show.pcm", sound::noise(4_800, 2, 1));
    let path = root.path().display().to_string();
    (root, path, tempfile::tempdir().unwrap())
}

/// Nothing listens there, or something does for as long as the listener lives.
fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

// ---- the program itself

#[test]
fn it_says_its_version_and_explains_each_command() {
    let text = |arguments: &[&str]| String::from_utf8(succeeds(program(arguments)).stdout).unwrap();
    // Where lines are broken depends on the terminal.
    let words = |arguments: &[&str]| text(arguments).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text(&["--version"]), format!("tailcast {}\n", env!("CARGO_PKG_VERSION")));
    let help = text(&["--help"]);
    for command in ["serve", "encode", "demo"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    let serve = words(&["serve", "--help"]);
    for (option, _) in WRONG {
        assert!(serve.contains(&format!("--{option} <")), "{option}: {serve}");
        assert!(serve.contains(&format!("[env: {}=", Place::Environment.name(option, Path::new("")))));
    }
    assert!(serve.contains("--config <") && serve.contains("[env: TAILCAST_CONFIG="), "{serve}");
    let encode = words(&["encode", "--help"]);
    for option in
        ["--output", "--format", "--pcm", "--pos", "--duration", "--bitrate", "--channels", "--threads"]
    {
        assert!(encode.contains(option), "{option}: {encode}");
    }
    assert!(text(&["demo", "--help"]).contains("--listen"));
}

#[test]
fn what_it_does_not_know_is_named() {
    fails(program(&[]), &["serve", "encode", "demo"]);
    fails(program(&["play"]), &["play"]);
    fails(program(&["serve", "--rot", "/"]), &["--rot"]);
    fails(program(&["demo", "--root", "/"]), &["--root"]);
}

// ---- serve

/// All options are set in one place, to what is not the default, and each is seen to be in force.
async fn every_option_is_in_force(place: Place) {
    let (root, path, beside) = some_root();
    // Five seconds still: growing by default.
    let still = SystemTime::now() - Duration::from_secs(5);
    File::options().write(true).open(root.file("show.pcm")).unwrap().set_modified(still).unwrap();
    let options = [
        ("root", path.as_str()),
        ("listen", "127.0.0.2:0"),
        ("pcm", "s24be:44100:1"),
        ("growth-timeout", "2500ms"),
        ("cache", "80MiB"),
        ("decoded-cache-size", "7MiB"),
        ("threads", "7"),
        ("shutdown-timeout", "100ms"),
        ("admin-listen", "127.0.0.3:0"),
        ("connections", "1001"),
        ("requests-per-address", "1002"),
        ("trusted-proxies", "127.0.0.0/9"),
        ("header-size", "9KiB"),
        ("idle-timeout", "1003ms"),
        ("stall-timeout", "1004ms"),
        ("queue", "1005"),
        ("ranges", "1"),
        ("public-url", "https://radio.example/"),
        ("feed-title", "A title"),
        ("feed-description", "A description"),
        ("feed-author", "An author"),
        ("feed-email", "owner@radio.example"),
        ("feed-image", "https://radio.example/a-cover.jpg"),
        ("feed-language", "pt-BR"),
        ("feed-category", "Arts > Design"),
        ("feed-explicit", "true"),
        ("log-format", "json"),
        ("log", "info,tailcast::access=off"),
    ];
    let mut server = Daemon::start(place.serve(&options, &beside.path().join("t.toml")));
    let address = server.address().await;
    assert_eq!(address.ip().to_string(), "127.0.0.2", "{place:?}: listen");
    assert_eq!(pcm_of(address, "show").await, "s24be:44100:1", "{place:?}: root, pcm");
    let state = &get(address, "/recordings/show").await.json()["state"];
    assert_eq!(state, "finished", "{place:?}: growth-timeout");
    has_encoders(&server.child, 7, &format!("{place:?}: threads")).await;
    assert_eq!(get(address, "/audio/none.mp3").await.status, 404);
    assert!(!server.stderr().contains("refused"), "{place:?}: log: {}", server.stderr());

    let said = server.stderr();
    let admin = said.split_once("metrics on http://").and_then(|(_, url)| url.split_once('/'));
    let admin = admin.unwrap_or_else(|| panic!("{place:?}: admin-listen: {said}")).0.parse().unwrap();
    let metrics = get(admin, "/metrics").await.text();
    for limit in [
        "connections\"} 1001.0",
        "requests_per_address\"} 1002.0",
        "header_size_bytes\"} 9216.0",
        "idle_timeout_seconds\"} 1.003",
        "stall_timeout_seconds\"} 1.004",
        "queue\"} 1005.0",
        "ranges\"} 1.0",
        "cache_bytes\"} 83886080.0",
        "waveform_bytes\"} 20971520.0",
        "decoded_cache_bytes\"} 7340032.0",
    ] {
        assert!(
            metrics.contains(&format!("tailcast_limit{{limit=\"{limit}\n")),
            "{place:?}: {limit}: {metrics}"
        );
    }
    let feed = get(address, "/feed.xml").await.text();
    for said in [
        "<link>https://radio.example/</link>",
        ">A title<",
        ">A description<",
        ">An author<",
        ">owner@radio.example<",
        "\"https://radio.example/a-cover.jpg\"",
        ">pt-BR<",
        "\"Design\"",
        "<itunes:explicit>true<",
    ] {
        assert!(feed.contains(said), "{place:?}: {said}: {feed}");
    }
    let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "INFO", "{place:?}: log-format");

    // Somebody who does not read what he asked for would hold it up for five seconds by default.
    File::create(root.file("long.raw")).unwrap().set_len(1 << 30).unwrap();
    let mut idle = TcpStream::connect(address).unwrap();
    write!(idle, "GET /audio/long.wav?duration=3000 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 1000]).unwrap();
    let begun = Instant::now();
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(4), "{place:?}: shutdown-timeout");
}

/// Waits until so many threads of a process are encoders: each gives itself its name when it first runs.
async fn has_encoders(child: &Child, count: usize, why: &str) {
    let encoders = || {
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let names = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).ok());
        names.filter(|name| name.starts_with("encoder")).count()
    };
    eventually(why, || encoders() == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_can_stand_on_the_command_line() {
    every_option_is_in_force(Place::CommandLine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_can_stand_in_the_environment() {
    every_option_is_in_force(Place::Environment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_can_stand_in_a_file() {
    every_option_is_in_force(Place::File).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_has_the_default_that_the_help_states() {
    let (root, path, _beside) = some_root();
    let still = SystemTime::now() - Duration::from_secs(5);
    File::options().write(true).open(root.file("show.pcm")).unwrap().set_modified(still).unwrap();
    let mut server = Daemon::start(program(&["serve", "--root", &path, "--listen", "127.0.0.1:0"]));
    let address = server.address().await;
    assert_eq!(pcm_of(address, "show").await, "s16le:48000:2");
    assert_eq!(get(address, "/recordings/show").await.json()["state"], "growing");
    has_encoders(&server.child, thread::available_parallelism().unwrap().get(), "one for each core").await;
    assert_eq!(get(address, "/audio/none.mp3").await.status, 404);
    eventually("the refusal is logged", || server.stderr().contains("refused")).await;
    server.stop("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let (_root, path, beside) = some_root();
    let file = beside.path().join("t.toml");
    fs::write(&file, "pcm = 's16le:32000:1'").unwrap();
    for (flag, variable, written, pcm) in [
        (true, true, true, "s16le:8000:1"),
        (false, true, true, "s16le:16000:1"),
        (false, false, true, "s16le:32000:1"),
        (false, false, false, "s16le:48000:2"),
        (true, false, true, "s16le:8000:1"),
    ] {
        let mut command = program(&["serve", "--root", &path, "--listen", "127.0.0.1:0"]);
        if flag {
            command.args(["--pcm", "s16le:8000:1"]);
        }
        if variable {
            command.env("TAILCAST_PCM", "s16le:16000:1");
        }
        if written {
            // The file itself can be named in either way.
            if flag {
                command.arg("--config").arg(&file)
            } else {
                command.env("TAILCAST_CONFIG", &file)
            };
        }
        let mut server = Daemon::start(command);
        assert_eq!(pcm_of(server.address().await, "show").await, pcm, "{flag} {variable} {written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commented_file_serves_with_everything_in_it_switched_on() {
    let (_root, path, beside) = some_root();
    let text = include_str!("../docs/tailcast.toml").replace("/srv/recordings", &path);
    let text = text.replace("/etc/", &format!("{}/", beside.path().display()));
    // So that it can be asked below.
    let text = text.replace("read-token-for = \"all\"", "read-token-for = \"private\"");
    fs::write(beside.path().join("tailcast.readers"), "token\n").unwrap();
    fs::write(beside.path().join("tailcast.writers"), "token\n").unwrap();
    fs::write(beside.path().join("tailcast.key"), [1; 32]).unwrap();
    let is_option = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let on: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| is_option(rest)).unwrap_or(line))
        .collect();
    for (name, text) in [("as-it-is.toml", text.clone()), ("all-on.toml", on.join("\n"))] {
        let file = beside.path().join(name);
        fs::write(&file, text).unwrap();
        let mut command = program(&["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(file);
        let mut server = Daemon::start(command);
        assert_eq!(pcm_of(server.address().await, "show").await, "s16le:48000:2", "{name}");
    }
}

#[test]
fn a_wrong_value_is_named_by_where_it_was_written() {
    let (_root, path, beside) = some_root();
    let file = beside.path().join("t.toml");
    for place in Place::ALL {
        for (option, value) in WRONG {
            let mut options = vec![(option, value)];
            if option != "root" {
                options.push(("root", &path));
            }
            let named = format!("{}: ", place.name(option, &file));
            fails(place.serve(&options, &file), &[&named, value.trim_start_matches("tailcast=")]);
        }
    }
}

#[test]
fn a_file_of_settings_that_cannot_be_used_is_named_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    let path = file.display().to_string();
    fails(program(&["serve", "--config", &path]), &["--config", &path, "No such file"]);
    for (text, named) in [
        ("root = '/'\ncash = '1MiB'", "unknown option `cash`"),
        ("root = '/'\ncache = []", "`cache`"),
        ("root = '/'\n[serve]\ncache = 1", "`serve`"),
        ("root = '/'\nroot = '/'", "line 2"),
        ("root", "line 1"),
    ] {
        fs::write(&file, text).unwrap();
        fails(program(&["serve", "--config", &path]), &["--config", &path, named]);
    }
}

#[test]
fn a_file_of_settings_is_named_by_where_its_name_was_written() {
    let mut command = program(&["serve"]);
    command.env("TAILCAST_CONFIG", "/there/is/none.toml");
    fails(command, &["TAILCAST_CONFIG", "/there/is/none.toml"]);
}

#[test]
fn a_root_that_is_missing_is_asked_for_in_all_its_names() {
    fails(program(&["serve"]), &["--root", "TAILCAST_ROOT", "--config"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    fails(program(&["serve", "--root", &path]), &["--root", &path, "not a folder"]);
}

#[test]
fn an_address_that_is_taken_is_a_clear_error() {
    let (_root, path, _beside) = some_root();
    let (_listener, address) = taken();
    let command = program(&["serve", "--root", &path, "--listen", &address]);
    fails(command, &["--listen", &address, "in use"]);
}

#[test]
fn an_address_that_is_taken_is_named_by_where_it_was_written() {
    let (_root, path, beside) = some_root();
    let (_listener, address) = taken();
    let file = beside.path().join("t.toml");
    for place in [Place::Environment, Place::File] {
        let command = place.serve(&[("root", &path), ("listen", &address)], &file);
        fails(command, &[&place.name("listen", &file), &address, "in use"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serving_ends_with_success_on_either_signal() {
    let (_root, path, _beside) = some_root();
    // What ignores it, as `nohup` does, hands that down to what it starts: to the tests, and to this server.
    let hangup = (!tailcast::hangup_is_ignored()).then_some("HUP");
    for signal in ["TERM", "INT"].into_iter().chain(hangup) {
        let mut server = Daemon::start(program(&["serve", "--root", &path, "--listen", "127.0.0.1:0"]));
        let address = server.address().await;
        assert_eq!(get(address, "/healthz").await.status, 200);
        server.stop(signal).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_takes_any_more_stops_no_answer() {
    let (_root, path, _beside) = some_root();
    let (mut server, log, address) = Daemon::logging_to_a_pipe(&path);
    drop(log);
    // A refusal is logged.
    assert_eq!(get(address, "/audio/none.mp3").await.status, 404);
    assert_eq!(get(address, "/healthz").await.status, 200);
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_stands_still_stops_no_answer() {
    let (_root, path, _beside) = some_root();
    let (mut server, log, address) = Daemon::logging_to_a_pipe(&path);
    // A pipe holds 64 KiB; this is several times that.
    let long = "x".repeat(150);
    let client = reqwest::Client::new();
    for number in 0..1500 {
        let url = format!("http://{address}/audio/{long}{number}.mp3");
        assert_eq!(client.get(url).send().await.unwrap().status(), 404);
    }
    // Now he goes on, and nothing that there was room for is lost.
    let stopping =
        thread::spawn(move || log.lines().filter(|line| line.as_ref().unwrap().contains("xxx")).count());
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(stopping.join().unwrap(), 1500);
}

/// The line of the log about an exchange with `path`, when it is there.
async fn logged(server: &Daemon, path: &str) -> String {
    let mut line = None;
    eventually("the exchange is logged", || {
        line = server.stderr().lines().find(|line| line.contains(path)).map(str::to_owned);
        line.is_some()
    })
    .await;
    line.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_each_exchange_what_was_heard() {
    let root = show();
    let path = root.path().display().to_string();
    let serve = ["serve", "--root", &path, "--listen", "127.0.0.1:0", "--log-format"];
    let asked = "/audio/show.wav?pos=0.5&duration=1.5";
    for format in ["text", "json"] {
        let mut server = Daemon::start(program(&[&serve[..], &[format]].concat()));
        let address = server.address().await;
        let bytes = get(address, asked).await.body.len();
        let line = logged(&server, asked).await;
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(line["message"], "answered");
            assert_eq!(line["target"], "tailcast::access");
            assert_eq!((&line["path"], &line["client"]), (&asked.into(), &"127.0.0.1".into()));
            assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &bytes.into()));
            assert_eq!((&line["end"], &line["listened"]), (&"whole".into(), &1.5.into()));
        } else {
            for part in [
                &format!("path=\"{asked}\"")[..],
                "status=200",
                &format!("bytes={bytes}"),
                "end=\"whole\"",
                "listened=1.5",
            ] {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
        server.stop("TERM").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_when_it_is_ready_that_it_is_awake_and_that_it_stops() {
    let (_root, path, beside) = some_root();
    let place = beside.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = program(&["serve", "--root", &path, "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "200000");
    let mut server = Daemon::start(command);
    let told = || {
        let mut message = [0; 256];
        let len = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..len]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    assert_eq!(get(server.address().await, "/healthz").await.status, 200);
    assert_eq!([told(), told()], ["WATCHDOG=1", "WATCHDOG=1"]);
    server.signal("TERM");
    while told() != "STOPPING=1" {}
    assert_eq!(server.ended().await.code(), Some(0));
}

// ---- encode

const SECOND: usize = 48_000;

/// A folder with `show.pcm`, two seconds and a half of stereo at 48 kHz, finished.
fn show() -> Root {
    let root = Root::new();
    root.finished("show", "s16le:48000:2", &sound::noise(SECOND * 5 / 2, 2, 7));
    root
}

/// `tailcast encode INPUT -o OUTPUT …` in a folder.
fn encode(root: &Root, input: &str, output: &str, options: &[&str]) -> Command {
    let mut command = program(&["encode", input, "-o", output]);
    command.current_dir(root.path()).args(options);
    command
}

/// What is in a file's place once it was encoded.
fn encoded(root: &Root, input: &str, output: &str, options: &[&str]) -> Vec<u8> {
    succeeds(encode(root, input, output, options));
    fs::read(root.file(output)).unwrap()
}

/// Format tag, channels, rate, bits and the sound of a WAV file.
fn wav(bytes: &[u8]) -> ((u16, u16, u32, u16), &[u8]) {
    assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WAVE");
    let (mut at, mut format) = (12, None);
    loop {
        let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        let chunk = &bytes[at + 8..at + 8 + size];
        let u16_at = |at: usize| u16::from_le_bytes(chunk[at..at + 2].try_into().unwrap());
        match &bytes[at..at + 4] {
            b"data" => return (format.unwrap(), chunk),
            b"fmt " => {
                let rate = u32::from_le_bytes(chunk[4..8].try_into().unwrap());
                format = Some((u16_at(0), u16_at(2), rate, u16_at(14)));
            }
            _ => {}
        }
        at += 8 + size + size % 2;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encoded_is_what_is_served() {
    let root = show();
    let titles = "title = 'Soir'\nauthor = 'Qui'\n[[chapters]]\nstart = 1\ntitle = 'Deux'";
    root.write("show.toml", format!("pcm = 's16le:48000:2'\nended = true\n{titles}"));
    let server = Running::start(&root).await;
    for (output, options, path) in [
        ("a.wav", &[][..], "/audio/show.wav"),
        ("a.mp3", &[], "/audio/show.mp3"),
        ("a.opus", &[], "/audio/show.opus"),
        ("a.ogg", &[], "/audio/show.opus"),
        ("A.MP3", &[], "/audio/show.mp3"),
        ("b.mp3", &["--pos", "0.5", "--duration", "1.25"], "/audio/show.mp3?pos=0.5&duration=1.25"),
        ("b.wav", &["--pos", "-0:01", "--duration", "250ms"], "/audio/show.wav?pos=1.5&duration=0.25"),
        ("b.opus", &["--pos=1.3"], "/audio/show.opus?pos=1.3"),
        ("c.mp3", &["--bitrate", "192", "--channels", "1"], "/audio/show.mp3?bitrate=192&channels=1"),
        ("c.opus", &["--bitrate", "32", "--channels", "1"], "/audio/show.opus?bitrate=32&channels=1"),
        ("c.wav", &["--channels", "1"], "/audio/show.wav?channels=1"),
        ("d.mp3", &["--threads", "1"], "/audio/show.mp3"),
        ("d.dat", &["--format", "opus"], "/audio/show.opus"),
        ("d.wav", &["--format", "mp3"], "/audio/show.mp3"),
    ] {
        let served = server.get(path).await;
        assert_eq!(served.status, 200, "{path}");
        assert!(encoded(&root, "show.pcm", output, options) == served.body, "{output} {options:?}: {path}");
    }
    assert_eq!(server.panics(), 0);
}

#[test]
fn the_extension_decides_the_format() {
    let root = show();
    for (output, magic) in
        [("a.wav", &b"RIFF"[..]), ("a.mp3", b"ID3"), ("a.opus", b"OggS"), ("a.ogg", b"OggS")]
    {
        assert!(encoded(&root, "show.pcm", output, &[]).starts_with(magic), "{output}");
    }
    for output in ["a.flac", "a", "mp3", "-"] {
        fails(encode(&root, "show.pcm", output, &[]), &["--format", output, ".opus"]);
        assert!(!root.file(output).exists(), "{output}");
    }
}

#[test]
fn to_standard_output_goes_nothing_but_the_sound() {
    let root = show();
    for format in ["wav", "mp3", "opus"] {
        let file = encoded(&root, "show.pcm", &format!("a.{format}"), &[]);
        let output = succeeds(encode(&root, "show.pcm", "-", &["--format", format]));
        assert!(output.stdout == file, "{format}");
        assert!(!root.file("-").exists());
    }
}

#[test]
fn raw_sound_is_what_the_option_says_else_its_sidecar_else_the_default() {
    let root = Root::new();
    let bytes = sound::noise(SECOND / 4, 2, 3);
    root.write("bare.pcm", &bytes);
    root.write("told.pcm", &bytes);
    root.write("told.toml", "pcm = 's16le:44100:1'");
    let format = |input: &str, options: &[&str]| {
        let file = encoded(&root, input, "out.wav", options);
        let (format, data) = wav(&file);
        assert!(data == bytes, "{input} {options:?}");
        format
    };
    assert_eq!(format("bare.pcm", &[]), (1, 2, 48_000, 16));
    assert_eq!(format("bare.pcm", &["--pcm", "s24le:96000:1"]), (1, 1, 96_000, 24));
    assert_eq!(format("told.pcm", &[]), (1, 1, 44_100, 16));
    assert_eq!(format("told.pcm", &["--pcm", "u8:8000:2"]), (1, 2, 8_000, 8));
}

#[test]
fn a_wav_says_itself_what_it_is() {
    let root = Root::new();
    let guitar = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/guitar-44k1-stereo.wav")).unwrap();
    root.write("guitar.wav", &guitar);
    let file = encoded(&root, "guitar.wav", "out.wav", &["--pcm", "u8:8000:1"]);
    let ((format, data), (original, sound)) = (wav(&file), wav(&guitar));
    assert_eq!((format, data.len()), (original, sound.len()));
    assert!(data == sound);
    assert!(encoded(&root, "guitar.wav", "out.mp3", &[]).starts_with(b"ID3"));
    root.write("GUITAR.WAV", &guitar);
    assert!(encoded(&root, "GUITAR.WAV", "capital.wav", &[]) == file);
}

#[test]
fn a_recording_of_nothing_is_a_file_of_nothing() {
    let root = Root::new();
    root.write("empty.pcm", "");
    assert!(wav(&encoded(&root, "empty.pcm", "out.wav", &[])).1.is_empty());
    assert!(encoded(&root, "empty.pcm", "out.mp3", &[]).starts_with(b"ID3"));
    assert!(encoded(&root, "empty.pcm", "out.opus", &[]).starts_with(b"OggS"));
}

#[test]
fn a_summary_says_how_long_it_is_and_how_fast_it_went() {
    let root = show();
    let output = succeeds(encode(&root, "show.pcm", "a.mp3", &["--duration", "1.5"]));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    let summary = said.lines().last().unwrap();
    assert!(summary.starts_with("1.5 s of sound in "), "{said}");
    let speed = summary.strip_suffix("x real time").and_then(|rest| rest.rsplit_once(' ')).unwrap().1;
    assert!(speed.parse::<f64>().unwrap() > 0.0, "{said}");
}

/// Every wrong value ends it with the option's name and the value, before there is an output.
fn refused(root: &Root, output: &str, options: &[(&str, &str)]) {
    for (option, value) in options {
        fails(encode(root, "show.pcm", output, &[option, value]), &[option, value]);
        assert!(!root.file(output).exists(), "{option} {value}");
    }
}

#[test]
fn an_option_that_cannot_be_understood_is_named() {
    refused(
        &show(),
        "out.mp3",
        &[
            ("--pos", "abc"),
            ("--pos", "1e300"),
            ("--pos", "2.5"),
            ("--duration", "0"),
            ("--duration", "-1"),
            ("--bitrate", "many"),
            ("--channels", "two"),
            ("--pcm", "s17le:48000:2"),
            ("--pcm", "s16le:48000"),
            ("--format", "flac"),
            ("--threads", "all"),
        ],
    );
}

#[test]
fn an_option_that_the_format_does_not_have_is_named() {
    let root = show();
    refused(&root, "out.mp3", &[("--bitrate", "100"), ("--channels", "7"), ("--channels", "0")]);
    refused(&root, "out.opus", &[("--bitrate", "320")]);
    refused(&root, "out.wav", &[("--bitrate", "128"), ("--channels", "3")]);
}

#[test]
fn a_number_of_threads_that_cannot_be_is_named() {
    refused(&show(), "out.mp3", &[("--threads", "0"), ("--threads", "1025"), ("--threads", "99999999")]);
}

#[test]
fn the_live_edge_of_a_file_is_its_end_and_nothing_is_behind_it() {
    fails(encode(&show(), "show.pcm", "out.mp3", &["--pos", "live"]), &["--pos: `live`", "2.500 s"]);
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let root = show();
    root.write("broken.pcm", "1234");
    root.write("broken.toml", "pcm = 5");
    root.write("odd.wav", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0nothing of any use to us");
    fs::create_dir(root.file("folder.pcm")).unwrap();
    root.write("unread.pcm", "1234");
    fs::create_dir(root.file("unread.toml")).unwrap();
    for input in
        ["none.pcm", "no/such/folder.pcm", "folder.pcm", "broken.pcm", "odd.wav", "unread.pcm", "/dev/zero"]
    {
        let stem = Path::new(input).file_stem().unwrap().to_str().unwrap();
        fails(encode(&root, input, "out.mp3", &[]), &[stem]);
        assert!(!root.file("out.mp3").exists(), "{input}");
    }
}

#[test]
fn a_pipe_is_not_waited_on_in_place_of_a_recording_or_its_cover() {
    let root = show();
    for pipe in ["pipe.pcm", "pipe.png"] {
        assert!(Command::new("mkfifo").arg(root.file(pipe)).status().unwrap().success());
    }
    fails(encode(&root, "pipe.pcm", "out.mp3", &[]), &["pipe"]);
    root.write("covered.pcm", fs::read(root.file("show.pcm")).unwrap());
    root.write("covered.toml", "cover = 'pipe.png'\n");
    assert!(encode(&root, "covered.pcm", "out.mp3", &[]).status().unwrap().success());
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let root = show();
    fails(encode(&root, "show.pcm", "none/out.mp3", &[]), &["none/out.mp3", "No such file"]);
    fails(encode(&root, "show.pcm", "/dev/full", &["--format", "mp3"]), &["/dev/full", "No space left"]);
    assert!(Path::new("/dev/full").exists());
    let mut command = encode(&root, "show.pcm", "-", &["--format", "wav"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = command.stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_output_that_breaks_off_is_not_left_behind() {
    let root = show();
    // No file may have more than a few KiB; that alone would be a signal, which is ignored.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" encode show.pcm -o out.wav";
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(tailcast().get_program()).current_dir(root.path());
    fails(command, &["out.wav", "too large"]);
    assert_eq!(names_in(root.path()), ["show.pcm", "show.toml"]);
}

/// Everything in a folder, by name.
fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_output_that_is_stopped_is_not_left_behind_and_what_was_there_is() {
    for signal in ["INT", "TERM"] {
        let root = show();
        // Hours of nothing, in a hole.
        let long = File::create(root.file("long.pcm")).unwrap();
        long.set_len((SECOND * 4 * 3600 * 20) as u64).unwrap();
        root.write("out.mp3", "precious");
        let mut encoding = Daemon::start(encode(&root, "long.pcm", "out.mp3", &[]));
        eventually("it has begun", || names_in(root.path()).len() > 4).await;
        encoding.signal(signal);
        assert_eq!(encoding.ended().await.code(), Some(1));
        assert!(encoding.stderr().contains("out.mp3"), "{}", encoding.stderr());
        assert_eq!(names_in(root.path()), ["long.pcm", "out.mp3", "show.pcm", "show.toml"]);
        assert_eq!(fs::read(root.file("out.mp3")).unwrap(), b"precious");
    }
}

#[test]
fn an_output_that_is_there_is_replaced_and_stays_what_it_is_but_for_its_bytes() {
    let root = show();
    root.write("real.mp3", "old");
    fs::set_permissions(root.file("real.mp3"), Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.mp3", root.file("out.mp3")).unwrap();
    let whole = encoded(&root, "show.pcm", "out.mp3", &[]);
    assert!(root.file("out.mp3").is_symlink());
    assert!(whole.len() > 1000 && fs::read(root.file("real.mp3")).unwrap() == whole);
    assert_eq!(fs::metadata(root.file("real.mp3")).unwrap().permissions().mode() & 0o777, 0o640);
    // A new one has the permissions of any new file.
    encoded(&root, "show.pcm", "new.mp3", &[]);
    root.write("any", "");
    let mode = |name| fs::metadata(root.file(name)).unwrap().permissions().mode();
    assert_eq!(mode("new.mp3"), mode("any"));
}

#[test]
fn a_recording_is_never_written_over_by_itself() {
    let root = Root::new();
    root.write("show.wav", encoded(&show(), "show.pcm", "out.wav", &[]));
    root.write("raw.pcm", sound::noise(SECOND, 2, 2));
    fs::hard_link(root.file("raw.pcm"), root.file("hard.wav")).unwrap();
    std::os::unix::fs::symlink(root.file("raw.pcm"), root.file("soft.wav")).unwrap();
    for (input, output, options) in [
        ("show.wav", "show.wav", &[][..]),
        ("show.wav", "./show.wav", &["--pos", "1"]),
        ("raw.pcm", "raw.pcm", &["--format", "mp3"]),
        ("raw.pcm", "hard.wav", &[]),
        ("raw.pcm", "soft.wav", &[]),
    ] {
        let before = fs::read(root.file(input)).unwrap();
        fails(encode(&root, input, output, options), &[output]);
        let after = fs::read(root.file(input)).unwrap_or_default();
        assert!(after == before, "{input} -o {output}: {} bytes are {}", before.len(), after.len());
    }
}

#[test]
fn an_output_that_cannot_be_opened_stays_what_it_was() {
    let root = show();
    // A program that runs cannot be written to, whoever asks.
    fs::copy("/bin/sleep", root.file("busy.mp3")).unwrap();
    let mut busy = Command::new(root.file("busy.mp3")).arg("60").spawn().unwrap();
    let output = output(encode(&root, "show.pcm", "busy.mp3", &[]));
    busy.kill().unwrap();
    busy.wait().unwrap();
    // To put a new file in its place would be as good as to refuse.
    assert!(root.file("busy.mp3").exists(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_reader_that_leaves_ends_it_without_a_fuss() {
    let root = Root::new();
    root.write("long.pcm", sound::noise(SECOND * 20, 2, 4));
    let mut command = encode(&root, "long.pcm", "-", &["--format", "wav"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 100]).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !said.contains("panicked"), "{said}");
}

#[test]
fn a_summary_that_nobody_can_be_told_spoils_nothing() {
    let root = show();
    let mut command = encode(&root, "show.pcm", "out.mp3", &[]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(command.stderr(full).status().unwrap().code(), Some(0));
    assert!(fs::read(root.file("out.mp3")).unwrap() == encoded(&root, "show.pcm", "again.mp3", &[]));
}

// ---- demo

/// The demo, on a port of its own, with a folder of its own for what it makes.
struct Demo {
    daemon: Daemon,
    made: TempDir,
}

impl Demo {
    fn start() -> Self {
        let made = tempfile::tempdir().unwrap();
        let mut command = program(&["demo", "--listen", "127.0.0.1:0"]);
        command.env("TMPDIR", made.path());
        Self { daemon: Daemon::start(command), made }
    }

    /// What is in the folder for temporary files.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.made.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    async fn end(mut self, signal: &str) {
        if self.daemon.child.try_wait().unwrap().is_none() {
            self.daemon.signal(signal);
        }
        let status = self.daemon.ended().await;
        assert_eq!(status.code(), Some(0), "SIG{signal}, ended by {:?}", status.signal());
        assert!(self.left().is_empty(), "SIG{signal} left {:?}", self.left());
    }
}

async fn duration(address: SocketAddr) -> f64 {
    let recording = get(address, "/recordings/demo").await.json();
    assert_eq!(recording["state"], "growing");
    recording["duration"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_ten_minutes_old_and_grows_and_can_be_heard() {
    let mut demo = Demo::start();
    let address = demo.daemon.address().await;
    assert_eq!(demo.left().len(), 1);
    let first = duration(address).await;
    assert!((600.0..900.0).contains(&first), "{first} s");
    while duration(address).await < first + 0.5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let page = get(address, "/").await;
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("/play/demo"), "{}", page.text());
    let page = get(address, "/play/demo").await;
    assert!(page.text().contains("<audio") && page.text().contains("/audio/demo.mp3"), "{}", page.text());
    for (format, magic) in [("wav", &b"RIFF"[..]), ("mp3", b"ID3"), ("opus", b"OggS")] {
        let url = format!("http://{address}/audio/demo.{format}?pos=25");
        let mut open = Open::at(url, &[]).await;
        assert_eq!(open.status, 200, "{format}");
        assert!(!open.headers.contains_key("content-length"), "{format} has a length though it grows");
        let body = open.take(100_000).await;
        assert!(body.starts_with(magic), "{format}");
    }
    demo.end("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_that_the_demo_prints_answers() {
    let mut demo = Demo::start();
    let address = demo.daemon.address().await;
    eventually("it has said everything", || demo.daemon.stdout().contains("Ctrl-C")).await;
    let said = demo.daemon.stdout();
    let urls: Vec<&str> = said.split_whitespace().filter(|word| word.starts_with("http://")).collect();
    assert!(urls.len() >= 5 && urls.contains(&format!("http://{address}/").as_str()), "{said}");
    for format in ["wav", "mp3", "opus"] {
        assert!(urls.iter().any(|url| url.contains(&format!("demo.{format}"))), "{format}: {said}");
    }
    for url in urls {
        let mut open = Open::at(url.to_owned(), &[]).await;
        assert_eq!(open.status, 200, "{url}");
        assert!(open.next().await.unwrap().is_some_and(|bytes| !bytes.is_empty()), "{url}");
    }
    demo.end("INT").await;
}

/// The amplitude of a tone in these samples (Goertzel's filter), full scale 1.
fn amplitude(samples: &[f32], hz: u32) -> f32 {
    let turn = std::f32::consts::TAU * hz as f32 / piece::RATE as f32;
    let (s1, s2) = samples.iter().fold((0.0, 0.0), |(s1, s2), x| (x + 2.0 * turn.cos() * s1 - s2, s1));
    2.0 * (s1 * s1 + s2 * s2 - 2.0 * turn.cos() * s1 * s2).max(0.0).sqrt() / samples.len() as f32
}

/// The tones that are heard, unit by unit.
fn heard(samples: &[f32]) -> Vec<Option<u32>> {
    let tones = [piece::TICK_HZ, piece::MINUTE_HZ, piece::TENS_HZ];
    let tone = |unit: &[f32]| tones.into_iter().find(|hz| amplitude(unit, *hz) > 0.2);
    samples.chunks_exact(piece::UNIT_FRAMES as usize).map(tone).collect()
}

/// The tones that the clock is to give from a mark on, unit by unit.
fn said(mark: u64, units: usize) -> Vec<Option<u32>> {
    let mut said = vec![None; units];
    for tone in piece::clock_at(mark).tones() {
        let first = tone.start / piece::UNIT_FRAMES;
        for unit in first..first + tone.frames / piece::UNIT_FRAMES {
            said[unit as usize] = Some(tone.hz);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_the_demo_says_that_a_seek_is_right() {
    let mut demo = Demo::start();
    let address = demo.daemon.address().await;
    // 25 s: the mark of 30 s is five seconds in. At 6:40 and 9:50 the minutes have tones too.
    for (pos, mark) in [(25, 30), (395, 400), (585, 590)] {
        let reply = get(address, &format!("/audio/demo.wav?pos={pos}&duration=9")).await;
        let (format, data) = wav(&reply.body);
        assert_eq!(format, (1, 2, piece::RATE, 16));
        let frame = |frame: &[u8]| f32::from(i16::from_le_bytes([frame[0], frame[1]])) / 32768.0;
        let left: Vec<f32> = data.chunks_exact(4).map(frame).collect();
        assert_eq!(left.len(), 9 * SECOND);
        let (before, after) = left.split_at((mark - pos) * SECOND);
        let after = heard(after);
        assert_eq!(after, said((mark * SECOND) as u64, after.len()), "from {pos} s");
        // The tick begins with the mark's first frame, and all units before it are without.
        let before = &before[before.len() - 4 * SECOND - SECOND / 100..];
        assert_eq!(heard(before), vec![None; before.len() / piece::UNIT_FRAMES as usize], "from {pos} s");
        let (tick, none) = (&left[(mark - pos) * SECOND..][..96], &left[(mark - pos) * SECOND - 96..][..96]);
        assert!(amplitude(tick, piece::TICK_HZ) > 0.1 && amplitude(none, piece::TICK_HZ) < 0.05);
        assert!(data == sound::piece((pos * SECOND) as u64, 9 * SECOND), "from {pos} s");
    }
    demo.end("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_that_reaches_into_the_future_is_over_when_it_is_over() {
    let mut demo = Demo::start();
    let address = demo.daemon.address().await;
    for format in ["wav", "mp3", "opus"] {
        // Two seconds, of which half are there. By then the body is to have ended of itself.
        let edge = duration(address).await;
        let path = format!("/audio/demo.{format}?pos={}&duration=2", edge - 1.0);
        let mut open = Open::at(format!("http://{address}{path}"), &[]).await;
        let mut body = Vec::new();
        while let Some(bytes) = open.next().await.unwrap() {
            body.extend(bytes);
            let late = duration(address).await - edge;
            assert!(late < 6.0, "{format}: {} bytes, and still going on after {late} s", body.len());
        }
        // Once it is finished it has all its length in its header; what follows that is the same.
        let whole = get(address, &path).await;
        assert_eq!(whole.header("content-length").unwrap(), whole.body.len().to_string(), "{format}");
        assert_eq!(body.len(), whole.body.len(), "{format}");
        let header =
            get(address, "/recordings/demo").await.json()["formats"][format]["header_bytes"].as_u64();
        let header = header.unwrap() as usize;
        assert!(body[header..] == whole.body[header..], "{format}");
    }
    demo.end("TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_in_order_for_who_listens_live() {
    let mut demo = Demo::start();
    let address = demo.daemon.address().await;
    let mut live = Open::at(format!("http://{address}/audio/demo.wav?pos=live"), &[]).await;
    live.take(20_000).await;
    demo.daemon.signal("INT");
    // `rest` is only content with a body that ends as it should.
    assert_eq!(live.rest().await.status, 200);
    demo.end("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_is_stopped_while_it_begins_leaves_nothing_either() {
    let demo = Demo::start();
    eventually("it has begun to record", || {
        let folder = demo.left().pop();
        folder.is_some_and(|folder| demo.made.path().join(folder).join("demo.pcm").exists())
    })
    .await;
    demo.end("TERM").await;
}

#[test]
fn a_demo_without_an_address_says_so_and_leaves_nothing() {
    let made = tempfile::tempdir().unwrap();
    let demo = |listen: &str| {
        let mut command = program(&["demo", "--listen", listen]);
        command.env("TMPDIR", made.path());
        command
    };
    let (_listener, address) = taken();
    fails(demo(&address), &["--listen", &address, "in use"]);
    fails(demo("8000"), &["--listen", "8000"]);
    assert_eq!(fs::read_dir(made.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_cannot_say_its_addresses_does_not_panic() {
    let made = tempfile::tempdir().unwrap();
    let mut command = program(&["demo", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", made.path());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut demo = Daemon {
        child: command.stdout(full).stderr(Stdio::piped()).spawn().unwrap(),
        said: TempDir::new().unwrap(),
    };
    // Whether it goes on or gives up is its own affair.
    eventually("it has written its head start", || {
        demo.child.try_wait().unwrap().is_some()
            || fs::read_dir(made.path()).unwrap().any(|folder| {
                let recording = folder.unwrap().path().join("demo.pcm");
                fs::metadata(recording).is_ok_and(|file| file.len() > 601 * SECOND as u64 * 4)
            })
    })
    .await;
    if demo.child.try_wait().unwrap().is_none() {
        demo.signal("TERM");
    }
    demo.child.wait().unwrap();
    let mut said = String::new();
    demo.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(fs::read_dir(made.path()).unwrap().count(), 0);
}

#[test]
fn encode_is_stopped_while_nobody_takes_what_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("show.pcm");
    fs::write(&input, vec![0; 50_000_000]).unwrap();
    let mut encoding = tailcast()
        .args(["encode", "-o", "-", "--format", "wav"])
        .arg(&input)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut begun = [0; 1000];
    encoding.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    let id = encoding.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    assert_eq!(encoding.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn under_nohup_the_terminals_end_is_not_the_servers() {
    let root = show();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP && exec \"$0\" serve --listen 127.0.0.1:0 --root \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_tailcast")).arg(root.path());
    let mut server = Process::start(command, "http://");
    assert!(
        Command::new("kill").args(["-s", "HUP", &server.child.id().to_string()]).status().unwrap().success()
    );
    assert_eq!(Open::at(server.url("/healthz"), &[]).await.rest().await.status, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

// ---- tailcast sign, and what it opens

/// A folder with a private recording, and a server of it that takes the token `right` and signed URLs; the key is beside.
fn guarded() -> (Root, TempDir, Daemon) {
    let (root, path, beside) = some_root();
    root.write("show.toml", "private = true\nended = true");
    let file = |name: &str| beside.path().join(name).display().to_string();
    fs::write(file("key"), [b'k'; 32]).unwrap();
    fs::write(file("tokens"), "# of the tests\nright\n").unwrap();
    let (key, tokens) = (file("key"), file("tokens"));
    let mut options = vec!["serve", "--root", &path, "--listen", "127.0.0.1:0"];
    options.extend(["--sign-key-file", &key, "--read-token-file", &tokens]);
    let server = Daemon::start(program(&options));
    (root, beside, server)
}

fn sign(key: &Path, more: &[&str]) -> Command {
    let mut command = program(&["sign", "--key-file"]);
    command.arg(key).args(more);
    command
}

fn url_of(command: Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_signed_opens_what_it_leads_to_and_its_signature_is_in_no_log() {
    let (_root, beside, mut server) = guarded();
    let (address, key) = (server.address().await, beside.path().join("key"));
    for path in
        ["/audio/show.mp3", "/audio/show?pos=0.05", "/hls/show/master.m3u8", "/play/show", "/recordings/show"]
    {
        assert_eq!(get(address, path).await.status, 401, "{path}");
        let url = url_of(sign(&key, &["--url", &format!("http://{address}{path}")]));
        let signed = url.strip_prefix(&format!("http://{address}")).unwrap();
        assert!(signed.starts_with(path), "{signed}");
        assert_eq!(get(address, signed).await.status, 200, "{signed}");
    }
    let part = url_of(sign(
        &key,
        &[
            "--url",
            "/audio/show.wav",
            "--from",
            "0",
            "--to",
            "0:00:00.05",
            "--expires",
            "2126-01-01T00:00:00Z",
        ],
    ));
    assert_eq!(get(address, &part).await.status, 200, "{part}");
    assert_eq!(get(address, &format!("{part}&pos=0.05")).await.status, 403, "{part}");
    let sig = part.split_once("sig=").unwrap().1.to_owned();
    assert_eq!(get(address, &part.replace("&sig=", "&%73ig=")).await.status, 200);
    assert_eq!(get(address, &part.replace("&sig=", "&sig=x")).await.status, 403);
    let said = async |server: &Daemon| server.stdout() + &server.stderr();
    let mut all = String::new();
    for _ in 0..1000 {
        all = said(&server).await;
        if all.matches("status=403").count() > 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(all.contains("sig=...") && all.contains("status=403"), "{all}");
    assert!(!all.contains(&sig[..10]) && !all.contains("right"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_those_who_write_are_in_no_log_whether_they_are_right_or_wrong() {
    let (_root, path, beside) = some_root();
    let tokens = beside.path().join("tokens");
    fs::write(&tokens, "right-token\n").unwrap();
    let mut command = program(&["serve", "--root", &path, "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.arg("--ingest-token-file").arg(&tokens);
    let mut server = Daemon::start(command);
    let address = server.address().await;
    let put = async |name: &str, user: Option<&str>, token: &str| {
        let request = reqwest::Client::new().put(format!("http://{address}/audio/{name}")).body(vec![0; 400]);
        let request = match user {
            Some(user) => request.basic_auth(user, Some(token)),
            None => request.bearer_auth(token),
        };
        request.send().await.unwrap().status().as_u16()
    };
    for (number, user) in [None, Some("source")].into_iter().enumerate() {
        assert_eq!(put("other", user, "wrong-token").await, 401);
        assert_eq!(put(&format!("other{number}"), user, "right-token").await, 201);
    }
    let said = || server.stdout() + &server.stderr();
    eventually("it is logged", || said().matches("status=201").count() > 1).await;
    let all = said();
    // As they are, and as the passwords that they were sent as: source:right-token, source:wrong-token.
    for token in ["right-token", "wrong-token", "c291cmNlOnJpZ2h0", "c291cmNlOndyb25n"] {
        assert!(!all.contains(token), "{token}: {all}");
    }
    assert!(all.contains("status=401") && all.contains("method=PUT"), "{all}");
}

#[test]
fn what_cannot_be_signed_is_named() {
    let (_root, _path, beside) = some_root();
    let key = beside.path().join("key");
    fs::write(&key, [b'k'; 32]).unwrap();
    let short = beside.path().join("short");
    fs::write(&short, "short").unwrap();
    fails(sign(&short, &["--url", "/audio/show"]), &["--key-file: ", "5 bytes"]);
    fails(sign(&beside.path().join("none"), &["--url", "/audio/show"]), &["--key-file: ", "No such file"]);
    for (options, named) in [
        (&["--url", "/feed.rss"][..], "--url: `/feed.rss`"),
        (&["--url", "/audio/../x"], "--url: `../x`"),
        (&["--url", "/play/show", "--from", "1"], "--url: `/play/show`"),
        (&["--url", "/audio/show", "--expires", "soon"], "--expires: `soon`"),
        (&["--url", "/audio/show", "--expires", "2020-01-01T00:00:00Z"], "--expires: `2020-01-01T00:00:00Z`"),
        (&["--url", "/audio/show", "--from", "-5"], "--from: `-5`"),
        (&["--url", "/audio/show", "--to", "live"], "--to: `live`"),
        (&["--url", "/audio/show", "--from", "2", "--to", "2"], "--to: `2`"),
        (&["--url", "/audio/show?sig=x"], "--url: `/audio/show?sig=x`"),
    ] {
        fails(sign(&key, options), &[named]);
    }
}

#[test]
fn a_file_of_no_tokens_and_a_key_that_is_too_short_are_refused_at_the_start() {
    let (_root, path, beside) = some_root();
    let file = beside.path().join("file").display().to_string();
    fs::write(&file, "# nobody\n").unwrap();
    let serve = |option| program(&["serve", "--root", &path, option, &file]);
    fails(serve("--read-token-file"), &["--read-token-file: ", &file, "no token"]);
    fails(serve("--sign-key-file"), &["--sign-key-file: ", &file, "at least 32"]);
}
