//! What the manifests have to say, and which crate may know which.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Findings;
use super::files::read_text;
use crate::process;
use crate::workspace::Workspace;

const LICENCE: &str = "MIT OR Apache-2.0";

/// Who may depend on whom, of our own crates.
const ARROWS: [(&str, &[&str]); 9] = [
    ("poolscope-semconv", &[]),
    ("poolscope", &["poolscope-semconv"]),
    ("poolscope-wire", &[]),
    ("poolscope-dashboard", &["poolscope-semconv", "poolscope-wire"]),
    // The closed value sets are words on the screen.
    ("poolscope-ui", &["poolscope-semconv", "poolscope-wire"]),
    ("poolscope-tests", &["poolscope", "poolscope-semconv", "poolscope-wire", "poolscope-dashboard"]),
    ("poolscope-bench", &["poolscope"]),
    ("poolscope-load", &["poolscope-semconv"]),
    // It writes the contract down.
    ("xtask", &["poolscope-semconv"]),
];
/// Allowed for tests only.
const DEV_ARROWS: [(&str, &str); 2] =
    [("poolscope-dashboard", "poolscope"), ("poolscope-tests", "poolscope-load")];

/// Every crate says what it is and under which licence, and takes the lints of the workspace.
pub(super) fn manifests(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::new();
    for package in &workspace.packages {
        let name = text(package, "name");
        if text(package, "description").is_empty() {
            findings.push(format!("crate {name} has no description"));
        }
        if text(package, "license") != LICENCE {
            findings.push(format!("crate {name} is not under `{LICENCE}`; write `license.workspace = true`"));
        }
        let manifest = read_text(Path::new(text(package, "manifest_path")))?.unwrap_or_default();
        if !takes_workspace_lints(&manifest) {
            findings.push(format!(
                "crate {name} does not take the workspace's lints; write [lints] workspace = true"
            ));
        }
    }
    Ok(findings)
}

fn takes_workspace_lints(manifest: &str) -> bool {
    let after = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    after.take_while(|line| !line.starts_with('[')).any(|line| line.replace(' ', "") == "workspace=true")
}

/// Dependencies between our crates go only where the design lets them.
pub(super) fn arrows(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::new();
    for package in &workspace.packages {
        let name = text(package, "name");
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            findings.push(format!(
                "crate {name} is not in the table of who may know whom (xtask, check/crates.rs)"
            ));
            continue;
        };
        let dependencies =
            package["dependencies"].as_array().context("a package without a list of dependencies")?;
        for dependency in dependencies.iter().filter(|dependency| dependency["path"].is_string()) {
            let to = text(dependency, "name");
            let for_tests = dependency["kind"] == "dev" && DEV_ARROWS.contains(&(name, to));
            if !allowed.contains(&to) && !for_tests {
                findings.push(format!("crate {name} must not know {to}"));
            }
        }
    }
    Ok(findings)
}

/// Cargo.lock says what the manifests say.
pub(super) fn lock_file(workspace: &Workspace) -> Result<Findings> {
    let mut command = process::cargo();
    command.current_dir(&workspace.root).args(["metadata", "--format-version=1", "--locked"]);
    Ok(process::output(&mut command).err().map(|error| format!("{error:#}")).into_iter().collect())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn workspace(name: &str, dependencies: &Value) -> Workspace {
        let package = json!({ "name": name, "dependencies": dependencies });
        Workspace { root: PathBuf::new(), target_dir: PathBuf::new(), packages: vec![package] }
    }

    #[test]
    fn the_server_knows_the_middleware_only_in_tests() {
        let on = |kind: Value| json!([{ "name": "poolscope", "path": "middleware", "kind": kind }]);
        let normal = arrows(&workspace("poolscope-dashboard", &on(Value::Null))).unwrap();
        assert_eq!(normal, ["crate poolscope-dashboard must not know poolscope"]);
        assert!(arrows(&workspace("poolscope-dashboard", &on(json!("dev")))).unwrap().is_empty());
        assert_eq!(arrows(&workspace("poolscope-ui", &on(json!("dev")))).unwrap().len(), 1);
    }

    #[test]
    fn crates_of_others_are_not_judged_but_a_new_one_of_ours_is() {
        assert!(arrows(&workspace("xtask", &json!([{ "name": "clap", "kind": null }]))).unwrap().is_empty());
        assert_eq!(arrows(&workspace("poolscope-new", &json!([]))).unwrap().len(), 1);
    }

    #[test]
    fn the_lints_line_counts_only_in_its_own_section() {
        assert!(takes_workspace_lints("[package]\nname = 'x'\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_workspace_lints("[lints]\n\n[package]\nworkspace = true\n"));
        assert!(!takes_workspace_lints("[package]\n"));
    }
}
