//! `/assets/{version}/{file}`: the pages' scripts and styles, which are in the program.
//!
//! The version is a digest of all of them. So a browser may keep them for good, and the modules of one page, which name
//! each other by relative paths, are of one version.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::FromPath;
use crate::error::Problem;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Name, media type and content of each file in `web/`.
const FILES: [(&str, &str, &str); 14] = [
    ("clip.js", SCRIPT, include_str!("../../web/clip.js")),
    ("events.js", SCRIPT, include_str!("../../web/events.js")),
    ("icon.svg", IMAGE, include_str!("../../web/icon.svg")),
    ("keys.js", SCRIPT, include_str!("../../web/keys.js")),
    ("list.js", SCRIPT, include_str!("../../web/list.js")),
    ("markup.js", SCRIPT, include_str!("../../web/markup.js")),
    ("pass.js", SCRIPT, include_str!("../../web/pass.js")),
    ("play.js", SCRIPT, include_str!("../../web/play.js")),
    ("sound.js", SCRIPT, include_str!("../../web/sound.js")),
    ("status.js", SCRIPT, include_str!("../../web/status.js")),
    ("style.css", STYLE, include_str!("../../web/style.css")),
    ("times.js", SCRIPT, include_str!("../../web/times.js")),
    ("wave.js", SCRIPT, include_str!("../../web/wave.js")),
    ("waveform.js", SCRIPT, include_str!("../../web/waveform.js")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, _, content) in FILES {
        hasher.update(name.as_bytes());
        hasher.update(content.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(12).collect()
});

/// The path of a file.
pub fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// A file. A page of an older server may ask for an older version: that is as good as gone, and must not be kept.
pub async fn asset(FromPath((version, name)): FromPath<(String, String)>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|(known, ..)| *known == name && version == *VERSION);
    let (_, media_type, content) =
        file.ok_or_else(|| Problem::not_found(format!("there is no file `{name}` of version `{version}`")))?;
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Ok(response)
}
