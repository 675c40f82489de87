use std::fmt;
use std::ops::Range;

use super::ContentRange;

/// What stands between the parts of a multipart body: 32 hexadecimal digits, whatever the number.
///
/// So the length of a body is known before its boundary is drawn. Made from 128 random bits, it does not
/// occur in the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary(u128);

impl From<u128> for Boundary {
    fn from(random: u128) -> Self {
        Self(random)
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A body of several ranges: `multipart/byteranges` (RFC 9110 14.6).
///
/// [`content_length`](Self::content_length) counts the very [`pieces`](Self::pieces) that are sent, so the
/// promise and the body cannot differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// The `Content-Type` of the whole, which every part repeats.
    pub media_type: &'static str,
    /// The bytes of each part, in the order in which they were asked for.
    pub parts: Vec<Range<u64>>,
    /// The length of the whole.
    pub total: u64,
}

/// A stretch of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Headers and delimiters, as they are sent.
    Text(String),
    /// These bytes of the rendition.
    Bytes(Range<u64>),
}

impl Multipart {
    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(boundary: Boundary) -> String {
        format!("multipart/byteranges; boundary={boundary}")
    }

    /// The body, from front to back.
    pub fn pieces(&self, boundary: Boundary) -> impl Iterator<Item = Piece> {
        let parts = self.parts.iter().enumerate().flat_map(move |(index, bytes)| {
            [Piece::Text(self.part_head(boundary, index, bytes)), Piece::Bytes(bytes.clone())]
        });
        parts.chain([Piece::Text(format!("\r\n--{boundary}--\r\n"))])
    }

    /// The exact length of the body. None when it does not fit.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.pieces(Boundary(0)).try_fold(0, |length: u64, piece| length.checked_add(piece.len()))
    }

    fn part_head(&self, boundary: Boundary, index: usize, bytes: &Range<u64>) -> String {
        // The line end before a delimiter belongs to it, not to the part (RFC 2046 5.1.1); before the first
        // there is nothing to end.
        let line_end = if index == 0 { "" } else { "\r\n" };
        let (first, last) = (bytes.start, bytes.end.saturating_sub(1));
        let content_range = ContentRange::Part { first, last, total: Some(self.total) };
        let media_type = self.media_type;
        format!(
            "{line_end}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n"
        )
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(bytes) => bytes.end.saturating_sub(bytes.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_two_parts_is_the_one_that_rfc_9110_shows() {
        let multipart = Multipart { media_type: "audio/mpeg", parts: vec![0..2, 7..8], total: 8 };
        let body: Vec<String> = multipart
            .pieces(Boundary::from(0xabc))
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Bytes(bytes) => format!("<{bytes:?}>"),
            })
            .collect();
        assert_eq!(
            body.concat(),
            "--00000000000000000000000000000abc\r\n\
             Content-Type: audio/mpeg\r\nContent-Range: bytes 0-1/8\r\n\r\n<0..2>\r\n\
             --00000000000000000000000000000abc\r\n\
             Content-Type: audio/mpeg\r\nContent-Range: bytes 7-7/8\r\n\r\n<7..8>\r\n\
             --00000000000000000000000000000abc--\r\n"
        );
    }

    #[test]
    fn the_content_type_names_the_boundary() {
        let content_type = Multipart::content_type(Boundary::from(u128::MAX));
        assert_eq!(content_type, "multipart/byteranges; boundary=ffffffffffffffffffffffffffffffff");
    }

    #[test]
    fn the_length_is_the_same_whatever_the_boundary() {
        let multipart = Multipart { media_type: "audio/mpeg", parts: vec![0..2, 7..8], total: 8 };
        for random in [0, 1, u128::MAX] {
            let sent: u64 = multipart.pieces(Boundary::from(random)).map(|piece| piece.len()).sum();
            assert_eq!(multipart.content_length(), Some(sent));
        }
    }

    #[test]
    fn a_length_that_does_not_fit_is_none() {
        let multipart = Multipart { media_type: "", parts: vec![0..u64::MAX, 0..u64::MAX], total: u64::MAX };
        assert_eq!(multipart.content_length(), None);
    }
}
