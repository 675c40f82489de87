//! What can be had of files without waiting for a disk.
//!
//! A look at a file that the system knows takes a microsecond; to have another thread do it, in case it takes longer, takes
//! ten times as long.

use std::fs::{File, Metadata};
use std::io;

use cap_std::fs::Dir;

/// What is known of a file just now.
pub(super) enum Near {
    /// There is none.
    Absent,
    /// There is one.
    Known(Metadata),
    /// That cannot be told without waiting, or fails.
    Far,
}

/// Looks at a file in a folder.
#[cfg(target_os = "linux")]
pub(super) fn metadata(dir: &Dir, name: &str) -> Near {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;
    // As cap-std has it, and only what is in the cache of names (since Linux 5.12).
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::CACHED;
    match openat2(dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), within) {
        Ok(found) => File::from(found).metadata().map_or(Near::Far, Near::Known),
        Err(Errno::NOENT) => Near::Absent,
        Err(_) => Near::Far,
    }
}

/// Fills a buffer from a byte of a file on if all of that is at hand; else it fails.
#[cfg(target_os = "linux")]
pub(super) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let wanted = buffer.len();
    let read = preadv2(file, &mut [io::IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT)?;
    // Less is what is at hand, or in the file.
    if read == wanted { Ok(()) } else { Err(Errno::AGAIN.into()) }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn metadata(_: &Dir, _: &str) -> Near {
    Near::Far
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a file is on a file system that can say what is at hand. None can that is on a network, where even what is known
/// of a file may have to be asked for anew.
pub(super) fn is_near(file: &File) -> bool {
    let read = read(file, &mut [0], 0);
    read.map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |()| true)
}
