//! axe-core, which judges the accessibility of pages: one package of npm, pinned, in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Variable;
use super::made::{made, named};
use crate::process::{self, find_program, say};

/// Names the script, so that nothing is installed.
const SCRIPT: &str = "AXE_SCRIPT";

/// Where the package is pinned, with the hash that npm checks it by.
const SOURCE: &str = "tests/e2e/browser/axe";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The script that the tests put into pages.
pub(crate) fn ensure(root: &Path) -> Result<Variable> {
    if let Some(script) = named(SCRIPT)? {
        return Ok((SCRIPT, script));
    }
    let npm = find_program("npm").context(
        "pages are judged by axe-core: install Node.js 20 or later and npm, and put npm on the search path",
    )?;
    let files: [PathBuf; 2] = FILES.map(|name| root.join(SOURCE).join(name));
    let folder = made("axe", &npm, &files.each_ref(), |folder| {
        say("installing axe-core (once, some seconds)");
        for file in &files {
            fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        let mut package = Command::new(&npm);
        package.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        process::run(package.current_dir(folder))
    })?;
    let script = folder.join("node_modules/axe-core/axe.min.js");
    anyhow::ensure!(script.is_file(), "the package axe-core has no {}", script.display());
    Ok((SCRIPT, script))
}
