//! `cargo xtask bench ui`: what the page costs a browser while a large fleet reports every second.

mod report;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use self::report::Figures;
use super::measuring;
use crate::process::say;
use crate::provision::browser;
use crate::ui;
use crate::workspace::Workspace;

const PROGRAM: &str = "poolscope-bench-ui";

/// Measures the page in a headless Chromium while 1,000 pools with 10,000 connections report every second: frames, time of
/// the main thread, memory after as many updates as half an hour brings, download, and how soon there is something to see.
///
/// Installs, if missing, what `cargo xtask ui` installs, and, on Debian as root, the packages chromium, chromium-driver and
/// fonts-dejavu-core. Never fails because of a figure: what is promised is printed beside what was measured. Needs Linux.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Ten seconds for each measurement, and 150 updates instead of 1,800: a minute and a half instead of nine
    #[arg(long)]
    quick: bool,
    /// Writes a profile of the main thread for each page into this folder; Chromium's own tools show it
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let browser = browser::ensure()?;
    ui::run(workspace, ui::Args::default())?;
    measuring::build(workspace, PROGRAM)?;
    let mut command = Command::new(measuring::program(workspace, PROGRAM));
    command.env("POOLSCOPE_CHROMIUM", browser.chromium).env("POOLSCOPE_CHROMEDRIVER", browser.chromedriver);
    command.arg("--dashboard").arg(measuring::program(workspace, "poolscope-dashboard"));
    if args.quick {
        command.args(["--seconds", "10", "--updates", "150"]);
    }
    if let Some(dir) = &args.profile {
        command.arg("--profile").arg(dir);
    }
    let figures = Figures::read(&measuring::figures(&mut command)?)?;
    report::print(&figures);
    if let Some(file) = &args.json {
        std::fs::write(file, report::json(&figures))
            .with_context(|| format!("cannot write {}", file.display()))?;
        say(format!("the figures are in {}", file.display()));
    }
    Ok(())
}
