//! ICY metadata, as SHOUTcast and Icecast have it: titles for radio players, between the bytes of an MP3.
//!
//! Who asks for it gets, after every [`INTERVAL`] bytes of sound, a byte that says how many times 16 bytes follow,
//! and these: `StreamTitle='…';` filled up with zeros, or none where the title is what it was.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tailcast_codecs::grid::{NANOS, scale};
use tailcast_codecs::tags::line;

use crate::recording::sidecar::Sidecar;
use crate::rendition::Rendition;

/// Bytes of sound between two blocks: what servers of radio have always sent, a second at 128 kbit/s.
pub const INTERVAL: usize = 16_000;

/// The most bytes that a block can have behind its first.
const BLOCK_MOST: usize = 255 * 16;
const BEFORE: &str = "StreamTitle='";
const BEHIND: &str = "';";

/// What a rendition is called at each of its bytes. The sidecar is asked anew for each, so that a title or a chapter
/// that is written while a recording grows is told to those who listen already.
#[derive(Debug, Clone)]
pub struct Titles {
    rendition: Arc<Rendition>,
}

impl Titles {
    /// Of a rendition.
    pub fn new(rendition: Arc<Rendition>) -> Self {
        Self { rendition }
    }

    /// The title of the chapter that is heard at a byte of the rendition, or else of the recording.
    fn at(&self, byte: u64) -> String {
        let recording = self.rendition.recording();
        let sidecar = recording.sidecar();
        let cut = self.rendition.cut();
        let nanos = scale(cut.frame_at_byte(byte), NANOS, cut.grid().rates.coded.into());
        chapter_at(&sidecar, nanos).unwrap_or_else(|| sidecar.title_or(recording.name()))
    }
}

/// The title of the chapter at so many nanoseconds from the recording's start, if there is one.
fn chapter_at(sidecar: &Sidecar, nanos: u64) -> Option<String> {
    let begun = sidecar.chapters.partition_point(|chapter| chapter.start <= nanos);
    Some(sidecar.chapters.get(begun.checked_sub(1)?)?.title.clone())
}

/// Puts blocks between the bytes of a body that begins at its rendition's first.
#[derive(Debug)]
pub struct Interleaver {
    titles: Titles,
    /// Bytes of sound that went by.
    position: u64,
    /// Bytes of sound until the next block.
    left: usize,
    /// The title that was told last.
    told: Option<String>,
}

impl Interleaver {
    /// From the first byte on.
    pub fn new(titles: Titles) -> Self {
        Self { titles, position: 0, left: INTERVAL, told: None }
    }

    /// The next bytes of the body, with the blocks that are due among and behind them.
    pub fn interleave(&mut self, mut sound: Bytes) -> Bytes {
        let mut out = BytesMut::with_capacity(sound.len() + 64);
        while !sound.is_empty() {
            let piece = sound.split_to(self.left.min(sound.len()));
            self.position += piece.len() as u64;
            self.left -= piece.len();
            out.extend_from_slice(&piece);
            if self.left == 0 {
                self.left = INTERVAL;
                self.put_block(&mut out);
            }
        }
        out.freeze()
    }

    fn put_block(&mut self, out: &mut BytesMut) {
        let title = self.titles.at(self.position);
        if self.told.as_ref() == Some(&title) {
            out.put_u8(0);
        } else {
            put_title(&title, out);
            self.told = Some(title);
        }
    }
}

/// A block with a title, cut if it is longer than a block can be.
fn put_title(title: &str, out: &mut BytesMut) {
    let title = readable(title, BLOCK_MOST - BEFORE.len() - BEHIND.len());
    let len = BEFORE.len() + title.len() + BEHIND.len();
    let sixteens = len.div_ceil(16);
    out.put_u8(u8::try_from(sixteens).unwrap_or(u8::MAX));
    for text in [BEFORE, &title, BEHIND] {
        out.extend_from_slice(text.as_bytes());
    }
    out.put_bytes(0, sixteens * 16 - len);
}

/// A text as it may stand in a block or a header, in no more than `most` bytes of UTF-8: on one line, and with another
/// apostrophe than the one by which players find a title's end.
pub fn readable(text: &str, most: usize) -> String {
    line(&text.replace('\'', "\u{2019}"), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(title: &str) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_title(title, &mut out);
        out.to_vec()
    }

    #[test]
    fn a_block_says_its_length_in_sixteens() {
        let mut expected = b"\x01StreamTitle='A';".to_vec();
        expected.push(0);
        expected.truncate(17);
        // 13 and 1 and 2 are 16 to the byte.
        assert_eq!(block("A"), expected);
        assert_eq!(block("AB"), [&b"\x02StreamTitle='AB';"[..], &[0; 15]].concat());
    }

    #[test]
    fn a_title_cannot_end_its_block_early() {
        let block = block("It's '; StreamUrl='x\r\n\0y");
        let text = std::str::from_utf8(&block[1..]).unwrap().trim_end_matches('\0');
        assert_eq!(text, "StreamTitle='It\u{2019}s \u{2019}; StreamUrl=\u{2019}x   y';");
    }

    #[test]
    fn a_title_that_is_too_long_is_cut_between_characters() {
        let block = block(&"\u{e9}".repeat(4_000));
        assert_eq!((block[0], block.len()), (255, 1 + BLOCK_MOST));
        let text = std::str::from_utf8(&block[1..]).unwrap().trim_end_matches('\0');
        assert!(text.ends_with("\u{e9}';"));
    }

    #[test]
    fn a_chapter_lasts_until_the_next() {
        let chapters = "[[chapters]]\nstart = 1\ntitle = 'one'\n[[chapters]]\nstart = 2\ntitle = 'two'";
        let sidecar = Sidecar::parse(chapters).unwrap();
        let at = |nanos| chapter_at(&sidecar, nanos);
        assert_eq!(at(999_999_999), None);
        assert_eq!((at(NANOS).as_deref(), at(2 * NANOS - 1).as_deref()), (Some("one"), Some("one")));
        assert_eq!((at(2 * NANOS).as_deref(), at(u64::MAX).as_deref()), (Some("two"), Some("two")));
    }
}
