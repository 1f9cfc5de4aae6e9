//! The figures for people and for programs, and what was promised.

use serde_json::{Value, json};

use super::figures::{Cpu, Figures};
use super::{BARE, SERVICE};

/// A figure that is promised, and the limit that it must keep.
struct Promise {
    stack: &'static str,
    case: &'static str,
    what: Promised,
    limit: f64,
}

#[derive(Clone, Copy)]
enum Promised {
    /// Added per request, at most.
    Instructions,
    /// Added nanoseconds of processor time per request, at most.
    Cpu,
    /// The same on two threads.
    CpuTwoThreads,
    /// Share of the bare client's throughput, at least.
    Throughput,
    /// Added per request, at most.
    Allocations,
}

const PROMISES: &[Promise] = &[
    Promise { stack: "hyper-h1", case: "full", what: Promised::Instructions, limit: 2_000.0 },
    Promise { stack: "hyper-h1", case: "full", what: Promised::Cpu, limit: 300.0 },
    Promise { stack: "hyper-h1", case: "full", what: Promised::Throughput, limit: 0.97 },
    Promise { stack: "hyper-h1", case: "full", what: Promised::Allocations, limit: 0.0 },
    Promise { stack: "hyper-h1", case: "full-unsampled", what: Promised::Instructions, limit: 3_000.0 },
    Promise { stack: "reqwest", case: "full", what: Promised::Instructions, limit: 4_500.0 },
    Promise { stack: "reqwest", case: "full", what: Promised::Throughput, limit: 0.96 },
    Promise { stack: "server", case: "full", what: Promised::Instructions, limit: 3_000.0 },
    Promise { stack: "server", case: "full", what: Promised::Allocations, limit: 0.0 },
    Promise { stack: SERVICE, case: "breaker", what: Promised::Cpu, limit: 20.0 },
    Promise { stack: SERVICE, case: "breaker", what: Promised::CpuTwoThreads, limit: 40.0 },
    Promise { stack: SERVICE, case: "breaker", what: Promised::Allocations, limit: 0.0 },
    // Breaker, limit, timeout and retry together.
    Promise { stack: SERVICE, case: "stack", what: Promised::Cpu, limit: 200.0 },
    Promise { stack: SERVICE, case: "stack", what: Promised::Allocations, limit: 0.0 },
];

/// Added allocations that are no steady cost: a table that grows now and then.
const ALLOCATION_TOLERANCE: f64 = 0.01;

/// Prints a table, and each promise with whether it holds.
pub(super) fn print(all: &[Figures]) {
    println!(
        "\n{:<9} {:<30} {:>12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>11} {:>12}",
        "stack",
        "case",
        "instructions",
        "added",
        "CPU ns",
        "added",
        "by two",
        "added",
        "throughput",
        "requests/s",
        "allocations"
    );
    for figures in all {
        println!(
            "{:<9} {:<30} {:>12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10.3} {:>11} {:>12}",
            figures.stack,
            figures.case,
            number(figures.instructions),
            added(instructions_added(figures, all)),
            number(figures.cpu.total),
            added(figures.cpu.added),
            number(figures.two_threads.total),
            added(figures.two_threads.added),
            figures.throughput,
            number(Some(figures.per_second)),
            figures.allocations.map_or_else(|| "-".to_owned(), |count| format!("{count:.2}")),
        );
    }
    println!();
    for promise in PROMISES {
        if let Some(figures) = all.iter().find(|one| (one.stack == promise.stack) && one.case == promise.case)
        {
            println!("{}", promise.sentence(figures, all));
        }
    }
}

impl Promise {
    fn sentence(&self, figures: &Figures, all: &[Figures]) -> String {
        let limit = self.limit;
        let (measured, holds, promised) = match self.what {
            Promised::Instructions => {
                let value = instructions_added(figures, all);
                let text = format!("{} instructions", added(value));
                (text, value.map(|value| value <= limit), format!("<= {}", added(Some(limit))))
            }
            Promised::Cpu => cpu(figures.cpu, "", limit),
            Promised::CpuTwoThreads => cpu(figures.two_threads, " on two threads", limit),
            Promised::Throughput => {
                let value = figures.throughput;
                (format!("{value:.3} of the throughput"), Some(value >= limit), format!(">= {limit:.2}"))
            }
            Promised::Allocations => {
                let value = allocations_added(figures, all);
                let text = value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.2}"));
                let holds = value.map(|value| value <= limit + ALLOCATION_TOLERANCE);
                (format!("{text} allocations"), holds, "<= +0".to_owned())
            }
        };
        let verdict = match holds {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "not measured",
        };
        format!("{verdict:<12} {} {}: {measured}, promised {promised}", self.stack, self.case)
    }
}

