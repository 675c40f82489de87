//! The first bytes of a file, or all of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/properties/wav.rs"]
mod wav;

fuzz_target!(|file: &[u8]| wav::is_read_as_it_is_written(file));
