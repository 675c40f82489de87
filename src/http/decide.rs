use std::ops::Range;

use super::conditions::{Verdict, range_holds, verdict};
use super::range::{MostRanges, RangeSpec, range_specs};
use super::{ContentRange, Finished, Growing, Multipart};

/// What of a `GET` or `HEAD` request matters; the router answers the other methods.
///
/// Each header is its value as text. Several lines of one name are joined by `", "` (RFC 9110 5.3); a value
/// that is not UTF-8 is converted lossily, not left out: a condition that is there but cannot be read must
/// not hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method is `HEAD`.
    pub head: bool,
    /// `Range`
    pub range: Option<&'a str>,
    /// How many of them are served at most.
    pub most_ranges: MostRanges,
    /// `If-Range`
    pub if_range: Option<&'a str>,
    /// `If-Match`
    pub if_match: Option<&'a str>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
}

/// What is known of the rendition that is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Entity<'a> {
    /// It has an end, and so a length and a validator.
    Finished(Finished<'a>),
    /// It has not.
    Growing(Growing),
}

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This.
    Answer(Answer),
    /// The first byte wanted is not there yet but may come within the growth timeout: decide again, with the
    /// facts of then, as soon as it exists or the recording has ended.
    Wait {
        /// The position of that byte.
        byte: u64,
    },
}

/// A status, the headers that depend on the decision, and the bytes. The body never differs from what the
/// headers promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 206, 304, 412 or 416.
    pub status: u16,
    /// `Content-Range`. A multipart body has it in its parts instead (RFC 9110 15.3.7.2).
    pub content_range: Option<ContentRange>,
    /// `Content-Length`, where the length of the representation or part is known. Not set for 412 and 416:
    /// the body of an error is the problem document that the router gives it.
    pub content_length: Option<u64>,
    /// The bytes that follow.
    pub body: Body,
}

/// Which bytes of the rendition a body has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None: an answer to `HEAD`, 304, 412, 416.
    Empty,
    /// Exactly these; their number is the `Content-Length`.
    Bytes(Range<u64>),
    /// From here as they come to be, until the recording ends. No length is promised: chunked.
    Follow {
        /// The position of the first byte.
        from: u64,
        /// The body ends before this byte, though the recording may have gone on.
        limit: u64,
    },
    /// Several ranges of a finished rendition, each a part of a `multipart/byteranges` body.
    Multipart(Multipart),
}

/// Answers a request: conditions first, then the range (RFC 9110 13.2.2).
#[must_use]
pub fn decide(request: &Request<'_>, entity: &Entity<'_>) -> Decision {
    match verdict(request, entity.etag()) {
        Verdict::PreconditionFailed => Decision::Answer(Answer::empty(412)),
        Verdict::NotModified => Decision::Answer(Answer::empty(304)),
        Verdict::Proceed if request.head => entity.get(&[]).without_body(),
        Verdict::Proceed => entity.get(&wanted(request, entity.etag())),
    }
}

/// The ranges that count; none means the whole.
fn wanted(request: &Request<'_>, etag: Option<&str>) -> Vec<RangeSpec> {
    let range = request.range.filter(|_| range_holds(request.if_range, etag));
    range.map(|range| range_specs(range, request.most_ranges)).unwrap_or_default()
}

impl Entity<'_> {
    fn etag(&self) -> Option<&str> {
        match self {
            Self::Finished(finished) => Some(finished.etag),
            Self::Growing(_) => None,
        }
    }

    fn get(&self, ranges: &[RangeSpec]) -> Decision {
        match self {
            Self::Finished(finished) => Decision::Answer(finished.get(ranges)),
            Self::Growing(growing) => growing.get(ranges),
        }
    }
}

impl Decision {
    /// As an answer to `HEAD` (RFC 9110 9.3.2): the same headers and nothing behind them.
    fn without_body(self) -> Self {
        match self {
            Self::Answer(answer) => Self::Answer(Answer { body: Body::Empty, ..answer }),
            wait @ Self::Wait { .. } => wait,
        }
    }
}

impl Answer {
    /// Whether it has sound, or is what is told of it to `HEAD`.
    pub fn is_sound(&self) -> bool {
        matches!(self.status, 200 | 206)
    }

