//! Takes no more memory than is used, and gives back what is not used any more.
//!
//! The C library keeps what was freed, page by page among what is not: after a thousand listeners came at once, or left, all
//! that they took at the most. Other allocators give it back by themselves, but were seen to take more for each of them
//! (`docs/design.md`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::config::cores;
use crate::metrics::Metrics;

/// How often the number of connections is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// A change that is not worth the while: it takes some milliseconds.
const LITTLE: u64 = 64;

/// Gives memory back whenever many connections have come or gone, for ever.
pub(crate) async fn give_back(metrics: Arc<Metrics>) {
    let mut settled = 0;
    let mut last = 0;
    loop {
        sleep(EVERY).await;
        let now = metrics.connections.get();
        // Only when they have all come, or all gone.
        let is_quiet = now.abs_diff(last) < LITTLE;
        if is_quiet && now.abs_diff(settled) >= LITTLE {
            let _ = tokio::task::spawn_blocking(trim).await;
            settled = now;
        }
        last = now;
    }
}

/// Has the C library keep no more heaps than there are processors. Left to itself it makes eight for each, one for a thread, and
/// what is free in one is of no use to a thread of another.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a function of the C library")]
pub(crate) fn keep_together() {
    let heaps = libc::c_int::try_from(cores()).unwrap_or(libc::c_int::MAX);
    // SAFETY: it takes two numbers (mallopt(3)), and is called before there are other threads.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_together() {}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a function of the C library")]
fn trim() {
    // SAFETY: it takes a number, and may be called at any time from any thread (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}
