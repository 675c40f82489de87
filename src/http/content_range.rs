use std::fmt;

/// A `Content-Range` in bytes (RFC 9110 14.4); `Display` gives the header's value.
///
/// `headers::ContentRange` cannot be written into the text of a multipart part, and takes `*/*`, which the
/// grammar does not have. Here what the grammar lacks cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// These bytes follow, or part of them does when the body ends with the recording.
    Part {
        /// The position of the body's first byte.
        first: u64,
        /// The position of the last byte, inclusive: `first + length - 1`.
        last: u64,
        /// The length of the whole where there is one, real or virtual: `*` otherwise.
        total: Option<u64>,
    },
    /// None of the bytes asked for can be had: goes with 416.
    Unsatisfied {
        /// The length of the whole. Without one there is no such header: the grammar has no `*/*`.
        total: u64,
    },
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { first, last, total: Some(total) } => write!(f, "bytes {first}-{last}/{total}"),
            Self::Part { first, last, total: None } => write!(f, "bytes {first}-{last}/*"),
            Self::Unsatisfied { total } => write!(f, "bytes */{total}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ContentRange::{Part, Unsatisfied};

    #[test]
    fn is_written_as_rfc_9110_14_4_has_it() {
        assert_eq!(Part { first: 42, last: 1233, total: Some(1234) }.to_string(), "bytes 42-1233/1234");
        assert_eq!(Part { first: 42, last: 1233, total: None }.to_string(), "bytes 42-1233/*");
        assert_eq!(Unsatisfied { total: 1234 }.to_string(), "bytes */1234");
    }
}