    fn empty(status: u16) -> Self {
        Self { status, content_range: None, content_length: None, body: Body::Empty }
    }

    /// 416; `total` is the length to state, where there is one.
    pub(super) fn unsatisfiable(total: Option<u64>) -> Self {
        Self { content_range: total.map(|total| ContentRange::Unsatisfied { total }), ..Self::empty(416) }
    }

    /// 206 with exactly these bytes, of which there is at least one.
    pub(super) fn part(bytes: Range<u64>, total: Option<u64>) -> Self {
        let last = bytes.end.saturating_sub(1);
        Self {
            status: 206,
            content_range: Some(ContentRange::Part { first: bytes.start, last, total }),
            content_length: Some(bytes.end.saturating_sub(bytes.start)),
            body: Body::Bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"tag\"";
    const FINISHED: Entity<'_> =
        Entity::Finished(Finished { len: 1000, etag: ETAG, media_type: "audio/wav" });
    const GROWING: Entity<'_> =
        Entity::Growing(Growing { exists: 1000, reach: 2000, virtual_total: Some(4_294_967_303) });

    fn answer(request: &Request<'_>, entity: &Entity<'_>) -> Answer {
        match decide(request, entity) {
            Decision::Answer(answer) => answer,
            Decision::Wait { byte } => panic!("waits for {byte}"),
        }
    }

    fn part(range: &str) -> Request<'_> {
        Request { range: Some(range), ..Request::default() }
    }

    #[test]
    fn if_range_that_matches_gives_the_part() {
        let request = Request { if_range: Some(ETAG), ..part("bytes=0-1") };
        assert_eq!(answer(&request, &FINISHED).status, 206);
    }

    #[test]
    fn if_range_that_is_stale_gives_the_whole() {
        let request = Request { if_range: Some("\"old\""), ..part("bytes=0-1") };
        let answer = answer(&request, &FINISHED);
        assert_eq!((answer.status, answer.body), (200, Body::Bytes(0..1000)));
    }

    #[test]
    fn if_range_never_matches_what_grows() {
        let request = Request { if_range: Some(ETAG), ..part("bytes=5-6") };
        let answer = answer(&request, &GROWING);
        assert_eq!((answer.status, answer.content_length), (200, None));
        assert_eq!(answer.body, Body::Follow { from: 0, limit: 4_294_967_303 });
    }

    #[test]
    fn if_range_saves_a_client_with_an_old_copy_from_416() {
        let request = Request { if_range: Some("\"old\""), ..part("bytes=5000-") };
        assert_eq!(answer(&request, &FINISHED).status, 200);
    }

    #[test]
    fn if_none_match_that_matches_is_304_without_a_body() {
        for request in [part("bytes=0-1"), part("bytes=5000-"), Request { head: true, ..Request::default() }]
        {
            let request = Request { if_none_match: Some(ETAG), ..request };
            assert_eq!(answer(&request, &FINISHED), Answer::empty(304));
        }
    }

    #[test]
    fn if_match_that_does_not_match_is_412_before_the_range_is_looked_at() {
        for request in [part("bytes=0-1"), part("bytes=5000-"), Request { head: true, ..Request::default() }]
        {
            let request = Request { if_match: Some("\"old\""), ..request };
            assert_eq!(answer(&request, &FINISHED), Answer::empty(412));
            assert_eq!(answer(&request, &GROWING), Answer::empty(412));
        }
    }

    #[test]
    fn head_has_the_headers_of_get_and_ignores_the_range() {
        for range in [None, Some("bytes=5-6"), Some("bytes=5000-"), Some("bytes=0-1,5-6")] {
            let request = Request { head: true, range, ..Request::default() };
            let whole = Answer { content_length: Some(1000), ..Answer::empty(200) };
            assert_eq!(answer(&request, &FINISHED), whole);
        }
    }

    #[test]
    fn head_of_what_grows_states_no_length() {
        for range in [None, Some("bytes=5-6"), Some("bytes=1500-"), Some("bytes=5000-")] {
            let request = Request { head: true, range, ..Request::default() };
            assert_eq!(answer(&request, &GROWING), Answer::empty(200));
        }
    }
}
