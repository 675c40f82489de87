//! What an encoder sends that speaks Icecast's source protocol, decoded and recorded under the name of its mount.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tailcast_codecs::PcmSpec;
use tailcast_codecs::grid::{NANOS, scale};
use tokio::sync::oneshot;

use super::coded::{CodedError, Coding, Source, decode};
use super::sink::Sink;
use super::store::{self, Change};
use super::{Ingest, Turn};
use crate::access::{Guarded, Pass};
use crate::error::Problem;
use crate::recording::{Catalogue, RecordingError, RecordingName};

/// What is sent right now, by its mount.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    on_air: Mutex<HashMap<RecordingName, OnAir>>,
    /// What was sent last to a mount whose name is not that of the recording.
    last: Mutex<HashMap<RecordingName, RecordingName>>,
}

/// Where a source is.
#[derive(Debug)]
enum OnAir {
    /// Nothing is decoded yet; perhaps somebody who may read so much has told what it plays.
    Before(Option<(Pass, String)>),
    Recorded {
        recording: RecordingName,
        /// Nanoseconds from its start.
        at: u64,
        /// Whether whoever sends it may read it.
        is_read: bool,
    },
}

/// What becomes of a title that a source tells.
pub(crate) enum Titled {
    /// It belongs to a recording.
    At {
        recording: RecordingName,
        /// Nanoseconds from its start.
        at: u64,
        /// Whether whoever sends it may read it: then it is for others who may to tell titles.
        is_read: bool,
    },
    /// It waits for there to be one.
    Waits,
}

impl Sources {
    /// Where what a mount plays from now on belongs, if something is sent to it; `pass` is that of who tells it.
    pub(crate) fn titled(&self, mount: &RecordingName, pass: &Pass, title: &str) -> Option<Titled> {
        match self.on_air.lock().get_mut(mount)? {
            OnAir::Before(waits) => {
                *waits = Some((pass.clone(), title.to_owned()));
                Some(Titled::Waits)
            }
            OnAir::Recorded { recording, at, is_read } => {
                Some(Titled::At { recording: recording.clone(), at: *at, is_read: *is_read })
            }
        }
    }

    fn is_connected(&self, mount: &RecordingName) {
        self.on_air.lock().insert(mount.clone(), OnAir::Before(None));
    }

    /// Gives the title that has waited.
    fn is_at(&self, mount: &RecordingName, open: &Open, at: u64) -> Option<(Pass, String)> {
        let on_air = OnAir::Recorded { recording: open.name.clone(), at, is_read: open.is_read };
        match self.on_air.lock().insert(mount.clone(), on_air) {
            Some(OnAir::Before(title)) => title,
            _ => None,
        }
    }

    fn is_off(&self, mount: &RecordingName) {
        self.on_air.lock().remove(mount);
    }
}

/// Recordings of a mount that can begin in one second.
const MOST_IN_A_SECOND: u32 = 100;

/// The longest that is put behind a mount's name.
const BEHIND: &str = " 2026-12-01 20.00.00 100";

/// That a mount's name has room for all that recordings of it may be called.
pub(crate) fn check_mount(mount: &RecordingName) -> Result<(), RecordingError> {
    mount.check_room(BEHIND.len())
}

/// Records what a source sends.
#[derive(Debug)]
pub(crate) struct Recorder {
    ingest: Arc<Ingest>,
    guarded: Guarded,
    /// What the encoder may read: with nothing else it may go on.
    pass: Pass,
    mount: RecordingName,
    /// To write under the mount's name, unless the recording has it.
    turn: Option<Turn>,
    title: Option<String>,
    recording: Option<Open>,
}

/// A recording that is being written.
#[derive(Debug)]
struct Open {
    name: RecordingName,
    sink: Sink,
    spec: PcmSpec,
    is_read: bool,
}

impl Open {
    /// Where the next frame belongs, in nanoseconds from the recording's start.
    fn at(&self) -> u64 {
        scale(self.sink.len() / self.spec.frame_bytes() as u64, NANOS, self.spec.rate.into())
    }
}

impl Recorder {
    pub(crate) fn new(
        ingest: Arc<Ingest>,
        guarded: Guarded,
        pass: Pass,
        mount: RecordingName,
        turn: Turn,
        title: Option<String>,
    ) -> Self {
        ingest.sources.is_connected(&mount);
        Self { ingest, guarded, pass, mount, turn: Some(turn), title, recording: None }
    }

    /// Also of what the encoder may not read: a name that it has is taken all the same.
    fn catalogue(&self) -> &Catalogue {
        self.guarded.unguarded()
    }

