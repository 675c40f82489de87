//! What a body of sound says it is.

use std::borrow::Cow;
use std::str::FromStr;

use http::{HeaderMap, header};
use tailcast_codecs::PcmSpec;

use crate::error::Problem;

/// How a body is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its header says what it is.
    Wav,
    /// Raw PCM; `None` if neither the media type nor the URL says of what format.
    Raw(Option<PcmSpec>),
}

/// What is told of a media type that is not taken.
const TAKEN: &str =
    "audio/wav, audio/L16 (L8, L24) with rate and channels, application/octet-stream or none for raw PCM";

impl Kind {
    /// By the header `Content-Type` and the parameter `pcm`.
    ///
    /// # Errors
    /// 400 when the format cannot be understood, 415 when the type is not taken.
    pub(crate) fn of(headers: &HeaderMap, pcm: Option<&str>) -> Result<Self, Problem> {
        let pcm = pcm.map(PcmSpec::from_str).transpose().map_err(|error| Problem::parameter("pcm", error))?;
        let whole = content_type(headers);
        let (media_type, parameters) = whole.split_once(';').unwrap_or((&whole, ""));
        match media_type.trim().to_ascii_lowercase().as_str() {
            "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Ok(Self::Wav),
            // What curl and others say of whatever they send.
            "" | "application/octet-stream" | "audio/pcm" | "application/x-www-form-urlencoded" => {
                Ok(Self::Raw(pcm))
            }
            // RFC 3551 4.5: L8 is offset binary, the others are two's complement in network byte order.
            "audio/l8" => network("u8", parameters).map(Self::Raw),
            "audio/l16" => network("s16be", parameters).map(Self::Raw),
            "audio/l24" => network("s24be", parameters).map(Self::Raw),
            _ => Err(Problem::media_type(format!(
                "`{}` is not taken (taken: {TAKEN}); sound comes as PCM",
                quoted(&whole)
            ))),
        }
    }
}

/// What a body says it is, with its parameters; nothing if it does not say.
pub(crate) fn content_type(headers: &HeaderMap) -> Cow<'_, str> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    given.unwrap_or_default()
}

/// The same in small letters and without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    content_type(headers).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// That a body is sound as it is, and not a part of something or compressed, which would be recorded for noise.
///
/// # Errors
/// 400 and 415 (RFC 9110 14.5, 15.5.16).
pub(crate) fn check_plain(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::upload(
            "`Content-Range` is not taken; what goes on with a recording is PATCH with `Upload-Offset`",
        ));
    }
    check_transfer(headers)?;
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings = codings.map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    match codings.into_iter().find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")) {
        Some(coding) => Err(Problem::content_coding(format!(
            "`Content-Encoding: {}` is not taken: sound comes as it is",
            quoted(&coding)
        ))),
        None => Ok(()),
    }
}

/// That a body is not compressed for its way either: nothing here undoes that (RFC 9112 6.1).
fn check_transfer(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get_all(header::TRANSFER_ENCODING).iter();
    let codings: Vec<_> = given.map(|coding| String::from_utf8_lossy(coding.as_bytes())).collect();
    match codings.as_slice() {
        [] => Ok(()),
        [coding] if coding.trim().eq_ignore_ascii_case("chunked") => Ok(()),
        _ => Err(Problem::upload(format!(
            "`Transfer-Encoding: {}` is not taken: sound comes as it is, at the most in chunks (`chunked`)",
            quoted(&codings.join(", "))
        ))),
    }
}

/// As much of it as is told.
pub(crate) fn quoted(content_type: &str) -> String {
    content_type.chars().take(200).collect()
}

/// The format of `audio/L16` and its like, whose rate has to be said and whose channels are one otherwise.
fn network(format: &str, parameters: &str) -> Result<Option<PcmSpec>, Problem> {
    let value = |name: &str| {
        let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
        let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().trim_matches('"'))
    };
    let rate = value("rate").ok_or_else(|| {
        Problem::media_type("`Content-Type` lacks the rate, as in `audio/L16;rate=44100;channels=2`")
    })?;
    let text = format!("{format}:{rate}:{}", value("channels").unwrap_or("1"));
    text.parse().map(Some).map_err(|error| Problem::media_type(format!("`Content-Type`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content_type: &str, pcm: Option<&str>) -> Result<Kind, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        Kind::of(&headers, pcm).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn linear_pcm_comes_in_network_byte_order() {
        for (written, pcm) in [
            ("audio/L16;rate=44100;channels=2", "s16be:44100:2"),
            ("audio/l16 ; Rate=\"8000\"", "s16be:8000:1"),
            ("audio/L24; channels=6; rate=48000", "s24be:48000:6"),
            ("audio/L8;rate=8000", "u8:8000:1"),
        ] {
            assert_eq!(kind(written, None), Ok(Kind::Raw(Some(pcm.parse().unwrap()))), "{written}");
        }
        for wrong in
            ["audio/L16", "audio/L16;rate=x", "audio/L16;rate=8000;channels=99", "audio/mpeg", "text/plain"]
        {
            assert_eq!(kind(wrong, None), Err(415), "{wrong}");
        }
    }

    #[test]
    fn chunks_are_all_that_may_be_made_of_a_body() {
        let plain = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            for coding in given {
                headers.append(header::TRANSFER_ENCODING, coding.parse().unwrap());
            }
            check_plain(&headers).map_err(|problem| problem.status().as_u16())
        };
        for taken in [&[][..], &["chunked"], &["Chunked"]] {
            assert_eq!(plain(taken), Ok(()), "{taken:?}");
        }
        for other in [&["gzip, chunked"][..], &["gzip", "chunked"], &["identity"], &["chunked, chunked"]] {
            assert_eq!(plain(other), Err(400), "{other:?}");
        }
    }

    #[test]
    fn what_says_nothing_is_what_the_url_says() {
        assert_eq!(kind("audio/x-wav", None), Ok(Kind::Wav));
        assert_eq!(kind("application/octet-stream", None), Ok(Kind::Raw(None)));
        assert_eq!(kind("audio/pcm", Some("u8:8000:1")), Ok(Kind::Raw(Some("u8:8000:1".parse().unwrap()))));
        assert_eq!(kind("audio/pcm", Some("u9:8000:1")), Err(400));
    }
}
