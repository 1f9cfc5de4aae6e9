//! What checks Grafana's dashboards: packages of npm and of PyPI, pinned, in one folder of the cache.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Variable;
use super::made::made;
use crate::process::{self, find_program, say};

/// Names the folder, so that nothing is installed.
const TOOLS: &str = "GRAFANA_TOOLS";

/// Where the scripts and the lists of packages are.
const SOURCE: &str = "tests/stack/grafana";
const FILES: [&str; 5] =
    ["package.json", "package-lock.json", "schema.mjs", "requirements.txt", "roundtrip.py"];

/// The folder with both scripts and what they need, made in half a minute.
pub(crate) fn ensure(root: &Path) -> Result<Vec<Variable>> {
    if let Some(folder) = std::env::var_os(TOOLS).filter(|folder| !folder.is_empty()) {
        return Ok(vec![(TOOLS, folder.into())]);
    }
    let program = |name: &str, what: &str| {
        find_program(name).with_context(|| {
            format!("the dashboards are checked with {what}: install it, and put {name} on the search path")
        })
    };
    program("node", "Node.js 20 or later")?;
    let npm = program("npm", "Node.js 20 or later and npm")?;
    let python = program("python3", "Python 3.10 or later and its venv (Debian: python3-venv)")?;

    let files = FILES.map(|name| root.join(SOURCE).join(name));
    let folder = made("grafana", &python, &files.each_ref(), |folder| {
        say("installing what checks Grafana's dashboards (once, half a minute)");
        for file in &files {
            fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        let mut packages = Command::new(&npm);
        packages.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        process::run(packages.current_dir(folder))?;
        process::run(Command::new(&python).args(["-m", "venv", "venv"]).current_dir(folder))?;
        let mut packages = Command::new(folder.join("venv/bin/python"));
        packages.args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]);
        packages.args(["--disable-pip-version-check", "-r", "requirements.txt"]);
        process::run(packages.current_dir(folder))
    })?;
    Ok(vec![(TOOLS, folder)])
}
