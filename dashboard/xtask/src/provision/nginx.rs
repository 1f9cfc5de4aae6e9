//! An nginx to test against: the machine's, or Debian's unpacked where nothing starts it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt;
use crate::cache;
use crate::process::{self, find_program};

/// Where Debian puts it, which is on nobody's search path but root's.
const USUAL: &str = "/usr/sbin/nginx";

/// Finds nginx, or unpacks it from Debian's package into the cache. It is not installed: that would start it on port 80
/// and at every start of the machine.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(nginx) = find_program("nginx").or_else(|| runs(Path::new(USUAL))) {
        return Ok(nginx);
    }
    let folder = cache::dir()?.join("nginx");
    let unpacked = folder.join("usr/sbin/nginx");
    if let Some(nginx) = runs(&unpacked) {
        return Ok(nginx);
    }
    apt::unpack("nginx", &folder, "the tests against nginx need it")?;
    runs(&unpacked).with_context(|| {
        format!("{} does not run here: install nginx with this system's package manager", unpacked.display())
    })
}

/// The program, if it is there with all that it is linked to.
fn runs(program: &Path) -> Option<PathBuf> {
    process::output(Command::new(program).arg("-v")).is_ok().then(|| program.to_owned())
}
