//! Prometheus and promtool: the machine's, or Debian's unpacked where nothing starts them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt;
use super::made::named;
use crate::cache;
use crate::process::{self, find_program};

/// Name the programs.
pub(crate) const PROGRAM: &str = "PROMETHEUS_BIN";
pub(crate) const TOOL: &str = "PROMTOOL_BIN";

/// Prometheus and the tool that checks and tests its rules.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) server: PathBuf,
    pub(crate) tool: PathBuf,
}

/// Finds both, or unpacks them from Debian's package into the cache. It is not installed: that would start the server, now
/// and at every start of the machine.
pub(crate) fn ensure() -> Result<Prometheus> {
    let found =
        |variable, name| -> Result<Option<PathBuf>> { Ok(named(variable)?.or_else(|| find_program(name))) };
    if let (Some(server), Some(tool)) = (found(PROGRAM, "prometheus")?, found(TOOL, "promtool")?) {
        return Ok(Prometheus { server, tool });
    }
    let folder = cache::dir()?.join("prometheus");
    let unpacked = || {
        let at = |name: &str| runs(&folder.join("usr/bin").join(name));
        Some(Prometheus { server: at("prometheus")?, tool: at("promtool")? })
    };
    if let Some(prometheus) = unpacked() {
        return Ok(prometheus);
    }
    apt::unpack("prometheus", &folder, "the tests of rules and queries need it")?;
    unpacked().with_context(|| {
        format!(
            "Prometheus does not run from {}: install it with this system's package manager",
            folder.display()
        )
    })
}

/// The program, if it is there with all that it is linked to.
fn runs(program: &Path) -> Option<PathBuf> {
    process::output(Command::new(program).arg("--version")).is_ok().then(|| program.to_owned())
}
