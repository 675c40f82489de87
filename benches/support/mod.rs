//! What several benches do.

use std::io::Read;

/// Reads to the end, or until there are `most` bytes; the number of bytes, which may be up to a buffer more.
pub fn read_until(mut from: impl Read, most: usize) -> usize {
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    while total < most {
        match from.read(&mut buffer).unwrap() {
            0 => break,
            read => total += read,
        }
    }
    total
}
