//! Measures a shared client beside one made for each request, and prints the figures as one line of JSON.
#![expect(clippy::print_stdout, reason = "results are told on stdout")]

use clap::Parser;
use poolscope_bench::{ScaleOptions, scale};

/// Measures a client that is shared, with all protection, beside a client made for each request.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: ScaleOptions,
}

fn main() -> anyhow::Result<()> {
    println!("{}", scale(&Args::parse().options)?);
    Ok(())
}
