//! `cargo xtask bench scale`: a shared client with all protection, under a thousand requests at a time, beside a client made
//! for each request.

mod figures;
mod report;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use self::figures::Figures;
use crate::process::{self, say};
use crate::workspace::Workspace;

/// What is built: the other programs of the package are built without TLS.
const BUILD: &[&str] = &[
    "build",
    "--release",
    "--package=poolscope-bench",
    "--features=scale",
    "--bin=poolscope-bench-scale",
    "--bin=poolscope-bench-scale-server",
];

/// Measures a client that is shared, with timeouts, retry, breaker and limit around it, beside a client made for each
/// request: hyper and reqwest, plain and over TLS, 1,000 requests at a time.
///
/// Never fails because of a figure: what is promised is printed beside what was measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of each kind of client
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// A single round of each
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    process::run(process::cargo().current_dir(&workspace.root).args(BUILD))?;
    let program = workspace
        .target_dir
        .join("release/poolscope-bench-scale")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let rounds = if args.quick { 1 } else { args.rounds };
    let mut all = Vec::new();
    for client in ["hyper", "reqwest"] {
        for is_tls in [false, true] {
            let transport = if is_tls { "tls" } else { "plain" };
            say(format!("{client} {transport}: {rounds} rounds"));
            let mut command = Command::new(&program);
            command.args(["--client", client, "--rounds", &rounds.to_string()]);
            if is_tls {
                command.arg("--tls");
            }
            all.push(Figures::read(client, transport, &process::output(&mut command)?)?);
        }
    }
    report::print(&all);
    if let Some(file) = &args.json {
        std::fs::write(file, report::json(&all))
            .with_context(|| format!("cannot write {}", file.display()))?;
        say(format!("the figures are in {}", file.display()));
    }
    Ok(())
}
