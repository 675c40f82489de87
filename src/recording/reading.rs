//! Reading an opened recording, and that what is read is of the recording that was opened.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use tailcast_codecs::grid::scale;

use super::decoded::DecodedError;
use super::file::Layout;
use super::near;
use super::stamp::Stamp;
use super::{Recording, RecordingError};

/// Bytes of the sound that are looked at again, to see that it still is the same.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    at: u64,
    bytes: Arc<[u8]>,
}

/// Bytes of a witness.
const WITNESS_LEN: u64 = 512;

/// Places that are looked at again with every read: the first bytes, ever further apart ones (each four times as
/// far from the start as the one before) and the last. Who overwrites a file in place begins at its beginning,
/// so whatever new sound is read, a witness before it has changed, unless there is silence at all of them.
fn witness_places(data: u64) -> impl Iterator<Item = u64> {
    let spread = std::iter::successors(Some(16 * 1024_u64), |at| at.checked_mul(4));
    let spread = spread.take_while(move |at| at + WITNESS_LEN <= data);
    [0, data.saturating_sub(WITNESS_LEN)].into_iter().chain(spread)
}

/// Bytes at either end of the sound that make up a recording's identity for other servers and later runs.
/// The first ones alone would be the same for every recording that starts in silence.
const DIGEST_LEN: u64 = 64 * 1024;
/// Places spread evenly over the sound that do so too, so that an edited copy is another recording (if the edit is at
/// one of them: to read everything would take as long as a disk takes).
const DIGEST_PLACES: u64 = 64;
/// Bytes of such a place.
const DIGEST_PLACE_LEN: u64 = 1024;

/// Fills a buffer from a byte of a file on.
pub(super) type Read = fn(&File, &mut [u8], u64) -> io::Result<()>;

/// Waits for the disk if need be.
pub(super) fn patiently(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(buffer, at)
}

impl Recording {
    /// That the sound still is the one that was seen.
    pub(super) fn check(&self, witnesses: &[Witness], read: Read) -> Result<(), RecordingError> {
        let mut now = Vec::new();
        for Witness { at, bytes } in witnesses {
            now.resize(bytes.len(), 0);
            self.read_at(&mut now, *at, read)?;
            if *now != **bytes {
                return Err(RecordingError::Replaced(self.name().to_string()));
            }
        }
        Ok(())
    }

    /// Witnesses of `data` bytes of sound, those of `known` that stay read already.
    pub(super) fn witnesses(
        &self,
        data: u64,
        known: &[Witness],
        read: Read,
    ) -> Result<Arc<[Witness]>, RecordingError> {
        let len = usize::try_from(data.min(WITNESS_LEN)).unwrap_or(0);
        witness_places(data)
            .map(|at| {
                let same = known.iter().find(|witness| witness.at == at && witness.bytes.len() == len);
                same.map_or_else(|| self.witness(at, len, read), |same| Ok(same.clone()))
            })
            .collect()
    }

    fn witness(&self, at: u64, len: usize, read: Read) -> Result<Witness, RecordingError> {
        let mut bytes = vec![0; len];
        self.read_at(&mut bytes, at, read)?;
        Ok(Witness { at, bytes: bytes.into() })
    }

