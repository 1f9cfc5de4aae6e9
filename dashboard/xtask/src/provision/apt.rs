//! Debian packages, on machines where they can be installed.

use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::process;

/// Installs the packages, for the reason given; fails with the command to run where that is not possible.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    if process::find_program("apt-get").is_none() {
        bail!("{why}: install what Debian calls `{list}` with this system's package manager");
    }
    if !is_root() {
        bail!("{why}: run `sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}`");
    }
    process::say(format!("{why}: installing the Debian packages {list}"));
    update();
    process::run(apt_get().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("{why}: the Debian packages {list} could not be installed"))
}

/// Once; a source out of reach is no reason to give up, since it need not be the one that has the packages.
fn update() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if let Err(error) = process::run(apt_get().args(["update", "-qq"])) {
            process::say(format!("WARNING: the list of Debian packages may be old: {error:#}"));
        }
    });
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt may be at work on a machine that has just started: wait for it. dpkg's chatter is no result of ours.
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "-o",
        "DPkg::Lock::Timeout=300",
        "-o",
        "Dpkg::Use-Pty=0",
    ]);
    command.stdin(std::process::Stdio::null()).stdout(std::io::stderr());
    command
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
