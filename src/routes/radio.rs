//! What radio players are told of an MP3 that grows, if they ask for it with `Icy-MetaData: 1`.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::headers::{joined, text};
use crate::icy::{self, Titles};
use crate::rendition::Rendition;

const ASKED: HeaderName = HeaderName::from_static("icy-metadata");
/// Bytes of sound between two titles.
pub(super) const INTERVAL: HeaderName = HeaderName::from_static("icy-metaint");
/// What the recording is called.
pub(super) const NAME: HeaderName = HeaderName::from_static("icy-name");
/// The bit rate in kbit/s.
const BITRATE: HeaderName = HeaderName::from_static("icy-br");
/// Whether directories may list it: that is asked of the server's owner, not of its answers.
const PUBLIC: HeaderName = HeaderName::from_static("icy-pub");

/// The most bytes of a name in a header.
const NAME_MOST: usize = 255;

/// Adds what radio players read to the `headers` of an answer with sound that grows, and gives the titles to put between
/// its bytes, if `asked` (the request's headers) wants these things.
///
/// Whoever asks for a range counts in bytes, and there must be no titles among them: ffmpeg and mpv ask for both, and
/// then seek.
pub(super) fn tell(headers: &mut HeaderMap, asked: &HeaderMap, rendition: &Arc<Rendition>) -> Option<Titles> {
    if joined(asked, &ASKED)?.trim() != "1" {
        return None;
    }
    let recording = rendition.recording();
    let name = recording.sidecar().title_or(recording.name());
    if let Ok(name) = HeaderValue::from_bytes(icy::readable(&name, NAME_MOST).trim().as_bytes()) {
        headers.insert(NAME, name);
    }
    headers.insert(BITRATE, text(&kbps(rendition)));
    headers.insert(PUBLIC, HeaderValue::from_static("0"));
    if asked.contains_key(header::RANGE) {
        return None;
    }
    headers.insert(INTERVAL, text(&icy::INTERVAL));
    Some(Titles::new(Arc::clone(rendition)))
}

/// The bit rate of its packets in kbit/s.
fn kbps(rendition: &Rendition) -> u64 {
    let grid = rendition.cut().grid();
    let per = grid.sizes.per.max(1);
    let bits = (grid.sizes.base * per + grid.sizes.carry) * 8 * u64::from(grid.rates.coded);
    bits / (per * grid.packet_frames.max(1)) / 1000
}
