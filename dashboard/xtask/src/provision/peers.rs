//! What the peers of the stack suite need: Python and Node with pinned packages, and a program that Go builds. All of it
//! lies in the cache, under what it was made of.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Variable;
use super::go::Go;
use super::made::{made, named};
use crate::process::{self, find_program, say};

/// Where the peers are.
const FOLDER: &str = "tests/stack/peers";

/// A Python with the packages of the peer, made in a minute.
pub(crate) fn python(root: &Path) -> Result<Vec<Variable>> {
    const VARIABLE: &str = "PEER_PYTHON_BIN";
    if let Some(python) = named(VARIABLE)? {
        return Ok(vec![(VARIABLE, python)]);
    }
    let python = find_program("python3").context(
        "the peer in Python needs it: install Python 3.10 or later with venv (Debian: python3-venv), and put it on the search path",
    )?;
    let requirements = root.join(FOLDER).join("python/requirements.txt");
    let folder = made("peer-python", &python, &[&requirements], |folder| {
        say("installing the packages of the peer in Python (once, a minute)");
        process::run(Command::new(&python).args(["-m", "venv"]).arg(folder))?;
        // A virtual environment can be moved as long as it is used by the path of its Python, as here; pip's own start
        // script can't.
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r"]);
        process::run(pip.arg(&requirements))
    })?;
    Ok(vec![(VARIABLE, folder.join("bin/python"))])
}

/// Node, and a folder with the peer beside its packages, made in half a minute.
pub(crate) fn node(root: &Path) -> Result<Vec<Variable>> {
    const PROGRAM: &str = "NODE_BIN";
    const PACKAGES: &str = "PEER_NODE_DIR";
    let why = "the peer in JavaScript needs it: install Node.js 20 or later with npm, and put both on the search path";
    let node = named(PROGRAM)?.or_else(|| find_program("node")).context(why)?;
    if let Some(folder) = std::env::var_os(PACKAGES).filter(|folder| !folder.is_empty()) {
        return Ok(vec![(PROGRAM, node), (PACKAGES, folder.into())]);
    }
    let npm = find_program("npm").context(why)?;
    let source = root.join(FOLDER).join("node");
    let files = ["package.json", "package-lock.json", "peer.js"].map(|name| source.join(name));
    let folder = made("peer-node", &node, &files.each_ref(), |folder| {
        say("installing the packages of the peer in JavaScript (once, half a minute)");
        for file in &files {
            fs::copy(file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        let mut ci = Command::new(&npm);
        ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        process::run(ci.current_dir(folder))
    })?;
    Ok(vec![(PROGRAM, node), (PACKAGES, folder)])
}

/// The peer in Go, built in two minutes.
pub(crate) fn go(root: &Path) -> Result<Vec<Variable>> {
    const VARIABLE: &str = "PEER_GO_BIN";
    if let Some(program) = named(VARIABLE)? {
        return Ok(vec![(VARIABLE, program)]);
    }
    let go = Go::find("the peer in Go is built with it")?;
    let module = root.join(FOLDER).join("go");
    let files = ["go.mod", "go.sum", "main.go", "send.go", "receive.go"].map(|name| module.join(name));
    let program = go.built("peer-go", &files, |_, program| {
        say("building the peer in Go (once, two minutes)");
        let mut build = go.command();
        build.current_dir(&module).args(["build", "-mod=readonly", "-ldflags=-s -w", "-o"]).arg(program);
        process::run(build.arg("."))
    })?;
    Ok(vec![(VARIABLE, program)])
}
