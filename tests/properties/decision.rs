//! Every decision about a request against a model that is slow and obvious: lists read character by character, ranges
//! looked for one byte at a time, a server that writes each body out, and a client that believes nothing but the headers.

use tailcast::http::*;

/// `Content-Type` of a finished rendition.
const MEDIA_TYPE: &str = "a/b";
/// Its entity tag.
const ETAG: &str = "\"t\"";

/// From here on the last byte asked for of what grows without a total means "as far as it goes".
const OPEN_LAST: u64 = 70_368_744_000_000;

/// A rendition whose end is known.
pub fn finished(len: u64) -> Entity<'static> {
    Entity::Finished(Finished { len, etag: ETAG, media_type: MEDIA_TYPE })
}

fn byte_at(position: u64) -> u8 {
    position.to_le_bytes().iter().fold(7, |mixed: u8, byte| mixed.wrapping_mul(31).wrapping_add(*byte))
}

fn bytes_at(positions: impl IntoIterator<Item = u64>) -> Vec<u8> {
    positions.into_iter().map(byte_at).collect()
}

/// Writes out the body of an answer, for a recording that will have ended after `end` bytes.
fn body(answer: &Answer, boundary: Boundary, end: u64) -> Vec<u8> {
    match &answer.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => {
            assert!(bytes.end <= end, "bytes {bytes:?} of {end}");
            bytes_at(bytes.clone())
        }
        Body::Follow { from, limit } => bytes_at(*from..end.min(*limit)),
        Body::Multipart(multipart) => multipart.pieces(boundary).flat_map(written).collect(),
    }
}

fn written(piece: Piece) -> Vec<u8> {
    match piece {
        Piece::Text(text) => text.into_bytes(),
        Piece::Bytes(bytes) => bytes_at(bytes),
    }
}

/// `bytes 1-2/3` or `bytes 1-2/*`: first, last, total.
fn content_range(value: &str) -> (u64, u64, Option<u64>) {
    let (positions, total) = value.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = positions.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap(), (total != "*").then(|| total.parse().unwrap()))
}

/// Takes the next part off a multipart body: its bytes as its headers place them.
fn next_part<'a>(body: &mut &'a [u8], boundary: &str, total: u64) -> Option<(u64, &'a [u8])> {
    let delimiter = body.strip_prefix(format!("--{boundary}").as_bytes()).expect("a delimiter");
    if delimiter == b"--\r\n" {
        return None;
    }
    let head_len =
        delimiter.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of the headers");
    let (head, rest) = delimiter.split_at(head_len);
    let rest = &rest[4..];
    let headers: Vec<&str> =
        std::str::from_utf8(head).unwrap().strip_prefix("\r\n").unwrap().split("\r\n").collect();
    assert_eq!(headers[0], format!("Content-Type: {MEDIA_TYPE}"));
    let (first, last, stated) = content_range(headers[1].strip_prefix("Content-Range: ").unwrap());
    assert_eq!((headers.len(), stated), (2, Some(total)));
    let (part, rest) = rest.split_at(usize::try_from(last - first + 1).unwrap());
    *body = rest.strip_prefix(b"\r\n").expect("a line end before the delimiter");
    Some((first, part))
}

fn is_right(first: u64, bytes: &[u8]) {
    assert_eq!(bytes, bytes_at((first..).take(bytes.len())), "bytes from {first}");
}

