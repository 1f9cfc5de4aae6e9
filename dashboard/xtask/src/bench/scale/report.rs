//! The figures for people and for programs, and what was promised.

use serde_json::{Value, json};

use super::figures::{Figures, Kind};

/// Share of the requests that find a connection, at least.
const REUSE: f64 = 0.9;
/// Mean time as a share of that of a client made for each request, at most.
const MEAN_RATIO: f64 = 0.5;

/// Prints a table, and each promise with whether it holds.
pub(super) fn print(all: &[Figures]) {
    println!(
        "\n{:<8} {:<9} {:<11} {:>8} {:>6} {:>6} {:>9} {:>7} {:>8} {:>8} {:>8}",
        "client",
        "transport",
        "made",
        "requests",
        "failed",
        "opened",
        "most open",
        "reuse",
        "mean ms",
        "p50 ms",
        "p99 ms"
    );
    for figures in all {
        for (made, kind) in [("once", &figures.shared), ("per request", &figures.fresh)] {
            println!(
                "{:<8} {:<9} {made:<11} {:>8} {:>6} {:>6} {:>9} {:>6.2}% {:>8.2} {:>8.2} {:>8.2}",
                figures.client,
                figures.transport,
                kind.requests,
                kind.failed,
                kind.opened,
                kind.most_open,
                100.0 * kind.reuse(),
                kind.mean / 1e6,
                kind.p50 / 1e6,
                kind.p99 / 1e6,
            );
        }
    }
    println!();
    for figures in all {
        promises(figures).iter().for_each(|line| println!("{line}"));
        for error in [&figures.shared, &figures.fresh].into_iter().filter_map(|kind| kind.error.as_ref()) {
            println!("             {} {}: {error}", figures.client, figures.transport);
        }
    }
}

/// Each promise with what was measured.
fn promises(figures: &Figures) -> Vec<String> {
    let Figures { shared, seen, mean_ratio, .. } = figures;
    let line = |holds, text: String| {
        let verdict = if holds { "holds" } else { "MISSED" };
        format!("{verdict:<12} {} {}: {text}", figures.client, figures.transport)
    };
    let (done, concurrency) = (shared.requests - shared.failed, figures.concurrency);
    vec![
        line(
            shared.failed == 0 && figures.retries == 0,
            format!(
                "{done} of {} requests done with {} tried again, {concurrency} at a time through a limit of {}, \
                 promised all with none",
                shared.requests, figures.retries, figures.limit
            ),
        ),
        line(
            *seen == shared.opened,
            format!(
                "{seen} connections opened by the snapshot and {} by the server, promised the same",
                shared.opened
            ),
        ),
        line(
            shared.reuse() >= REUSE,
            format!(
                "{:.2} % of the requests reused a connection, promised >= {:.0} %",
                100.0 * shared.reuse(),
                100.0 * REUSE
            ),
        ),
        line(
            *mean_ratio <= MEAN_RATIO,
            format!(
                "{mean_ratio:.3} of the mean time of a client made for each request, promised <= {MEAN_RATIO:.2}"
            ),
        ),
    ]
}

/// The figures as a list of objects; what was not measured is null.
pub(super) fn json(all: &[Figures]) -> String {
    let kind = |kind: &Kind| {
        json!({
            "requests": kind.requests,
            "failed": kind.failed,
            "connections_opened": kind.opened,
            "connections_most_open": kind.most_open,
            "reuse": kind.reuse(),
            "mean_ms": kind.mean / 1e6,
            "p50_ms": kind.p50 / 1e6,
            "p99_ms": kind.p99 / 1e6,
        })
    };
    let row = |figures: &Figures| {
        json!({
            "bench": "scale",
            "stack": figures.client,
            "transport": figures.transport,
            "concurrency": figures.concurrency,
            "limit": figures.limit,
            "samples": figures.rounds,
            "shared": kind(&figures.shared),
            "per_request": kind(&figures.fresh),
            "connections_opened_by_snapshot": figures.seen,
            "retries": figures.retries,
            "mean_ratio": figures.mean_ratio,
        })
    };
    let rows: Vec<Value> = all.iter().map(row).collect();
    format!("{:#}\n", Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(shared_failed: u64, seen: u64, mean_ratio: Option<f64>) -> Figures {
        let kind = |failed, opened| {
            let server = json!({ "accepted": opened, "most_open": 100, "requests": 1_000 });
            json!({ "requests": 1_000, "failed": failed, "mean_ns": 2e6, "p50_ns": 1e6, "p99_ns": 5e6, "server": server })
        };
        let told = json!({
            "concurrency": 1_000, "limit": 100, "rounds": 1, "shared": kind(shared_failed, 100), "fresh": kind(0, 1_000),
            "seen": { "opened": seen, "retries": 0 }, "mean_ratio": mean_ratio,
        });
        Figures::read("hyper", "tls", &told.to_string()).unwrap()
    }

    #[test]
    fn a_promise_is_kept_or_missed() {
        let verdicts = |figures: &Figures| {
            promises(figures).iter().map(|line| line.starts_with("holds")).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&figures(0, 100, Some(0.5))), [true; 4]);
        assert_eq!(verdicts(&figures(1, 101, Some(0.51))), [false, false, true, false]);
        // Nothing was done.
        assert_eq!(verdicts(&figures(1_000, 100, None)), [false, true, true, false]);
    }

    #[test]
    fn figures_are_rows() {
        let rows: Value = serde_json::from_str(&json(&[figures(0, 100, None)])).unwrap();
        assert_eq!(
            (&rows[0]["bench"], &rows[0]["stack"], &rows[0]["transport"]),
            (&json!("scale"), &json!("hyper"), &json!("tls"))
        );
        assert_eq!((&rows[0]["shared"]["reuse"], &rows[0]["shared"]["mean_ms"]), (&json!(0.9), &json!(2.0)));
        assert!(rows[0]["mean_ratio"].is_null());
        assert!(Figures::read("hyper", "tls", "{}").is_err());
    }
}
