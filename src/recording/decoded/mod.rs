//! The sound of a coded file (FLAC, MP3, Ogg, MP4) as PCM that can be read from any frame on.
//!
//! It is decoded in **chunks** of a fixed number of frames, each by a fresh decoder that is first fed what comes just before
//! (the preroll), so that a chunk's PCM is a pure function of the file: not of who asked, in which order, or of which
//! server. How many frames there are is known before any is decoded. Chunks are kept in a folder of bounded size.
//!
//! | module | what is there |
//! |---|---|
//! | [`about`] | what a file is, and how long: all that has to be known before it is decoded |
//! | [`chunk`] | one chunk, decoded |
//! | [`demuxer`] | packets of a file, from a frame on |
//! | [`links`] | where the streams of an Ogg file are that come one after another |
//! | [`edits`] | which part of an MP4 file is its sound |
//! | [`cache`] | chunks on the disk, and those that are at hand |

mod about;
mod cache;
mod chunk;
mod demuxer;
mod edits;
mod links;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tailcast_codecs::PcmSpec;
use tailcast_codecs::grid::{NANOS, scale};

use super::reading::Read;
use super::stamp::Stamp;
use super::{near, reading};
use crate::decoder::DecoderError;
use about::About;
pub use cache::Cache;
use cache::{Held, Key};
use chunk::Walker;

/// Changes whenever the PCM of a file may: what was decoded by another version is not taken for the same sound.
const VERSION: &str = "2, symphonia 0.6.1, libopus 1.6.1";

/// Seconds of a chunk: long enough that the preroll is little of it, short enough to be waited for.
const CHUNK_SECONDS: u64 = 10;
/// Bytes of one at most, which cuts it shorter where there are many channels.
const CHUNK_BYTES: u64 = 4 << 20;

/// Why a coded file cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodedError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not one that can be used.
    #[error("{0}")]
    Unusable(String),
    /// It is not the file any more that it was when it was opened.
    #[error("it has changed")]
    Changed,
}

impl From<DecoderError> for DecodedError {
    fn from(error: DecoderError) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// The sound of a coded file.
#[derive(Debug)]
pub(super) struct Decoded {
    file: Arc<File>,
    /// Of the file when it was opened.
    stamp: Stamp,
    key: Key,
    about: About,
    cache: Arc<Cache>,
    /// Held by the one who decodes: who else wants the same chunk finds it done then.
    decoding: Mutex<()>,
}

impl Drop for Decoded {
    /// What was decoding it has the file open, which may have been removed.
    fn drop(&mut self) {
        drop(self.cache.take_walker(&self.key));
    }
}

impl Decoded {
    /// Finds out what a file is. Reads all of an MP3 file that was not seen before: nothing in it says for certain how long
    /// it is. Blocks.
    pub(super) fn open(file: &Arc<File>, cache: &Arc<Cache>) -> Result<Self, DecodedError> {
        let stamp = Stamp::of(&file.metadata()?);
        let key = Key::of(&stamp, VERSION);
        let about = match cache.about(&key) {
            Some(known) => known,
            None => {
                let learnt = match guarded(|| About::learn(file)) {
                    Err(DecodedError::Unusable(why)) => Err(why),
                    learnt => Ok(learnt?),
                };
                check(file, &stamp)?;
                cache.keep_about(&key, &learnt);
                learnt
            }
        };
        let about = about.map_err(DecodedError::Unusable)?;
        let (file, cache) = (Arc::clone(file), Arc::clone(cache));
        Ok(Self { file, stamp, key, about, cache, decoding: Mutex::default() })
    }

    pub(super) fn spec(&self) -> PcmSpec {
        self.about.spec
    }

    /// What its tags call it, and who they say made it.
    pub(super) fn title_and_author(&self) -> (&Option<String>, &Option<String>) {
        (&self.about.title, &self.about.author)
    }

    /// How many frames there are.
    pub(super) fn frames(&self) -> u64 {
        self.about.frames
    }

    /// What the bytes of its PCM depend on apart from those of the file.
    pub(super) fn version(&self) -> &'static str {
        VERSION
    }

    /// Fills `buffer` from a frame on if every chunk of that is at hand; else false.
    pub(super) fn read_at_hand(&self, from: u64, buffer: &mut [u8]) -> bool {
        let at_hand = |chunk| self.cache.held(&self.key, chunk);
        let held = |chunk| at_hand(chunk).ok_or_else(|| io::Error::from(io::ErrorKind::WouldBlock).into());
        self.each(from, buffer, near::read, held).is_ok()
    }

