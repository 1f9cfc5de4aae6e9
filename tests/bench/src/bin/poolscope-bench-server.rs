//! Serves the bench: prints its address, and ends when its stdin does.
#![expect(clippy::print_stdout, reason = "the address is told on stdout")]

use std::io::Read as _;
use std::thread;

fn main() -> anyhow::Result<()> {
    // Whoever started this keeps the other end of the pipe, so nothing is left behind when they are gone.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    poolscope_bench::serve(|addr| println!("{addr}"))
}
