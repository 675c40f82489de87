//! Who may read what.
//!
//! A request is looked at once, before its handler (`admit`), and gets a [`Pass`]; or it is refused. Recordings are behind
//! `Guarded`, which gives none without one. So a handler that forgets to ask does not compile.
//!
//! | module | what is there |
//! |---|---|
//! | `tokens` | what opens everything |
//! | [`sign`] | what opens one recording, a part of one, or a list of them, until a moment |
//! | `guarded` | the recordings, for who has a pass |
//! | [`command`] | `tailcast sign` |

pub mod command;
mod guarded;
pub mod sign;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRequestParts, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use guarded::{Guarded, Links, NotOpened, Opened, Watcher};
pub use sign::{Grant, Key, Listing, Part};
pub(crate) use tokens::Given;
pub use tokens::Tokens;

use crate::error::Problem;
use crate::recording::{RecordingName, Rule};
use crate::time::Position;

/// What there is to open recordings with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Those that open everything.
    pub tokens: Option<Tokens>,
    /// What reading takes a token for.
    pub tokens_for: TokensFor,
    /// What signed URLs are signed with.
    pub key: Option<Key>,
}

/// What reading takes a token for, where there are tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokensFor {
    /// Everything.
    #[default]
    All,
    /// What is private or under an embargo.
    Private,
}

/// Decides who gets which pass.
#[derive(Debug)]
pub struct Access {
    settings: Settings,
    /// Those of which writing takes one: whoever makes a recording may listen to it.
    writers: Option<Tokens>,
    /// Whether it was said that nobody can be given what is private.
    told: AtomicBool,
}

/// What a request may read.
#[derive(Debug, Clone)]
pub struct Pass {
    access: Arc<Access>,
    opens: Opens,
    /// When it came.
    at: Timestamp,
}

#[derive(Debug, Clone)]
enum Opens {
    Everything,
    /// What takes no pass.
    Public,
    /// What is signed, if it is.
    Signed(Arc<Signed>),
}

/// A signature as it came, which is not known to be one before there is a name to hold it against.
#[derive(Debug, Clone)]
struct Signed {
    part: Part,
    expires: i64,
    sig: String,
}

/// Why a signature opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is none, or of something else.
    #[error("`sig` is not the signature of this recording, `from`, `to` and `expires`")]
    Forged,
    /// It was one.
    #[error("the signature has expired ({0})")]
    Expired(String),
    /// It is of a part of the recording.
    #[error("the signature is of a part of the recording, and opens that at /audio only")]
    Part,
    /// Something else is asked for.
    #[error("the signature is of a part of the recording (`from`, `to`), and more than that is asked for")]
    Outside,
    /// It is of one recording, or of another list.
    #[error("a signature opens one recording, or a feed or playlist with its `q`; and no other list")]
    List,
    /// There is nothing to hold it against.
    #[error("signatures are not taken here (there is no --sign-key-file)")]
    NoKey,
}

/// The parameters of a signed URL. Everything is text here, so that each can be refused by its own name.
#[derive(Debug, Default, Deserialize)]
struct SignedQuery {
    from: Option<String>,
    to: Option<String>,
    expires: Option<String>,
    sig: Option<String>,
    /// Whether a password is wanted also where there is something without.
    login: Option<String>,
}

impl SignedQuery {
    /// What they say, if there is a signature.
    fn signed(self) -> Result<Option<Signed>, Problem> {
        let Some(sig) = self.sig else { return Ok(None) };
        let quoted = |text: &str| text.chars().take(60).collect::<String>();
        let expires = self.expires.unwrap_or_default();
        let expires = expires.parse().map_err(|_| {
            let detail = format!("`{}` is not a moment in seconds since 1970", quoted(&expires));
            Problem::parameter("expires", detail)
        })?;
        let time = |name, text: Option<String>| match text.as_deref().map(str::parse::<Position>) {
            None => Ok(None),
            Some(Ok(Position::FromStart(nanos))) => Ok(Some(nanos)),
            Some(Ok(_)) => {
                let text = quoted(text.as_deref().unwrap_or_default());
                Err(Problem::parameter(
                    name,
                    format!("`{text}` moves with the live edge, which is not signed"),
                ))
            }
            Some(Err(error)) => Err(Problem::time(name, &error)),
        };
        Ok(Some(Signed {
            part: Part { from: time("from", self.from)?, to: time("to", self.to)? },
            expires,
            sig,
        }))
    }
}

impl Access {
    /// By these settings, and the tokens of those who write.
    pub fn new(settings: Settings, writers: Option<Tokens>) -> Arc<Self> {
        Arc::new(Self { settings, writers, told: AtomicBool::new(false) })
    }

    /// What a request may read that comes at a moment.
    ///
    /// # Errors
    /// 401 if it has no token and reading takes one, or has another; 400 if what stands with a signature cannot be
    /// understood, 403 if none is taken.
    pub fn pass(self: &Arc<Self>, uri: &Uri, headers: &HeaderMap, at: Timestamp) -> Result<Pass, Problem> {
        let opens = self.opens(uri, headers)?;
        Ok(Pass { access: Arc::clone(self), opens, at })
    }

