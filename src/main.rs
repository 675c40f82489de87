//! The command line of tailcast: `serve`, `encode`, `sign`, `demo`.

// Nothing that comes from outside (a request, a recording, a sidecar) may be able to reach a panic, and a length
// that wraps is a wrong byte position. Tests are let off in clippy.toml.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
#![warn(missing_docs)]

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use sd_notify::NotifyState;
use tailcast::access::command as sign;
use tailcast::config::{self, Config, LogFormat};
use tailcast::connections::room_for_connections;
use tailcast::{Server, block_on, demo, encode, stop_signal};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};

fn command() -> Command {
    let serve = Command::new("serve").about("Serve a folder of recordings");
    let demo = Command::new("demo")
        .about("Make a recording that grows, and serve it: something to listen to at once")
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS")
                .default_value("127.0.0.1:8000")
                .help("Where to listen, address and port"),
        );
    Command::new("tailcast")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Hear a recording while it is still being made")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(config::arguments(serve))
        .subcommand(encode::arguments(Command::new("encode")))
        .subcommand(sign::arguments(Command::new("sign")))
        .subcommand(demo)
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = match matches.subcommand() {
        Some(("serve", matches)) => serve(matches),
        Some(("encode", matches)) => encode::run(matches).map_err(Into::into),
        Some(("sign", matches)) => print_signed(matches),
        Some(("demo", matches)) => run_demo(matches),
        _ => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics where there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "tailcast: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lines of the log that may wait for whoever takes them.
const LOG_LINES: usize = 8192;

/// How often it is told that some were lost.
const LOG_LOSSES: Duration = Duration::from_secs(10);

/// Logs from now on. What is logged is written by a thread of its own, since whoever takes it may stand still, as a full pipe
/// does; what he is behind by more than there is room for is lost to him, and counted. The rest is out when the guard is
/// dropped.
fn log_to_stderr(filter: &str, format: LogFormat) -> (WorkerGuard, ErrorCounter) {
    let (stderr, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let lost = stderr.error_counter();
    // Symphonia tells much of each file that it opens: that is for whoever asks for it.
    let log = tracing_subscriber::fmt()
        .with_env_filter(format!("symphonia=off,{filter}"))
        .with_writer(stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A log that cannot be written is no reason to panic, which reporting it to stderr would come to.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    (guard, lost)
}

/// Says it when lines of the log were lost, for ever.
async fn tell_of_lost_lines(lost: ErrorCounter) {
    let mut told = 0;
    loop {
        tokio::time::sleep(LOG_LOSSES).await;
        let now = lost.dropped_lines();
        if now > told {
            tracing::warn!("{} lines of the log were lost, since nobody took them", now - told);
            told = now;
        }
    }
}

fn serve(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let mut config = config::read(matches)?;
    let (_log, lost) = log_to_stderr(&config.log, config.log_format);
    make_room(&mut config);
    block_on(async {
        tokio::spawn(tell_of_lost_lines(lost));
        let server = Server::bind(&config).await?;
        announce(&config, &server);
        // From now on it can be told to stop.
        let stop = stop_signal()?;
        tell_the_service_manager(&[NotifyState::Ready]);
        if let Some(patience) = sd_notify::watchdog_enabled() {
            tokio::spawn(stay_awake(patience));
        }
        server
            .run(async {
                stop.await;
                tell_the_service_manager(&[NotifyState::Stopping]);
            })
            .await;
        Ok(())
    })?
}

/// Sees that there are file descriptors for as many connections as there may be, or lets there be fewer.
fn make_room(config: &mut Config) {
    let (wanted, name) = (config.limits.connections, &config.names.connections);
    let room = room_for_connections(wanted);
    if room < wanted {
        tracing::warn!("{name} {wanted}: the system has file descriptors for {room} (see `ulimit -n`)");
    }
    config.limits.connections = room;
}

/// Tells systemd, if that is who started the program and waits to be told (sd_notify(3)).
fn tell_the_service_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Tells systemd that the program gets round to things, as often as `WatchdogSec=` in its unit asks for (sd_watchdog_enabled(3):
/// twice in that time).
async fn stay_awake(patience: Duration) {
    loop {
        tell_the_service_manager(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 2).await;
    }
}

fn announce(config: &Config, server: &Server) {
    let root = config.root.display();
    tracing::info!("serving {root} on http://{}/", server.address());
    if let Some(address) = server.admin_address() {
        tracing::info!("metrics on http://{address}/metrics");
    }
    for (name, path) in &config.secrets {
        if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0) {
            tracing::warn!("{name} {}: everybody on this machine may read it (chmod o= it)", path.display());
        }
    }
}

fn print_signed(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let url = sign::run(matches)?;
    // Not `println!`, which panics where there is nobody to tell.
    Ok(writeln!(std::io::stdout(), "{url}")?)
}

fn run_demo(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let _log = log_to_stderr("warn", LogFormat::Text);
    let listen = matches.get_one::<String>("listen").map_or("", String::as_str);
    let listen = listen
        .parse()
        .map_err(|_| format!("--listen: `{listen}` is not an address with a port, such as 127.0.0.1:8000"))?;
    block_on(async { Ok(demo::run(listen, stop_signal()?).await?) })?
}
