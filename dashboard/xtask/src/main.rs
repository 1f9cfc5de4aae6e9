//! The project's own commands: `cargo xtask ui`, `demo`, `test` and `check`.
//!
//! Each sets up what it needs and says so; what it cannot set up is one sentence with the command to run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user on the terminal")]

mod cache;
mod digest;
mod process;
mod provision;
mod ui;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::workspace::Workspace;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Cli {
    Ui(ui::Args),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    match cli {
        Cli::Ui(args) => ui::run(&workspace, *args).map(|()| ExitCode::SUCCESS),
    }
}
