//! The `Range` header (RFC 9110 14.1, 14.2).
//!
//! Read by `http-range-header`: strict, total, without dependencies. Only its parser: its `validate` wants a
//! length, which a growing rendition has not, and refuses more than two overlapping ranges. `headers::Range`
//! would not do: it takes `bytes` in lower case only, passes over malformed ranges as if they were not there,
//! and loses a suffix longer than the body.

use std::num::NonZeroUsize;

pub(super) use http_range_header::SyntacticallyCorrectRange as RangeSpec;
use http_range_header::{ParsedRanges, parse_range_header_with_max_ranges};

/// With more ranges than these a client is not served better by them than by the whole (RFC 9110 17.15).
#[derive(Clone, Copy, Debug)]
pub struct MostRanges(pub NonZeroUsize);

impl Default for MostRanges {
    fn default() -> Self {
        Self(NonZeroUsize::MIN.saturating_add(15))
    }
}

/// The ranges asked for, in the client's order. Empty when the header is to be ignored: another unit,
/// malformed, too many.
///
/// A number that does not fit becomes `u64::MAX`: as a last position or a suffix it means "to the end" or
/// "all", and as a first position it is behind every end. Above 30 digits the header is ignored.
pub(super) fn range_specs(value: &str, most: MostRanges) -> Vec<RangeSpec> {
    parse_range_header_with_max_ranges(value, most.0).map(ParsedRanges::into_ranges).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::RangeSpec::{FromLast, FromStart, Indexed};
    use super::*;

    fn range_specs(value: &str) -> Vec<RangeSpec> {
        super::range_specs(value, MostRanges::default())
    }

    fn ignored(value: &str) -> bool {
        range_specs(value).is_empty()
    }

    #[test]
    fn the_three_forms_are_read() {
        assert_eq!(range_specs("bytes=3-7"), [Indexed(3, 7)]);
        assert_eq!(range_specs("bytes=3-"), [FromStart(3)]);
        assert_eq!(range_specs("bytes=-7"), [FromLast(7)]);
    }

    #[test]
    fn units_are_case_insensitive() {
        assert_eq!(range_specs("BYTES=0-1"), [Indexed(0, 1)]);
        assert_eq!(range_specs("Bytes=0-1"), [Indexed(0, 1)]);
    }

    #[test]
    fn a_list_keeps_its_order_and_may_have_spaces_and_empty_elements() {
        assert_eq!(range_specs("bytes=5-6,0-0,-1"), [Indexed(5, 6), Indexed(0, 0), FromLast(1)]);
        assert_eq!(range_specs("bytes=0-0 ,\t-1"), [Indexed(0, 0), FromLast(1)]);
        assert_eq!(range_specs("bytes= 0-1"), [Indexed(0, 1)]);
        assert_eq!(range_specs("bytes=,0-1,,"), [Indexed(0, 1)]);
    }

    #[test]
    fn malformed_ranges_are_ignored_with_the_whole_list() {
        for value in [
            "bytes=1-0",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=--1",
            "bytes=+1-",
            "bytes=0-1-2",
            "bytes=a-b",
            "bytes=0x1-",
            "bytes=0 -1",
            "bytes =0-1",
            "bytes",
            "",
            "0-1",
            "bytes=0-1,x",
            "bytes=0-1,2-1",
            "bytes=0-1, bytes=2-3",
            "bytes=0-1;2-3",
            "bytes=\u{663}-",
            "\u{e9}=0-",
            "bytes\u{e9}0-",
        ] {
            assert!(ignored(value), "{value}");
        }
    }

    #[test]
    fn another_unit_is_ignored() {
        assert!(ignored("seconds=0-1"));
        assert!(ignored("octets=0-1"));
    }

    #[test]
    fn numbers_that_do_not_fit_are_clamped() {
        assert_eq!(range_specs("bytes=0-18446744073709551615"), [Indexed(0, u64::MAX)]);
        assert_eq!(range_specs("bytes=0-18446744073709551616"), [Indexed(0, u64::MAX)]);
        assert_eq!(range_specs("bytes=99999999999999999999-"), [FromStart(u64::MAX)]);
        assert_eq!(range_specs("bytes=-99999999999999999999"), [FromLast(u64::MAX)]);
        assert!(ignored("bytes=0-9999999999999999999999999999999"), "31 digits");
    }

    #[test]
    fn sixteen_ranges_are_read_and_seventeen_ignored() {
        let ranges = |n: usize| format!("bytes={}", vec!["0-0"; n].join(","));
        assert_eq!(range_specs(&ranges(16)).len(), 16);
        assert!(ignored(&ranges(17)));
    }
}
