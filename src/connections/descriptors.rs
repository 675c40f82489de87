//! Room among the file descriptors.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for all that is no connection: recordings that are open, folders that are read, the log.
const OTHERS: u64 = 512;

/// Raises the process's limit of descriptors to what the system allows without asking, and tells for how many of `wanted`
/// connections there is room then.
pub fn room_for_connections(wanted: NonZeroUsize) -> NonZeroUsize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let most = if raised.is_ok() { limit.maximum } else { limit.current };
    // None means without a limit.
    let Some(most) = most else { return wanted };
    let room = most.saturating_sub(OTHERS).max(most / 2);
    let room = NonZeroUsize::new(usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(NonZeroUsize::MIN);
    wanted.min(room)
}
