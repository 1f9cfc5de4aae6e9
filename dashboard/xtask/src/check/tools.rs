//! What rustfmt, clippy, rustdoc and the compiler say.

use std::process::Command;

use anyhow::{Context, Result};

use super::Findings;
use crate::process::{self, say};
use crate::provision::wasm;
use crate::workspace::Workspace;

/// The crate whose features users choose from.
const LIBRARY: &str = "poolscope";
const UI: &str = "poolscope-ui";

pub(super) fn format(workspace: &Workspace) -> Result<Findings> {
    let mut command = cargo(workspace, &["fmt", "--all", "--check"]);
    Ok(judge(&mut command, "some code is not formatted; run `cargo fmt --all`"))
}

pub(super) fn lints(workspace: &Workspace) -> Result<Findings> {
    let args = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    Ok(judge(&mut cargo(workspace, &args), "clippy has something to say; see above"))
}

/// The UI as the browser gets it; natively, the code that only exists for the browser is not seen.
pub(super) fn wasm_lints(workspace: &Workspace) -> Result<Findings> {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let found = if ci { Some(wasm::ensure(wasm::Choice::Auto)?) } else { wasm::find(wasm::Choice::Auto) };
    let Some(toolchain) = found else {
        say(format!(
            "WARNING: {} is not installed, so {UI} is not checked for it; see `cargo xtask ui`",
            wasm::TARGET
        ));
        return Ok(Findings::new());
    };
    let mut command = toolchain.cargo(&workspace.root);
    // Debian's compiler comes without clippy.
    let verb = if toolchain.own { "clippy" } else { "check" };
    command.args([verb, "--package", UI, "--target", wasm::TARGET, "--target-dir"]);
    command.arg(workspace.target_dir.join("web"));
    if toolchain.own {
        command.args(["--", "-D", "warnings"]);
    }
    Ok(judge(&mut command, "the UI does not pass for wasm32; see above"))
}

/// Each feature alone, none and all: a module that needs another's feature is found out.
pub(super) fn features(workspace: &Workspace) -> Result<Findings> {
    let package = workspace.packages.iter().find(|package| package["name"] == LIBRARY);
    let features =
        package.and_then(|package| package["features"].as_object()).context("the library has no features")?;
    let mut findings = Findings::new();
    for feature in std::iter::once("").chain(features.keys().map(String::as_str)) {
        let args =
            ["clippy", "--quiet", "--package", LIBRARY, "--no-default-features", "--features", feature];
        let mut command = cargo(workspace, &args);
        command.args(["--", "-D", "warnings"]);
        findings.extend(judge(
            &mut command,
            &format!("{LIBRARY} with only the feature `{feature}` does not pass"),
        ));
    }
    Ok(findings)
}

pub(super) fn documentation(workspace: &Workspace) -> Result<Findings> {
    let mut command = cargo(workspace, &["doc", "--workspace", "--all-features", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    Ok(judge(&mut command, "the documentation has broken links or other faults; see above"))
}

fn cargo(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = process::cargo();
    command.current_dir(&workspace.root).args(args).stdin(std::process::Stdio::null());
    command
}

fn judge(command: &mut Command, finding: &str) -> Findings {
    match process::run(command) {
        Ok(()) => Findings::new(),
        Err(error) => vec![format!("{finding} ({error:#})")],
    }
}
