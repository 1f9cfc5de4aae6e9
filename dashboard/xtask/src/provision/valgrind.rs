//! valgrind, which counts instructions.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt;
use crate::process::find_program;

const NAME: &str = "valgrind";

/// Finds it, or installs it from Debian's packages.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(valgrind) = find_program(NAME) {
        return Ok(valgrind);
    }
    apt::install(&[NAME], "counting instructions needs valgrind")?;
    find_program(NAME).context("valgrind is still not on the search path after it was installed")
}
