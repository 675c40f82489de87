//! Values as they are written, each with an error that quotes what is wrong.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ipnet::IpNet;

use http::{HeaderValue, Uri};

use super::{Category, Cors, LogFormat};
use crate::access::{Key, Tokens, TokensFor};
use crate::ingest::Sync;
use crate::{time, web};

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(format!("`{text}` is not a folder")),
        Err(error) => Err(format!("`{text}`: {error}")),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:8000 or [::]:8000"))
}

/// One for each core.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A number of encoders.
pub(crate) fn thread_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err(format!("`{text}` is not a number from 1 to 1024")),
    }
}

pub(super) fn filter(text: &str) -> Result<String, String> {
    // A word by itself that is no level would be the name of a module, and anything mistyped would log nothing.
    let is_level =
        |part: &str| part.contains('=') || part.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    if let Some(part) = text.split(',').map(str::trim).find(|part| !part.is_empty() && !is_level(part)) {
        return Err(format!(
            "`{part}` is not a level (allowed: off, error, warn, info, debug, trace; or MODULE=LEVEL, such as \
             `tailcast=debug`)"
        ));
    }
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{text}` is not a filter: {error}")),
    }
}

/// Bytes: a number, or one with KiB, MiB, GiB (KB, MB, GB and K, M, G are taken for the same).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size, such as 268435456, 256MiB or 1GiB");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text.get(digits.len()..).unwrap_or_default().trim().to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// The tokens in a file.
pub(super) fn tokens(path: &str) -> Result<Tokens, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{path}`: {error}"))?;
    Tokens::parse(&text).map_err(|why| format!("`{path}`: {why}"))
}

pub(super) fn tokens_for(text: &str) -> Result<TokensFor, String> {
    match text {
        "all" => Ok(TokensFor::All),
        "private" => Ok(TokensFor::Private),
        _ => Err(format!("`{text}` is not what tokens can be for (allowed: all, private)")),
    }
}

/// The key in a file.
pub(crate) fn key(path: &str) -> Result<Key, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("`{path}`: {error}"))?;
    Key::parse(&bytes).map_err(|why| format!("`{path}`: {why}"))
}

/// `*`, `none`, or origins with commas between them, each as browsers send it: `https://radio.example:8443`.
pub(super) fn cors(text: &str) -> Result<Cors, String> {
    let origin = |part: &str| {
        let uri: Option<Uri> = part.parse().ok();
        let scheme = uri.as_ref().and_then(Uri::scheme_str);
        let host = uri.as_ref().and_then(Uri::authority);
        let is_one = scheme.zip(host).is_some_and(|(scheme, host)| format!("{scheme}://{host}") == part);
        // As browsers send it: in small letters, and without the port that the scheme has anyway.
        let has_default_port = part.starts_with("http://") && part.ends_with(":80")
            || part.starts_with("https://") && part.ends_with(":443");
        let is_sent = !has_default_port && !part.contains(['@', '*']) && part.to_ascii_lowercase() == part;
        let value = HeaderValue::from_str(part).ok().filter(|_| is_one && is_sent);
        value.ok_or_else(|| {
            format!("`{part}` is not an origin, such as https://radio.example, nor * nor none")
        })
    };
    match text.trim() {
        "*" => Ok(Cors::Any),
        "none" => Ok(Cors::Only(Vec::new())),
        list => list.split(',').map(|part| origin(part.trim())).collect::<Result<_, _>>().map(Cors::Only),
    }
}

/// When what is received is to be on the disk.
pub(super) fn sync(text: &str) -> Result<Sync, String> {
    match text {
        "none" => Ok(Sync::Never),
        "end" => Ok(Sync::End),
        _ => time::duration(text)
            .map(Sync::Every)
            .map_err(|_| format!("`{text}` is none of: none, end, a time such as 1s")),
    }
}

/// How many of something there may be.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<u32>().ok().and_then(|count| NonZeroUsize::new(usize::try_from(count).ok()?)) {
        Some(count) => Ok(count),
        None => Err(format!("`{text}` is not a number from 1 to {}", u32::MAX)),
    }
}