/// What was measured, whether it holds, and what is promised.
fn cpu(cpu: Cpu, place: &str, limit: f64) -> (String, Option<bool>, String) {
    let text = format!("{} ns of processor time{place}", added(cpu.added));
    (text, cpu.added.map(|value| value <= limit), format!("<= {}", added(Some(limit))))
}

/// The bare client below a case.
fn bare<'a>(figures: &Figures, all: &'a [Figures]) -> Option<&'a Figures> {
    all.iter().find(|one| one.stack == figures.stack && one.case == BARE)
}

fn instructions_added(figures: &Figures, all: &[Figures]) -> Option<f64> {
    Some(figures.instructions? - bare(figures, all)?.instructions?)
}

fn allocations_added(figures: &Figures, all: &[Figures]) -> Option<f64> {
    Some(figures.allocations? - bare(figures, all)?.allocations?)
}

/// The figures as a list of objects; what was not measured is null.
pub(super) fn json(all: &[Figures]) -> String {
    let row = |figures: &Figures| {
        json!({
            "bench": "overhead",
            "stack": figures.stack,
            "case": figures.case,
            "instructions_per_request": rounded(figures.instructions, 0),
            "instructions_added": rounded(instructions_added(figures, all), 0),
            "cpu_ns_per_request": rounded(figures.cpu.total, 1),
            "cpu_ns_added": rounded(figures.cpu.added, 1),
            "cpu_ns_two_threads": rounded(figures.two_threads.total, 1),
            "cpu_ns_two_threads_added": rounded(figures.two_threads.added, 1),
            "throughput_ratio": rounded(Some(figures.throughput), 4),
            "requests_per_second": rounded(Some(figures.per_second), 0),
            "allocations_per_request": rounded(figures.allocations, 3),
            "samples": figures.samples,
        })
    };
    let rows: Vec<Value> = all.iter().map(row).collect();
    format!("{:#}\n", Value::Array(rows))
}

fn rounded(value: Option<f64>, digits: i32) -> Option<f64> {
    let unit = 10f64.powi(digits);
    value.map(|value| (value * unit).round() / unit)
}

/// With a comma every three digits.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

fn added(value: Option<f64>) -> String {
    let sign = if value.is_some_and(|value| value.round() >= 0.0) { "+" } else { "" };
    format!("{sign}{}", number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(case: &str, instructions: Option<f64>) -> Figures {
        let mut figures = Figures::new("hyper-h1", case, &[], &[], 1);
        (figures.instructions, figures.throughput, figures.allocations) = (instructions, 0.98, Some(30.0));
        figures
    }

    #[test]
    fn a_promise_is_kept_missed_or_unknown() {
        let all = [figures(BARE, Some(27_671.0)), figures("full", Some(30_672.4))];
        let sentences: Vec<_> = PROMISES[..4].iter().map(|promise| promise.sentence(&all[1], &all)).collect();
        assert!(sentences[0].starts_with("MISSED") && sentences[0].contains("+3,001 instructions"));
        assert!(sentences[0].contains("<= +2,000"), "{sentences:?}");
        assert!(sentences[1].starts_with("not measured"), "{sentences:?}");
        assert!(sentences[2].starts_with("holds") && sentences[3].starts_with("holds"), "{sentences:?}");
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let rows: Value = serde_json::from_str(&json(&[figures(BARE, None)])).unwrap();
        assert_eq!((&rows[0]["stack"], &rows[0]["case"]), (&json!("hyper-h1"), &json!("bare")));
        assert!(rows[0]["instructions_per_request"].is_null() && rows[0]["cpu_ns_per_request"].is_null());
        assert_eq!((&rows[0]["throughput_ratio"], &rows[0]["samples"]), (&json!(0.98), &json!(0)));
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(number(Some(1_234_567.4)), "1,234,567");
        assert_eq!((added(Some(-999.6)), added(Some(0.2))), ("-1,000".to_owned(), "+0".to_owned()));
        assert_eq!(added(None), "-");
    }
}
