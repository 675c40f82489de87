//! The waveform of a recording: the least and the greatest sample of each of its pixels, as audiowaveform writes them.
//!
//! A **pixel** is a fixed number of frames on the grid of the recording's first frame. Long pixels are put together from
//! a **pyramid** of blocks that is computed once for a recording, goes on where it was when the recording has grown, and
//! is shared by all who look. What is asked for finer than its blocks is read from the recording straight.
//!
//! | module | what is there |
//! |---|---|
//! | [`peaks`] | the least and the greatest sample of a stretch of PCM |
//! | [`pyramid`] | those of blocks from the first frame on, in levels, bounded |
//! | [`window`] | which pixels an answer has |
//! | [`walk`] | what of each comes from the pyramid and what is read |
//! | [`form`] | how they are written |
//! | [`store`] | the pyramids: computed once, shared, bounded |
//! | [`body`] | the stream of an answer |

pub mod body;
pub mod form;
pub mod peaks;
pub mod pyramid;
pub mod store;
pub mod walk;
pub mod window;

pub use body::WaveformBody;
pub use form::{Bits, Form};
pub use store::Waveforms;
pub use window::Window;

use std::ops::Range;
use std::sync::Arc;

use crate::recording::{Extent, Recording, RecordingError};
use peaks::Meter;

/// Version of the numbers: another when the same sound and parameters would give other ones.
pub const WAVEFORM_VERSION: u32 = 1;

/// Why a waveform cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaveformError {
    /// The recording is lost.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The server is shutting down, or a worker died.
    #[error("the waveform's worker is gone")]
    Gone,
}

/// What is wanted of a recording's waveform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Frames of a pixel.
    pub samples_per_pixel: u32,
    /// Source frames, as asked for: the recording may not have them, and pixels may begin before and end behind.
    pub frames: Range<u64>,
    /// Of each number.
    pub bits: Bits,
    /// Each channel by itself rather than their mean.
    pub split: bool,
}

/// What an answer shows: a recording as it was when it was asked for.
#[derive(Debug, Clone)]
pub struct View {
    recording: Arc<Recording>,
    extent: Extent,
    wanted: Wanted,
    window: Window,
}

impl View {
    /// What is wanted of a recording that goes as far as `extent`.
    pub fn new(recording: Arc<Recording>, extent: Extent, wanted: Wanted) -> Self {
        let window =
            Window::new(extent.frames, extent.is_growing(), wanted.samples_per_pixel, wanted.frames.clone());
        Self { recording, extent, wanted, window }
    }

    /// The recording.
    pub fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }

    /// How far it went.
    pub fn extent(&self) -> &Extent {
        &self.extent
    }

    /// Frames of a pixel.
    pub fn samples_per_pixel(&self) -> u32 {
        self.wanted.samples_per_pixel
    }

    /// Of each number.
    pub fn bits(&self) -> Bits {
        self.wanted.bits
    }

    /// The pixels.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What their peaks are taken of.
    pub fn meter(&self) -> Meter {
        Meter::new(self.recording.spec(), self.wanted.split)
    }

    /// Frames a second.
    pub fn rate(&self) -> u32 {
        self.recording.spec().rate
    }

    /// The strong validator of a finished recording's answer, quoted: a digest of everything that its bytes are made
    /// from. Blocks.
    ///
    /// # Errors
    /// When the recording cannot be read.
    pub fn etag(&self, form: Form) -> Result<String, RecordingError> {
        let (name, spec) = (self.recording.name().as_str(), self.recording.spec().to_string());
        let mut hasher = blake3::Hasher::new();
        for text in ["waveform", form.extension(), name, &spec] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let parameters = [
            WAVEFORM_VERSION,
            self.samples_per_pixel(),
            self.bits().count().into(),
            self.wanted.split.into(),
        ];
        let Range { start, end } = self.window.frames;
        for number in parameters.map(u64::from).into_iter().chain([start, end, self.extent.frames]) {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(self.recording.digest(self.extent.frames)?.as_bytes());
        let digest = hasher.finalize().to_hex();
        Ok(format!("\"{}\"", digest.chars().take(32).collect::<String>()))
    }
}