/// The contract, as a client sees it: a body is what its headers say, or where they promise no length, as
/// much of it as there is when the recording ends. Gives the parts, each from its first byte to the one
/// behind its last.
fn read(answer: &Answer, end: u64, whole: Option<u64>) -> Vec<(u64, u64)> {
    let boundary = Boundary::from(0x1234_5678);
    let body = body(answer, boundary, end);
    if let Some(length) = answer.content_length {
        assert_eq!(body.len() as u64, length, "Content-Length");
    }
    let stated = answer.content_range.map(|range| range.to_string());
    match (answer.status, stated) {
        (200, None) => {
            is_right(0, &body);
            assert!(whole.is_none() || whole == answer.content_length);
            vec![(0, body.len() as u64)]
        }
        (206, Some(value)) => {
            let (first, last, total) = content_range(&value);
            assert!(first <= last && total.is_none_or(|total| last < total), "{value}");
            assert!(whole.is_none() || whole == total, "{value}");
            is_right(first, &body);
            assert!(!body.is_empty(), "an empty 206 makes Firefox loop");
            let end = first + body.len() as u64;
            assert!(
                if answer.content_length.is_some() { end - 1 == last } else { end - 1 <= last },
                "{value}"
            );
            vec![(first, end)]
        }
        (206, None) => {
            let (mut rest, boundary, total) = (body.as_slice(), boundary.to_string(), whole.unwrap());
            assert!(body.len() as u64 <= total, "a multipart body longer than the whole");
            let parts = std::iter::from_fn(|| next_part(&mut rest, &boundary, total));
            parts
                .inspect(|(first, part)| is_right(*first, part))
                .map(|(first, part)| (first, first + part.len() as u64))
                .collect()
        }
        (304 | 412 | 416, _) => {
            assert!(body.is_empty());
            Vec::new()
        }
        other => panic!("{other:?}"),
    }
}

/// RFC 9110 14.6, written out with digits for the boundary and `x` for the bytes.
fn multipart_len(parts: &[(u64, u64)], len: u64) -> u64 {
    let delimiter = "--0123456789abcdef0123456789abcdef";
    let part = |(first, end): &(u64, u64)| {
        let content_range = format!("Content-Range: bytes {first}-{}/{len}", end - 1);
        let lines = [delimiter, &format!("Content-Type: {MEDIA_TYPE}"), &content_range, "", ""].join("\r\n");
        lines.len() as u64 + end - first + 2
    };
    parts.iter().map(part).sum::<u64>() + delimiter.len() as u64 + 4
}

/// One range as a client asks for it.
#[derive(Clone, Copy, Debug)]
enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Spec {
    /// RFC 9110 14.1.2, one byte at a time.
    fn wants(self, byte: u64, len: u64) -> bool {
        match self {
            Self::From(first) => byte >= first,
            Self::Between(first, last) => byte >= first && byte <= last,
            Self::Last(length) => byte.saturating_add(length) >= len,
        }
    }

    /// The bytes wanted of `len`, as first and behind the last.
    fn of(self, len: u64) -> Option<(u64, u64)> {
        let mut wanted = (0..len).filter(|byte| self.wants(*byte, len));
        let first = wanted.next()?;
        Some((first, wanted.next_back().unwrap_or(first) + 1))
    }
}

/// The ranges of a header that counts; none if it is to be ignored.
fn specs(header: &str) -> Vec<Spec> {
    let Some((unit, set)) = header.split_once('=') else { return Vec::new() };
    let elements: Vec<&str> = set.split(',').map(blanks_off).collect();
    let dangling = set.ends_with([' ', '\t']) && elements.last().is_some_and(|last| !last.is_empty());
    // Lists of nothing are only read so far.
    let idle = elements[..elements.len() - 1].iter().filter(|element| element.is_empty()).count() >= 15;
    let specs: Option<Vec<Spec>> =
        elements.into_iter().filter(|element| !element.is_empty()).map(one_spec).collect();
    let counts = unit.eq_ignore_ascii_case("bytes") && !dangling && !idle;
    specs.filter(|specs| counts && specs.len() <= 16).unwrap_or_default()
}

