//! `cargo xtask check`: everything that can be told without running the code.

mod crates;
mod files;
mod licences;
mod text;
mod tools;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::process::say;
use crate::provision;
use crate::workspace::Workspace;

/// Checks format, lints, features, documentation, dependencies and the project's own rules; changes nothing.
///
/// Native code is checked by rustfmt, clippy and rustdoc, each feature of the library alone as well, and the UI for wasm32
/// where that target is installed. With CI=true a missing wasm target is installed, as `cargo xtask ui` does. Every
/// finding is one sentence; all checks run even if one fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the project's own rules, which take a second; no compiler
    #[arg(long)]
    quick: bool,
}

/// What one check has found, each finding a sentence.
type Findings = Vec<String>;

/// A check: what it is called, whether it needs the compiler, and how it is done.
struct Check {
    name: &'static str,
    compiles: bool,
    run: fn(&Workspace) -> Result<Findings>,
}

const CHECKS: &[Check] = &[
    Check { name: "layout", compiles: false, run: files::layout },
    Check { name: "file length", compiles: false, run: files::length },
    Check { name: "text", compiles: false, run: text::words },
    Check { name: "telemetry names", compiles: false, run: text::telemetry_names },
    Check { name: "telemetry contract", compiles: false, run: crate::semconv::stale },
    Check { name: "manifests", compiles: false, run: crates::manifests },
    Check { name: "dependency arrows", compiles: false, run: crates::arrows },
    Check { name: "lock file", compiles: false, run: crates::lock_file },
    Check { name: "format", compiles: false, run: tools::format },
    Check { name: "dependency licences", compiles: true, run: licences::dependencies },
    Check { name: "lints", compiles: true, run: tools::lints },
    Check { name: "lints for wasm32", compiles: true, run: tools::wasm_lints },
    Check { name: "features", compiles: true, run: tools::features },
    Check { name: "documentation", compiles: true, run: tools::documentation },
];

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if !args.quick {
        provision::make::ensure()?;
    }
    let mut all = Vec::new();
    for check in CHECKS.iter().filter(|check| !(args.quick && check.compiles)) {
        let started = Instant::now();
        let findings = (check.run)(workspace)?;
        let verdict = if findings.is_empty() { "ok" } else { "FAILED" };
        say(format!("{}: {verdict} ({:.1} s)", check.name, started.elapsed().as_secs_f64()));
        all.extend(findings.into_iter().map(|finding| format!("{}: {finding}", check.name)));
    }
    println!();
    for finding in &all {
        println!("FAILED {finding}");
    }
    println!(
        "{}",
        if all.is_empty() { "all checks passed".into() } else { format!("{} findings", all.len()) }
    );
    Ok(if all.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
