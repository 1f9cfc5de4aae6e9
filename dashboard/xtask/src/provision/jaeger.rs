//! Jaeger, which takes traces and is asked for them; built from its Go module.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::go::Go;
use super::made::named;
use crate::process::{self, find_program, say};

/// Names the program, so that nothing is built.
pub(crate) const PROGRAM: &str = "JAEGER_BIN";
/// The module that requires Jaeger and repeats its replacements.
const MODULE: &str = "tests/stack/jaeger";
const PACKAGE: &str = "github.com/jaegertracing/jaeger/cmd/jaeger";

/// Finds Jaeger, or builds it in three to four minutes; once for each version. The pages of its browser UI are in no
/// module, so only its query API answers then.
pub(crate) fn ensure(root: &Path) -> Result<PathBuf> {
    if let Some(program) = named(PROGRAM)? {
        return Ok(program);
    }
    if let Some(program) = find_program("jaeger") {
        return Ok(program);
    }
    let go = Go::find("Jaeger is built with it")?;
    let module = root.join(MODULE);
    go.built("jaeger", &[module.join("go.mod"), module.join("go.sum")], |_, program| {
        say("building Jaeger (once, three to four minutes)");
        let mut build = go.command();
        build.current_dir(&module).args(["build", "-mod=readonly", "-ldflags=-s -w", "-o"]).arg(program);
        process::run(build.arg(PACKAGE))
    })
}
