//! What is said of all recordings together, and by which address others reach them: feeds and playlists are read elsewhere,
//! and have whole URLs.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{HOST, VARY};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::App;
use crate::config::{Config, Feed};
use crate::connections::Peer;
use crate::error::Problem;
use crate::exchange::is_authority;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The server as others see it.
#[derive(Debug)]
pub struct Site {
    /// What a feed says of all recordings.
    pub feed: Feed,
    /// Since when it has been running.
    pub began: Timestamp,
    public_url: Option<String>,
}

impl Site {
    /// As the settings have it, from now on.
    pub fn of(config: &Config) -> Self {
        let (feed, public_url) = (config.feed.clone(), config.public_url.clone());
        Self { feed, began: Timestamp::now(), public_url }
    }
}

/// What stands before a path in a whole URL, as one who asks reaches the server.
#[derive(Debug, Clone)]
pub struct Base {
    /// Without a slash at its end.
    url: String,
    /// Whether it is taken from what a proxy says.
    is_forwarded: bool,
}

impl Base {
    /// The whole URL of a path, which begins with a slash.
    pub fn whole(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The host in it, without a port.
    pub fn host(&self) -> &str {
        let authority = self.url.split('/').nth(2).unwrap_or_default();
        let port = authority.rfind(':').filter(|at| !authority.ends_with(']') && *at > 0);
        port.and_then(|at| authority.get(..at)).unwrap_or(authority)
    }

    /// Has caches keep apart what was told by what a proxy said. (By `Host` they do anyway.)
    pub fn vary(&self, mut response: Response) -> Response {
        if self.is_forwarded {
            let names = HeaderValue::from_static("x-forwarded-host, x-forwarded-proto");
            response.headers_mut().append(VARY, names);
        }
        response
    }
}

impl FromRequestParts<App> for Base {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(url) = &app.site.public_url {
            return Ok(Self { url: url.clone(), is_forwarded: false });
        }
        let is_forwarded = parts.extensions.get().is_some_and(|Peer(peer)| app.clients.is_trusted(*peer));
        // Where the target of the request has a host of its own, `Host` is to be left alone (RFC 9112 3.2.2).
        let named = || parts.headers.get(HOST)?.to_str().ok();
        let own = parts.uri.authority().map(Authority::as_str).or_else(named);
        let url = url(own, &parts.headers, is_forwarded).ok_or_else(|| Problem::host(&[]))?;
        Ok(Self { url, is_forwarded })
    }
}

/// The start of whole URLs for a request to a host, of a proxy that is believed if it `is_forwarded`.
fn url(host: Option<&str>, headers: &HeaderMap, is_forwarded: bool) -> Option<String> {
    let told = |name: HeaderName| last(headers, &name).filter(|_| is_forwarded);
    let is_host = |host: &&str| is_authority(host.as_bytes());
    let host = told(FORWARDED_HOST).filter(is_host).or(host.filter(is_host))?;
    let is_secure = told(FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    Some(format!("{}://{host}", if is_secure { "https" } else { "http" }))
}

/// What a proxy adds to a list stands behind what came.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(host: &str, forwarded: &[(&'static str, &str)], is_forwarded: bool) -> Option<String> {
        let headers = forwarded.iter();
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        url(Some(host), &headers.collect(), is_forwarded)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_by_which_address_it_was_asked() {
        let told = [("x-forwarded-host", "radio.example"), ("x-forwarded-proto", "https")];
        assert_eq!(base("x:8000", &told, false).unwrap(), "http://x:8000");
        assert_eq!(base("x:8000", &told, true).unwrap(), "https://radio.example");
        assert_eq!(base("x:8000", &told[1..], true).unwrap(), "https://x:8000");
        assert_eq!(
            base("x", &[("x-forwarded-host", "made.up, radio.example")], true).unwrap(),
            "http://radio.example"
        );
        for made_up in ["a b", "a/b", "a@b", "", "a\"b"] {
            assert_eq!(base("x", &[("x-forwarded-host", made_up)], true).unwrap(), "http://x", "{made_up}");
        }
        assert_eq!(base("x", &[("x-forwarded-proto", "javascript")], true).unwrap(), "http://x");
        assert_eq!(base("", &[], true), None);
    }

    #[test]
    fn a_host_has_no_port() {
        for (url, host) in [
            ("https://radio.example", "radio.example"),
            ("http://127.0.0.1:8000/radio", "127.0.0.1"),
            ("http://[::1]:8000", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(Base { url: url.to_owned(), is_forwarded: false }.host(), host);
        }
    }
}
