//! What several benches do.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;
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

/// Descriptors that listeners by the thousand take: a socket for each, here and in each server.
const DESCRIPTORS: u64 = 12_000;

/// Programs inherit the limit, so it is raised by a shell that becomes this program again.
pub fn raise_the_limit_of_descriptors() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let soft = line.split_whitespace().next().unwrap();
    if soft.parse().is_ok_and(|soft: u64| soft < DESCRIPTORS) {
        let raise = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
        let error = Command::new("sh").arg("-c").arg(raise).args(env::args_os()).exec();
        panic!("no more than {soft} descriptors: {error}");
    }
}
