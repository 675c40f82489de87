//! Which part of an MP4 file is to be heard: encoders of AAC put more before and behind it, and say in an edit list (ISO/IEC
//! 14496-12 8.6.6) what that is, which Symphonia does not read, or, as Apple's did for long, in a tag.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use tailcast_codecs::grid::scale;

use super::demuxer::Demuxer;

/// Boxes that are looked at before it is given up.
const MOST_BOXES: usize = 4096;

/// What a sound track's edit list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// Ticks of the track's clock before what is heard.
    start: u64,
    /// How long that is, in ticks of the film's clock; 0 for all.
    len: u64,
    /// Ticks of the track's clock in a second.
    track_scale: u32,
    /// Ticks of the film's.
    film_scale: u32,
}

/// The time of the first frame that is heard, and how many are, as far as that is told.
pub(super) fn heard(edit: Option<Edit>, demuxer: &mut Demuxer, rate: u32) -> (i64, Option<u64>) {
    let all = demuxer.told_end();
    let (start, len) = match edit {
        Some(edit) => edit.in_frames(rate),
        None => demuxer.tag(SMPB).and_then(|text| by_tag(&text)).unwrap_or((0, u64::MAX)),
    };
    let heard = all.map(|all| all.saturating_sub(start).min(len));
    (i64::try_from(start).unwrap_or(i64::MAX), heard)
}

/// The tag's name.
const SMPB: &str = "com.apple.iTunes:iTunSMPB";

/// The first frame and their number, by the tag: hexadecimal numbers, of which the second is what comes before the sound,
/// the third what comes behind it, and the fourth how long it is.
fn by_tag(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(|number| u64::from_str_radix(number, 16).ok());
    let start = numbers.nth(1)??;
    let len = numbers.nth(1)??;
    (len > 0).then_some((start, len))
}

impl Edit {
    /// The first frame and how many there are at most.
    fn in_frames(self, rate: u32) -> (u64, u64) {
        let (rate, film_scale) = (u64::from(rate), u64::from(self.film_scale));
        let start = scale(self.start, rate, self.track_scale.into());
        // The film's clock may be a coarse one, by which nothing of the last frames is to be lost.
        let tick = rate.div_ceil(film_scale) - 1;
        let len = scale(self.len, rate, film_scale).saturating_add(tick);
        (start, if self.len == 0 { u64::MAX } else { len })
    }
}

/// The edit of the first track that is sound; `None` if it has none, or more than one: what is put together out of pieces
/// is heard as it lies in the file.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read(file: &File) -> io::Result<Option<Edit>> {
    let all = Span { at: 0, end: file.metadata()?.len() };
    match (Boxes { file, left: MOST_BOXES }).edit(all) {
        // What Symphonia makes of such a file is another matter.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        found => found,
    }
}

/// A stretch of the file.
#[derive(Clone, Copy)]
struct Span {
    at: u64,
    end: u64,
}

/// Looks for boxes.
struct Boxes<'a> {
    file: &'a File,
    left: usize,
}

