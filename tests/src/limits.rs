//! What the system allows this process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes sure that so many files and sockets can be open at a time.
///
/// # Errors
/// If the system's own limit is lower.
pub fn allow_open_files(count: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum: limit.maximum })?)
}
