//! What a recording is called, who made it, when, and its chapters, as players read it from a file's header.
//!
//! A header that has tags ([`Cut::has_tags`]) has the same [`LEN`] bytes for them whatever there is to say, the rest of
//! them padding. So where the packets begin depends on nothing that somebody may edit while others listen: a title that
//! comes late moves no byte behind the header. What does not fit is left out: long texts are cut, and of the chapters
//! there are as many as there is room for, from the first on.
//!
//! A cover is no different, but that room for kilobytes is not kept where nobody wants one: [`Cut::with_cover`] keeps it.
//!
//! Written here because a library's writer decides about the padding itself, and the padding is the point. In the tests
//! other programs read it back.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::Cut;
use crate::grid::{NANOS, VIRTUAL_HOURS, scale};

/// Bytes of an ID3 tag, and of an Opus stream's comment header: some fifty chapters beside the rest. They are sent with
/// the first packets in any case: TCP begins with more than three times as much.
pub const LEN: usize = 4096;

/// The media types of pictures have no more bytes.
const PICTURE_TYPE_MOST: usize = 10;
/// What the picture is of, in ID3 and in FLAC's picture block: the front cover.
const FRONT_COVER: u8 = 3;

/// The most bytes of a title; of an artist and of a chapter's title it is half as much and a quarter.
const TITLE_MOST: usize = 1000;
const ARTIST_MOST: usize = 500;
const CHAPTER_MOST: usize = 250;
/// A date and a time with an offset have fewer.
const DATE_MOST: usize = 40;

const NANOS_OF_MILLI: u64 = 1_000_000;

/// What there is to say. All of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    /// What the recording is called.
    pub title: Option<&'a str>,
    /// Who made it.
    pub artist: Option<&'a str>,
    /// When its frame 0 was recorded, as RFC 3339 has it.
    pub date: Option<&'a str>,
    /// Its chapters, each beginning after the one before.
    pub chapters: Vec<Chapter<'a>>,
    /// Its cover, which a header has if it has [room](Cut::cover_room) for it.
    pub cover: Option<Picture<'a>>,
}

/// A picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// `image/jpeg` or `image/png`.
    pub media_type: &'a str,
    /// The file.
    pub bytes: &'a [u8],
}

/// A part of a recording, up to the next or to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chapter<'a> {
    /// Nanoseconds from the recording's start.
    pub start: u64,
    /// What it is called.
    pub title: &'a str,
}

/// A chapter's place in a rendition, in milliseconds from what is heard first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    start: u64,
    end: u64,
    title: String,
}

/// The chapters that are heard in a rendition of `frames` coded frames. Of one that grows the last is said to end where
/// its virtual total does.
fn marks(tags: &Tags<'_>, cut: &Cut, frames: Option<u64>) -> impl Iterator<Item = Mark> {
    let rate = u64::from(cut.grid().rates.coded);
    let origin = scale(cut.start(), NANOS, rate);
    let length = frames.map_or(VIRTUAL_HOURS * 3600 * NANOS, |frames| scale(frames, NANOS, rate));
    let ends = tags.chapters.iter().skip(1).map(|next| next.start).chain([u64::MAX]);
    tags.chapters.iter().zip(ends).filter_map(move |(chapter, end)| {
        let start = chapter.start.saturating_sub(origin);
        let end = end.saturating_sub(origin).min(length);
        (start < end).then(|| Mark {
            start: start / NANOS_OF_MILLI,
            end: end / NANOS_OF_MILLI,
            title: line(chapter.title, CHAPTER_MOST),
        })
    })
}

/// A text on one line, without what has a meaning of its own in headers, in no more than `most` bytes.
pub fn line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        if out.len() + char.len_utf8() > most {
            break;
        }
        out.push(char);
    }
    out
}

/// Bytes that an ID3 tag has more if there is room for a picture of up to so many bytes.
pub fn id3_cover_len(picture: u32) -> usize {
    // The frame's head, the encoding, the type and its end, what it is of, and the end of an empty description.
    if picture == 0 { 0 } else { 10 + 1 + PICTURE_TYPE_MOST + 1 + 1 + 1 + picture as usize }
}

fn picture_frame(picture: &Picture<'_>) -> Vec<u8> {
    let head = [&[3], picture.media_type.as_bytes(), &[0, FRONT_COVER, 0]].concat();
    frame("APIC", &[&head, picture.bytes].concat())
}

