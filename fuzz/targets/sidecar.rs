//! A sidecar's text.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/sidecar.rs"]
mod sidecar;

fuzz_target!(|text: &str| sidecar::is_understood_or_refused(text));