    /// Fills `buffer` from byte `at` of the sound on, as it is in the file.
    pub(super) fn read_at(&self, buffer: &mut [u8], at: u64, read: Read) -> Result<(), RecordingError> {
        read(&self.file, buffer, self.layout().data_offset() + at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RecordingError::Truncated(self.name().to_string()),
            _ => self.io(error),
        })
    }

    /// The interleaved bytes of source frames `frames`: at once if the system has them at hand, else by a thread that may
    /// wait for a disk.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn get(self: &Arc<Self>, frames: Range<u64>) -> Result<Vec<u8>, RecordingError> {
        let mut bytes = Vec::new();
        // What is wrong will be found wrong by the other thread, too, if it still is.
        if self.is_near() && self.try_get(&frames, &mut bytes) {
            return Ok(bytes);
        }
        let recording = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            recording.read(frames, &mut bytes)?;
            Ok(bytes)
        });
        reading.await.unwrap_or_else(|error| Err(self.io(io::Error::other(error))))
    }

    /// Reads whole frames without waiting; false if they are not at hand.
    fn try_get(&self, frames: &Range<u64>, buffer: &mut Vec<u8>) -> bool {
        let Layout::Decoded(decoded) = self.layout() else {
            return self.try_read(slice::from_ref(frames), buffer, near::read).is_ok();
        };
        self.make_room(slice::from_ref(frames), buffer);
        decoded.read_at_hand(frames.start, buffer) && self.confirm(near::read).is_ok()
    }

    /// Reads whole frames: `buffer` then holds the interleaved bytes of source frames `frames`. Blocks.
    ///
    /// # Errors
    /// When they are not there, or the recording is not the one it was. It then is lost.
    pub fn read(&self, frames: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), RecordingError> {
        self.read_each(&[frames], buffer)
    }

    /// Reads several stretches of whole frames: `buffer` then holds the bytes of one after another. Blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_each(&self, stretches: &[Range<u64>], buffer: &mut Vec<u8>) -> Result<(), RecordingError> {
        self.until_certain(|| self.try_read(stretches, buffer, patiently))
    }

    fn try_read(
        &self,
        stretches: &[Range<u64>],
        buffer: &mut Vec<u8>,
        read: Read,
    ) -> Result<(), RecordingError> {
        self.make_room(stretches, buffer);
        let mut rest = buffer.as_mut_slice();
        for frames in stretches {
            let len = usize::try_from(self.bytes_of(frames)).unwrap_or(0).min(rest.len());
            let (stretch, behind) = rest.split_at_mut(len);
            match self.layout() {
                Layout::Decoded(decoded) => {
                    decoded.read(frames.start, stretch).map_err(|error| self.undecoded(error))?;
                }
                _ => self.read_at(stretch, frames.start * self.frame_bytes(), read)?,
            }
            rest = behind;
        }
        // Only now: what was read before the file was overwritten is good, what was read after is not.
        self.confirm(read)
    }

    fn bytes_of(&self, frames: &Range<u64>) -> u64 {
        frames.end.saturating_sub(frames.start) * self.frame_bytes()
    }

    fn make_room(&self, stretches: &[Range<u64>], buffer: &mut Vec<u8>) {
        let bytes = stretches.iter().map(|frames| self.bytes_of(frames)).sum::<u64>();
        buffer.resize(usize::try_from(bytes).unwrap_or(usize::MAX), 0);
    }

    fn undecoded(&self, error: DecodedError) -> RecordingError {
        let name = self.name().to_string();
        match error {
            DecodedError::Io(error) => self.io(error),
            DecodedError::Unusable(why) => RecordingError::Coded { name, why },
            DecodedError::Changed => RecordingError::Replaced(name),
        }
    }

    /// That the file still is the one that was seen.
    pub(super) fn confirm(&self, read: Read) -> Result<(), RecordingError> {
        let metadata = self.file.metadata().map_err(|error| self.io(error))?;
        let (stamp, looked) = (Some(Stamp::of(&metadata)), Instant::now());
        // If the file has grown since, it is not known by its time any more.
        if self.is_spoiled() {
            return Err(RecordingError::Replaced(self.name().to_string()));
        }
        let seen = {
            let seen = self.seen.lock();
            if self.vouches_for(&seen, stamp) {
                return Ok(());
            }
            seen.clone()
        };
        self.check_time(&seen, &metadata, read)?;
        self.check(&seen.witnesses, read)?;
        let mut seen = self.seen.lock();
        // Of a new stamp it has to be seen first how long the file is, and of a WAV file what its header says.
        if seen.file.is_of(stamp) && matches!(self.layout(), Layout::Raw(_)) {
            seen.file = seen.file.then(stamp, looked);
        }
        Ok(())
    }

    /// The [digest](Self::digest) if it is the one that was told last.
    pub fn known_digest(&self, frames: u64) -> Option<blake3::Hash> {
        let data = self.digested(frames);
        self.digest.lock().filter(|(of, _)| *of == data).map(|(_, digest)| digest)
    }

    /// A digest of both ends of the first `frames` frames and of places in between: the same for the same recording on
    /// every machine. Blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn digest(&self, frames: u64) -> Result<blake3::Hash, RecordingError> {
        if let Some(digest) = self.known_digest(frames) {
            return Ok(digest);
        }
        let data = self.digested(frames);
        let digest = self.until_certain(|| self.try_digest(data))?;
        *self.digest.lock() = Some((data, digest));
        Ok(digest)
    }

    /// Bytes of the file that are looked at for a digest of so many frames. Of a coded file it is all of them, since it
    /// depends on all that comes before a frame where that lies.
    fn digested(&self, frames: u64) -> u64 {
        match self.layout() {
            Layout::Decoded(_) => self.seen.lock().data(),
            _ => frames * self.frame_bytes(),
        }
    }

    fn try_digest(&self, data: u64) -> Result<blake3::Hash, RecordingError> {
        let end = DIGEST_LEN.min(data);
        let spread = (1..DIGEST_PLACES).map(|place| (scale(place, data, DIGEST_PLACES), DIGEST_PLACE_LEN));
        let places = [(0, end), (data - end, end)].into_iter().chain(spread);
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), Vec::new());
        if let Layout::Decoded(decoded) = self.layout() {
            hasher.update(decoded.version().as_bytes());
        }
        for (at, len) in places {
            bytes.resize(usize::try_from(len.min(data - at)).unwrap_or(0), 0);
            self.read_at(&mut bytes, at, patiently)?;
            hasher.update(&bytes);
        }
        self.confirm(patiently)?;
        Ok(blake3::Hash::from_bytes(*hasher.finalize().as_bytes()))
    }
}