    /// What a request may read that writes, beside that: all if it has a token, else what takes none.
    pub(crate) fn pass_of_writer(self: &Arc<Self>, headers: &HeaderMap, at: Timestamp) -> Pass {
        let opens = if self.knows(&Given::of(headers)) { Opens::Everything } else { Opens::Public };
        Pass { access: Arc::clone(self), opens, at }
    }

    /// Whether it is a token that opens everything.
    fn knows(&self, given: &Given) -> bool {
        let Given::Token(token) = given else { return false };
        [&self.settings.tokens, &self.writers].into_iter().flatten().any(|tokens| tokens.has(token))
    }

    fn opens(&self, uri: &Uri, headers: &HeaderMap) -> Result<Opens, Problem> {
        let Settings { tokens, tokens_for, key } = &self.settings;
        let given = Given::of(headers);
        if self.knows(&given) {
            return Ok(Opens::Everything);
        }
        // Where reading takes no tokens, what a proxy in front makes of the header is no business of ours.
        if tokens.is_some() && given != Given::Nothing {
            return Err(Problem::reading("that of `Authorization` is none"));
        }
        let Query(query) = Query::<SignedQuery>::try_from_uri(uri)
            .map_err(|rejection| Problem::parameter("query", rejection.body_text()))?;
        if query.login.is_some() && tokens.is_some() {
            return Err(Problem::reading("there is none, and `login` asks for one"));
        }
        match (query.signed()?, key, tokens) {
            (Some(signed), Some(_), _) => Ok(Opens::Signed(Arc::new(signed))),
            (Some(_), None, _) => Err(Refusal::NoKey.into()),
            (None, _, Some(_)) if *tokens_for == TokensFor::All => Err(Problem::reading("there is none")),
            (None, _, _) => Ok(Opens::Public),
        }
    }

    /// Says once that what is private is given to nobody.
    fn tell_if_shut(&self, name: &RecordingName) {
        let Settings { tokens, key, .. } = &self.settings;
        if tokens.is_none() && key.is_none() && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                recording = %name,
                "what is private or under an embargo is given to nobody: there is neither --read-token-file nor --sign-key-file"
            );
        }
    }
}

impl Pass {
    /// Whether it opens a recording by what its sidecar says. (That a signature is one is another question.)
    fn opens(&self, name: &RecordingName, rule: Rule) -> bool {
        let is_open = !matches!(self.opens, Opens::Public) || !rule.is_closed(self.at);
        if !is_open {
            self.access.tell_if_shut(name);
        }
        is_open
    }

    /// The part of a recording of this name that it opens at the most, whether there is one or not.
    fn part(&self, name: &RecordingName) -> Result<Part, Refusal> {
        let Opens::Signed(signed) = &self.opens else { return Ok(Part::default()) };
        let key = self.access.settings.key.as_ref().ok_or(Refusal::NoKey)?;
        let grant = Grant { name: name.clone(), part: signed.part, expires: signed.expires };
        if !key.has_signed(&grant, &signed.sig) {
            return Err(Refusal::Forged);
        }
        self.check_time(signed)?;
        Ok(signed.part)
    }

    /// Whether it opens a list of recordings by its signature, with these words.
    fn listing(&self, signed: &Signed, q: &str) -> Result<(), Refusal> {
        let key = self.access.settings.key.as_ref().ok_or(Refusal::NoKey)?;
        let listing = Listing { q, expires: signed.expires };
        if !signed.part.is_whole() || !key.has_signed_list(&listing, &signed.sig) {
            return Err(Refusal::List);
        }
        self.check_time(signed)
    }

    fn check_time(&self, signed: &Signed) -> Result<(), Refusal> {
        let is_over = self.at.as_second() >= signed.expires;
        if is_over { Err(Refusal::Expired(sign::moment(signed.expires))) } else { Ok(()) }
    }

    /// What stands in URLs that are to open what this one's does: parameters, if it is signed.
    pub(crate) fn parameters(&self) -> Option<String> {
        let Opens::Signed(signed) = &self.opens else { return None };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        // A part has no URLs that go on from it, and what is none of these letters is no signature.
        let goes_on = signed.part.is_whole() && signed.sig.chars().all(is_plain);
        goes_on.then(|| format!("expires={}&sig={}", signed.expires, signed.sig))
    }

    /// A path with these, if there are any; it may have a query already.
    pub(crate) fn carried(&self, path: String) -> String {
        match self.parameters() {
            Some(more) => with(path, &more),
            None => path,
        }
    }

    /// Whether answers are for nobody but who asked.
    fn is_personal(&self) -> bool {
        !matches!(self.opens, Opens::Public)
    }
}

/// A path with more parameters.
fn with(path: String, more: &str) -> String {
    format!("{path}{}{more}", if path.contains('?') { '&' } else { '?' })
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::signature(refusal)
    }
}

