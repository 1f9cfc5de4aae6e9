//! `cargo xtask bench overhead`: what the layers cost a request, beside published middlewares.
//!
//! Time is measured in pairs: the processes of a stack are all alive, each does a round in turn, in the reverse order
//! every other time, and a round is compared with the bare client's of the same turn. So what else the machine does
//! hits both. Instructions are counted by callgrind as the difference of a long and a short run, which leaves the set-up
//! out; they hardly depend on the machine's load.
//!
//! The cases of a server run its client too, in the same process, so that the client's cost is in the bare case as well: the
//! throughput is that of both.
//!
//! The cases of a service, which has no sockets, are also timed on two threads that share what is around it. Threads that
//! a busy machine runs one after the other share nothing, so turns in which the bare service's did not run at the same
//! time are left out.

mod callgrind;
mod figures;
mod program;
mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use self::callgrind::Callgrind;
use self::figures::{Cpu, Figures, Round};
use self::program::{Programs, Subject, Worker};
use crate::process::{self, say};
use crate::provision::valgrind;
use crate::workspace::Workspace;

const PACKAGE: &str = "poolscope-bench";
/// What the others are compared with.
const BARE: &str = "bare";
/// The stack without sockets, whose cases two threads can share.
const SERVICE: &str = "service";
/// Requests of a timed round: a fifth of a second or so.
const REQUESTS: u32 = 16_000;
/// The same of a service: a hundredth of a second at least.
const SERVICE_REQUESTS: u32 = 1_000_000;
/// Time that the requests of a round on two threads would take one thread.
const SHARED_SECONDS: f64 = 0.4;
/// Enough to open all connections and to touch all code.
const WARM_UP: u32 = 3_200;
const QUICK_ROUNDS: usize = 3;

/// Measures what the layers cost a request on hyper (HTTP/1.1 and HTTP/2) and reqwest, what ours costs a server of hyper, and
/// what protection costs around a service without sockets, beside published middlewares.
///
/// Instructions (callgrind), processor time and throughput (paired rounds), allocations. Installs, if missing, the Debian
/// package valgrind where run as root; where it cannot, instructions are left out. Never fails because of a figure: what
/// is promised is printed beside what was measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writes the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Timed rounds of each case
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only these stacks, such as hyper-h1,server
    #[arg(long, value_delimiter = ',')]
    stacks: Vec<String>,
    /// Only these cases, such as connector,full; bare is always there
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// Three rounds, and no instructions: half a minute
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut build = process::cargo();
    build.current_dir(&workspace.root).args(["build", "--release", "--package", PACKAGE]);
    process::run(&mut build)?;
    let programs = Programs::of(workspace);
    let wanted = select(&programs.list()?, &args.stacks, &args.cases)?;
    let callgrind = if args.quick { None } else { callgrind(workspace) };
    let rounds = if args.quick { QUICK_ROUNDS } else { args.rounds.into() };

    let server = programs.serve()?;
    let mut all = Vec::new();
    for (stack, cases) in &wanted {
        let mut of_stack = timed(&programs, stack, cases, server.addr(), rounds)?;
        for figures in &mut of_stack {
            let subject = Subject { stack, case: &figures.case, server: server.addr() };
            figures.allocations = Some(programs.allocations(subject)?);
            figures.instructions =
                callgrind.as_ref().map(|callgrind| callgrind.count(&programs, subject)).transpose()?;
        }
        all.extend(of_stack);
    }
    report::print(&all);
    if let Some(file) = &args.json {
        std::fs::write(file, report::json(&all))
            .with_context(|| format!("cannot write {}", file.display()))?;
        say(format!("the figures are in {}", file.display()));
    }
    Ok(())
}

fn callgrind(workspace: &Workspace) -> Option<Callgrind> {
    let made = valgrind::ensure().and_then(|program| Callgrind::new(program, workspace));
    made.inspect_err(|error| say(format!("WARNING: instructions are not counted: {error:#}"))).ok()
}

