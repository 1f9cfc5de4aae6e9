//! Counts the allocations of a request.
#![expect(clippy::print_stdout, reason = "results are told on stdout")]

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use poolscope_bench::{Case, Client, Options, Server, Stack};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Two lengths of a round: what a round costs beside its requests is the same in both.
const REQUESTS: [usize; 2] = [1_600, 6_400];

/// Added allocations per request that are no steady cost: a table that grows now and then.
const TOLERANCE: f64 = 0.01;

/// Prints the allocations per request of one case, in a round after two that have set everything up.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    options: Option<Options>,
    /// Measures `bare` and `full` on hyper-h1 and fails if `full` allocates more; starts its own server
    #[arg(long, conflicts_with = "Options")]
    assert_no_added_allocation: bool,
    /// Program of that server [default: the one beside this program]
    #[arg(long, requires = "assert_no_added_allocation")]
    server_program: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    match (args.options, args.server_program) {
        (Some(options), _) => {
            println!("{}", per_request(&options)?);
            Ok(ExitCode::SUCCESS)
        }
        (None, program) if args.assert_no_added_allocation => {
            let program = match program {
                Some(program) => program,
                None => std::env::current_exe()?
                    .with_file_name("poolscope-bench-server")
                    .with_extension(std::env::consts::EXE_EXTENSION),
            };
            let server = Server::start(&program)?;
            let of = |case| {
                let (stack, server, concurrency) = (Stack::HyperHttp1, server.addr(), 64);
                per_request(&Options { stack, case, server, concurrency })
            };
            let (bare, full) = (of(Case::Bare)?, of(Case::Full)?);
            println!("hyper-h1, allocations per request: bare {bare:.3}, full {full:.3}");
            Ok(if full - bare <= TOLERANCE { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        (None, _) => anyhow::bail!("a case or --assert-no-added-allocation is needed; see --help"),
    }
}

/// Allocations and reallocations of one request in the steady state.
fn per_request(options: &Options) -> Result<f64> {
    let client = Client::new(options)?;
    let [few, many] = REQUESTS;
    client.run(few)?;
    client.run(many)?;
    let of_round = |requests| -> Result<f64> {
        let region = Region::new(ALLOCATOR);
        client.run(requests)?;
        let change = region.change();
        Ok((change.allocations + change.reallocations) as f64)
    };
    let (of_few, of_many) = (of_round(few)?, of_round(many)?);
    Ok((of_many - of_few) / (many - few) as f64)
}
