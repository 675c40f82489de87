//! Takes no more memory than is used, and gives back what is not used any more.
//!
//! The C library keeps what was freed, page by page among what is not: after a thousand listeners came at once, or left, all
//! that they took at the most. Other allocators give it back by themselves, but were seen to take more for each of them
//! (`docs/design.md`).

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::metrics::Metrics;
pub(crate) use heap::keep_together;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Connections that come or go in that time while a crowd does, which is waited for.
const CROWD: u64 = 64;
/// Bytes that are not worth the while, as a quarter of what is used, within these: to give them back takes some
/// milliseconds, the more the more there is.
const LITTLE: RangeInclusive<u64> = 1 << 20..=4 << 20;

/// Gives memory back whenever much of it is not used, for ever.
pub(crate) async fn give_back(metrics: Arc<Metrics>) {
    // What was not used and could not be given back: it lies among what is.
    let mut kept = 0;
    let mut connections = 0;
    loop {
        sleep(EVERY).await;
        let now = metrics.connections.get();
        let is_quiet = now.abs_diff(connections) < CROWD;
        connections = now;
        let Some(Pages { used, unused }) = heap::pages() else { return };
        kept = unused.min(kept);
        let little = (used / 4).clamp(*LITTLE.start(), *LITTLE.end());
        if is_quiet && unused > kept + little {
            let _ = tokio::task::spawn_blocking(heap::trim).await;
            kept = heap::pages().map_or(unused, |pages| pages.unused);
        }
    }
}

/// Bytes in memory that are the process's own.
struct Pages {
    /// Asked for.
    used: u64,
    /// The rest, about.
    unused: u64,
}

/// What the C library has of the system's memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "functions of the C library")]
mod heap {
    use std::fs;

    use rustix::param::page_size;

    use super::Pages;
    use crate::config::cores;

    /// Has it keep no more heaps than there are processors. Left to itself it makes eight for each, one for a thread, and what
    /// is free in one is of no use to a thread of another.
    pub(crate) fn keep_together() {
        let heaps = libc::c_int::try_from(cores()).unwrap_or(libc::c_int::MAX);
        // SAFETY: it takes two numbers (mallopt(3)), and is called before there are other threads.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
    }

    /// What is in memory of it: the process's own pages (proc(5): fields 2 and 3 of `statm`), and how much of them was asked
    /// for.
    pub(super) fn pages() -> Option<Pages> {
        // SAFETY: it takes nothing, and may be called at any time from any thread (mallinfo(3)).
        let heap = unsafe { libc::mallinfo2() };
        let used = heap.uordblks.checked_add(heap.hblkhd)?;
        let pages = fs::read_to_string("/proc/self/statm").ok()?;
        let mut pages = pages.split_whitespace().skip(1).map(str::parse::<usize>);
        let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
        let own = resident.saturating_sub(shared).checked_mul(page_size())?;
        let unused = own.saturating_sub(used);
        Some(Pages { used: used.try_into().ok()?, unused: unused.try_into().ok()? })
    }

    /// Gives back the pages that nothing is in.
    pub(super) fn trim() {
        // SAFETY: it takes a number, and may be called at any time from any thread (malloc_trim(3)).
        unsafe { libc::malloc_trim(0) };
    }
}

/// Others give memory back by themselves, or offer no way to have them do so.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod heap {
    pub(crate) fn keep_together() {}

    pub(super) fn pages() -> Option<super::Pages> {
        None
    }

    pub(super) fn trim() {}
}
