//! The picture that a sidecar names.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use tailcast_codecs::tags::Picture;

use super::file::age;
use super::stamp::{STEP, Stamp, changed};

/// The most bytes of a picture, and of the room for one.
pub(super) const COVER_MOST: u32 = 1024 * 1024;

/// A picture, as its file has it.
#[derive(Debug)]
pub struct Cover {
    /// `image/jpeg` or `image/png`.
    pub media_type: &'static str,
    /// All of the file.
    pub bytes: Bytes,
    /// Of the bytes.
    pub digest: blake3::Hash,
    /// Of its file when it was read, if no later write can have that stamp.
    stamp: Option<Stamp>,
}

impl PartialEq for Cover {
    fn eq(&self, other: &Self) -> bool {
        (self.media_type, self.digest) == (other.media_type, other.digest)
    }
}

impl Eq for Cover {}

/// What was found of a picture that is named: the picture, or why there is none, in a sentence.
pub type Found = Result<Arc<Cover>, String>;

impl Cover {
    /// Reads a picture. Blocks.
    ///
    /// # Errors
    /// A sentence that does not name the file.
    pub(super) fn read(file: File) -> Result<Self, String> {
        let told = |error: io::Error| format!("it cannot be read: {error}");
        let metadata = file.metadata().map_err(told)?;
        let mut bytes = Vec::new();
        file.take(u64::from(COVER_MOST) + 1).read_to_end(&mut bytes).map_err(told)?;
        if bytes.len() as u64 > u64::from(COVER_MOST) {
            return Err(format!("it has {} bytes, and {COVER_MOST} are the most", metadata.len()));
        }
        let media_type = media_type(&bytes).ok_or("it is neither JPEG nor PNG")?;
        // Before it was read, and long after it was written.
        let stamp = (age(Ok(changed(&metadata))) >= STEP).then(|| Stamp::of(&metadata));
        Ok(Self { media_type, digest: blake3::hash(&bytes), bytes: bytes.into(), stamp })
    }

    /// As a header has it.
    pub fn picture(&self) -> Picture<'_> {
        Picture { media_type: self.media_type, bytes: &self.bytes }
    }

    /// Whether a file that has this stamp now has the same picture.
    pub(super) fn is_in(&self, now: Stamp) -> bool {
        self.stamp == Some(now)
    }
}

/// By how it begins: what it is called says nothing for certain.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some("image/png"),
        _ => None,
    }
}
