//! A program that measures, says on stderr what it does, and tells its figures on stdout as JSON.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{self, Group, TICK};
use crate::workspace::Workspace;

/// Builds the dashboard's server as it is released, and a program of `poolscope-load`, each by itself: what one needs must
/// not change what the other is built with.
pub(super) fn build(workspace: &Workspace, name: &str) -> Result<()> {
    let build = |words: &[&str]| {
        process::run(process::cargo().current_dir(&workspace.root).args(["build", "--release"]).args(words))
    };
    build(&["--package=poolscope-dashboard"])?;
    build(&["--package=poolscope-load", "--bin", name])
}

/// Where a program lies that was built.
pub(super) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target_dir.join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Runs to the end; what the program has started ends with it, also when the user stops it.
pub(super) fn figures(command: &mut Command) -> Result<Value> {
    let line = process::line(command);
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut stdout = group.take_stdout().context("a bench program has no stdout")?;
    let told = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let status = loop {
        match group.status()? {
            Some(status) => break status,
            None => thread::sleep(TICK),
        }
    };
    if !status.success() {
        bail!("`{line}` failed ({status}); what it wrote above says why");
    }
    let Ok(text) = told.join() else { bail!("`{line}` could not be read") };
    serde_json::from_str(&text?).with_context(|| format!("`{line}` did not print JSON"))
}

/// A promise with whether it holds.
pub(super) fn verdict(holds: bool, text: &str) -> String {
    format!("{:<12} {text}", if holds { "holds" } else { "MISSED" })
}