/// An ID3v2.4 tag of [`LEN`] bytes, and those for a cover, for a rendition of `frames` coded frames, or one that grows.
pub fn id3(encoder: &str, tags: &Tags<'_>, cut: &Cut, frames: Option<u64>) -> Vec<u8> {
    let room = id3_cover_len(cut.cover_room());
    let mut out = b"ID3\x04\0\0".to_vec();
    out.extend(synchsafe(LEN + room - 10));
    let said = [
        ("TIT2", tags.title.map(|title| line(title, TITLE_MOST))),
        ("TPE1", tags.artist.map(|artist| line(artist, ARTIST_MOST))),
        ("TDRC", tags.date.and_then(id3_date)),
        ("TSSE", Some(encoder.to_owned())),
    ];
    for (id, text) in said.iter().filter_map(|(id, text)| Some((id, text.as_ref()?))) {
        out.extend(text_frame(id, text));
    }
    out.extend(chapter_frames(marks(tags, cut, frames), LEN.saturating_sub(out.len())));
    out.extend(
        tags.cover.as_ref().map(picture_frame).filter(|cover| cover.len() <= room).unwrap_or_default(),
    );
    out.resize(LEN + room, 0);
    out
}

/// A table of contents and its chapters (ID3v2 Chapter Frame Addendum 1.0), in no more than `room` bytes.
fn chapter_frames(marks: impl Iterator<Item = Mark>, room: usize) -> Vec<u8> {
    // It is the only table, and in order.
    let (mut contents, mut chapters) = (b"toc\0\x03\0".to_vec(), Vec::new());
    let mut count: u8 = 0;
    for mark in marks {
        let id = format!("c{count}\0");
        let chapter = chapter_frame(&id, &mark);
        if 10 + contents.len() + id.len() + chapters.len() + chapter.len() > room || count == u8::MAX {
            break;
        }
        contents.extend(id.as_bytes());
        chapters.extend(chapter);
        count += 1;
    }
    if let Some(place) = contents.get_mut(5) {
        *place = count;
    }
    if count == 0 { Vec::new() } else { [frame("CTOC", &contents), chapters].concat() }
}

fn chapter_frame(id: &str, mark: &Mark) -> Vec<u8> {
    let mut body = id.as_bytes().to_vec();
    for millis in [mark.start, mark.end] {
        body.extend(u32::try_from(millis).unwrap_or(u32::MAX).to_be_bytes());
    }
    // Where its bytes are is not said: times do.
    body.extend([0xFF; 8]);
    body.extend(text_frame("TIT2", &mark.title));
    frame("CHAP", &body)
}

fn text_frame(id: &str, text: &str) -> Vec<u8> {
    // 3 is UTF-8.
    frame(id, &[&[3], text.as_bytes()].concat())
}

fn frame(id: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), &synchsafe(body.len()), &[0; 2], body].concat()
}

/// A size as ID3 writes it, seven bits a byte: 28 in all.
fn synchsafe(size: usize) -> [u8; 4] {
    let bits = |shift: u32| u8::try_from(size >> shift & 0x7F).unwrap_or(0);
    [bits(21), bits(14), bits(7), bits(0)]
}

/// `2026-11-23T20:00:00`: ID3 has no offsets, and fractions of seconds neither. The time is as it was on the clock
/// there.
fn id3_date(date: &str) -> Option<String> {
    Some(date.get(..19)?.replace(['t', ' '], "T"))
}

/// What is before the picture in a comment.
const PICTURE_COMMENT: &str = "METADATA_BLOCK_PICTURE=";

/// Bytes that a comment header has more if there is room for a picture of up to so many bytes.
pub fn opus_cover_len(picture: u32) -> usize {
    // The comment's length, and base64 of eight numbers, the type and the picture.
    let block = 32 + PICTURE_TYPE_MOST + picture as usize;
    if picture == 0 { 0 } else { 4 + PICTURE_COMMENT.len() + block.div_ceil(3) * 4 }
}

/// A comment with FLAC's picture block (RFC 9639, 8.8) in it. Its size in pixels is unknown there: 0.
fn picture_comment(picture: &Picture<'_>) -> Vec<u8> {
    let count = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    let media_type = picture.media_type.as_bytes();
    let mut block = u32::from(FRONT_COVER).to_be_bytes().to_vec();
    block.extend(count(media_type));
    block.extend(media_type);
    // No description; width, height, bits a pixel, colours.
    block.extend([0; 4 + 16]);
    block.extend(count(picture.bytes));
    block.extend(picture.bytes);
    sized(&format!("{PICTURE_COMMENT}{}", BASE64_STANDARD.encode(block)))
}