    /// Fills `buffer` from a frame on, and decodes what is not yet. Blocks.
    pub(super) fn read(&self, from: u64, buffer: &mut [u8]) -> Result<(), DecodedError> {
        self.each(from, buffer, reading::patiently, |chunk| self.chunk(chunk))
    }

    /// Fills `buffer` from a frame on out of one chunk after another, as `chunk` gives them.
    fn each(
        &self,
        from: u64,
        buffer: &mut [u8],
        read: Read,
        chunk: impl Fn(u64) -> Result<Held, DecodedError>,
    ) -> Result<(), DecodedError> {
        let frame_bytes = self.spec().frame_bytes() as u64;
        let chunk_bytes = self.chunk_frames() * frame_bytes;
        let (mut at, mut rest) = (from.saturating_mul(frame_bytes), buffer);
        while !rest.is_empty() {
            let (number, within) = (at / chunk_bytes, at % chunk_bytes);
            let len = usize::try_from(chunk_bytes - within).unwrap_or(usize::MAX).min(rest.len());
            let (part, behind) = rest.split_at_mut(len);
            chunk(number)?.read(within, part, read)?;
            (at, rest) = (at + part.len() as u64, behind);
        }
        Ok(())
    }

    fn chunk_frames(&self) -> u64 {
        let spec = self.spec();
        let most = CHUNK_BYTES / (spec.frame_bytes() as u64).max(1);
        (u64::from(spec.rate) * CHUNK_SECONDS).min(most).max(1)
    }

    fn chunk(&self, number: u64) -> Result<Held, DecodedError> {
        let frames = self.frames_of(number);
        let bytes = frames.end.saturating_sub(frames.start) * self.spec().frame_bytes() as u64;
        let kept = || {
            self.cache.open(&self.key, number, bytes).inspect(|_| {
                self.cache.counters().hits.fetch_add(1, Ordering::Relaxed);
            })
        };
        if let Some(held) = self.cache.held(&self.key, number).or_else(kept) {
            return Ok(held);
        }
        let _alone = self.decoding.lock();
        // Somebody else may have decoded it meanwhile.
        match self.cache.held(&self.key, number).or_else(kept) {
            Some(held) => Ok(held),
            None => self.decode(number, frames),
        }
    }

    fn frames_of(&self, chunk: u64) -> Range<u64> {
        let (first, all) = (chunk.saturating_mul(self.chunk_frames()), self.frames());
        first.min(all)..first.saturating_add(self.chunk_frames()).min(all)
    }

    fn decode(&self, number: u64, frames: Range<u64>) -> Result<Held, DecodedError> {
        let (walker, begun) = (self.cache.take_walker(&self.key), Instant::now());
        let len = frames.end.saturating_sub(frames.start);
        // One that panics is not used again.
        let (pcm, walker) = guarded(|| {
            let mut walker = match walker {
                Some(walker) => walker,
                None => Walker::open(&self.file, &self.about)?,
            };
            let pcm = walker.decode(frames)?;
            Ok((pcm, walker))
        })?;
        let sound = scale(len, NANOS, self.spec().rate.into());
        self.cache.counters().count(Duration::from_nanos(sound), begun.elapsed());
        // What was written over meanwhile is not to be kept as the sound that was there.
        check(&self.file, &self.stamp)?;
        self.cache.put_walker(&self.key, walker);
        Ok(self.cache.keep(&self.key, number, pcm))
    }
}

/// That a file has not been written to since it had a stamp.
fn check(file: &File, stamp: &Stamp) -> Result<(), DecodedError> {
    let now = Stamp::of(&file.metadata()?);
    if now.has_content_of(stamp) { Ok(()) } else { Err(DecodedError::Changed) }
}

/// Does what reads a file that may be made to do harm: a decoder that panics is the file's fault.
fn guarded<T>(work: impl FnOnce() -> Result<T, DecodedError>) -> Result<T, DecodedError> {
    let panicked = |_| Err(DecodedError::Unusable("its decoder failed on what is in it".to_owned()));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_decoders_that_are_used() {
        let locked = include_str!("../../../Cargo.lock");
        let symphonia = VERSION.split(", symphonia ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
        for name in ["core", "bundle-flac", "bundle-mp3", "codec-aac", "codec-alac", "codec-vorbis"] {
            let entry = format!("name = \"symphonia-{name}\"\nversion = \"{symphonia}\"\n");
            assert!(
                locked.contains(&entry),
                "another version of symphonia-{name}: what it decodes may differ"
            );
        }
        let libopus = VERSION.rsplit(' ').next().unwrap();
        assert!(::opus::version().contains(libopus), "{}", ::opus::version());
    }

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        let done = guarded::<()>(|| panic!("what a hostile file does to it"));
        assert!(done.unwrap_err().to_string().contains("its decoder failed"));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
