//! What the system allows a process.

use anyhow::Result;

/// Files that are open beside connections, with room to spare.
#[cfg(unix)]
const OTHER_FILES: u64 = 256;

/// Makes sure that so many connections can be open at a time.
///
/// # Errors
///
/// The system allows fewer.
#[cfg(unix)]
pub(super) fn allow_open_files(connections: usize) -> Result<()> {
    use anyhow::ensure;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let wanted = connections as u64 + OTHER_FILES;
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if now < wanted {
        ensure!(
            most >= wanted,
            "{connections} connections need {wanted} open files; the system allows {most}"
        );
        setrlimit(Resource::RLIMIT_NOFILE, wanted, most)?;
    }
    Ok(())
}

/// Makes sure that so many connections can be open at a time.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "other systems can refuse")]
pub(super) fn allow_open_files(_: usize) -> Result<()> {
    Ok(())
}