impl Boxes<'_> {
    fn edit(&mut self, file: Span) -> io::Result<Option<Edit>> {
        let Some(film) = self.find(file, b"moov")? else { return Ok(None) };
        let Some(film_scale) = self.time_scale(film, b"mvhd")? else { return Ok(None) };
        let mut tracks = film;
        while let Some(track) = self.next(&mut tracks, b"trak")? {
            if let Some(media) = self.find(track, b"mdia")?
                && self.is_sound(media)?
            {
                let Some(track_scale) = self.time_scale(media, b"mdhd")? else { return Ok(None) };
                let heard = self.heard(track)?;
                return Ok(heard.map(|(start, len)| Edit { start, len, track_scale, film_scale }));
            }
        }
        Ok(None)
    }

    fn is_sound(&mut self, media: Span) -> io::Result<bool> {
        let Some(handler) = self.find(media, b"hdlr")? else { return Ok(false) };
        Ok(self.bytes::<4>(handler.at + 8)? == *b"soun")
    }

    /// Ticks in a second, of a box that has them behind two times (`mvhd`, `mdhd`).
    fn time_scale(&mut self, within: Span, name: &[u8; 4]) -> io::Result<Option<u32>> {
        let Some(header) = self.find(within, name)? else { return Ok(None) };
        let before = if self.is_long(header)? { 20 } else { 12 };
        let scale = u32::from_be_bytes(self.bytes(header.at + before)?);
        Ok((scale > 0).then_some(scale))
    }

    /// Where a track's only edit begins, and how long it is.
    fn heard(&mut self, track: Span) -> io::Result<Option<(u64, u64)>> {
        let Some(edits) = self.find(track, b"edts")? else { return Ok(None) };
        let Some(list) = self.find(edits, b"elst")? else { return Ok(None) };
        let (is_long, count) = (self.is_long(list)?, u32::from_be_bytes(self.bytes(list.at + 4)?));
        let mut only = None;
        for number in 0..u64::from(count.min(2)) {
            let (len, start) = self.entry(list.at + 8, number, is_long)?;
            // A start below zero is a pause before the sound.
            match u64::try_from(start) {
                Ok(start) if only.is_none() => only = Some((start, len)),
                Ok(_) => return Ok(None),
                Err(_) => {}
            }
        }
        Ok(only.filter(|_| count <= 2))
    }

    /// The length and the start of an entry of an edit list.
    fn entry(&self, list: u64, number: u64, is_long: bool) -> io::Result<(u64, i64)> {
        if is_long {
            let at = list + number * 20;
            return Ok((u64::from_be_bytes(self.bytes(at)?), i64::from_be_bytes(self.bytes(at + 8)?)));
        }
        let at = list + number * 12;
        let (len, start) = (u32::from_be_bytes(self.bytes(at)?), i32::from_be_bytes(self.bytes(at + 4)?));
        Ok((len.into(), start.into()))
    }

    /// Whether a full box is of version 1, with times of 64 bits.
    fn is_long(&self, within: Span) -> io::Result<bool> {
        Ok(self.bytes::<1>(within.at)? == [1])
    }

    fn find(&mut self, mut within: Span, name: &[u8; 4]) -> io::Result<Option<Span>> {
        self.next(&mut within, name)
    }

    /// What is in the next box of a name; the rest of `within` is what comes behind it.
    fn next(&mut self, within: &mut Span, name: &[u8; 4]) -> io::Result<Option<Span>> {
        while self.left > 0 && within.at + 8 <= within.end {
            self.left -= 1;
            let len = u64::from(u32::from_be_bytes(self.bytes(within.at)?));
            let is_it = self.bytes::<4>(within.at + 4)? == *name;
            let (head, len) = match len {
                0 => (8, within.end - within.at),
                1 => (16, u64::from_be_bytes(self.bytes(within.at + 8)?)),
                len => (8, len),
            };
            let inner = Span { at: within.at + head, end: within.at.saturating_add(len).min(within.end) };
            // One that is shorter than its head would be come across for ever.
            within.at = inner.end.max(inner.at);
            if is_it {
                return Ok(Some(inner));
            }
        }
        Ok(None)
    }

    fn bytes<const LEN: usize>(&self, at: u64) -> io::Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_as_exact_as_the_films_clock() {
        let edit = |start, len, film_scale| Edit { start, len, track_scale: 44_100, film_scale };
        assert_eq!(edit(1024, 441_000, 44_100).in_frames(44_100), (1024, 441_000));
        assert_eq!(edit(2112, 0, 1000).in_frames(44_100), (2112, u64::MAX));
        // 10.0001 s are 10001 ms, and may be up to 45 frames more than they are told to be.
        let (start, len) = edit(1024, 10_001, 1000).in_frames(44_100);
        assert!(start == 1024 && (441_004..=441_004 + 89).contains(&len), "{len}");
        assert_eq!(edit(1024, 48_000, 48_000).in_frames(22_050), (512, 22_050));
    }

    #[test]
    fn apples_tag_tells_the_beginning_and_the_length() {
        let tag = " 00000000 00000840 000001CA 00000000003F31F6 00000000 00000000";
        assert_eq!(by_tag(tag), Some((0x840, 0x3F_31F6)));
        for none in ["", " 00000000 00000840", " 00000000 00000840 0 0", "x y z w"] {
            assert_eq!(by_tag(none), None, "{none}");
        }
    }
}
