//! Every decision against a model that is slow and obvious: sets of single bytes, a server that writes each
//! body out, and a client that believes nothing but the headers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MEDIA_TYPE: &str = "a/b";

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
        Body::Bytes(bytes) => bytes_at(bytes.clone()),
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
    fn text(self) -> String {
        match self {
            Self::From(first) => format!("{first}-"),
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::Last(length) => format!("-{length}"),
        }
    }

    /// RFC 9110 14.1.2, one byte at a time.
    fn wants(self, byte: u64, len: u64) -> bool {
        match self {
            Self::From(first) => byte >= first,
            Self::Between(first, last) => byte >= first && byte <= last,
            Self::Last(length) => byte + length >= len,
        }
    }

    /// The bytes wanted of `len`, as first and behind the last.
    fn of(self, len: u64) -> Option<(u64, u64)> {
        let wanted: BTreeSet<u64> = (0..len).filter(|byte| self.wants(*byte, len)).collect();
        Some((*wanted.first()?, *wanted.last()? + 1))
    }
}

fn spec(scale: u64) -> impl Strategy<Value = Spec> {
    let position = move || prop_oneof![8 => 0..scale, 1 => 0..4_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        position().prop_map(Spec::From),
        (position(), position()).prop_map(|(a, b)| Spec::Between(a.min(b), a.max(b))),
        (0..scale).prop_map(Spec::Last),
    ]
}

fn header(specs: &[Spec]) -> String {
    format!("bytes={}", specs.iter().map(|spec| spec.text()).collect::<Vec<_>>().join(","))
}

fn finished(len: u64) -> Entity<'static> {
    Entity::Finished(Finished { len, etag: "\"t\"", media_type: MEDIA_TYPE })
}

fn with_range(range: &str) -> Request<'_> {
    Request { range: Some(range), ..Request::default() }
}

fn answer_of(decision: Decision) -> Answer {
    match decision {
        Decision::Answer(answer) => answer,
        Decision::Wait { byte } => panic!("waits for {byte}"),
    }
}

fn growing() -> impl Strategy<Value = (Growing, u64)> {
    let total = prop_oneof![Just(None), (1..400_u64).prop_map(Some)];
    (0..300_u64, 0..100_u64, 0..200_u64, total).prop_map(|(exists, soon, later, virtual_total)| {
        (Growing { exists, reach: exists + soon, virtual_total }, exists + later)
    })
}

/// What a growing rendition owes to one range, in the words of the table.
fn check_growing(growing: Growing, end: u64, spec: Spec) {
    let limit = growing.virtual_total.unwrap_or(u64::MAX);
    let exists = growing.exists.min(limit);
    let open = match spec {
        Spec::From(_) => true,
        Spec::Between(_, last) => last >= growing.virtual_total.unwrap_or(1 << 46) - 1,
        Spec::Last(_) => false,
    };
    let now = spec.of(exists);
    let first = match spec {
        Spec::From(first) | Spec::Between(first, _) => first,
        Spec::Last(length) => exists.saturating_sub(length),
    };
    let hopeless = first >= growing.reach || first >= limit || matches!(spec, Spec::Last(0));
    let header = header(&[spec]);
    match decide(&with_range(&header), &Entity::Growing(growing)) {
        Decision::Wait { byte } => {
            assert_eq!((byte, now), (first, None));
            assert!(!hopeless);
        }
        Decision::Answer(answer) => {
            let parts = read(&answer, end, None);
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

/// Lists of tags, some with ours, some broken.
const TAGS: &str = r#"[*]|(W/)?"[a-z ,]{0,3}", ?(W/)?"t"|"t"|[W/",* t]{0,8}"#;

proptest! {
    #[test]
    fn finished_ranges_are_those_of_the_model(
        len in prop_oneof![3 => 0..3000_u64, 1 => 0..4_u64],
        specs in prop::collection::vec(spec(3000), 1..5),
    ) {
        let header = header(&specs);
        let answer = answer_of(decide(&with_range(&header), &finished(len)));
        let parts = read(&answer, len, Some(len));
        let wanted: Vec<(u64, u64)> = specs.iter().filter_map(|spec| spec.of(len)).collect();
        match (answer.status, wanted.len()) {
            (416, 0) | (206, 1..) => prop_assert_eq!(parts, wanted),
            (200, 0) => prop_assert_eq!(len, 0),
            (200, 2..) => prop_assert!(multipart_len(&wanted, len) > len),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn growing_ranges_are_those_of_the_model((growing, end) in growing(), spec in spec(450)) {
        check_growing(growing, end, spec);
    }

    #[test]
    fn whatever_is_sent_the_body_is_what_its_headers_say(
        len in 0..2000_u64,
        (growing, end) in growing(),
        range in prop_oneof!["[bB]ytes=[-0-9, ]{0,40}", "bytes=([0-9]{0,3}-[0-9]{0,3},){0,20}", ".{0,40}"],
        conditions in prop::array::uniform3(prop::option::of(TAGS)),
        head in any::<bool>(),
    ) {
        let [if_range, if_match, if_none_match] = conditions.each_ref().map(Option::as_deref);
        let request = Request { head, range: Some(&range), if_range, if_match, if_none_match, ..Request::default() };
        let as_get = Request { head: false, range: None, ..request };
        for entity in [finished(len), Entity::Growing(growing)] {
            let Decision::Answer(answer) = decide(&request, &entity) else { continue };
            if head {
                let whole = answer_of(decide(&as_get, &entity));
                prop_assert_eq!(answer, Answer { body: Body::Empty, ..whole });
            } else {
                let finished = matches!(entity, Entity::Finished(_));
                read(&answer, if finished { len } else { end }, finished.then_some(len));
            }
        }
    }
}
