//! `cargo xtask bench ingest`: what taking OTLP costs the dashboard, beside the real Collector.

mod report;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use self::report::Figures;
use super::measuring;
use crate::process::say;
use crate::provision::otelcol;
use crate::workspace::Workspace;

const PROGRAM: &str = "poolscope-bench-ingest";
const QUICK_ROUNDS: u16 = 2;

/// Measures what taking OTLP over gRPC and HTTP costs the dashboard, and how much memory 100,000 series take, beside the
/// OpenTelemetry Collector with an exporter that does nothing, in turns.
///
/// Builds the Collector as `cargo xtask test --suite stack` does; where it cannot, the dashboard is measured alone. Needs
/// Linux.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of each receiver and protocol
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Two rounds: half a minute
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let collector = otelcol::ensure(&workspace.root);
    measuring::build(workspace, PROGRAM)?;
    let rounds = if args.quick { QUICK_ROUNDS } else { args.rounds };
    let mut command = Command::new(measuring::program(workspace, PROGRAM));
    command.args(["--rounds", &rounds.to_string()]);
    command.arg("--dashboard").arg(measuring::program(workspace, "poolscope-dashboard"));
    match collector {
        Ok(program) => drop(command.arg("--collector").arg(program)),
        Err(error) => say(format!("WARNING: the dashboard is measured alone: {error:#}")),
    }
    let figures = Figures::read(&measuring::figures(&mut command)?)?;
    report::print(&figures);
    if let Some(file) = &args.json {
        std::fs::write(file, report::json(&figures))
            .with_context(|| format!("cannot write {}", file.display()))?;
        say(format!("the figures are in {}", file.display()));
    }
    Ok(())
}
