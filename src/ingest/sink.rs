//! A recording's file, to which one writer at a time appends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::{Ingest, Sync, TAKEN_OVER, Turn};
use crate::error::Problem;

/// A file and the turn to write to it, which is given back when the last write is over, not before.
#[derive(Debug)]
pub(crate) struct Sink {
    file: File,
    /// Bytes of it.
    len: u64,
    turn: Turn,
    ingest: Arc<Ingest>,
    /// When something was written first that may not be on the disk; `None` if all is.
    unsynced: Option<Instant>,
}

impl Sink {
    /// Of a file that was opened for appending. Blocks.
    ///
    /// # Errors
    /// When its length cannot be told.
    pub(crate) fn new(file: File, turn: Turn, ingest: Arc<Ingest>) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len, turn, ingest, unsynced: None })
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// When it is to be written to the disk at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.ingest.settings.sync {
            Sync::Every(interval) => self.unsynced?.checked_add(interval),
            _ => None,
        }
    }

    /// Appends bytes. Blocks.
    ///
    /// # Errors
    /// 507 when there is no room for all of them, 409 when somebody else writes to the file or is to, 500 when the system does not
    /// take them. [`len`](Self::len) says how much is there.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        // A source has its mount's turn watched, and a recording of another name has one of its own.
        if self.turn.is_taken() {
            return Err(Problem::conflict(TAKEN_OVER));
        }
        let metadata = self.file.metadata().map_err(|error| self.failed(&error))?;
        if metadata.nlink() == 0 {
            return Err(Problem::conflict("the recording was removed while it was sent"));
        }
        let there = metadata.len();
        if there != self.len {
            self.len = there;
            return Err(Problem::conflict("another program writes to the recording's file"));
        }
        let room = self.room().map_err(|error| self.failed(&error))?;
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let mut rest = bytes.get(..fits).unwrap_or_default();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(self.failed(&io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    self.len += written as u64;
                    self.unsynced.get_or_insert_with(Instant::now);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        if fits < bytes.len() {
            return Err(Problem::no_space(format!(
                "{} bytes of it are kept, and there may be no more (--ingest-limit, --ingest-keep-free)",
                self.len
            )));
        }
        if self.due().is_some_and(|due| due <= Instant::now()) { self.sync() } else { Ok(()) }
    }

    /// Bytes that there is room for.
    fn room(&self) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.file)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(self.ingest.settings.keep_free);
        let most = self.ingest.settings.most.unwrap_or(u64::MAX);
        Ok(free.min(most.saturating_sub(self.len)))
    }

    /// Has what was written on the disk. Blocks.
    ///
    /// # Errors
    /// When the system says that it is not.
    pub(crate) fn sync(&mut self) -> Result<(), Problem> {
        if self.unsynced.is_some() {
            self.file.sync_data().map_err(|error| self.failed(&error))?;
            self.unsynced = None;
        }
        Ok(())
    }

    /// As is wanted at the end of a body. Blocks.
    ///
    /// # Errors
    /// When the system says that it is not on the disk.
    pub(crate) fn finish(&mut self) -> Result<(), Problem> {
        if self.ingest.settings.sync == Sync::Never {
            return Ok(());
        }
        // What is there from before may have been written by a server that was killed.
        self.unsynced.get_or_insert_with(Instant::now);
        self.sync()
    }

    fn failed(&self, error: &io::Error) -> Problem {
        failed(error, &format!("{} bytes of it are kept", self.len))
    }
}

/// What is said of an error of the system; `kept` tells what became of the recording.
pub(crate) fn failed(error: &io::Error, kept: &str) -> Problem {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Problem::no_space(format!("{error}: {kept}")),
        _ => Problem::unwritable(format!("{error}: {kept}")),
    }
}
