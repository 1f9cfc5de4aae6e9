//! A Chromium and the ChromeDriver of the same version.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt;
use crate::process::find_program;

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where the two programs are.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

/// Finds them, or installs them from Debian's packages together with a font, without which pages have no text.
pub(crate) fn ensure() -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    apt::install(
        &["chromium", "chromium-driver", "fonts-dejavu-core"],
        "the browser tests need Chromium and ChromeDriver",
    )?;
    find().context("Chromium or ChromeDriver is still not on the search path after it was installed")
}

fn find() -> Option<Browser> {
    let chromium = NAMES.iter().find_map(|name| find_program(name))?;
    Some(Browser { chromium, chromedriver: find_program("chromedriver")? })
}
