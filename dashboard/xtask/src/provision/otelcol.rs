//! The OpenTelemetry Collector with the components that `collector-config` uses, built from its manifest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::go::Go;
use super::made::named;
use crate::process::{self, find_program, say};

/// Names the program, so that nothing is built.
pub(crate) const PROGRAM: &str = "OTELCOL_BIN";
/// What the manifest calls the distribution.
const NAME: &str = "otelcol-poolscope";
/// Also has all that is used.
const CONTRIB: &str = "otelcol-contrib";
const MANIFEST: &str = "collector-config/otelcol/manifest.yaml";
const BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder";
/// The builder has to be as old as the components; the receiver that every manifest here has tells how old that is.
const RECEIVER: &str = "go.opentelemetry.io/collector/receiver/otlpreceiver ";

/// Finds the Collector, or builds it in two to three minutes; once for each manifest.
pub(crate) fn ensure(root: &Path) -> Result<PathBuf> {
    if let Some(program) = named(PROGRAM)? {
        return Ok(program);
    }
    if let Some(program) = find_program(NAME).or_else(|| find_program(CONTRIB)) {
        return Ok(program);
    }
    let go = Go::find("the OpenTelemetry Collector is built with it")?;
    let manifest = root.join(MANIFEST);
    go.built(NAME, std::slice::from_ref(&manifest), |work, program| {
        let text = fs::read_to_string(&manifest)?;
        let version =
            version(&text).with_context(|| format!("{MANIFEST} has no line `gomod: {RECEIVER}vX.Y.Z`"))?;
        say("building the OpenTelemetry Collector (once, two to three minutes)");
        // The builder writes where the manifest says, relative to where it runs.
        let mut builder = go.command();
        builder.current_dir(work).args(["run", &format!("{BUILDER}@{version}"), "--config"]).arg(&manifest);
        process::run(&mut builder)?;
        fs::rename(work.join("build").join(NAME), program).context("the builder left no program")
    })
}

fn version(manifest: &str) -> Option<&str> {
    let (_, rest) = manifest.split_once(RECEIVER)?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builder_is_as_old_as_the_components() {
        let manifest =
            "receivers:\n  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.159.0\n";
        assert_eq!(version(manifest), Some("v0.159.0"));
        assert_eq!(version("receivers:\n"), None);
    }
}
