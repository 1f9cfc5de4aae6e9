//! Measures what the page costs a browser, and prints the figures as one line of JSON.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "results are told on stdout, progress on stderr"
)]

use clap::Parser;
use poolscope_load::ui;

/// Measures what the page costs a browser while a large fleet reports.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: ui::Options,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let told = ui::measure(&Args::parse().options, |progress| eprintln!("bench: {progress}")).await?;
    println!("{told}");
    Ok(())
}
