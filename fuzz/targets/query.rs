//! What stands behind the `?` of a path.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tailcast::recording::Recording;

#[path = "../../tests/properties/query.rs"]
mod query;

static RECORDINGS: LazyLock<[Arc<Recording>; 2]> = LazyLock::new(query::recordings);

fuzz_target!(|text: &str| {
    for recording in &*RECORDINGS {
        query::is_a_rendition_or_a_mistake(text, recording);
    }
});
