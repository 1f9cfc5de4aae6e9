//! What was measured of one client over one transport.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The figures of one client over one transport.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) client: &'static str,
    pub(super) transport: &'static str,
    /// Requests at a time.
    pub(super) concurrency: u64,
    /// Most of them that the shared client lets through at a time.
    pub(super) limit: u64,
    pub(super) rounds: u64,
    /// The shared client, with all protection.
    pub(super) shared: Kind,
    /// A client made for each request, with nothing around it.
    pub(super) fresh: Kind,
    /// Connections that the layers of the shared client have seen.
    pub(super) seen: u64,
    /// Attempts of the shared client beyond the first.
    pub(super) retries: u64,
    /// Mean time of the shared client as a share of the other's: median of the pairs of rounds.
    pub(super) mean_ratio: f64,
}

/// The figures of one kind of client; times in nanoseconds, medians of the rounds.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) requests: u64,
    pub(super) failed: u64,
    /// Why the first of them failed.
    pub(super) error: Option<String>,
    /// Connections that the server has accepted.
    pub(super) opened: u64,
    /// Most of them open at a time.
    pub(super) most_open: u64,
    /// Requests that the server has answered.
    pub(super) answered: u64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Figures {
    /// Reads what the program of the bench has printed.
    pub(super) fn read(client: &'static str, transport: &'static str, text: &str) -> Result<Self> {
        let told: Value = serde_json::from_str(text).context("the bench did not print JSON")?;
        let count = |pointer| count(&told, pointer);
        Ok(Self {
            client,
            transport,
            concurrency: count("/concurrency")?,
            limit: count("/limit")?,
            rounds: count("/rounds")?,
            shared: Kind::read(&told["shared"])?,
            fresh: Kind::read(&told["fresh"])?,
            seen: count("/seen/opened")?,
            retries: count("/seen/retries")?,
            mean_ratio: time(&told["mean_ratio"]),
        })
    }
}

impl Kind {
    fn read(told: &Value) -> Result<Self> {
        let count = |pointer| count(told, pointer);
        Ok(Self {
            requests: count("/requests")?,
            failed: count("/failed")?,
            error: told["error"].as_str().map(str::to_owned),
            opened: count("/server/accepted")?,
            most_open: count("/server/most_open")?,
            answered: count("/server/requests")?,
            mean: time(&told["mean_ns"]),
            p50: time(&told["p50_ns"]),
            p99: time(&told["p99_ns"]),
        })
    }

    /// Share of the answered requests that needed no connection of their own.
    pub(super) fn reuse(&self) -> f64 {
        1.0 - self.opened as f64 / self.answered as f64
    }
}

fn count(told: &Value, pointer: &str) -> Result<u64> {
    told.pointer(pointer).and_then(Value::as_u64).with_context(|| format!("the bench did not tell {pointer}"))
}

/// Not a number where no request was done.
fn time(told: &Value) -> f64 {
    told.as_f64().unwrap_or(f64::NAN)
}
