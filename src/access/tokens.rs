//! Tokens that reading and writing take: from a file, and from a request.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The tokens that there are, as digests: these are all as long, and compared in a time that says nothing of them.
#[derive(Clone)]
pub struct Tokens(Vec<[u8; 32]>);

impl fmt::Debug for Tokens {
    /// How many, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Reads a file's text: one a line; empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// When there is none in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Some editors put a mark before everything.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let tokens: Vec<_> = lines.map(|token| digest(token.as_bytes())).collect();
        if tokens.is_empty() { Err("there is no token in it".to_owned()) } else { Ok(Self(tokens)) }
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, token: &[u8]) -> bool {
        let given = digest(token);
        // All of them, so that the time does not say which it was.
        let one = |found: Choice, token: &[u8; 32]| found | token.ct_eq(&given);
        self.0.iter().fold(Choice::from(0), one).into()
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// What a request says of itself in `Authorization`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Nothing,
    /// That of `Bearer`, or the password of `Basic`, which is all that podcast apps and players can send.
    Token(Vec<u8>),
    /// Something else, or it twice.
    Other,
}

impl Given {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(value), None) => token(value.as_bytes()).map_or(Self::Other, Self::Token),
            (Some(_), Some(_)) => Self::Other,
        }
    }
}

fn token(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, given) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let given = given.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64_STANDARD.decode(given).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_line_is_a_token_and_a_comment_is_none() {
        let tokens = Tokens::parse("\u{feff}# of the studio\n\n secret \nother\n").unwrap();
        assert_eq!(format!("{tokens:?}"), "2 tokens");
        for (token, is_one) in
            [("secret", true), ("other", true), ("# of the studio", false), ("", false), ("Secret", false)]
        {
            assert_eq!(tokens.has(token.as_bytes()), is_one, "{token}");
        }
        assert!(Tokens::parse("# none\n \n").is_err());
    }

    #[test]
    fn a_token_is_a_bearers_or_the_password_of_a_basic() {
        let given = |values: &[&str]| {
            let values = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
            Given::of(&values.fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            }))
        };
        let token = |token: &str| Given::Token(token.as_bytes().to_vec());
        assert_eq!(given(&[]), Given::Nothing);
        assert_eq!(given(&["Bearer secret"]), token("secret"));
        assert_eq!(given(&["bearer  secret"]), token("secret"));
        // user:secret, :se:cret
        assert_eq!(given(&["Basic dXNlcjpzZWNyZXQ="]), token("secret"));
        assert_eq!(given(&["basic OnNlOmNyZXQ="]), token("se:cret"));
        for other in ["secret", "Digest x", "Basic !", "Basic c2VjcmV0", "Bearer", ""] {
            assert_eq!(given(&[other]), Given::Other, "{other}");
        }
        assert_eq!(given(&["Bearer secret", "Bearer other"]), Given::Other);
    }
}