fn blanks_off(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn one_spec(text: &str) -> Option<Spec> {
    match text.split_once('-')? {
        ("", length) => Some(Spec::Last(number(length)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits, not more than thirty. What does not fit is the largest number.
fn number(digits: &str) -> Option<u64> {
    let all = !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether a list of tags names the tag of ours; `weakly` lets a weak one do so.
fn names(list: &str, ours: Option<&str>, weakly: bool) -> bool {
    if blanks_off(list) == "*" {
        return true;
    }
    let mut rest: Vec<char> = list.chars().rev().collect();
    loop {
        while matches!(rest.last(), Some(',' | ' ' | '\t')) {
            rest.pop();
        }
        let weak = rest.ends_with(&['/', 'W']);
        if weak {
            rest.truncate(rest.len() - 2);
        }
        if rest.pop() != Some('"') {
            return false;
        }
        let mut tag = String::from('"');
        while !(tag.len() > 1 && tag.ends_with('"')) {
            let Some(character) = rest.pop() else { return false };
            tag.push(character);
        }
        if Some(tag.as_str()) == ours && (weakly || !weak) {
            return true;
        }
    }
}

/// The answer to a request for a recording that will have ended after `end` bytes is the model's, and its body what its
/// headers say. `exists`, `reach` and the virtual total should be small: every byte is looked at.
pub fn is_the_models(request: &Request<'_>, entity: &Entity<'_>, end: u64) {
    let ours = matches!(entity, Entity::Finished(_)).then_some(ETAG);
    let decision = decide(request, entity);
    let status = match &decision {
        Decision::Answer(answer) => answer.status,
        Decision::Wait { .. } => 0,
    };
    let whole = match entity {
        Entity::Finished(finished) => Some(finished.len),
        Entity::Growing(_) => None,
    };
    if request.if_match.is_some_and(|tags| !names(tags, ours, false)) {
        assert_eq!(status, 412);
    } else if request.if_none_match.is_some_and(|tags| names(tags, ours, true)) {
        assert_eq!(status, 304);
    } else if request.head {
        let answer = Answer { status: 200, content_range: None, content_length: whole, body: Body::Empty };
        assert_eq!(decision, Decision::Answer(answer));
    } else {
        let counts = request.if_range.is_none_or(|tag| Some(blanks_off(tag)) == ours);
        let wanted = request.range.filter(|_| counts).map(specs).unwrap_or_default();
        match entity {
            Entity::Finished(finished) => is_finished(&decision, finished.len, &wanted),
            Entity::Growing(growing) => is_growing(&decision, *growing, end, &wanted),
        }
        return;
    }
    let Decision::Answer(answer) = decision else { panic!("{decision:?}") };
    assert_eq!(answer.body, Body::Empty);
}

/// What a finished rendition of `len` bytes owes to ranges that all count.
fn is_finished(decision: &Decision, len: u64, specs: &[Spec]) {
    let Decision::Answer(answer) = decision else { panic!("{decision:?}") };
    let parts = read(answer, len, Some(len));
    let wanted: Vec<(u64, u64)> = specs.iter().filter_map(|spec| spec.of(len)).collect();
    match (answer.status, wanted.len()) {
        (200, _) if specs.is_empty() => {}
        (206, 1..) => assert_eq!(parts, wanted),
        (416, 0) => assert!(len > 0 || !specs.iter().any(|spec| matches!(spec, Spec::Last(1..)))),
        (200, 0) => assert!(len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(1..)))),
        (200, 2..) => assert!(multipart_len(&wanted, len) > len),
        other => panic!("{other:?}"),
    }
}

/// What a growing rendition owes to ranges that all count, in the words of the table.
fn is_growing(decision: &Decision, growing: Growing, end: u64, specs: &[Spec]) {
    let [spec] = *specs else {
        // None is the whole, and so are several.
        let Decision::Answer(answer) = decision else { panic!("{decision:?}") };
        assert_eq!((answer.status, answer.content_length), (200, None));
        read(answer, end, None);
        return;
    };
    let limit = growing.virtual_total.unwrap_or(u64::MAX);
    let exists = growing.exists.min(limit);
    let open = match spec {
        Spec::From(_) => true,
        Spec::Between(_, last) => last >= growing.virtual_total.map_or(OPEN_LAST, |total| total - 1),
        Spec::Last(_) => false,
    };
    let now = spec.of(exists);
    let first = match spec {
        Spec::From(first) | Spec::Between(first, _) => first,
        Spec::Last(length) => exists.saturating_sub(length),
    };
    let hopeless = first >= growing.reach || first >= limit || matches!(spec, Spec::Last(0));
    match decision {
        Decision::Wait { byte } => {
            assert_eq!((*byte, now), (first, None));
            assert!(!hopeless);
        }
        Decision::Answer(answer) => {
            let parts = read(answer, end, None);
            match (answer.status, now) {
                (416, None) => assert!(hopeless),
                (206, Some(now)) if !open => assert_eq!(parts, [now]),
                (206, Some(now)) => assert_eq!(parts, [(now.0, end.min(limit))]),
                (200, _) => assert!(growing.virtual_total.is_none() && matches!(spec, Spec::From(0))),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A range that can be read, with places near `scale`.
    fn spec(scale: u64) -> impl Strategy<Value = String> {
        let far = OPEN_LAST - 1..=OPEN_LAST + 1;
        let position =
            move || prop_oneof![8 => 0..scale, 1 => 0..4_u64, 1 => Just(u64::MAX), 1 => far.clone()];
        prop_oneof![
            position().prop_map(|first| format!("{first}-")),
            (position(), position()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            position().prop_map(|length| format!("-{length}")),
        ]
    }

    fn range(scale: u64, most: usize) -> impl Strategy<Value = String> {
        prop::collection::vec(spec(scale), 1..=most).prop_map(|specs| format!("bytes={}", specs.join(",")))
    }

    fn growing() -> impl Strategy<Value = (Growing, u64)> {
        let total = prop_oneof![Just(None), (1..400_u64).prop_map(Some)];
        (0..300_u64, 0..100_u64, 0..200_u64, total).prop_map(|(exists, soon, later, virtual_total)| {
            (Growing { exists, reach: exists + soon, virtual_total }, exists + later)
        })
    }

    fn with_range(range: &str) -> Request<'_> {
        Request { range: Some(range), ..Request::default() }
    }

    /// Lists of tags, some with ours, some broken.
    const TAGS: &str = r#"[*]|(W/)?"[a-z ,]{0,3}", ?(W/)?"t"|"t"|[W/",* t]{0,8}"#;

    proptest! {
        #[test]
        fn finished_ranges_are_those_of_the_model(
            len in prop_oneof![3 => 0..3000_u64, 1 => 0..4_u64],
            range in range(3000, 5),
        ) {
            is_the_models(&with_range(&range), &finished(len), len);
        }

        #[test]
        fn growing_ranges_are_those_of_the_model((growing, end) in growing(), range in range(450, 1)) {
            is_the_models(&with_range(&range), &Entity::Growing(growing), end);
        }

        #[test]
        fn whatever_is_sent_the_answer_is_the_models_and_the_body_what_its_headers_say(
            len in 0..2000_u64,
            (growing, end) in growing(),
            range in prop_oneof![
                "[bB]ytes=[-0-9, \t]{0,40}",
                "bytes=([0-9]{0,3}-[0-9]{0,3},){0,20}",
                "bytes=[0-9]{18,32}-",
                ".{0,40}"
            ],
            conditions in prop::array::uniform3(prop::option::of(TAGS)),
            head in any::<bool>(),
        ) {
            let [if_range, if_match, if_none_match] = conditions.each_ref().map(Option::as_deref);
            let request = Request { head, range: Some(&range), if_range, if_match, if_none_match, ..Request::default() };
            is_the_models(&request, &finished(len), len);
            is_the_models(&request, &Entity::Growing(growing), end);
        }
    }
}
