//! Runs one case of the bench: once, or for each line on stdin.
#![expect(clippy::print_stdout, reason = "results are told on stdout")]

use std::io::BufRead as _;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum as _};
use poolscope_bench::{Case, Client, Cost, Options, Stack};

/// Runs one case of the bench.
///
/// For each line `run N` on stdin it does N requests and answers with one line of JSON: `wall_ns`, `cpu_ns` of the
/// whole process, and what the layers have seen so far. For `share N`, two threads do them together, of a service only.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: Option<Options>,
    /// Does this many requests once and ends
    #[arg(long)]
    requests: Option<usize>,
    /// Prints every stack with each of its cases, and ends
    #[arg(long, conflicts_with_all = ["requests", "Options"])]
    list: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.list {
        for stack in Stack::value_variants() {
            Case::of(*stack).iter().for_each(|case| println!("{stack} {case}"));
        }
        return Ok(());
    }
    let client = Client::new(&args.options.context("--stack, --case and --server are needed; see --help")?)?;
    if let Some(requests) = args.requests {
        return tell(client.run(requests)?, &client);
    }
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words = line.split_once(' ').and_then(|(what, number)| Some((what, number.parse().ok()?)));
        let cost = match words {
            Some(("run", requests)) => client.run(requests)?,
            Some(("share", requests)) => client.share(requests)?,
            _ => bail!("neither `run N` nor `share N`: {line}"),
        };
        tell(cost, &client)?;
    }
    Ok(())
}

fn tell(cost: Cost, client: &Client) -> Result<()> {
    let seen = client.seen()?;
    println!(
        r#"{{"wall_ns":{},"cpu_ns":{},"connections":{},"requests":{},"spans":{}}}"#,
        cost.wall.as_nanos(),
        or_null(cost.cpu.map(|cpu| cpu.as_nanos())),
        or_null(seen.connections),
        or_null(seen.requests),
        or_null(seen.spans),
    );
    Ok(())
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}