/// The stacks and cases that are wanted, in the order of the list.
fn select(
    list: &[(String, String)],
    stacks: &[String],
    cases: &[String],
) -> Result<Vec<(String, Vec<String>)>> {
    check_known("stack", list.iter().map(|(stack, _)| stack), stacks)?;
    check_known("case", list.iter().map(|(_, case)| case), cases)?;
    let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
    for (stack, case) in list {
        let has = |choice: &[String], name| choice.is_empty() || choice.contains(name);
        if !has(stacks, stack) || !has(cases, case) && case != BARE {
            continue;
        }
        match wanted.last_mut().filter(|(last, _)| last == stack) {
            Some((_, of_stack)) => of_stack.push(case.clone()),
            None => wanted.push((stack.clone(), vec![case.clone()])),
        }
    }
    Ok(wanted)
}

fn check_known<'a>(what: &str, known: impl Iterator<Item = &'a String>, asked: &[String]) -> Result<()> {
    let known: BTreeSet<_> = known.map(String::as_str).collect();
    if let Some(unknown) = asked.iter().find(|name| !known.contains(name.as_str())) {
        let known: Vec<_> = known.into_iter().collect();
        bail!("there is no {what} {unknown}; there are: {}", known.join(", "));
    }
    Ok(())
}

/// Times the cases of a stack in turn.
fn timed(
    programs: &Programs,
    stack: &str,
    cases: &[String],
    server: &str,
    rounds: usize,
) -> Result<Vec<Figures>> {
    let requests = if stack == SERVICE { SERVICE_REQUESTS } else { REQUESTS };
    say(format!("{stack}: {rounds} rounds of {requests} requests for each of {} cases", cases.len()));
    let start = |case: &String| programs.client(Subject { stack, case, server });
    let mut workers = cases.iter().map(start).collect::<Result<Vec<Worker>>>()?;
    for worker in &mut workers {
        worker.round(WARM_UP)?;
    }
    let samples = in_turn(&mut workers, rounds, |_, worker| worker.round(requests))?;
    // The list has the bare client first.
    let figures = cases.iter().zip(&samples);
    let mut figures: Vec<_> =
        figures.map(|(case, of_case)| Figures::new(stack, case, of_case, &samples[0], requests)).collect();
    if stack == SERVICE {
        // A bare round is over before its threads have been given a processor each, so rounds are of equal time.
        let requests: Vec<_> =
            figures.iter().map(|figures| (figures.per_second * SHARED_SECONDS) as u32).collect();
        let share = |index: usize, worker: &mut Worker| {
            let requests = requests[index];
            Ok(worker.shared_round(requests)?.per(requests))
        };
        let mut samples = in_turn(&mut workers, rounds, share)?;
        let together: Vec<_> = samples[0].iter().map(Round::is_parallel).collect();
        for of_case in &mut samples {
            let mut together = together.iter();
            of_case.retain(|_| together.next() == Some(&true));
        }
        for (figures, of_case) in figures.iter_mut().zip(&samples) {
            figures.two_threads = Cpu::new(of_case, &samples[0], 1);
        }
    }
    Ok(figures)
}

/// The rounds of each worker; all do one before one of them does its next.
fn in_turn(
    workers: &mut [Worker],
    rounds: usize,
    measure: impl Fn(usize, &mut Worker) -> Result<Round>,
) -> Result<Vec<Vec<Round>>> {
    let mut samples: Vec<Vec<Round>> = vec![Vec::new(); workers.len()];
    for round in 0..rounds {
        let mut turn: Vec<_> = workers.iter_mut().zip(&mut samples).enumerate().collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for (index, (worker, samples)) in turn {
            samples.push(measure(index, worker)?);
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_bare_client_is_always_there_and_an_unknown_name_is_named() {
        let list: Vec<_> = [("h1", BARE), ("h1", "full"), ("h1", "peer"), ("h2", BARE), ("h2", "full")]
            .map(|(stack, case)| (stack.to_owned(), case.to_owned()))
            .into();
        let wanted = select(&list, &names(&["h1"]), &names(&["full"])).unwrap();
        assert_eq!(wanted, [("h1".to_owned(), names(&[BARE, "full"]))]);
        assert_eq!(select(&list, &[], &[]).unwrap().len(), 2);
        let error = select(&list, &[], &names(&["fulll"])).unwrap_err().to_string();
        assert!(error.contains("fulll") && error.contains("bare, full, peer"), "{error}");
    }
}
