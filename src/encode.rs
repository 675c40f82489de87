//! `tailcast encode`: a recording to a file, of the same segments as the server's, on all cores.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use tailcast_codecs::PcmSpec;
use tailcast_codecs::format::{Format, FormatError, Parameters};
use tempfile::NamedTempFile;
use tokio::sync::watch;

use crate::body::{BodyError, BodyReader, End, Until};
use crate::config;
use crate::recording::{Recording, RecordingError};
use crate::rendition::{Finished, Rendition, Shape};
use crate::segments::Segments;
use crate::time::{self, Position, frames_in, seconds};
use crate::{block_on, stop_signal};

/// Why nothing was encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// An option cannot be used.
    #[error("--{0}: {1}")]
    Option(&'static str, String),
    /// The input cannot be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The output is the input.
    #[error("--output: `{}` is the recording itself", .0.display())]
    Itself(PathBuf),
    /// Coding broke off.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The output cannot be written.
    #[error("{}: {error}", path.display())]
    Output {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It was told to stop.
    #[error("stopped before `{}` was whole", .0.display())]
    Stopped(PathBuf),
    /// Threads cannot be started.
    #[error(transparent)]
    Threads(#[from] std::io::Error),
}

/// The options, for a command line.
pub fn arguments(command: Command) -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).allow_hyphen_values(true)
    };
    command
        .about("Code a recording into a file, byte for byte what the server would give")
        .arg(
            Arg::new("input")
                .value_name("INPUT")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("The recording: raw PCM, WAV, or a FLAC, MP3, Ogg or MP4 file"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("OUT")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("The file to write, or - for standard output; its extension is the format"),
        )
        .arg(option("format", "FORMAT", "wav, mp3 or opus, if the output's extension does not say so"))
        .arg(option(
            "pcm",
            "FORMAT:RATE:CHANNELS",
            "What a raw recording is [default: its sidecar, else s16le:48000:2]",
        ))
        .arg(option("pos", "TIME", "Where to start: seconds, h:mm:ss, or with a minus before the end"))
        .arg(option("duration", "TIME", "How much of it: seconds, h:mm:ss, or with a unit"))
        .arg(option("bitrate", "KBPS", "Bit rate in kbit/s"))
        .arg(option("channels", "N", "1 or 2"))
        .arg(option("threads", "N", "Encoders at a time [default: one for each core]"))
}

/// What is to be done.
struct Task {
    rendition: Rendition,
    finished: Finished,
    threads: usize,
    output: PathBuf,
}

/// Does it.
///
/// # Errors
/// When an option, the input or the output cannot be used, or a signal says to stop. What was in the output's place
/// before is there still.
pub fn run(matches: &ArgMatches) -> Result<(), EncodeError> {
    block_on(Arc::new(Task::from(matches)?).run())?
}

impl From<FormatError> for EncodeError {
    fn from(error: FormatError) -> Self {
        Self::Option(error.parameter(), error.to_string())
    }
}

