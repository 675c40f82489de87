//! The streams of an Ogg file that come one after another (RFC 3533, 4: it is chained): of files that were put end to end, or of
//! a station that begins anew with each title. Each is a file by itself, with times of its own.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use tailcast_codecs::ogg::{FIRST, HEAD_LEN, is_whole};

use super::DecodedError;

/// Streams that one file may be.
const MOST_LINKS: usize = 4096;
/// What a page begins with, version and all.
const PAGE: &[u8] = b"OggS\0";
/// Bytes of a page's head with all its lacing values.
const LONGEST_HEAD: usize = HEAD_LEN + 255;
/// Bytes that are looked through at once for a page.
const BLOCK: usize = 64 * 1024;

/// Where in the file each is: all of it where it is no Ogg. Reads the head of each page, since only a page says that something
/// begins with it. Blocks.
pub(super) fn of(file: &File) -> Result<Vec<Range<u64>>, DecodedError> {
    let len = file.metadata()?.len();
    let mut starts = vec![0];
    if read(file, 0, PAGE.len())? == PAGE {
        let mut pages = Pages { file, at: 0 };
        let mut is_behind_sound = false;
        while let Some(page) = pages.next()? {
            if page.is_first && is_behind_sound && page.is_whole(file)? {
                starts.push(page.bytes.start);
            }
            // Streams that begin together are of the same link.
            is_behind_sound = !page.is_first;
            if starts.len() > MOST_LINKS {
                let why = format!("it is more than {MOST_LINKS} Ogg streams one after another");
                return Err(DecodedError::Unusable(why));
            }
        }
    }
    let ends = starts.iter().skip(1).copied().chain([len]);
    Ok(starts.iter().zip(ends).map(|(start, end)| *start..end).collect())
}

struct Page {
    bytes: Range<u64>,
    is_first: bool,
}

impl Page {
    /// What was damaged begins nothing.
    fn is_whole(&self, file: &File) -> io::Result<bool> {
        let len = usize::try_from(self.bytes.end - self.bytes.start).unwrap_or(0);
        Ok(is_whole(&read(file, self.bytes.start, len)?))
    }
}

struct Pages<'a> {
    file: &'a File,
    at: u64,
}

impl Pages<'_> {
    fn next(&mut self) -> io::Result<Option<Page>> {
        loop {
            let head = read(self.file, self.at, LONGEST_HEAD)?;
            let Some((fixed, lacing)) = head.split_first_chunk::<HEAD_LEN>() else { return Ok(None) };
            let [.., segments] = *fixed;
            if let (true, Some(lacing)) = (fixed.starts_with(PAGE), lacing.get(..segments.into())) {
                let len = HEAD_LEN + lacing.len() + lacing.iter().map(|len| usize::from(*len)).sum::<usize>();
                let bytes = self.at..self.at + len as u64;
                self.at = bytes.end;
                return Ok(Some(Page { bytes, is_first: fixed[5] & FIRST != 0 }));
            }
            if !self.find()? {
                return Ok(None);
            }
        }
    }

    /// Goes to what may be a page behind what is none.
    fn find(&mut self) -> io::Result<bool> {
        self.at += 1;
        loop {
            let block = read(self.file, self.at, BLOCK)?;
            if let Some(found) = block.windows(PAGE.len()).position(|bytes| bytes == PAGE) {
                self.at += found as u64;
                return Ok(true);
            }
            if block.len() < BLOCK {
                return Ok(false);
            }
            // A page may begin with its last bytes.
            self.at += (BLOCK - PAGE.len() + 1) as u64;
        }
    }
}

/// What is there of so many bytes.
fn read(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut have) = (vec![0; len], 0);
    while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(have as u64)) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tailcast_codecs::ogg::{PageHead, write_page};

    use super::*;

    fn page(flags: u8, serial: u32, packet: &[u8]) -> Vec<u8> {
        let mut page = Vec::new();
        write_page(PageHead { flags, granule: 0, serial, sequence: 0 }, packet.len(), packet, &mut page);
        page
    }

    fn links(parts: &[&[u8]]) -> Vec<Range<u64>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&parts.concat()).unwrap();
        of(&file).unwrap()
    }

    #[test]
    fn a_link_begins_where_a_stream_does_behind_sound() {
        let (first, other, sound) = (page(FIRST, 1, b"head"), page(FIRST, 2, b"head"), page(0, 1, b"sound"));
        let (a, b) = (first.len() as u64, sound.len() as u64);
        let only = links(&[&first, &sound, &sound]);
        assert_eq!((only.len(), &only[0]), (1, &(0..a + 2 * b)));
        // Two at once, as of a film, and then another, which has the number of the first.
        let all = [0..2 * a + b, 2 * a + b..3 * a + 2 * b];
        assert_eq!(links(&[&first, &other, &sound, &first, &sound]), all);
        // What lies between is of the one before.
        assert_eq!(
            links(&[&first, &sound, b"something", &first, &sound]),
            [0..a + b + 9, a + b + 9..2 * (a + b) + 9]
        );
        let far = vec![b'O'; 3 * BLOCK + 1];
        assert_eq!(links(&[&first, &sound, &far, &first, &sound]).len(), 2);
    }

    #[test]
    fn what_is_damaged_or_no_ogg_begins_nothing() {
        let (first, sound) = (page(FIRST, 1, b"head"), page(0, 1, b"sound"));
        let mut damaged = first.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(links(&[&first, &sound, &damaged, &sound]).len(), 1);
        assert_eq!(links(&[b"RIFF", &first, &sound, &first, &sound]).len(), 1);
        assert_eq!(links(&[&first, &sound, &first[..20]]).len(), 1);
        assert_eq!(links(&[]).len(), 1);
        let many = [first, sound].concat().repeat(MOST_LINKS + 1);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&many).unwrap();
        assert!(of(&file).unwrap_err().to_string().contains("4096"));
    }
}