/// The packet that is an Opus stream's comment header (RFC 7845, 5.2), [`LEN`] bytes and those for a cover, for a rendition
/// of `frames` coded frames, or one that grows.
pub fn opus(vendor: &str, tags: &Tags<'_>, cut: &Cut, frames: Option<u64>) -> Vec<u8> {
    let said = [
        ("TITLE", tags.title.map(|title| line(title, TITLE_MOST))),
        ("ARTIST", tags.artist.map(|artist| line(artist, ARTIST_MOST))),
        ("DATE", tags.date.map(|date| line(date, DATE_MOST))),
    ];
    let mut comments = Vec::new();
    let mut count: u32 = 0;
    for (name, text) in said.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        comments.extend(sized(&format!("{name}={text}")));
        count += 1;
    }
    let mut out = b"OpusTags".to_vec();
    out.extend(sized(vendor));
    let room = LEN.saturating_sub(out.len() + 4);
    for (mark, number) in marks(tags, cut, frames).zip(0u32..) {
        let at = sized(&format!("CHAPTER{number:03}={}", clock(mark.start)));
        let name = sized(&format!("CHAPTER{number:03}NAME={}", mark.title));
        if comments.len() + at.len() + name.len() > room {
            break;
        }
        comments.extend([at, name].concat());
        count += 2;
    }
    let cover_room = opus_cover_len(cut.cover_room());
    let cover = tags.cover.as_ref().map(picture_comment).filter(|cover| cover.len() <= cover_room);
    out.extend((count + u32::from(cover.is_some())).to_le_bytes());
    out.extend(comments);
    out.extend(cover.unwrap_or_default());
    // Zeros behind the comments are padding.
    out.resize(LEN + cover_room, 0);
    out
}

/// A text behind its length.
fn sized(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap_or(0);
    [&len.to_le_bytes(), text.as_bytes()].concat()
}

