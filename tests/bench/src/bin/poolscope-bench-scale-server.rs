//! Serves the bench of shared clients: prints its ports, answers each line with its counts, and ends when its stdin does.
#![expect(clippy::print_stdout, reason = "ports and counts are told on stdout")]

use clap::Parser;

/// Serves the bench of shared clients.
#[derive(Debug, Parser)]
struct Args {
    /// Over TLS
    #[arg(long)]
    tls: bool,
    /// Connections that may be open at a time
    #[arg(long, default_value_t = 4_096)]
    connections: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    poolscope_bench::serve_scale(args.tls, args.connections, |line| println!("{line}"))
}