/// Bytes of the head of a request. An HTTP client may need 8000 (RFC 9112 3); what is above a MiB is no head.
pub(super) fn head_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        bytes @ 8192..=1_048_576 => Ok(usize::try_from(bytes).unwrap_or(usize::MAX)),
        _ => Err(format!("`{text}` is not a size from 8KiB to 1MiB")),
    }
}

/// Addresses and networks, with commas between them; none at all if empty.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |part: &str| {
        let address = || part.parse::<IpAddr>().map(IpNet::from).ok();
        part.parse().ok().or_else(address).ok_or_else(|| {
            format!("`{part}` is neither an address nor a network, such as 192.0.2.1 or 2001:db8::/32")
        })
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect()
}

/// Something for people to read.
pub(super) fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err(format!("`{text}` says nothing")) } else { Ok(text.trim().to_owned()) }
}

/// A URL that paths are appended to: without a slash at its end.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    match web::url(text)? {
        url if url.contains(['?', '#']) => Err(format!("`{text}` has a query, and paths are appended to it")),
        url => Ok(url.trim_end_matches('/').to_owned()),
    }
}

/// As much of an address as can be told without writing to it.
pub(super) fn email(text: &str) -> Result<String, String> {
    let is_one = |(name, host): (&str, &str)| !name.is_empty() && host.contains('.');
    let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>(),;\"".contains(c));
    if plain && text.rsplit_once('@').is_some_and(is_one) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an address of e-mail, such as owner@radio.example"))
    }
}

/// A tag of a language as BCP 47 has them, as far as its form goes.
pub(super) fn language(text: &str) -> Result<String, String> {
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_language = text.split('-').next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    if is_language && text.split('-').all(is_subtag) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not the tag of a language, such as en or pt-BR"))
    }
}

/// `Music`, or one within another: `Arts > Design`.
pub(super) fn category(text: &str) -> Result<Category, String> {
    let parts: Vec<&str> = text.split('>').map(str::trim).collect();
    match parts.as_slice() {
        [name] if !name.is_empty() => Ok(Category { name: (*name).to_owned(), within: None }),
        [name, within] if !name.is_empty() && !within.is_empty() => {
            Ok(Category { name: (*name).to_owned(), within: Some((*within).to_owned()) })
        }
        _ => Err(format!("`{text}` is not a category, such as Music, nor one within it: Arts > Design")),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither true nor false"))
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is not a form of log (allowed: text, json)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size("1 GiB"), Ok(1 << 30));
        assert_eq!(size("4096"), Ok(4096));
        for wrong in ["", "MiB", "-1", "1.5MiB", "1XiB", "99999999999GiB"] {
            assert!(size(wrong).unwrap_err().contains(wrong));
        }
    }

    #[test]
    fn what_directories_of_podcasts_ask_for_has_its_form() {
        assert_eq!(base_url("https://radio.example/"), Ok("https://radio.example".to_owned()));
        assert_eq!(base_url("http://[::1]:8000/radio"), Ok("http://[::1]:8000/radio".to_owned()));
        assert!(["en", "pt-BR", "zh-Hant-TW"].iter().all(|tag| language(tag).is_ok()));
        assert!(["", "e", "en-", "en_US", "4u"].iter().all(|tag| language(tag).is_err()));
        assert!(email("owner@radio.example").is_ok());
        assert!(
            ["", "@radio.example", "owner@", "a b@radio.example"].iter().all(|text| email(text).is_err())
        );
        let within = |within: &str| Some(within.to_owned());
        assert_eq!(
            category("Arts>Design").unwrap(),
            Category { name: "Arts".into(), within: within("Design") }
        );
        assert!(["", ">", "Arts >", "> Design"].iter().all(|text| category(text).is_err()));
    }

    #[test]
    fn networks_are_lists_of_either_form() {
        let two = networks("127.0.0.0/8, ::1").unwrap();
        assert_eq!(two, ["127.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);
        assert_eq!(networks(""), Ok(Vec::new()));
        assert!(networks("::1,localhost").unwrap_err().contains("`localhost`"));
    }
}
