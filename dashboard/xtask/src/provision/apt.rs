//! Debian packages, on machines where they can be installed.

use std::fs;
use std::path::Path;
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

/// Unpacks one package into a folder, without its dependencies and without installing it; needs no root.
pub(crate) fn unpack(package: &str, folder: &Path, why: &str) -> Result<()> {
    if process::find_program("apt-get").is_none() {
        bail!("{why}: install what Debian calls `{package}` with this system's package manager");
    }
    process::say(format!("{why}: unpacking the Debian package {package} into {}", folder.display()));
    if is_root() {
        update();
    }
    let fresh = folder.with_extension("new");
    // What an earlier try may have left; that there is none is usual.
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let mut download = apt_get();
    // Without a user of apt's own, who could not write here.
    download.args(["-o", "APT::Sandbox::User=root", "download", "-qq", package]).current_dir(&fresh);
    process::run(&mut download)
        .with_context(|| format!("{why}: the Debian package {package} could not be downloaded"))?;
    for file in fs::read_dir(&fresh)? {
        let file = file?.path();
        process::run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&fresh))?;
        fs::remove_file(&file)?;
    }
    let _ = fs::remove_dir_all(folder);
    fs::rename(&fresh, folder).with_context(|| format!("cannot put {} in its place", folder.display()))
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