fn option<T, E: ToString>(
    matches: &ArgMatches,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, EncodeError> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    parse(text).map(Some).map_err(|error| EncodeError::Option(name, error.to_string()))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

impl Task {
    fn from(matches: &ArgMatches) -> Result<Self, EncodeError> {
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
        let (input, output) = (path("input"), path("output"));
        let extension = output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let format = match option(matches, "format", str::parse::<Format>)? {
            Some(format) => format,
            None => Format::from_extension(extension).ok_or_else(|| {
                let output = output.display();
                EncodeError::Option(
                    "format",
                    format!("`{output}` does not end in .wav, .mp3, .opus or .ogg, so it is needed"),
                )
            })?,
        };
        let pcm = option(matches, "pcm", str::parse::<PcmSpec>)?;
        let position = option(matches, "pos", str::parse::<Position>)?.unwrap_or(Position::FromStart(0));
        let duration = option(matches, "duration", time::length)?;
        let parameters = Parameters {
            bitrate: option(matches, "bitrate", number)?,
            channels: option(matches, "channels", number)?,
        };
        let threads = option(matches, "threads", config::thread_count)?.unwrap_or_else(config::cores);
        let rendition = rendition(&input, pcm, format, parameters, (position, duration))?;
        // A file is taken as it is now, even while it grows.
        let Shape::Finished(finished) = rendition.shape(&rendition.recording().extent()) else {
            return Err(RecordingError::NotFound(input.display().to_string()).into());
        };
        Ok(Self { rendition, finished, threads, output })
    }

    async fn run(self: Arc<Self>) -> Result<(), EncodeError> {
        if self.overwrites_its_input() {
            return Err(EncodeError::Itself(self.output.clone()));
        }
        let failed = |error| EncodeError::Output { path: self.output.clone(), error };
        let (out, unfinished) = open(&self.output).map_err(failed)?;
        let stop = stop_signal()?;
        // A task of its own: a pipe that nobody reads may keep it waiting for ever, in a write that nothing ends.
        let mut writing = tokio::spawn(Arc::clone(&self).write(out));
        tokio::select! {
            written = &mut writing => written.map_err(std::io::Error::other)??,
            () = stop => {
                writing.abort();
                return Err(EncodeError::Stopped(self.output.clone()));
            }
        }
        unfinished.map_or(Ok(()), Unfinished::keep).map_err(failed)
    }

    fn overwrites_its_input(&self) -> bool {
        let output = std::fs::metadata(&self.output);
        output.is_ok_and(|output| self.rendition.recording().is_file(output.dev(), output.ino()))
    }

    async fn write(self: Arc<Self>, mut out: File) -> Result<(), EncodeError> {
        let failed = |error| EncodeError::Output { path: self.output.clone(), error };
        let (_stop, stopping) = watch::channel(false);
        let mut reader = BodyReader::new(
            Arc::new(self.rendition.clone()),
            Segments::new(self.threads, 0, usize::MAX)?,
            self.rendition.recording().subscribe(),
            stopping,
            Some(End { finished: self.finished, extent: self.rendition.recording().extent() }),
            (0, Until::Byte(self.finished.len)),
        );
        let progress = Progress::new(&self);
        let mut written = 0;
        while let Some(bytes) = reader.next().await? {
            out.write_all(&bytes).map_err(failed)?;
            written += bytes.len() as u64;
            progress.at(written);
        }
        progress.done();
        Ok(())
    }
}

fn rendition(
    input: &Path,
    pcm: Option<PcmSpec>,
    format: Format,
    parameters: Parameters,
    (position, duration): (Position, Option<u64>),
) -> Result<Rendition, EncodeError> {
    let recording = Arc::new(Recording::open_path(input, pcm)?);
    let (frames, rate) = (recording.extent().frames, recording.spec().rate);
    let start = position.frame(frames, rate);
    if start > 0 && start >= frames {
        let length = seconds(frames, rate);
        return Err(EncodeError::Option(
            "pos",
            format!("`{position}` is past the end: the recording has {length:.3} s"),
        ));
    }
    let codec = format.codec(recording.spec(), parameters)?;
    Ok(Rendition::new(recording, codec, start, duration.map(|nanos| frames_in(nanos, rate))))
}

/// A file is written beside its place and put there when it is whole: half of one looks like all of it to whoever finds
/// it later. Dropped before, it is removed.
struct Unfinished {
    written: NamedTempFile,
    place: PathBuf,
}

impl Unfinished {
    fn keep(self) -> std::io::Result<()> {
        self.written.persist(self.place).map(drop).map_err(|error| error.error)
    }
}

/// What to write to. Standard output, a device and a pipe are there at once; a file is unfinished first.
fn open(path: &Path) -> std::io::Result<(File, Option<Unfinished>)> {
    if path == Path::new("-") {
        // Not as `Stdout`, which looks for the ends of lines.
        return Ok((File::from(std::io::stdout().as_fd().try_clone_to_owned()?), None));
    }
    let (place, permissions) = match std::fs::metadata(path) {
        Ok(there) => {
            let writable = File::options().write(true).open(path)?;
            if !there.is_file() {
                return Ok((writable, None));
            }
            // Of a link it is the file behind it that is replaced.
            (path.canonicalize()?, there.permissions())
        }
        Err(_) => (path.to_owned(), Permissions::from_mode(0o666)),
    };
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder)?;
    let written = tempfile::Builder::new()
        .prefix(".tailcast-")
        .suffix(".part")
        .permissions(permissions)
        .tempfile_in(folder)
        // Its message has the name of a file that the user has not given.
        .map_err(|error| std::io::Error::from(error.kind()))?;
    Ok((written.as_file().try_clone()?, Some(Unfinished { written, place })))
}

/// A bar, and how many times faster than the sound it goes.
struct Progress {
    bar: ProgressBar,
    begun: Instant,
    seconds: f64,
    len: u64,
}

impl Progress {
    fn new(task: &Task) -> Self {
        let bar = ProgressBar::new(task.finished.len);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        let seconds = seconds(task.finished.frames, task.rendition.cut().grid().rates.coded);
        Self { bar, begun: Instant::now(), seconds, len: task.finished.len }
    }

    /// Times real time so far.
    fn speed(&self, written: u64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "for show")]
        let share = written as f64 / self.len.max(1) as f64;
        self.seconds * share / self.begun.elapsed().as_secs_f64().max(1e-9)
    }

    fn at(&self, written: u64) {
        self.bar.set_position(written);
        self.bar.set_message(format!("{:.0}x real time", self.speed(written)));
    }

    fn done(&self) {
        self.bar.finish_and_clear();
        let (took, speed) = (self.begun.elapsed().as_secs_f64(), self.speed(self.len));
        // Not `eprintln!`, which panics where there is nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "{:.1} s of sound in {took:.2} s, {speed:.0}x real time",
            self.seconds
        );
    }
}
