//! What the peers of the stack suite need: Python and Node with pinned packages, and a program that Go builds. All of it
//! lies in the cache, under what it was made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::go::{Go, named};
use crate::cache;
use crate::digest::Stamp;
use crate::process::{self, find_program, say};

/// Where the peers are.
const FOLDER: &str = "tests/stack/peers";

/// What the tests find a peer by.
pub(crate) type Variable = (&'static str, PathBuf);

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

/// The folder in the cache that was made of these files for this program, made first if it is not there.
///
/// It is made beside its place and then moved there, so that a half of it is never found.
fn made(
    name: &str,
    program: &Path,
    inputs: &[&PathBuf],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut stamp = Stamp::default();
    stamp.add("program", program.as_os_str().as_encoded_bytes());
    stamp.add("version", process::output(Command::new(program).arg("--version"))?.trim().as_bytes());
    for input in inputs {
        let file = input.file_name().unwrap_or_default().to_string_lossy();
        stamp.add(&file, &fs::read(input).with_context(|| format!("cannot read {}", input.display()))?);
    }
    let folder = cache::dir()?.join(format!("{name}-{}", stamp.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = folder.with_extension(format!("tmp-{}", std::process::id()));
    // What an earlier try may have left; that there is none is usual.
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
    let result = make(&fresh).and_then(|()| match fs::rename(&fresh, &folder) {
        // Somebody else was as quick; theirs was made of the same.
        Err(_) if folder.is_dir() => Ok(()),
        moved => moved.with_context(|| format!("cannot put {} in its place", folder.display())),
    });
    let _ = fs::remove_dir_all(&fresh);
    result.with_context(|| format!("{name} could not be made"))?;
    Ok(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_for_each_content_of_its_files_and_never_by_half() {
        let folder = std::env::temp_dir().join(format!("poolscope-peers-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let input = folder.join("requirements");
        let program = find_program("cargo").unwrap();
        let make = |text: &str, result: Result<()>| {
            fs::write(&input, format!("{} {text}", folder.display())).unwrap();
            let mut is_new = false;
            let made = made("xtask-peers-test", &program, &[&input], |folder| {
                is_new = true;
                fs::write(folder.join("file"), text)?;
                result
            });
            (made, is_new)
        };
        let (first, is_new) = make("one", Ok(()));
        let first = first.unwrap();
        assert!(is_new);
        assert_eq!(fs::read_to_string(first.join("file")).unwrap(), "one");
        let (again, is_new) = make("one", Ok(()));
        assert_eq!((again.unwrap(), is_new), (first.clone(), false));
        let (failed, _) = make("two", Err(anyhow::anyhow!("no network")));
        assert!(format!("{:#}", failed.unwrap_err()).contains("no network"));
        let (second, is_new) = make("two", Ok(()));
        let second = second.unwrap();
        assert!(is_new && second != first);
        for folder in [&first, &second, &folder] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
