//! The figures of taking OTLP, for people and for programs.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bench::spread::median;

/// What was measured.
#[derive(Debug)]
pub(super) struct Figures {
    series: u64,
    points_per_request: u64,
    bytes_per_point: f64,
    rows: Vec<Row>,
}

/// One receiver by one protocol.
#[derive(Debug)]
struct Row {
    receiver: String,
    protocol: String,
    /// Points by second of processor time, of each round.
    rounds: Vec<f64>,
    rss_mb: f64,
}

impl Row {
    fn rate(&self) -> f64 {
        median(self.rounds.iter().copied()).unwrap_or(f64::NAN)
    }
}

impl Figures {
    /// Reads what the program of the bench has printed.
    pub(super) fn read(told: &Value) -> Result<Self> {
        let count = |key: &str| told[key].as_u64().with_context(|| format!("the bench did not tell {key}"));
        let rows = told["rows"].as_array().context("the bench did not tell its rows")?;
        Ok(Self {
            series: count("series")?,
            points_per_request: count("points_per_request")?,
            bytes_per_point: told["bytes_per_point"].as_f64().unwrap_or(f64::NAN),
            rows: rows.iter().map(row).collect::<Result<_>>()?,
        })
    }

    /// Points that the dashboard takes in the time in which the Collector takes one; the median of the rounds, of which each
    /// is compared with the Collector's of the same turn.
    fn ratio(&self, protocol: &str) -> Option<f64> {
        let of = |receiver: &str| {
            self.rows.iter().find(|row| row.receiver == receiver && row.protocol == protocol)
        };
        let (ours, theirs) = (of("dashboard")?, of("collector")?);
        median(ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours / theirs))
    }
}

fn row(told: &Value) -> Result<Row> {
    let text =
        |key: &str| told[key].as_str().map(str::to_owned).with_context(|| format!("a row has no {key}"));
    let rounds = told["rounds_points_per_second_per_core"].as_array().context("a row has no rounds")?;
    Ok(Row {
        receiver: text("receiver")?,
        protocol: text("protocol")?,
        rounds: rounds.iter().filter_map(Value::as_f64).collect(),
        rss_mb: told["rss_bytes"].as_f64().unwrap_or(f64::NAN) / 1e6,
    })
}

/// Prints a table, and how the two compare.
pub(super) fn print(figures: &Figures) {
    println!(
        "\n{} series, {} points of {:.0} bytes in a request, not compressed\n",
        figures.series, figures.points_per_request, figures.bytes_per_point
    );
    println!(
        "{:<10} {:<8} {:>6} {:>20} {:>9}",
        "receiver", "protocol", "rounds", "points/s of a core", "rss MB"
    );
    for row in &figures.rows {
        println!(
            "{:<10} {:<8} {:>6} {:>20.0} {:>9.1}",
            row.receiver,
            row.protocol,
            row.rounds.len(),
            row.rate(),
            row.rss_mb
        );
    }
    println!();
    for protocol in ["grpc", "http"] {
        if let Some(ratio) = figures.ratio(protocol) {
            println!(
                "{protocol}: the dashboard, which keeps what it takes, takes {ratio:.2} points for each that the Collector \
                 takes and forgets"
            );
        }
    }
}

/// The figures as a list of objects.
pub(super) fn json(figures: &Figures) -> String {
    let row = |row: &Row| {
        json!({
            "bench": "ingest",
            "receiver": row.receiver,
            "protocol": row.protocol,
            "series": figures.series,
            "samples": row.rounds.len(),
            "points_per_second_per_core": row.rate(),
            "rss_mb": row.rss_mb,
            "ratio_to_collector": if row.receiver == "dashboard" { figures.ratio(&row.protocol) } else { None },
        })
    };
    let rows: Vec<Value> = figures.rows.iter().map(row).collect();
    format!("{:#}\n", Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_with_those_of_the_same_turn() {
        let row = |receiver: &str, rounds: [f64; 3]| json!({ "receiver": receiver, "protocol": "grpc", "rounds_points_per_second_per_core": rounds, "rss_bytes": 5e7 });
        let rows = [row("dashboard", [10.0, 30.0, 20.0]), row("collector", [20.0, 40.0, 40.0])];
        let told = json!({ "series": 9, "points_per_request": 3, "bytes_per_point": 250.5, "rows": rows });
        let figures = Figures::read(&told).unwrap();
        assert_eq!((figures.ratio("grpc"), figures.ratio("http")), (Some(0.5), None));
        let rows: Value = serde_json::from_str(&json(&figures)).unwrap();
        assert_eq!(
            (&rows[0]["points_per_second_per_core"], &rows[0]["rss_mb"]),
            (&json!(20.0), &json!(50.0))
        );
        assert_eq!(
            (&rows[0]["ratio_to_collector"], &rows[1]["ratio_to_collector"]),
            (&json!(0.5), &Value::Null)
        );
        assert!(Figures::read(&json!({})).is_err());
    }
}
