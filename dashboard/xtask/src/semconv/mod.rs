//! `cargo xtask semconv`: what is written of the telemetry contract outside of its code.

mod reference;
mod registry;
mod yaml;

use std::fs;

use anyhow::{Context, Result};

use crate::process::say;
use crate::workspace::Workspace;

/// Writes the reference of the telemetry contract and its registry for OpenTelemetry's `weaver`, from the code.
///
/// The reference is middleware/semconv/REFERENCE.md; the registry is the folder collector-config/semconv, which others can
/// name as a dependency of theirs, or give to `weaver registry live-check`. `cargo xtask check` says if they are stale.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

const COMMAND: &str = "cargo xtask semconv";

/// A file that is written: its path from the root on, and its text.
type File = (&'static str, String);

fn files() -> [File; 6] {
    [
        ("middleware/semconv/REFERENCE.md", reference::text()),
        ("collector-config/semconv/manifest.yaml", registry::manifest()),
        ("collector-config/semconv/attributes.yaml", registry::attributes()),
        ("collector-config/semconv/signals.yaml", registry::signals()),
        ("collector-config/semconv/refinements.yaml", registry::refinements()),
        ("collector-config/semconv/README.md", registry::readme()),
    ]
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for (name, text) in files() {
        let path = workspace.root.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say(format!("wrote {name}"));
    }
    Ok(())
}

/// One sentence for each file that is not what the code says.
pub(crate) fn stale(workspace: &Workspace) -> Result<Vec<String>> {
    let is_stale = |(name, text): &File| {
        fs::read_to_string(workspace.root.join(name)).map_or(true, |written| written != *text)
    };
    let sentence =
        |(name, _): &File| format!("{name} is not what the telemetry contract says; run `{COMMAND}`");
    Ok(files().iter().filter(|file| is_stale(file)).map(sentence).collect())
}
