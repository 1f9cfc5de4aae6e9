//! `cargo xtask test`: every test, with all that it needs, and one line of result.

mod libtest;
mod suite;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::libtest::Counts;
use self::suite::{Prepared, Suite};
use crate::process::{self, Group, TICK, say};
use crate::provision;
use crate::workspace::Workspace;

/// A suite takes a few minutes at most; one that takes this long hangs.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Sets up what the tests need and runs them all; ends with `N passed, N failed, N skipped`.
///
/// Installs, if missing: for the browser suite what `cargo xtask ui` installs, and, on Debian as root, the packages
/// chromium, chromium-driver and fonts-dejavu-core; axe-core comes from npm into the cache. For the e2e suite, on Debian, nginx is unpacked, but not installed. For
/// the stack suite Prometheus is unpacked likewise, and where Go is, the OpenTelemetry Collector and Jaeger are built;
/// packages of Python and Node for its peers are kept in the cache. For the chaos suite, on Debian as root, iproute2; for all of them make.
/// What cannot run here says so and counts as skipped; with CI=true it counts as failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs only this suite; can be given more than once [default: all]
    #[arg(long, value_enum)]
    suite: Vec<Suite>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let all = [Suite::Unit, Suite::E2e, Suite::Browser, Suite::Stack, Suite::Chaos];
    let wanted: BTreeSet<_> =
        if args.suite.is_empty() { all.into() } else { args.suite.iter().copied().collect() };

    provision::make::ensure()?;
    // All set-up first: what it installs or builds may be what a later suite would otherwise build again.
    let prepared: Vec<_> =
        wanted.into_iter().map(|suite| (suite, suite.prepare(workspace, args.suite.is_empty()))).collect();
    let mut results = Vec::new();
    for (suite, prepared) in prepared {
        let started = Instant::now();
        let mut counts = run_suite(suite, prepared, strict)?;
        if strict && counts.skipped > 0 {
            let skipped = std::mem::take(&mut counts.skipped);
            counts.failed += skipped;
            counts.failures.push(format!("{skipped} tests were skipped, which is not allowed where CI=true"));
        }
        results.push((suite, counts, started.elapsed()));
    }
    Ok(report(&results))
}

fn run_suite(suite: Suite, prepared: Prepared, strict: bool) -> Result<Counts> {
    let mut counts = Counts::default();
    match prepared {
        Prepared::Ready(commands) => {
            for mut command in commands {
                run_tests(&mut command, &mut counts)?;
            }
            if (counts.passed, counts.failed, counts.skipped) == (0, 0, 0) {
                counts.fail("there is no test in this suite");
            }
        }
        Prepared::Missing(error) if !strict => {
            say(format!("WARNING: the suite {} cannot run here: {error:#}", suite.name()));
            counts.skipped += 1;
        }
        Prepared::Missing(error) | Prepared::Broken(error) => {
            counts.fail(format!("the suite could not run: {error:#}"));
        }
    }
    Ok(counts)
}

/// Runs one `cargo test`, passes on what it prints, and counts. Fails only if the user stops it.
fn run_tests(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let line = process::line(command);
    say(&line);
    let failed_before = counts.failed;
    let deadline = Instant::now() + LIMIT;
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let stdout = group.take_stdout().context("a test program has no stdout")?;
    let (sender, lines) = mpsc::channel();
    // Ends with the pipe, at the latest when the group is ended.
    thread::spawn(move || {
        let lines = BufReader::new(stdout).split(b'\n').map_while(std::result::Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).try_for_each(|line| sender.send(line))
    });
    let status = loop {
        let status = group.status()?;
        match lines.recv_timeout(TICK) {
            Ok(text) => {
                println!("{text}");
                counts.read(&text);
            }
            Err(RecvTimeoutError::Disconnected) if status.is_some() => break status,
            Err(RecvTimeoutError::Disconnected) => thread::sleep(TICK),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= deadline {
            break None;
        }
    };
    match status {
        None => counts.fail(format!("`{line}` did not end within {} minutes", LIMIT.as_secs() / 60)),
        Some(status) if !status.success() && counts.failed == failed_before => {
            counts.fail(format!("`{line}` ended with {status} before its tests did; see above"));
        }
        Some(_) => {}
    }
    Ok(())
}

fn report(results: &[(Suite, Counts, Duration)]) -> ExitCode {
    println!();
    let mut total = Counts::default();
    for (suite, counts, took) in results {
        let Counts { passed, failed, skipped, failures } = counts;
        for failure in failures {
            println!("FAILED {}: {failure}", suite.name());
        }
        let name = suite.name();
        println!(
            "{name:<8} {passed:>5} passed, {failed} failed, {skipped} skipped ({:.0} s)",
            took.as_secs_f64()
        );
        total.passed += passed;
        total.failed += failed;
        total.skipped += skipped;
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
