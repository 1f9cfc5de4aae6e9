//! `cargo xtask bench`: what is promised in figures, measured.

mod ingest;
mod measuring;
mod overhead;
mod scale;
mod spread;
mod ui;

use anyhow::Result;

use crate::workspace::Workspace;

/// Measures; prints a table and, with --json, writes the figures to a file.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    Overhead(overhead::Args),
    Scale(scale::Args),
    Ingest(ingest::Args),
    Ui(ui::Args),
}

pub(crate) fn run(workspace: &Workspace, bench: &Bench) -> Result<()> {
    match bench {
        Bench::Overhead(args) => overhead::run(workspace, args),
        Bench::Scale(args) => scale::run(workspace, args),
        Bench::Ingest(args) => ingest::run(workspace, args),
        Bench::Ui(args) => ui::run(workspace, args),
    }
}
