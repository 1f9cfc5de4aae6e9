//! The chat service as a process of its own, which tests look at from outside. It prints its address, and answers each line of
//! its input with a line of JSON: `look` with what it holds, `stop` with the report of its shutdown, after which it ends.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::time::Duration;

use anyhow::Result;
use poolscope::Scope;
use poolscope_tests::echo::{Echo, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::runtime::Handle;

/// What is freed goes back to the kernel at once where its environment says so: then resident memory tells what is held.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long requests have to end when the service is stopped.
const DEADLINE: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let scope = Scope::new();
    let mut settings = Settings::default();
    if let Some(most) = std::env::args().nth(1) {
        settings.max_connections = most.parse()?;
    }
    let mut echo = Echo::start(&scope, settings).await.map_err(anyhow::Error::from_boxed)?;
    println!("{}", json!({ "addr": echo.addr() }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "look" => println!("{}", look(&scope)),
            "stop" => break,
            other => anyhow::bail!("{other:?} is neither look nor stop"),
        }
    }
    let report = scope.shutdown(DEADLINE).await;
    echo.stop().await;
    println!(
        "{}",
        json!({ "report": report.to_string(), "is_clean": report.is_clean(), "after": look(&scope) })
    );
    Ok(())
}

fn look(scope: &Scope) -> Value {
    let metrics = Handle::current().metrics();
    json!({ "tasks": metrics.num_alive_tasks(), "snapshot": serde_json::to_value(scope.snapshot()).unwrap_or_default() })
}
