//! `cargo xtask grafana`: writes the dashboards for Grafana.
//!
//! The JSON is what users copy, so it is committed. It is written by this, because the same query with another label, the
//! same unit and the same colours in a hundred panels are not kept equal by hand.

mod board;
mod breakers;
mod overview;
mod panel;
mod pool;
mod protection;
mod servers;
mod sessions;

use std::path::PathBuf;

use anyhow::{Context, Result};

use self::board::Board;
use crate::process::say;
use crate::workspace::Workspace;

/// Where the dashboards lie.
const FOLDER: &str = "collector-config/grafana/dashboards";

/// Writes the Grafana dashboards in collector-config/grafana/dashboards; a unit test tells when that has been forgotten.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, _: Args) -> Result<()> {
    let folder = workspace.root.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (path, text) in files()? {
        let path = workspace.root.join(path);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say(format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Every dashboard, by its path from the root on.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let boards: [fn() -> Board; 6] =
        [overview::board, pool::board, breakers::board, protection::board, sessions::board, servers::board];
    boards
        .into_iter()
        .map(|board| {
            let (name, json) = board().into_file();
            Ok((PathBuf::from(FOLDER).join(name), serde_json::to_string_pretty(&json)? + "\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_dashboards_are_those_that_are_described_here() -> Result<()> {
        let workspace = Workspace::load()?;
        for (path, text) in files()? {
            let committed = std::fs::read_to_string(workspace.root.join(&path)).unwrap_or_default();
            assert!(committed == text, "{} is not up to date; run `cargo xtask grafana`", path.display());
            assert!(!text.contains("ALERTED"), "{} does not say which alerts it shows", path.display());
        }
        Ok(())
    }
}
