//! Measures what taking OTLP costs, and prints the figures as one line of JSON.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "results are told on stdout, progress on stderr"
)]

use clap::Parser;
use poolscope_load::ingest;

/// Measures what taking OTLP costs the dashboard and the Collector.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: ingest::Options,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let told = ingest::measure(&Args::parse().options, |progress| eprintln!("bench: {progress}")).await?;
    println!("{told}");
    Ok(())
}
