//! The project's own commands: `cargo xtask demo`, `stack`, `test`, `bench`, `check`, `ui`, `grafana` and `semconv`.
//!
//! Each sets up what it needs and says so; what it cannot set up is one sentence with the command to run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user on the terminal")]

mod bench;
mod cache;
mod check;
mod demo;
mod digest;
mod grafana;
mod process;
mod provision;
mod running;
mod semconv;
mod stack;
mod test;
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
    Demo(demo::Args),
    Stack(stack::Args),
    Test(test::Args),
    #[command(subcommand)]
    Bench(bench::Bench),
    Check(check::Args),
    Grafana(grafana::Args),
    Ui(ui::Args),
    Semconv(semconv::Args),
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
        Cli::Demo(args) => demo::run(&workspace, args).map(|()| ExitCode::SUCCESS),
        Cli::Stack(args) => stack::run(&workspace, args).map(|()| ExitCode::SUCCESS),
        Cli::Test(args) => test::run(&workspace, args),
        Cli::Bench(bench) => bench::run(&workspace, bench).map(|()| ExitCode::SUCCESS),
        Cli::Check(args) => check::run(&workspace, args),
        Cli::Grafana(args) => grafana::run(&workspace, *args).map(|()| ExitCode::SUCCESS),
        Cli::Ui(args) => ui::run(&workspace, *args).map(|()| ExitCode::SUCCESS),
        Cli::Semconv(semconv::Args {}) => semconv::run(&workspace).map(|()| ExitCode::SUCCESS),
    }
}