/// Milliseconds as `hh:mm:ss.mmm`.
fn clock(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, Parameters};
    use proptest::prelude::*;

    fn cut(start: u64) -> Cut {
        let codec = Format::Mp3.codec("s16le:48000:2".parse().unwrap(), Parameters::default()).unwrap();
        Cut::new(codec.grid(), start)
    }

    fn cut_with_cover(room: u32) -> Cut {
        let codec = Format::Mp3.codec("s16le:48000:2".parse().unwrap(), Parameters::default()).unwrap();
        Cut::new(codec.grid(), 0).with_cover(&*codec, room)
    }

    fn chapters(starts: &[u64]) -> Tags<'static> {
        let chapters = starts.iter().map(|seconds| Chapter { start: seconds * NANOS, title: "x" }).collect();
        Tags { chapters, ..Tags::default() }
    }

    fn places(starts: &[u64], from: u64, seconds: Option<u64>) -> Vec<(u64, u64)> {
        let marks: Vec<Mark> =
            marks(&chapters(starts), &cut(from * 48_000), seconds.map(|s| s * 48_000)).collect();
        marks.iter().map(|mark| (mark.start, mark.end)).collect()
    }

    #[test]
    fn chapters_are_where_they_are_heard_in_a_part() {
        assert_eq!(places(&[0, 10, 20], 0, Some(30)), [(0, 10_000), (10_000, 20_000), (20_000, 30_000)]);
        // From within the second to within the third.
        assert_eq!(places(&[0, 10, 20], 12, Some(10)), [(0, 8_000), (8_000, 10_000)]);
        // Up to where the third begins: it is not heard.
        assert_eq!(places(&[0, 10, 20], 10, Some(10)), [(0, 10_000)]);
        assert_eq!(places(&[5], 0, Some(5)), []);
        assert_eq!(places(&[0, 10], 15, None), [(0, 86_400_000)]);
        assert_eq!(places(&[0], 0, Some(0)), []);
    }

    #[test]
    fn a_text_is_one_line_and_cut_between_characters() {
        assert_eq!(line("a\r\nb\0c", 100), "a  b c");
        assert_eq!(line("\u{e9}\u{e9}", 3), "\u{e9}");
    }

    #[test]
    fn a_date_is_as_id3_has_it() {
        assert_eq!(id3_date("2026-11-23T20:00:00.5+01:00").as_deref(), Some("2026-11-23T20:00:00"));
        assert_eq!(id3_date("2026"), None);
    }

    /// The frames of a tag, each its name and its body.
    fn frames(mut tag: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut frames = Vec::new();
        while tag.first().is_some_and(|byte| *byte != 0) {
            let size = tag[4..8].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
            frames.push((String::from_utf8(tag[..4].to_vec()).unwrap(), tag[10..10 + size].to_vec()));
            tag = &tag[10 + size..];
        }
        assert!(tag.iter().all(|byte| *byte == 0), "behind the frames there is padding alone");
        frames
    }

    #[test]
    fn a_tag_states_its_own_sizes_and_counts_its_chapters() {
        let tag = id3("tailcast", &chapters(&[0, 10]), &cut(0), Some(48_000 * 20));
        assert_eq!(&tag[..10], b"ID3\x04\0\0\0\0\x1f\x76", "of 4086 bytes behind this");
        let frames = frames(&tag[10..]);
        let ids: Vec<&str> = frames.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["TSSE", "CTOC", "CHAP", "CHAP"]);
        assert_eq!(frames[1].1, b"toc\0\x03\x02c0\0c1\0");
        assert_eq!(&frames[3].1[..11], b"c1\0\0\0\x27\x10\0\0\x4e\x20");
    }

    proptest! {
        #[test]
        fn whatever_is_said_takes_the_same_bytes(
            title in ".{0,1200}", artist in ".{0,600}", chapter in ".{1,300}", count in 0u64..400,
        ) {
            let starts: Vec<u64> = (0..count).collect();
            let mut tags = chapters(&starts);
            tags.chapters.iter_mut().for_each(|each| each.title = &chapter);
            let tags = Tags { title: Some(&title), artist: Some(&artist), date: Some("2026-11-23T20:00:00Z"), ..tags };
            let tag = id3("tailcast", &tags, &cut(0), None);
            prop_assert_eq!(tag.len(), LEN);
            let frames = frames(&tag[10..]);
            let heard = frames.iter().filter(|(id, _)| id == "CHAP").count();
            let used: usize = 10 + frames.iter().map(|(_, body)| 10 + body.len()).sum::<usize>();
            // A chapter's two heads, its name twice, its places, its title.
            let another = 10 + 11 + 2 * "c999_".len() + 16 + line(&chapter, CHAPTER_MOST).len();
            prop_assert!(heard as u64 == count || used + another > LEN, "{} of {}", heard, count);
            prop_assert_eq!(opus("tailcast", &tags, &cut(0), None).len(), LEN);
        }

        #[test]
        fn a_picture_takes_the_same_bytes_and_is_left_out_where_it_has_no_room(
            title in ".{0,1200}", room in 0u32..200_000, picture in proptest::collection::vec(any::<u8>(), 0..2000),
            count in 0u64..100, is_png in any::<bool>(),
        ) {
            let media_type = if is_png { "image/png" } else { "image/jpeg" };
            let starts: Vec<u64> = (0..count).collect();
            let cover = Some(Picture { media_type, bytes: &picture });
            let tags = Tags { title: Some(&title), cover, ..chapters(&starts) };
            let cut = cut_with_cover(room);
            let tag = id3("tailcast", &tags, &cut, None);
            prop_assert_eq!(tag.len(), LEN + id3_cover_len(room));
            let found: Vec<_> = frames(&tag[10..]).into_iter().filter(|(id, _)| id == "APIC").collect();
            let fits = room > 0 && picture.len() <= room as usize + usize::from(is_png);
            prop_assert_eq!(found.len(), usize::from(fits));
            prop_assert!(found.iter().all(|(_, body)| body.ends_with(&picture)));
            // What else is said is what is said without it.
            let plain = id3("tailcast", &Tags { cover: None, ..tags.clone() }, &cut, None);
            let said = |tag: &[u8]| -> Vec<_> {
                frames(&tag[10..]).into_iter().filter(|(id, _)| id != "APIC").collect()
            };
            prop_assert_eq!(said(&tag), said(&plain));
            let opus = opus("tailcast", &tags, &cut, None);
            prop_assert_eq!(opus.len(), LEN + opus_cover_len(room));
            let has = opus.windows(PICTURE_COMMENT.len()).any(|at| at == PICTURE_COMMENT.as_bytes());
            // Base64 is in steps of three bytes.
            let may_fit = room > 0 && picture.len() <= room as usize + 3;
            prop_assert!(has == fits || may_fit, "{} bytes in {}", picture.len(), room);
        }
    }
}
