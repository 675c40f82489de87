//! What several benches do.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

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

/// Waits until something holds that takes a moment, such as a server's socket.
pub fn wait_for(most: Duration, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < most, "a program does not do what it was started for");
        thread::sleep(Duration::from_millis(20));
    }
}