    /// Decodes and records all that comes, on a thread of its own: it waits for the encoder most of the time, as long as a
    /// show lasts. What is returned comes when it is done.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn spawn(
        mut self,
        source: Source,
        coding: Coding,
    ) -> io::Result<oneshot::Receiver<Result<(), Problem>>> {
        let (done, when_done) = oneshot::channel();
        thread::Builder::new().name("source".to_owned()).spawn(move || {
            // What is sent is anybody's, and what decodes it is not ours.
            let decoding = AssertUnwindSafe(|| decode(source, coding, |spec, pcm| self.take(spec, pcm)));
            let result = catch_unwind(decoding).unwrap_or(Err(CodedError::Panic));
            // Nobody need want to know.
            let _ = done.send(self.finish(result));
        })?;
        Ok(when_done)
    }

    fn take(&mut self, spec: PcmSpec, pcm: &[u8]) -> Result<(), Problem> {
        let mut open = match self.recording.take() {
            Some(open) if open.spec == spec => open,
            other => {
                // A recording has one rate throughout.
                if let Some(mut other) = other {
                    other.sink.finish()?;
                }
                self.open(spec)?
            }
        };
        let at = open.at();
        if let Some((teller, title)) = self.ingest.sources.is_at(&self.mount, &open, at)
            && (!open.is_read || self.guarded.file_of(&teller, &open.name).is_ok())
            && let Err(problem) = store::add_title(&self.ingest, self.catalogue(), &open.name, at, title)
        {
            // The sound is what matters.
            tracing::warn!(recording = %open.name, why = problem.detail(), "a title is not kept");
        }
        let written = open.sink.write(pcm);
        // Also when it is full: what is in it is to be on the disk in the end.
        self.recording = Some(open);
        written
    }

    /// Goes on with what the mount has recorded last if that grows still, is of the same format and may be read by the
    /// encoder, or else begins a recording: under the mount's name, or if that is taken, with the time behind it.
    fn open(&mut self, spec: PcmSpec) -> Result<Open, Problem> {
        let of_mount = self.turn.take().or_else(|| self.ingest.turn(&self.mount));
        let (name, turn) = match (of_mount, self.catalogue().file_of(&self.mount)) {
            (Some(turn), Ok(_)) if self.goes_on(&self.mount, spec) => {
                return self.go_on(self.mount.clone(), turn, spec);
            }
            (Some(turn), Err(RecordingError::NotFound(_))) => (self.mount.clone(), turn),
            (of_mount, _) => {
                // Nobody else sends to it meanwhile.
                self.turn = of_mount;
                let last = self.ingest.sources.last.lock().get(&self.mount).cloned();
                if let Some(last) = last.filter(|last| self.goes_on(last, spec))
                    && let Some(turn) = self.ingest.turn(&last)
                {
                    return self.go_on(last, turn, spec);
                }
                self.dated()?
            }
        };
        let change = Change {
            pcm: Some(spec.to_string()),
            title: self.title.clone(),
            started: Some(store::now()),
            ended: Some(false),
            // A show that is private goes on in private, under whatever name.
            rule: self.catalogue().rule(&self.mount),
            ..Change::default()
        };
        let file = store::begin(&self.ingest, self.catalogue(), &name, "pcm", change)?;
        self.opened(name, file, turn, spec)
    }

    /// Whether sound can be appended to a recording: not behind a part of a frame, which a full disk may have left.
    fn goes_on(&self, name: &RecordingName, spec: PcmSpec) -> bool {
        let Ok(recording) = self.catalogue().find(name) else { return false };
        let bytes = self.guarded.file_of(&self.pass, name).map(|(_, bytes)| bytes);
        let is_whole = bytes.is_ok_and(|bytes| bytes.is_multiple_of(spec.frame_bytes() as u64));
        recording.extent().is_growing() && recording.spec() == spec && recording.is_raw() && is_whole
    }

    fn go_on(&self, name: RecordingName, turn: Turn, spec: PcmSpec) -> Result<Open, Problem> {
        let file = store::go_on(self.catalogue(), &name)?;
        self.opened(name, file, turn, spec)
    }

    fn opened(&self, name: RecordingName, file: File, turn: Turn, spec: PcmSpec) -> Result<Open, Problem> {
        let sink = Sink::new(file, turn, Arc::clone(&self.ingest)).map_err(Problem::unwritable)?;
        tracing::info!(mount = %self.mount, recording = %name, pcm = %spec, "a source is recorded");
        let is_read = self.guarded.file_of(&self.pass, &name).is_ok();
        Ok(Open { name, sink, spec, is_read })
    }

    /// The mount's name with the time behind it, and a number if there is one of that second.
    fn dated(&self) -> Result<(RecordingName, Turn), Problem> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H.%M.%S");
        for number in 1..=MOST_IN_A_SECOND {
            let number = if number == 1 { String::new() } else { format!(" {number}") };
            let name = RecordingName::parse(&format!("{} {now}{number}", self.mount))?;
            if let Some(turn) = self.ingest.turn(&name)
                && matches!(self.catalogue().file_of(&name), Err(RecordingError::NotFound(_)))
            {
                self.ingest.sources.last.lock().insert(self.mount.clone(), name.clone());
                return Ok((name, turn));
            }
        }
        Err(Problem::conflict(format!(
            "there are {MOST_IN_A_SECOND} recordings of `{}` of this second",
            self.mount
        )))
    }

    /// What is recorded stays so, whatever it ended by. More of it may come until it has stood still for the growth timeout:
    /// of an encoder nobody can tell whether it has finished or lost its connection.
    fn finish(mut self, result: Result<(), CodedError>) -> Result<(), Problem> {
        let synced = self.recording.take().map_or(Ok(()), |mut open| open.sink.finish());
        let result = result.and(synced.map_err(CodedError::Taken));
        let mount = &self.mount;
        match &result {
            Ok(()) => tracing::info!(%mount, "a source has ended"),
            Err(error) => tracing::warn!(%mount, why = %error, "a source is recorded no more"),
        }
        result.map_err(|error| match error {
            CodedError::Taken(problem) => problem,
            error => Problem::media_type(error),
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.ingest.sources.is_off(&self.mount);
    }
}
