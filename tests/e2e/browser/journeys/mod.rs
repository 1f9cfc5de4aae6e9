//! What somebody comes for, by clicks and then by the keyboard alone: which pool is sick and why, who holds a connection,
//! when and why a breaker opened, and which trace suffered.
//!
//! The service gets ill once and stays so. What the page says is compared with what the API knows and the service did.

mod breaker;
mod leak;
mod sick;
mod trace;

use anyhow::{Context as _, Result};
use poolscope_tests::dashboard::Dashboard;

use super::page::{Page, Seen};

/// A part of the first element with a test id.
fn part<'a>(seen: &'a [Seen], key: &str) -> Option<&'a str> {
    seen.first()?.get(key).map(String::as_str)
}

/// Goes home, with nothing focused and nothing chosen.
async fn home(page: &Page, dashboard: &Dashboard) -> Result<()> {
    page.go(&dashboard.url()).await
}

/// The id at the end of the path of the page.
async fn id_in_path(page: &Page) -> Result<String> {
    let address = page.address().await?;
    let path = address.split('?').next().unwrap_or_default();
    path.rsplit('/').next().map(str::to_owned).context("a path has no end")
}
