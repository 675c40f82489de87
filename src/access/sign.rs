//! Signatures that open one recording, a part of one, or a list of them, until a moment.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::recording::RecordingName;
use crate::time::in_seconds;

/// The fewest bytes of a key: as many as HMAC-SHA256 gives.
const FEWEST: usize = 32;

/// What stands first in what is signed, so that nothing else that the key may have signed is taken for it.
const VERSION: &[u8] = b"tailcast signed URL 1";
const VERSION_OF_LISTS: &[u8] = b"tailcast signed list 1";

/// A key.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    /// Nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}

/// What a signature opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The recording.
    pub name: RecordingName,
    /// The part of it.
    pub part: Part,
    /// Until when, in seconds since 1970: no longer then.
    pub expires: i64,
}

/// What a signature of a list opens: what is private too, and each recording in it by a signature of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing<'a> {
    /// The words that all in it have, as they are asked for; none if that is empty.
    pub q: &'a str,
    /// Until when, in seconds since 1970: no longer then.
    pub expires: i64,
}

/// A part of a recording: all of it if neither is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Nanoseconds from the recording's start.
    pub from: Option<u64>,
    /// The same.
    pub to: Option<u64>,
}

impl Part {
    /// Whether it is all.
    pub fn is_whole(self) -> bool {
        self == Self::default()
    }
}

impl Key {
    /// A key of these bytes, all of them: it need not be text.
    ///
    /// # Errors
    /// When they are too few.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < FEWEST {
            return Err(format!("{} bytes are too few for a key (at least {FEWEST})", bytes.len()));
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(|error| error.to_string())
    }

    /// The parameters of a URL that say what it opens: `from`, `to`, `expires`, `sig`.
    pub fn sign(&self, grant: &Grant) -> String {
        let Part { from, to } = grant.part;
        let time = |name: &str, nanos: Option<u64>| {
            nanos.map(|nanos| format!("{name}={}&", in_seconds(nanos))).unwrap_or_default()
        };
        format!(
            "{}{}expires={}&sig={}",
            time("from", from),
            time("to", to),
            grant.expires,
            written(self.of_grant(grant))
        )
    }

    /// The parameters of a list's URL, beside its `q`.
    pub fn sign_list(&self, listing: &Listing<'_>) -> String {
        format!("expires={}&sig={}", listing.expires, written(self.of_listing(listing)))
    }

    /// Whether a signature, as it stands in a URL, is that of a grant. Takes as long whatever is wrong with it, but for its
    /// length.
    pub(super) fn has_signed(&self, grant: &Grant, sig: &str) -> bool {
        is(self.of_grant(grant), sig)
    }

    /// The same of a list.
    pub(super) fn has_signed_list(&self, listing: &Listing<'_>, sig: &str) -> bool {
        is(self.of_listing(listing), sig)
    }

    fn of_grant(&self, grant: &Grant) -> Hmac<Sha256> {
        let [from, to] = [grant.part.from, grant.part.to].map(|at| at.map(u64::to_be_bytes));
        let name = grant.name.as_str().as_bytes();
        self.mac(&[VERSION, name, &grant.expires.to_be_bytes(), bytes_of(&from), bytes_of(&to)])
    }

    fn of_listing(&self, listing: &Listing<'_>) -> Hmac<Sha256> {
        self.mac(&[VERSION_OF_LISTS, listing.q.as_bytes(), &listing.expires.to_be_bytes()])
    }

    /// Each field with its length before it, so that none runs into the next.
    fn mac(&self, fields: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for field in fields {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac
    }
}

fn written(mac: Hmac<Sha256>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

fn is(mac: Hmac<Sha256>, sig: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD.decode(sig).is_ok_and(|sig| mac.verify_slice(&sig).is_ok())
}

/// None at all if it is not said.
fn bytes_of(at: &Option<[u8; 8]>) -> &[u8] {
    at.as_ref().map(<[u8; 8]>::as_slice).unwrap_or_default()
}

/// When what expires in so many seconds of 1970 does, for people.
pub(super) fn moment(expires: i64) -> String {
    Timestamp::from_second(expires).map_or_else(|_| expires.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(name: &str, part: (Option<u64>, Option<u64>), expires: i64) -> Grant {
        let part = Part { from: part.0, to: part.1 };
        Grant { name: RecordingName::parse(name).unwrap(), part, expires }
    }

    fn sig(key: &Key, grant: &Grant) -> String {
        key.sign(grant).rsplit_once("sig=").unwrap().1.to_owned()
    }

    #[test]
    fn a_signature_is_of_all_that_it_opens_and_of_nothing_else() {
        let (key, other) = (Key::parse(&[1; 32]).unwrap(), Key::parse(&[2; 32]).unwrap());
        let all = [
            grant("show", (None, None), 7),
            grant("show", (None, None), 8),
            grant("Show", (None, None), 7),
            grant("show.mp3", (None, None), 7),
            grant("a/show", (None, None), 7),
            grant("show", (Some(0), None), 7),
            grant("show", (None, Some(0)), 7),
            grant("show", (Some(0), Some(1)), 7),
            grant("show", (Some(1), Some(0)), 7),
        ];
        for signed in &all {
            let sig = sig(&key, signed);
            for asked in &all {
                assert_eq!(key.has_signed(asked, &sig), asked == signed, "{asked:?} by that of {signed:?}");
            }
            assert!(!other.has_signed(signed, &sig));
            for wrong in ["", &sig[1..], &format!("{sig}A"), &format!("{sig}="), &sig.to_lowercase(), "!"] {
                assert!(!key.has_signed(signed, wrong), "{wrong}");
            }
        }
    }

    #[test]
    fn a_signature_of_a_list_is_of_its_words_and_no_recordings() {
        let key = Key::parse(&[1; 32]).unwrap();
        let listing = |q, expires| Listing { q, expires };
        let all =
            [listing("", 7), listing("", 8), listing("show", 7), listing("Show", 7), listing("show ", 7)];
        for signed in &all {
            let parameters = key.sign_list(signed);
            let sig = parameters.rsplit_once("sig=").unwrap().1;
            for asked in &all {
                assert_eq!(
                    key.has_signed_list(asked, sig),
                    asked == signed,
                    "{asked:?} by that of {signed:?}"
                );
            }
            assert!(!key.has_signed(&grant("show", (None, None), 7), sig));
        }
        assert!(!key.has_signed_list(&listing("show", 7), &sig(&key, &grant("show", (None, None), 7))));
    }

    /// By another program: openssl's HMAC over the same bytes.
    #[test]
    fn a_signature_is_hmac_sha_256_of_the_fields_with_their_lengths() {
        let key = Key::parse(b"0123456789abcdef0123456789abcdef").unwrap();
        let signed = key.sign(&grant("show", (Some(60_000_000_000), None), 1_800_000_000));
        assert_eq!(
            signed,
            "from=60.000000000&expires=1800000000&sig=40Cw2Hc8mMkmIzGqd57NTtNrRByx0UPWrCU1GQQz8_4"
        );
    }

    #[test]
    fn a_key_that_is_too_short_is_refused_and_none_is_shown() {
        assert!(Key::parse(&[1; 31]).unwrap_err().contains("31 bytes"));
        assert_eq!(format!("{:?}", Key::parse(&[1; 32]).unwrap()), "a key");
    }
}
