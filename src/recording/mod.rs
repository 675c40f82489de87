//! Where PCM comes from: the catalogue of a folder, a file that may be growing, its end, and its watch.
//!
//! | module | what is there |
//! |---|---|
//! | [`catalogue`] | names -> recordings |
//! | [`file`](mod@file) | one opened recording: its format, its frames, whether it grows |
//! | [`identity`] | by what it is known while it grows |
//! | `reading` | its bytes, and that it still is itself |
//! | `stamp` | by what a file is known to be as it was |
//! | `shelf` | the recordings that are open |
//! | `decoded` | the sound of FLAC, MP3, Ogg and MP4 files as PCM |
//! | [`index`] | what is in the folder, newest first |
//! | `changes` | notices what changes in that while somebody watches it |
//! | [`follow`] | notices growth while somebody listens |
//! | [`riff`] | the header of a WAV file that may still be being written |
//! | [`sidecar`] | `show.toml` beside `show.pcm` |
//! | `near` | what can be told of files without waiting |
//! | [`name`] | which names a recording may have |

pub mod catalogue;
mod changes;
pub mod cover;
mod decoded;
pub mod file;
pub mod follow;
pub mod identity;
pub mod index;
pub mod name;
mod near;
mod reading;
pub mod riff;
mod shelf;
pub mod sidecar;
mod stamp;

pub use catalogue::Catalogue;
pub(crate) use changes::public;
pub use changes::{Changes, News};
pub use decoded::Cache as DecodedCache;
pub(crate) use file::Hearing;
pub use file::{Extent, Mark, Recording, State, Status};
pub use index::{Entries, Entry, folded};
pub use name::RecordingName;
pub use sidecar::Rule;

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

/// Why a recording cannot be had, or can no longer be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordingError {
    /// There is none of that name.
    #[error("there is no recording `{0}`")]
    NotFound(String),
    /// The name is not one that a recording can have.
    #[error("`{name}` cannot be the name of a recording: {why}")]
    Name {
        /// As it came.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The sidecar cannot be used.
    #[error("the sidecar of `{name}` is broken: {why}")]
    Sidecar {
        /// The recording.
        name: String,
        /// What is wrong with it, and where.
        why: String,
    },
    /// The sidecar is empty, and was written to just now: it is about to be written again.
    #[error("the sidecar of `{0}` is just being written")]
    SidecarBeingWritten(String),
    /// The WAV header cannot be used.
    #[error("the WAV header of `{name}` is not usable: {why}")]
    Header {
        /// The recording.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// What it is coded in cannot be decoded.
    #[error("`{name}` cannot be decoded: {why}")]
    Coded {
        /// The recording's file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is a coded file that was written to just now: it may be on its way here.
    #[error("`{0}` was written to just now; it is served when it has stood still for the growth timeout")]
    BeingWritten(String),
    /// The recorder has not written the header yet.
    #[error("the recorder has not written the header of `{0}` yet")]
    NoHeaderYet(String),
    /// It got shorter.
    #[error("`{0}` was cut short while it was being read")]
    Truncated(String),
    /// Another file stands in its place, or other sound in the file.
    #[error("`{0}` was replaced while it was being read")]
    Replaced(String),
    /// The file is gone.
    #[error("`{0}` was removed while it was being read")]
    Removed(String),
    /// Reading failed.
    #[error("`{name}` cannot be read: {error}")]
    Io {
        /// The recording.
        name: String,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

impl RecordingError {
    /// Whether the process or the system has as many files open as it may have: that passes.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        let Self::Io { error, .. } = self else { return false };
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        matches!(errno, Some(Errno::MFILE | Errno::NFILE))
    }

    pub(crate) fn io(name: &str, error: io::Error) -> Self {
        Self::Io { name: name.to_owned(), error: Arc::new(error) }
    }
}
