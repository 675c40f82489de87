use std::ops::Range;

use super::range::RangeSpec;
use super::{Answer, Body, Multipart};

/// A rendition whose end is known: answered as a static file.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Its length in bytes.
    pub len: u64,
    /// Its validator: a strong entity tag, with the quotes.
    pub etag: &'a str,
    /// Its `Content-Type`, which the parts of a multipart body repeat.
    pub media_type: &'static str,
}

impl Finished<'_> {
    /// The answer to `GET` with these ranges, all of which count; none means the whole.
    pub(super) fn get(&self, ranges: &[RangeSpec]) -> Answer {
        let parts: Vec<_> = ranges.iter().filter_map(|range| self.select(*range)).collect();
        match parts.as_slice() {
            _ if ranges.is_empty() => self.whole(),
            [] => self.none_of(ranges),
            [part] => Answer::part(part.clone(), Some(self.len)),
            _ => self.several(parts),
        }
    }

    fn whole(&self) -> Answer {
        let body = Body::Bytes(0..self.len);
        Answer { status: 200, content_range: None, content_length: Some(self.len), body }
    }

    /// No byte is left. A suffix comes here only when the body is empty: it is satisfiable even then
    /// (RFC 9110 14.1.2), but `Content-Range` has no form for no bytes, so only a 200 can say so.
    fn none_of(&self, ranges: &[RangeSpec]) -> Answer {
        if ranges.iter().any(|range| matches!(range, RangeSpec::FromLast(1..))) {
            self.whole()
        } else {
            Answer::unsatisfiable(Some(self.len))
        }
    }

    /// The whole where the parts with their headers are longer than it: that also bounds what overlapping
    /// ranges can cost (RFC 9110 17.15).
    fn several(&self, parts: Vec<Range<u64>>) -> Answer {
        let multipart = Multipart { media_type: self.media_type, parts, total: self.len };
        match multipart.content_length() {
            Some(length) if length <= self.len => {
                let body = Body::Multipart(multipart);
                Answer { status: 206, content_range: None, content_length: Some(length), body }
            }
            _ => self.whole(),
        }
    }

    /// The bytes that a range selects (RFC 9110 14.1.2), where there are any.
    fn select(&self, range: RangeSpec) -> Option<Range<u64>> {
        let bytes = match range {
            RangeSpec::FromStart(first) => first..self.len,
            RangeSpec::Indexed(first, last) => first..last.saturating_add(1).min(self.len),
            RangeSpec::FromLast(length) => self.len.saturating_sub(length)..self.len,
        };
        (!bytes.is_empty()).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::range::{MostRanges, range_specs};
    use super::super::{Boundary, ContentRange};
    use super::*;

    fn get(range: &str) -> Answer {
        get_of(1000, range)
    }

    fn get_of(len: u64, range: &str) -> Answer {
        Finished { len, etag: "\"tag\"", media_type: "audio/mpeg" }
            .get(&range_specs(range, MostRanges::default()))
    }

    fn whole(len: u64) -> Answer {
        let body = Body::Bytes(0..len);
        Answer { status: 200, content_range: None, content_length: Some(len), body }
    }

    fn part(bytes: Range<u64>) -> Answer {
        let content_range =
            Some(ContentRange::Part { first: bytes.start, last: bytes.end - 1, total: Some(1000) });
        let content_length = Some(bytes.end - bytes.start);
        Answer { status: 206, content_range, content_length, body: Body::Bytes(bytes) }
    }

    fn refusal(total: u64) -> Answer {
        let content_range = Some(ContentRange::Unsatisfied { total });
        Answer { status: 416, content_range, content_length: None, body: Body::Empty }
    }

    #[test]
    fn without_a_range_it_is_the_whole_with_its_length() {
        let finished = Finished { len: 1000, etag: "\"tag\"", media_type: "audio/mpeg" };
        assert_eq!(finished.get(&[]), whole(1000));
    }

    #[test]
    fn a_range_is_exactly_its_bytes() {
        assert_eq!(get("bytes=0-0"), part(0..1));
        assert_eq!(get("bytes=3-7"), part(3..8));
        assert_eq!(get("bytes=3-"), part(3..1000));
        assert_eq!(get("bytes=-7"), part(993..1000));
        assert_eq!(get("bytes=0-999"), part(0..1000));
        assert_eq!(get("bytes=999-"), part(999..1000));
    }

    #[test]
    fn the_last_byte_of_content_range_is_inclusive() {
        assert_eq!(get("bytes=0-").content_range.unwrap().to_string(), "bytes 0-999/1000");
        assert_eq!(get("bytes=3-7").content_range.unwrap().to_string(), "bytes 3-7/1000");
    }

    #[test]
    fn a_suffix_longer_than_the_body_is_all_of_it() {
        assert_eq!(get("bytes=-1001"), part(0..1000));
        assert_eq!(get("bytes=-99999999999999999999"), part(0..1000));
    }

    #[test]
    fn an_empty_suffix_or_a_start_behind_the_end_is_416_with_the_length() {
        for range in
            ["bytes=-0", "bytes=1000-", "bytes=1000-1000", "bytes=99999999999999999999-", "bytes=-0,1000-"]
        {
            assert_eq!(get(range), refusal(1000), "{range}");
        }
        assert_eq!(refusal(1000).content_range.unwrap().to_string(), "bytes */1000");
    }

    #[test]
    fn an_end_behind_the_total_is_clamped() {
        assert_eq!(get("bytes=3-1000"), part(3..1000));
        assert_eq!(get("bytes=3-18446744073709551615"), part(3..1000));
        assert_eq!(get("bytes=3-99999999999999999999"), part(3..1000));
    }

    #[test]
    fn an_empty_body_is_200_with_length_0() {
        assert_eq!(get_of(0, ""), whole(0));
        assert_eq!(get_of(0, "bytes=-5"), whole(0));
        assert_eq!(get_of(0, "bytes=0-"), refusal(0));
        assert_eq!(get_of(0, "bytes=-0"), refusal(0));
    }

    #[test]
    fn several_ranges_are_the_parts_of_a_multipart_body_in_the_order_asked_for() {
        let answer = get("bytes=900-,0-1,5-6");
        let parts = vec![900..1000, 0..2, 5..7];
        let multipart = Multipart { media_type: "audio/mpeg", parts, total: 1000 };
        assert_eq!((answer.status, answer.content_range), (206, None));
        assert_eq!(answer.content_length, multipart.content_length());
        assert_eq!(answer.body, Body::Multipart(multipart));
    }

    #[test]
    fn parts_that_would_be_longer_than_the_whole_are_the_whole() {
        let parts = vec![0..2, 5..7];
        let length = Multipart { media_type: "audio/mpeg", parts, total: 1000 }.content_length().unwrap();
        assert_eq!(get_of(1000, "bytes=0-1,5-6").content_length, Some(length));
        // Totals of three digits instead of four make it shorter by one byte in each part.
        let as_long = get_of(length - 2, "bytes=0-1,5-6");
        assert!(matches!(as_long.body, Body::Multipart(_)));
        assert_eq!(as_long.content_length, Some(length - 2));
        assert_eq!(get_of(length - 3, "bytes=0-1,5-6"), whole(length - 3));
        assert_eq!(get("bytes=0-,0-"), whole(1000));
        assert_eq!(get_of(u64::MAX, "bytes=0-,0-"), whole(u64::MAX));
    }

    #[test]
    fn more_than_16_ranges_are_the_whole() {
        let ranges = |n: usize| format!("bytes={}", vec!["0-0"; n].join(","));
        assert!(matches!(get_of(1_000_000, &ranges(16)).body, Body::Multipart(_)));
        assert_eq!(get_of(1_000_000, &ranges(17)), whole(1_000_000));
    }

    #[test]
    fn ranges_that_cannot_be_satisfied_are_left_out_and_one_that_remains_is_a_plain_206() {
        assert_eq!(get("bytes=1000-,3-7,-0"), part(3..8));
        let Body::Multipart(multipart) = get("bytes=0-0,1000-,5-5").body else { panic!("not multipart") };
        assert_eq!(multipart.parts, [0..1, 5..6]);
        assert!(multipart.pieces(Boundary::from(0)).count() == 5);
    }

    #[test]
    fn units_are_case_insensitive() {
        assert_eq!(get("BYTES=0-1"), part(0..2));
    }

    #[test]
    fn a_malformed_range_or_another_unit_is_ignored() {
        for range in ["bytes=7-3", "bytes=x", "seconds=0-1", "bytes=0-1,x"] {
            assert_eq!(get(range), whole(1000), "{range}");
        }
    }
}
