//! The dashboards by what Grafana publishes of its format: the schema, which knows every field of a dashboard, and the SDK,
//! which knows the options of each kind of panel.

use std::path::PathBuf;
use std::process::Command;

use super::files;

/// The folder with both tools.
const TOOLS: &str = "GRAFANA_TOOLS";

/// What the schema does not know and Grafana reads: annotations carry the fields of their data source, from before there was
/// a schema.
const OLDER: &[&str] = &["expr", "titleFormat", "textFormat"];

fn findings(program: &str, script: &str) -> Vec<String> {
    let tools = std::env::var_os(TOOLS)
        .unwrap_or_else(|| panic!("{TOOLS} is not set; `cargo xtask test --suite stack` sets it"));
    let tools = PathBuf::from(tools);
    let program = if program == "node" { program.into() } else { tools.join(program) };
    let output = Command::new(program).arg(tools.join(script)).args(files()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let is_older =
        |line: &str| line.contains("/annotations/list/") && OLDER.iter().any(|name| line.contains(name));
    text.lines().filter(|line| !is_older(line)).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs Node and packages of npm"]
fn the_dashboards_fit_the_published_schema() {
    assert_eq!(findings("node", "schema.mjs"), Vec::<String>::new());
}

#[test]
#[ignore = "needs Python and packages of PyPI"]
fn the_sdk_knows_every_option_of_every_panel() {
    assert_eq!(findings("venv/bin/python", "roundtrip.py"), Vec::<String>::new());
}
