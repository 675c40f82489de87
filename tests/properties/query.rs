//! Query strings: whatever is asked for is a rendition that the recording has, or the client's mistake.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use http::Uri;
use tailcast::access::Part;
use tailcast::error::Problem;
use tailcast::recording::{Catalogue, Recording, RecordingName};
use tailcast::rendition::{Rendition, Shape};
use tailcast::routes::query::{RenditionQuery, checked, coming};
use tailcast_codecs::format::Format;

/// Frames of the recordings: no grid fits them.
const FRAMES: u64 = 30_007;

/// A recording that grows and one that has ended. Their files are gone from the folder but open.
pub fn recordings() -> [Arc<Recording>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let pcm = vec![7; usize::try_from(FRAMES * 4).unwrap()];
    ["ended = false", "ended = true"].map(|sidecar| {
        std::fs::write(folder.path().join("show.pcm"), &pcm).unwrap();
        std::fs::write(folder.path().join("show.toml"), sidecar).unwrap();
        let catalogue =
            Catalogue::open(folder.path(), "s16le:44100:2".parse().unwrap(), Duration::from_secs(10))
                .unwrap();
        catalogue.find(&RecordingName::parse("show").unwrap()).unwrap()
    })
}

/// Of what stands behind the `?` of a path, asked of a recording.
pub fn is_a_rendition_or_a_mistake(text: &str, recording: &Arc<Recording>) {
    let Some(query) = read(text).and_then(mistake) else { return };
    let _ = mistake(query.format());
    let settled = mistake(query.settled(text, recording));
    for format in Format::ALL {
        let Some(rendition) = mistake(query.rendition(Arc::clone(recording), format, Part::default())) else {
            continue;
        };
        is_there(&rendition);
        if let Some(Some(settled)) = &settled {
            is_settled(settled, &rendition, format);
        }
    }
}

/// The query as a request's; `None` if there can be no such request.
fn read(text: &str) -> Option<Result<RenditionQuery, Problem>> {
    let uri: Uri = format!("/?{text}").parse().ok()?;
    // What a fragment or the like has taken away is not the server's to read.
    (uri.query() == Some(text)).then(|| checked(Query::try_from_uri(&uri)))
}

/// What is refused is the client's doing, in words.
fn mistake<T>(result: Result<T, Problem>) -> Option<T> {
    let problem = match result {
        Ok(value) => return Some(value),
        Err(problem) => problem,
    };
    assert!(matches!(problem.status().as_u16(), 400 | 416), "{problem:?}");
    assert!(problem.words().iter().all(|words| !words.is_empty()), "{problem:?}");
    None
}

/// The rendition starts where the recording has sound or soon will, and its bytes add up.
fn is_there(rendition: &Rendition) {
    let (recording, cut) = (rendition.recording(), rendition.cut());
    let extent = recording.extent();
    assert!(cut.start() <= cut.grid().rates.to_coded(coming(recording, &extent)));
    let header = rendition.header(None).len() as u64;
    assert_eq!(header, cut.header_len());
    match rendition.shape(&extent) {
        Shape::Finished(finished) => assert!(finished.len >= header),
        Shape::Growing { exists } => assert!(exists >= header && exists <= rendition.reach(extent.frames)),
    }
}

/// With its place written out, a query means the same, wherever the live edge goes.
fn is_settled(settled: &str, rendition: &Rendition, format: Format) {
    let text = settled.strip_prefix('?').unwrap();
    let query = read(text).unwrap().unwrap();
    assert!(!query.is_relative().unwrap(), "{settled}");
    let again = query.rendition(Arc::clone(rendition.recording()), format, Part::default()).unwrap();
    assert_eq!(again.cut().start(), rendition.cut().start(), "{settled}");
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    static RECORDINGS: LazyLock<[Arc<Recording>; 2]> = LazyLock::new(recordings);

    /// Places and lengths that the recordings have, choices on offer, and what else may stand there.
    fn pair() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => "pos=(live|-?0\\.[0-6][0-9]{0,9}|-?[01]|0:0[01])",
            3 => "duration=(0?\\.[0-9]{1,9}|[1-9]{1,2}(ms|s|m|min|h)|0:0[1-9])",
            2 => "(bitrate=(64|96|128)|channels=[012]|format=(wav|mp3|opus))",
            2 => "(pos|duration)=-?[0-9:.]{0,12}",
            1 => "(pos|duration|bitrate|channels|format)=[a-z0-9%+=;]{0,8}",
            1 => "[a-z%0-9]{0,6}=[0-9]{1,22}",
            1 => "[!-~]{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn any_query_is_a_rendition_or_a_mistake(pairs in prop::collection::vec(pair(), 0..4)) {
            for recording in &*RECORDINGS {
                is_a_rendition_or_a_mistake(&pairs.join("&"), recording);
            }
        }
    }
}
