use super::range::RangeSpec;
use super::{Answer, Body, ContentRange, Decision};

/// The last byte of an open range where the total is unknown. Firefox fails at 2^46 and above; this is a
/// round number below it (64 TiB: ninety years of Opus at 192 kbit/s).
const OPEN_LAST: u64 = 70_368_744_000_000;

/// A rendition that has no length yet.
///
/// Both browsers that were measured take a 206 that ends at the live edge for the end of the stream, so an
/// open range promises more than there is. With a virtual total they seek by proportion and follow the edge;
/// in Ogg they look for the last page behind any total, so it has none.
#[derive(Clone, Copy, Debug)]
pub struct Growing {
    /// How many bytes there are now, the header's among them.
    pub exists: u64,
    /// How many there would be one growth timeout from now. What starts later than that is not waited for.
    pub reach: u64,
    /// The total that WAV and MP3 pretend to have. None for Ogg.
    pub virtual_total: Option<u64>,
}

impl Growing {
    /// The answer to `GET` with these ranges, all of which count; none means the whole.
    ///
    /// Several are ignored, as RFC 9110 14.2 allows: the parts of a multipart body have their lengths before
    /// them, so none could follow the edge, and no player asks for them.
    pub(super) fn get(&self, ranges: &[RangeSpec]) -> Decision {
        match *ranges {
            // From 0 and without a total, Content-Range has nothing to tell that 200 does not.
            [RangeSpec::FromStart(0)] if self.virtual_total.is_none() => Decision::Answer(self.whole()),
            [RangeSpec::FromStart(first)] => self.open(first, self.last()),
            [RangeSpec::Indexed(first, last)] if last >= self.last() => self.open(first, self.echo(last)),
            [RangeSpec::Indexed(first, last)] => self.closed(first, last),
            [RangeSpec::FromLast(0)] => Decision::Answer(self.unsatisfiable()),
            [RangeSpec::FromLast(length)] => self.closed(self.exists().saturating_sub(length), self.last()),
            _ => Decision::Answer(self.whole()),
        }
    }

    /// The last byte that an open range has. It lies below 2^46, from where on the end of a range counts as
    /// a very large value (RFC 8673 2.2), so one comparison covers both.
    fn last(&self) -> u64 {
        self.virtual_total.map_or(OPEN_LAST, |total| total.saturating_sub(1))
    }

    /// The first byte that no answer has.
    fn limit(&self) -> u64 {
        self.virtual_total.unwrap_or(OPEN_LAST + 1)
    }

    /// What there is, as far as it can be answered: a recording may outgrow what a WAV header can say.
    fn exists(&self) -> u64 {
        self.exists.min(self.limit())
    }

    /// The last byte to state to a client that asked for one behind [`Self::last`].
    ///
    /// RFC 8673 2.2: a client that asks for a very large last byte learns from its echo that the body will
    /// follow the edge. Firefox, which fails at 2^46, asks for open ranges only. Under a total there can be
    /// no echo: a last byte at or behind it makes the header invalid (RFC 9110 14.4).
    fn echo(&self, last: u64) -> u64 {
        self.virtual_total.map_or(last, |_| self.last())
    }

    fn whole(&self) -> Answer {
        let body = Body::Follow { from: 0, limit: self.limit() };
        Answer { status: 200, content_range: None, content_length: None, body }
    }

    /// From `first` to the end of the recording.
    fn open(&self, first: u64, last: u64) -> Decision {
        self.once_there(first, || Answer {
            status: 206,
            content_range: Some(ContentRange::Part { first, last, total: self.virtual_total }),
            content_length: None,
            body: Body::Follow { from: first, limit: last.saturating_add(1) },
        })
    }

    /// What there is now from `first` to `last`. A server may answer with less than was asked for
    /// (RFC 9110 15.3.7), and it is all that can be promised with a length.
    fn closed(&self, first: u64, last: u64) -> Decision {
        self.once_there(first, || {
            Answer::part(first..last.saturating_add(1).min(self.exists()), self.virtual_total)
        })
    }

    /// Answers when the byte is there, waits when it may come in time, and refuses otherwise: a seek far
    /// behind the live edge makes Firefox go to the end with 416 and wedges it with waiting.
    fn once_there(&self, byte: u64, answer: impl FnOnce() -> Answer) -> Decision {
        if byte < self.exists() {
            Decision::Answer(answer())
        } else if byte < self.reach.min(self.limit()) {
            Decision::Wait { byte }
        } else {
            Decision::Answer(self.unsatisfiable())
        }
    }

