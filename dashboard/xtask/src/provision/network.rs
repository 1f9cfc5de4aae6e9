//! A network for processes of their own, which a test can take down under them.

use std::process::Command;

use anyhow::{Context, Result};

use super::apt;
use crate::process::{self, find_program};

/// Makes sure that processes can have one: with `unshare` and `nsenter` of util-linux, and `ip` of iproute2, which is
/// installed from Debian's packages if it is missing.
pub(crate) fn ensure() -> Result<()> {
    if find_program("ip").is_none() {
        apt::install(&["iproute2"], "taking a network down needs the program ip")?;
    }
    for program in ["unshare", "nsenter"] {
        find_program(program).with_context(|| format!("{program} is missing: install util-linux"))?;
    }
    let mut tried = Command::new("unshare");
    tried.args(["--net", "ip", "link", "set", "lo", "up"]);
    process::output(&mut tried).context("no network can be made here, which needs root: run as root")?;
    Ok(())
}