/// Gives each request that reads its pass, or refuses it.
pub(crate) async fn admit(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    // Who writes is asked elsewhere, and reads nothing by that.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let is_signed = request.uri().query().is_some_and(|query| query.to_ascii_lowercase().contains("sig"));
    let pass = match access.pass(request.uri(), request.headers(), Timestamp::now()) {
        Ok(pass) => pass,
        Err(problem) => return problem.into_response(),
    };
    let is_personal = pass.is_personal();
    request.extensions_mut().insert(pass);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if is_signed && headers.contains_key(header::REFERRER_POLICY) {
        // Whatever the page is, and whether the signature opens it: its address is not for whom it leads to.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if is_personal {
        make_private(headers);
    }
    if access.settings.tokens.is_some() || access.writers.is_some() {
        headers.append(header::VARY, HeaderValue::from_static("authorization"));
    }
    response
}

/// Keeps an answer out of the caches that are shared.
fn make_private(headers: &mut HeaderMap) {
    let Some(given) = headers.get(header::CACHE_CONTROL).and_then(|given| given.to_str().ok()) else {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return;
    };
    if given == "no-store" {
        return;
    }
    let rest = given.strip_prefix("public, ").unwrap_or(given);
    let private = HeaderValue::from_str(&format!("private, {rest}"));
    headers.insert(header::CACHE_CONTROL, private.unwrap_or(HeaderValue::from_static("no-store")));
}

impl<S: Sync> FromRequestParts<S> for Pass {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pass = parts.extensions.get::<Self>().cloned();
        // A path that is not behind `admit` gives nothing away.
        pass.ok_or_else(|| Problem::internal("nobody has asked who may read this"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn name(text: &str) -> RecordingName {
        RecordingName::parse(text).unwrap()
    }

    fn access(tokens: Option<&str>, tokens_for: TokensFor) -> Arc<Access> {
        let tokens = tokens.map(|tokens| Tokens::parse(tokens).unwrap());
        let writers = Some(Tokens::parse("writer").unwrap());
        Access::new(Settings { tokens, tokens_for, key: Some(Key::parse(&[1; 32]).unwrap()) }, writers)
    }

    fn pass(access: &Arc<Access>, query: &str, token: Option<&str>, at: i64) -> Result<Pass, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let uri = format!("/audio/show?{query}").parse().unwrap();
        access.pass(&uri, &headers, Timestamp::from_second(at).unwrap())
    }

    #[test]
    fn a_signature_expires_with_its_second() {
        let access = access(None, TokensFor::All);
        let grant = Grant { name: name("show"), part: Part::default(), expires: NOW };
        let query = access.settings.key.as_ref().unwrap().sign(&grant);
        let part = |at| pass(&access, &query, None, at).unwrap().part(&name("show"));
        assert_eq!(part(NOW - 1), Ok(Part::default()));
        assert!(matches!(part(NOW), Err(Refusal::Expired(_))));
        let later = query.replace(&NOW.to_string(), &(NOW + 1).to_string());
        assert_eq!(pass(&access, &later, None, NOW).unwrap().part(&name("show")), Err(Refusal::Forged));
    }

    #[test]
    fn who_has_no_token_may_read_what_takes_none() {
        let closed = Rule { private: true, embargo: None };
        let (all, private) = (access(Some("t"), TokensFor::All), access(Some("t"), TokensFor::Private));
        assert_eq!(pass(&all, "", None, NOW).unwrap_err().status(), 401);
        assert_eq!(pass(&private, "", Some("x"), NOW).unwrap_err().status(), 401);
        let nobody = pass(&private, "", None, NOW).unwrap();
        assert!(nobody.opens(&name("show"), Rule::default()) && !nobody.opens(&name("show"), closed));
        assert!(pass(&all, "", Some("t"), NOW).unwrap().opens(&name("show"), closed));
    }

    #[test]
    fn whoever_may_write_may_read() {
        let closed = Rule { private: true, embargo: None };
        for tokens in [None, Some("t")] {
            let access = access(tokens, TokensFor::All);
            assert!(pass(&access, "", Some("writer"), NOW).unwrap().opens(&name("show"), closed));
        }
        let open = access(None, TokensFor::All);
        assert!(!pass(&open, "", Some("x"), NOW).unwrap().opens(&name("show"), closed));
    }

    #[test]
    fn a_parameter_twice_is_neither() {
        let access = access(None, TokensFor::All);
        for query in
            ["sig=a&sig=b&expires=1", "sig=a&expires=1&expires=2", "sig=a&s%69g=b&expires=1", "sig=a"]
        {
            assert_eq!(pass(&access, query, None, NOW).unwrap_err().status(), 400, "{query}");
        }
    }

    #[test]
    fn what_is_for_one_is_in_no_shared_cache() {
        for (given, wanted) in [
            (Some("public, max-age=3600"), "private, max-age=3600"),
            (Some("public, max-age=31536000, immutable"), "private, max-age=31536000, immutable"),
            (Some("no-cache"), "private, no-cache"),
            (Some("no-store"), "no-store"),
            (None, "no-store"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(given));
            }
            make_private(&mut headers);
            assert_eq!(headers[header::CACHE_CONTROL], wanted);
        }
    }
}