    /// 416 with the same total as every 206 states, so that no client sees two lengths. Without one there is
    /// no `Content-Range` to send (RFC 9110 14.4).
    fn unsatisfiable(&self) -> Answer {
        Answer::unsatisfiable(self.virtual_total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::range::{MostRanges, range_specs};
    use super::*;

    /// 0xFFFFFFFF + 8
    const WAV_TOTAL: u64 = 4_294_967_303;
    const WAV: Growing = Growing { exists: 1000, reach: 2000, virtual_total: Some(WAV_TOTAL) };
    const OGG: Growing = Growing { virtual_total: None, ..WAV };

    fn get(growing: Growing, range: &str) -> Answer {
        match growing.get(&range_specs(range, MostRanges::default())) {
            Decision::Answer(answer) => answer,
            Decision::Wait { byte } => panic!("waits for {byte}"),
        }
    }

    fn waits_for(growing: Growing, range: &str) -> u64 {
        match growing.get(&range_specs(range, MostRanges::default())) {
            Decision::Wait { byte } => byte,
            Decision::Answer(answer) => panic!("{answer:?}"),
        }
    }

    /// Status, `Content-Range` and `Content-Length` as they would be sent.
    fn head(answer: &Answer) -> (u16, String, Option<u64>) {
        let content_range = answer.content_range.map(|range| range.to_string()).unwrap_or_default();
        (answer.status, content_range, answer.content_length)
    }

    fn is_followed(answer: &Answer, content_range: &str, from: u64, limit: u64) {
        assert_eq!(head(answer), (206, content_range.to_owned(), None));
        assert_eq!(answer.body, Body::Follow { from, limit });
    }

    fn is_exact(answer: &Answer, content_range: &str, bytes: std::ops::Range<u64>) {
        assert_eq!(head(answer), (206, content_range.to_owned(), Some(bytes.end - bytes.start)));
        assert_eq!(answer.body, Body::Bytes(bytes));
    }

    fn is_whole(answer: &Answer, limit: u64) {
        assert_eq!(head(answer), (200, String::new(), None));
        assert_eq!(answer.body, Body::Follow { from: 0, limit });
    }

    fn is_refused(answer: &Answer, content_range: &str) {
        assert_eq!(head(answer), (416, content_range.to_owned(), None));
        assert_eq!(answer.body, Body::Empty);
    }

    #[test]
    fn without_a_range_it_is_followed_to_its_end() {
        is_whole(&get(WAV, ""), WAV_TOTAL);
        is_whole(&get(OGG, ""), OPEN_LAST + 1);
    }

    #[test]
    fn an_open_range_from_0_has_the_virtual_total_or_in_ogg_is_the_whole() {
        is_followed(&get(WAV, "bytes=0-"), "bytes 0-4294967302/4294967303", 0, WAV_TOTAL);
        is_whole(&get(OGG, "bytes=0-"), OPEN_LAST + 1);
    }

    #[test]
    fn an_open_range_is_followed_from_its_start() {
        is_followed(&get(WAV, "bytes=7-"), "bytes 7-4294967302/4294967303", 7, WAV_TOTAL);
        is_followed(&get(OGG, "bytes=7-"), "bytes 7-70368744000000/*", 7, OPEN_LAST + 1);
        is_followed(&get(WAV, "bytes=999-"), "bytes 999-4294967302/4294967303", 999, WAV_TOTAL);
    }

    #[test]
    fn the_last_byte_stated_for_an_unknown_total_is_one_that_firefox_takes() {
        const { assert!(OPEN_LAST < 1 << 46) };
    }

    #[test]
    fn a_range_inside_what_exists_is_exactly_its_bytes() {
        is_exact(&get(WAV, "bytes=3-7"), "bytes 3-7/4294967303", 3..8);
        is_exact(&get(OGG, "bytes=3-7"), "bytes 3-7/*", 3..8);
        is_exact(&get(OGG, "bytes=0-999"), "bytes 0-999/*", 0..1000);
    }

    #[test]
    fn a_range_past_the_live_edge_is_the_part_that_exists() {
        is_exact(&get(WAV, "bytes=3-1000"), "bytes 3-999/4294967303", 3..1000);
        is_exact(&get(OGG, "bytes=3-1000"), "bytes 3-999/*", 3..1000);
        is_exact(&get(OGG, "bytes=999-69999999999999"), "bytes 999-999/*", 999..1000);
    }

    #[test]
    fn a_range_of_which_no_byte_exists_yet_waits_for_its_first() {
        for growing in [WAV, OGG] {
            assert_eq!(waits_for(growing, "bytes=1000-1001"), 1000);
            assert_eq!(waits_for(growing, "bytes=1999-1999"), 1999);
            assert_eq!(waits_for(growing, "bytes=1000-"), 1000);
            assert_eq!(waits_for(growing, "bytes=1500-9223372036854775807"), 1500);
        }
    }

    #[test]
    fn a_very_large_end_is_followed_and_echoed_where_there_is_no_total() {
        is_followed(&get(OGG, "bytes=0-70368744177664"), "bytes 0-70368744177664/*", 0, (1 << 46) + 1);
        let asked = "bytes=7-9223372036854775807";
        is_followed(&get(OGG, asked), "bytes 7-9223372036854775807/*", 7, 1 << 63);
        is_followed(&get(OGG, "bytes=7-70368744000000"), "bytes 7-70368744000000/*", 7, OPEN_LAST + 1);
        is_followed(&get(OGG, "bytes=7-99999999999999999999"), "bytes 7-18446744073709551615/*", 7, u64::MAX);
    }

    #[test]
    fn an_end_at_or_behind_the_virtual_total_is_followed_to_its_last_byte() {
        for last in
            ["4294967302", "4294967303", "70368744177664", "9223372036854775807", "99999999999999999999"]
        {
            let answer = get(WAV, &format!("bytes=7-{last}"));
            is_followed(&answer, "bytes 7-4294967302/4294967303", 7, WAV_TOTAL);
        }
        is_exact(&get(WAV, "bytes=7-4294967301"), "bytes 7-999/4294967303", 7..1000);
    }

    #[test]
    fn a_suffix_is_the_last_bytes_that_exist() {
        is_exact(&get(WAV, "bytes=-7"), "bytes 993-999/4294967303", 993..1000);
        is_exact(&get(OGG, "bytes=-7"), "bytes 993-999/*", 993..1000);
        is_exact(&get(OGG, "bytes=-1001"), "bytes 0-999/*", 0..1000);
    }

    #[test]
    fn an_empty_suffix_is_416() {
        is_refused(&get(WAV, "bytes=-0"), "bytes */4294967303");
        is_refused(&get(OGG, "bytes=-0"), "");
    }

    #[test]
    fn a_suffix_of_nothing_yet_waits() {
        assert_eq!(waits_for(Growing { exists: 0, ..WAV }, "bytes=-7"), 0);
    }

    #[test]
    fn a_start_further_than_the_growth_timeout_is_416() {
        for range in ["bytes=2000-", "bytes=2000-2001", "bytes=2000-9223372036854775807", "bytes=4294967303-"]
        {
            is_refused(&get(WAV, range), "bytes */4294967303");
            is_refused(&get(OGG, range), "");
        }
        is_refused(&get(OGG, "bytes=99999999999999999999-"), "");
    }

    #[test]
    fn what_outgrew_the_virtual_total_ends_there() {
        let outgrown = Growing { exists: WAV_TOTAL + 500, reach: WAV_TOTAL + 900, ..WAV };
        is_whole(&get(outgrown, ""), WAV_TOTAL);
        is_followed(&get(outgrown, "bytes=7-"), "bytes 7-4294967302/4294967303", 7, WAV_TOTAL);
        is_exact(
            &get(outgrown, "bytes=-1"),
            "bytes 4294967302-4294967302/4294967303",
            WAV_TOTAL - 1..WAV_TOTAL,
        );
        is_refused(&get(outgrown, "bytes=4294967303-"), "bytes */4294967303");
        let nearly = Growing { exists: WAV_TOTAL - 10, ..outgrown };
        assert_eq!(waits_for(nearly, "bytes=4294967302-"), WAV_TOTAL - 1);
        is_refused(&get(nearly, "bytes=4294967303-"), "bytes */4294967303");
    }

    #[test]
    fn several_ranges_or_malformed_ones_are_ignored() {
        for range in ["bytes=0-1,5-6", "bytes=0-1,5000-", "bytes=7-3", "seconds=0-1"] {
            is_whole(&get(WAV, range), WAV_TOTAL);
            is_whole(&get(OGG, range), OPEN_LAST + 1);
        }
        is_exact(&get(WAV, "bytes=3-7,"), "bytes 3-7/4294967303", 3..8);
    }
}
