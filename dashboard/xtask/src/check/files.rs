//! Which files there are, and how long they may be.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Findings;
use crate::process;
use crate::workspace::Workspace;

const TOP_LEVEL: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "middleware",
    "dashboard",
    "collector-config",
    "tests",
];

/// One idea a file; at this length there are several.
const MAX_LINES: usize = 600;

/// The files that are, or would be, committed; paths from the root on, with `/`.
pub(super) fn list(workspace: &Workspace) -> Result<Vec<String>> {
    // The folder may belong to another user, as it does in some CI; reading its list of files runs nothing of it.
    let names = process::output(Command::new("git").current_dir(&workspace.root).args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    let mut names: Vec<_> = names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    // Deleted, but not yet committed as such.
    names.retain(|name| workspace.root.join(name).is_file());
    names.sort();
    names.dedup();
    Ok(names)
}

/// A file's text, or `None` if it is not text.
pub(super) fn read_text(path: &Path) -> Result<Option<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8(bytes).ok())
}

/// At the top lie only the parts of the project and hidden tool files.
pub(super) fn layout(workspace: &Workspace) -> Result<Findings> {
    Ok(unexpected(&list(workspace)?))
}

fn unexpected(files: &[String]) -> Findings {
    let mut tops: Vec<_> = files.iter().filter_map(|file| file.split('/').next()).collect();
    tops.dedup();
    tops.retain(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top));
    tops.iter()
        .map(|top| format!("{top} does not belong at the top; put it into the part that it serves"))
        .collect()
}

/// No Rust file is longer than can be held in mind.
pub(super) fn length(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::new();
    for name in list(workspace)?.iter().filter(|name| name.ends_with(".rs")) {
        let path: PathBuf = workspace.root.join(name);
        let lines = read_text(&path)?.map_or(0, |text| text.lines().count());
        if lines > MAX_LINES {
            findings.push(format!("{name} has {lines} lines, {MAX_LINES} are the limit; split it by ideas"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parts_of_the_project_lie_at_the_top() {
        let files = ["Cargo.toml", ".ci/run", "docs/x.md", "docs/y.md", "middleware/src/lib.rs", "notes.txt"];
        let findings = unexpected(&files.map(str::to_owned));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("docs ") && findings[1].starts_with("notes.txt "));
    }
}
