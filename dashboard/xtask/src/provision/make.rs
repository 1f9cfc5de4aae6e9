//! make, with which the allocator of the chaos suite's server is built.

use anyhow::Result;

use super::apt;
use crate::process::find_program;

const NAME: &str = "make";

/// Finds it, or installs it from Debian's packages.
pub(crate) fn ensure() -> Result<()> {
    if find_program(NAME).is_some() {
        return Ok(());
    }
    apt::install(&[NAME], "building the tests needs make")
}
