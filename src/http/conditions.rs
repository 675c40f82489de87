//! Conditional requests (RFC 9110 13).
//!
//! Entity tags are read here and not by the `headers` crate: in a debug build a space in a client's tag
//! panics there (0.4.2, `check_slice_validity`), and nothing there can be asked about a representation that
//! has no tag. There is no `Last-Modified`, so conditions on dates never hold.

use super::Request;

/// What the conditions of a request leave to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What the request asks for.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// `If-Match`, then `If-None-Match`, in the order of RFC 9110 13.2.2. `etag` is the strong one of a finished
/// rendition; a growing one has none, so no tag matches it, and still it exists, so `*` does.
#[must_use]
pub fn verdict(request: &Request<'_>, etag: Option<&str>) -> Verdict {
    if request.if_match.is_some_and(|tags| !names(tags, etag, strongly)) {
        Verdict::PreconditionFailed
    } else if request.if_none_match.is_some_and(|tags| names(tags, etag, weakly)) {
        Verdict::NotModified
    } else {
        Verdict::Proceed
    }
}

/// Whether `If-Range` lets the `Range` count (RFC 9110 13.1.5). Compared strongly: a weak tag never equals
/// the strong one of ours, and a date never any.
pub(super) fn range_holds(if_range: Option<&str>, etag: Option<&str>) -> bool {
    if_range.is_none_or(|validator| Some(trim(validator)) == etag)
}

/// Whether a list of tags, or `*`, names the representation with this tag.
fn names(list: &str, etag: Option<&str>, same: fn(&Tag<'_>, &str) -> bool) -> bool {
    trim(list) == "*" || etag.is_some_and(|etag| Tags(list).any(|tag| same(&tag, etag)))
}

/// RFC 9110 8.8.3.2. The tag of ours is strong always, so only the client's can be weak.
fn strongly(tag: &Tag<'_>, etag: &str) -> bool {
    !tag.weak && tag.quoted == etag
}

fn weakly(tag: &Tag<'_>, etag: &str) -> bool {
    tag.quoted == etag
}

fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// An entity tag as a client sent it.
struct Tag<'a> {
    weak: bool,
    /// The opaque tag with its quotes.
    quoted: &'a str,
}

/// The rest of a list of entity tags. Ends at the first thing that is no tag: what cannot be read matches
/// nothing, which costs a body too many (`If-None-Match`) or a 412 (`If-Match`), never a wrong byte.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        // RFC 9110 5.6.1.2: empty elements are allowed.
        let list = self.0.trim_start_matches([',', ' ', '\t']);
        let (weak, list) = list.strip_prefix("W/").map_or((false, list), |list| (true, list));
        // A comma may stand inside the quotes; a quote may not, nor is there an escape (RFC 9110 8.8.3).
        let inside = list.strip_prefix('"')?;
        let (quoted, rest) = list.split_at_checked(inside.find('"')? + 2)?;
        self.0 = rest;
        Some(Tag { weak, quoted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: Option<&str> = Some("\"a,b\"");

    fn if_match(value: &str, etag: Option<&str>) -> Verdict {
        verdict(&Request { if_match: Some(value), ..Request::default() }, etag)
    }

    fn if_none_match(value: &str, etag: Option<&str>) -> Verdict {
        verdict(&Request { if_none_match: Some(value), ..Request::default() }, etag)
    }

    #[test]
    fn if_match_passes_with_our_tag_anywhere_in_the_list() {
        for value in ["\"a,b\"", "*", "\"x\", \"a,b\"", ", ,\"a,b\",", "W/\"a,b\", \"a,b\"", " \"a,b\"\t"] {
            assert_eq!(if_match(value, ETAG), Verdict::Proceed, "{value}");
        }
    }

    #[test]
    fn if_match_with_another_or_a_weak_tag_is_412() {
        for value in
            ["\"x\"", "\"a\"", "\"b\"", "a,b", "W/\"a,b\"", "", "\"", "\"a,b", "x, \"a,b\"", "\"\"", "**"]
        {
            assert_eq!(if_match(value, ETAG), Verdict::PreconditionFailed, "{value}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for value in
            ["\"a,b\"", "W/\"a,b\"", "*", "\"x\",W/\"a,b\"", "\"x y\", \"a,b\"", "\"\u{fffd}\", \"a,b\""]
        {
            assert_eq!(if_none_match(value, ETAG), Verdict::NotModified, "{value}");
        }
        for value in ["\"x\"", "w/\"a,b\"", "a,b", "", "\"a\", \"b\"", "W/", "W/\"", "\"x\", *"] {
            assert_eq!(if_none_match(value, ETAG), Verdict::Proceed, "{value}");
        }
    }

    #[test]
    fn if_match_is_asked_before_if_none_match() {
        let both = |if_match| Request { if_match: Some(if_match), if_none_match: ETAG, ..Request::default() };
        assert_eq!(verdict(&both("\"x\""), ETAG), Verdict::PreconditionFailed);
        assert_eq!(verdict(&both("*"), ETAG), Verdict::NotModified);
    }

    #[test]
    fn what_grows_has_no_tag_to_match_but_exists() {
        assert_eq!(if_match("\"x\"", None), Verdict::PreconditionFailed);
        assert_eq!(if_match("*", None), Verdict::Proceed);
        assert_eq!(if_none_match("\"x\"", None), Verdict::Proceed);
        assert_eq!(if_none_match("*", None), Verdict::NotModified);
    }

    #[test]
    fn if_range_holds_for_our_own_tag_only() {
        assert!(range_holds(None, ETAG));
        assert!(range_holds(None, None));
        assert!(range_holds(Some(" \"a,b\" "), ETAG));
        for stale in ["\"x\"", "W/\"a,b\"", "*", "", "Sat, 29 Oct 1994 19:43:31 GMT"] {
            assert!(!range_holds(Some(stale), ETAG), "{stale}");
            assert!(!range_holds(Some(stale), None), "{stale}");
        }
        assert!(!range_holds(ETAG, None));
    }
}
