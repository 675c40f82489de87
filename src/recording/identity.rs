//! By what a recording is known while it still grows.
//!
//! The digest of both ends that a finished recording is known by changes with every frame. This one is of places that stay
//! where they are, ever further apart: more of them are there when the recording is longer, and those before a moment say
//! which recording it is as far as that moment, on every server that has it.

use super::reading::patiently;
use super::{Recording, RecordingError};

/// Frames up to the first place: with fewer a recording is not known yet.
pub const FIRST: u64 = 1024;
/// Bytes before each place that are looked at.
const PLACE_LEN: u64 = 1024;

/// How many places there are in the first `frames` frames: one at each multiple of 1024 up to sixteen of them, and from
/// there on eight for each time that the distance doubles.
pub(crate) fn places(frames: u64) -> usize {
    let units = frames / FIRST;
    let doubled = units.checked_ilog2().unwrap_or(0).saturating_sub(3);
    let count = u64::from(doubled) * 8 + (units >> doubled);
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The frame behind place `number`, of which 1 is the first.
fn place(number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let doubled = (number / 8).saturating_sub(1);
    let units = number - doubled * 8;
    u32::try_from(doubled)
        .ok()
        .and_then(|doubled| units.checked_shl(doubled))
        .unwrap_or(u64::MAX)
        .saturating_mul(FIRST)
}

impl Recording {
    /// What the recording is known by as far as its first `frames` frames, which have to be there; `None` if they are too
    /// few to say anything. Blocks, unless it was told before.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn identity(&self, frames: u64) -> Result<Option<blake3::Hash>, RecordingError> {
        let count = places(frames);
        if self.layout().is_decoded() {
            return if count > 0 { self.digest(frames).map(Some) } else { Ok(None) };
        }
        let known = self.identities.lock().clone();
        if known.len() < count {
            let learnt = self.until_certain(|| self.identities_after(known.clone(), count))?;
            let mut identities = self.identities.lock();
            // Somebody else may have come further.
            if identities.len() < learnt.len() {
                *identities = learnt;
            }
        }
        Ok(self.known_identity(frames))
    }

    /// Whether the [`identity`](Self::identity) of so many frames can be told without reading.
    pub fn knows_identity(&self, frames: u64) -> bool {
        match self.layout().is_decoded() {
            true => places(frames) == 0 || self.known_digest(frames).is_some(),
            false => self.identities.lock().len() >= places(frames),
        }
    }

    /// The same if it was told before.
    pub fn known_identity(&self, frames: u64) -> Option<blake3::Hash> {
        match self.layout().is_decoded() {
            true => self.known_digest(frames).filter(|_| places(frames) > 0),
            false => self.identities.lock().get(places(frames).checked_sub(1)?).copied(),
        }
    }

    fn identities_after(
        &self,
        mut known: Vec<blake3::Hash>,
        count: usize,
    ) -> Result<Vec<blake3::Hash>, RecordingError> {
        let mut bytes = Vec::new();
        for number in known.len() + 1..=count {
            let (before, at) = (place(number - 1) * self.frame_bytes(), place(number) * self.frame_bytes());
            let from = before.max(at.saturating_sub(PLACE_LEN));
            bytes.resize(usize::try_from(at - from).unwrap_or(0), 0);
            self.read_at(&mut bytes, from, patiently)?;
            let mut hasher = blake3::Hasher::new();
            if let Some(before) = known.last() {
                hasher.update(before.as_bytes());
            }
            hasher.update(&bytes);
            known.push(hasher.finalize());
        }
        self.confirm(patiently)?;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailcast_codecs::grid::scale;

    #[test]
    fn places_are_counted_and_found_alike() {
        let mut before = 0;
        for number in 1..=200 {
            let at = place(number);
            assert!(at > before, "{number}");
            assert_eq!((places(at - 1), places(at)), (number - 1, number));
            before = at;
        }
        assert_eq!((places(0), places(1023), places(1024)), (0, 0, 1));
    }

    #[test]
    fn the_last_place_is_never_far() {
        for frames in [20_000, 112_896, 1_000_000, 48_000 * 3600, 48_000 * 86_400 * 7] {
            let at = place(places(frames));
            assert!(at <= frames && at >= scale(frames, 8, 9) - FIRST, "{frames}: {at}");
        }
        // A week has not many.
        assert!(places(48_000 * 86_400 * 7) < 200);
    }
}
