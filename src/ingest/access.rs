//! Who may write: nobody from outside without a token, and no page of another origin.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, Version, header};

use crate::access::{Given, Tokens};
use crate::error::Problem;

/// Who may write here.
#[derive(Debug, Clone)]
pub(crate) struct Writers {
    tokens: Option<Tokens>,
    /// Whether only this machine reaches the server, and nobody says otherwise.
    local: bool,
}

impl Writers {
    /// Those with a token; without any whoever is on the machine of a server that listens to itself only. One that has a
    /// public URL is reached by others, whatever it listens to.
    pub(crate) fn new(tokens: Option<Tokens>, listen: SocketAddr, public_url: Option<&str>) -> Self {
        Self { tokens, local: listen.ip().is_loopback() && public_url.is_none() }
    }

    /// That a request may write.
    ///
    /// # Errors
    /// 401 or 403, with the reason.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Problem> {
        let headers = &request.headers;
        // A browser sends what it knows of a password along with what any page asks of it.
        if is_of_another_page(headers) {
            return Err(Problem::writing("a page of another origin may not write here"));
        }
        match &self.tokens {
            Some(tokens) => match Given::of(headers) {
                Given::Token(token) if tokens.has(&token) => Ok(()),
                _ => Err(Problem::token()),
            },
            None if !self.local => Err(Problem::writing(
                "where others reach the server, recordings are written with a token only (--ingest-token-file)",
            )),
            // Whoever is behind a proxy may be anybody, and a name that is none of this machine's is how a page
            // elsewhere gets here (DNS rebinding).
            None if is_passed_on(request) || !names_this_machine(headers) => Err(Problem::writing(
                "without a token (--ingest-token-file) recordings are written from this machine only, to localhost or its address",
            )),
            None => Ok(()),
        }
    }
}

fn is_of_another_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_none_or(|(_, authority)| authority.is_empty() || !authority.eq_ignore_ascii_case(host))
}

/// Whether a proxy has passed it on that says so, or one that does not but speaks HTTP/1.0, as nginx does if told nothing.
fn is_passed_on(request: &Parts) -> bool {
    let said = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];
    request.version < Version::HTTP_11 || said.iter().any(|name| request.headers.contains_key(*name))
}

/// Whether the host that is asked for is localhost or a loopback address.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return false };
    let Ok(authority) = http::uri::Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(given: &[(&'static str, &str)]) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        for (name, value) in given {
            parts.headers.append(*name, value.parse().unwrap());
        }
        parts
    }

    fn status(writers: &Writers, given: &[(&'static str, &str)]) -> u16 {
        writers.check(&request(given)).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_this_machine_writes_and_no_page_of_another_origin() {
        let local = Writers::new(None, "127.0.0.1:8000".parse().unwrap(), None);
        for (given, wanted) in [
            (&[("host", "127.0.0.1:8000")][..], 200),
            (&[("host", "localhost:8000")], 200),
            (&[("host", "[::1]:8000")], 200),
            (&[("host", "localhost:8000"), ("origin", "http://localhost:8000")], 200),
            (&[("host", "localhost:8000"), ("origin", "http://evil.example")], 403),
            (&[("host", "localhost:8000"), ("origin", "null")], 403),
            (&[("host", "localhost:8000"), ("origin", "")], 403),
            (&[("host", "localhost:8000"), ("origin", "http://localhost:9000")], 403),
            (&[("host", "evil.example"), ("origin", "http://evil.example")], 403),
            (&[("host", "localhost.evil.example")], 403),
            (&[("host", "127.0.0.1.evil.example")], 403),
            (&[("host", "evil.example@127.0.0.1")], 200),
            (&[("host", "")], 403),
            (&[], 403),
            (&[("host", "127.0.0.1:8000"), ("sec-fetch-site", "cross-site")], 403),
            (&[("host", "127.0.0.1:8000"), ("sec-fetch-site", "same-site")], 403),
            (&[("host", "127.0.0.1:8000"), ("x-forwarded-for", "203.0.113.7")], 403),
            (&[("host", "127.0.0.1:8000"), ("via", "1.1 proxy")], 403),
        ] {
            assert_eq!(status(&local, given), wanted, "{given:?}");
        }
        let mut old = request(&[("host", "127.0.0.1:8000")]);
        old.version = Version::HTTP_10;
        assert!(local.check(&old).is_err());
        for (listen, url) in [
            ("0.0.0.0:8000", None),
            ("[::]:8000", None),
            ("192.0.2.1:8000", None),
            ("127.0.0.1:8000", Some("https://radio.example")),
        ] {
            let open = Writers::new(None, listen.parse().unwrap(), url);
            assert_eq!(status(&open, &[("host", "127.0.0.1:8000")]), 403, "{listen}");
        }
    }

    #[test]
    fn a_token_is_taken_as_bearer_and_as_a_password_and_from_no_other_page() {
        let tokens = Tokens::parse("secret\nother\n").unwrap();
        let writers = Writers::new(Some(tokens), "127.0.0.1:8000".parse().unwrap(), None);
        for (value, wanted) in [
            ("Bearer secret", 200),
            ("bearer other", 200),
            ("Basic c291cmNlOnNlY3JldA==", 200),
            ("Bearer Secret", 401),
            ("Bearer ", 401),
            ("Basic c2VjcmV0", 401),
            ("Basic !", 401),
            ("secret", 401),
        ] {
            assert_eq!(status(&writers, &[("authorization", value)]), wanted, "{value}");
        }
        assert_eq!(status(&writers, &[]), 401);
        let secret = ("authorization", "Bearer secret");
        assert_eq!(status(&writers, &[secret, ("authorization", "Bearer other")]), 401);
        assert_eq!(status(&writers, &[secret, ("host", "a"), ("origin", "http://b")]), 403);
    }
}
