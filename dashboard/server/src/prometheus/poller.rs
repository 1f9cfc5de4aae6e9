//! The task that asks: for the history first, then every few seconds for what is new, and after an outage for what was missed.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Scalar, Series};
use super::client::Client;
use super::config::Prometheus;
use super::names;
use super::older::Older;
use super::picture::{Pairs, Picture};
use super::problem::Problem;
use super::replay::Replay;
use super::state::State;
use crate::app::App;
use crate::clock::now_ms;
use crate::error::Error;
use crate::otlp::decode;

/// What came in so late is still taken: a Collector that writes remotely sends in batches, and clusters take their time.
const LOOKBACK_MS: u64 = 30_000;
/// The stretch of time of the first question; it grows while answers are far from the bound.
const FIRST_STRETCH_MS: u64 = 60_000;
const LONGEST_STRETCH_MS: u64 = 600_000;
/// A shorter one is not tried: it would not hold one scrape of those who are scraped every half minute.
const SHORTEST_STRETCH_MS: u64 = 35_000;
/// What is older is not asked for unasked: somebody waits for what is now.
const MAX_BEHIND_MS: u64 = 3_600_000;
/// How often the clock of Prometheus is asked.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// A smaller difference is that of the way of the answer, and of clocks that run well.
const CLOCK_OFF_MS: u64 = 1_000;
/// From here on it is told.
const CLOCK_TOLD_MS: u64 = 5_000;
/// Longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Without a newer sample for so long, somebody should look after the scraping.
const OLD_MS: u64 = 5 * 60_000;

/// The newest moment that was told of each sender, by Prometheus' clock.
type Told = HashMap<Pairs<&'static str>, u64>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Poller {
    client: Arc<Client>,
    config: Prometheus,
    query: String,
    app: Arc<App>,
    state: Arc<State>,
    /// All until then was asked for, by Prometheus' clock.
    until_ms: Option<u64>,
    stretch_ms: u64,
    clock: Option<(Instant, i64)>,
    told: Told,
}

/// What became of one answer.
#[derive(Debug, Default)]
struct Applied {
    told: Told,
    newest_ms: Option<u64>,
    differing: Vec<Box<str>>,
    rejected: Option<String>,
}

impl Poller {
    /// A poller that feeds the store; fails if the address or a file of the configuration is missing.
    pub(crate) fn new(app: Arc<App>, state: Arc<State>) -> Result<Self, Error> {
        if app.config.store.is_some() {
            return Err(Error::StoreAndPrometheus);
        }
        let config = app.config.prometheus.clone();
        let client = Arc::new(Client::new(&config)?);
        state.set_older(Older::new(client.clone()));
        Ok(Self {
            client,
            state,
            query: selector(&config),
            config,
            app,
            until_ms: None,
            stretch_ms: FIRST_STRETCH_MS,
            clock: None,
            told: Told::new(),
        })
    }

    /// Asks until the server ends.
    pub(crate) async fn run(mut self, end: impl Future<Output = ()>) {
        let polling = async {
            let mut failures = 0_u32;
            loop {
                let pause = match self.round().await {
                    Ok(()) => {
                        failures = 0;
                        self.config.interval()
                    }
                    Err(problem) => {
                        tracing::debug!(%problem, "Prometheus");
                        self.state.failed(problem.to_string(), now_ms());
                        self.app.changed.notify_one();
                        failures += 1;
                        pause(self.config.interval(), failures)
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = polling => {}
            () = end => {}
        }
    }

    /// Asks for all that is not known yet.
    async fn round(&mut self) -> Result<(), Problem> {
        let ahead_ms = self.ahead_ms().await?;
        let now = now_ms().saturating_add_signed(ahead_ms);
        let retention_ms = self.app.config.retention().as_millis() as u64;
        let oldest = now.saturating_sub(retention_ms.min(MAX_BEHIND_MS));
        let known = self.until_ms.map_or(0, |until| until.saturating_sub(LOOKBACK_MS));
        let mut from = known.max(oldest);
        let mut notices = Vec::new();
        while from < now {
            let to = now.min(from + self.stretch_ms);
            match self.stretch(from, to, ahead_ms, &mut notices).await {
                Ok(()) => {
                    self.until_ms = Some(to);
                    from = to;
                }
                Err(problem) if problem.is_of_size() && to - from > SHORTEST_STRETCH_MS => {
                    self.stretch_ms = ((to - from) / 2).max(SHORTEST_STRETCH_MS);
                }
                Err(problem) => return Err(problem),
            }
        }
        self.finish(ahead_ms, now, notices);
        Ok(())
    }

    /// Asks for a stretch of time and applies the answer.
    async fn stretch(
        &mut self,
        from: u64,
        to: u64,
        ahead_ms: i64,
        notices: &mut Vec<String>,
    ) -> Result<(), Problem> {
        let query = format!("{}[{}ms]", self.query, to - from);
        let asked = Instant::now();
        let answer = self.client.query::<Vec<Series>>(&query, Some(to)).await?;
        let (took, bytes, series) = (asked.elapsed(), answer.bytes, answer.result.len());
        let max = self.config.prometheus_max_series;
        if series > max {
            return Err(Problem::TooMany(max));
        }
        // That there was nothing says nothing about what comes next.
        if series > 0 && bytes < self.config.prometheus_max_bytes / 8 {
            self.stretch_ms = (self.stretch_ms * 2).min(LONGEST_STRETCH_MS);
        }
        let (app, told) = (self.app.clone(), std::mem::take(&mut self.told));
        let labels = self.config.prometheus_replica_label.clone();
        let apart_ms = self.config.interval().as_millis() as u64;
        let applied = tokio::task::spawn_blocking(move || {
            apply(&app, Picture::of(answer.result, &labels), told, ahead_ms, apart_ms)
        });
        let applied = applied.await.map_err(|error| Problem::stranger(&error.to_string()))?;
        self.told = applied.told;
        self.told.retain(|_, newest| *newest >= from.saturating_sub(LONGEST_STRETCH_MS));
        for warning in answer.warnings.into_iter().take(1).chain(applied.rejected) {
            note(notices, format!("Prometheus: {}", crate::words::cut_name(&warning, 300)));
        }
        if !applied.differing.is_empty() {
            note(notices, copies(&applied.differing));
        }
        self.state.answered(|status| {
            status.series = series as u64;
            status.bytes = bytes as u64;
            status.took_ms = took.as_millis() as u64;
            status.newest_ms = status.newest_ms.max(applied.newest_ms);
        });
        self.app.changed.notify_one();
        Ok(())
    }

    /// How far the clock of Prometheus is ahead of ours.
    async fn ahead_ms(&mut self) -> Result<i64, Problem> {
        if let Some((asked, ahead_ms)) = self.clock
            && asked.elapsed() < CLOCK_EVERY
        {
            return Ok(ahead_ms);
        }
        let before = now_ms();
        let answer = self.client.query::<Scalar>("time()", None).await;
        let theirs = answer.inspect_err(|_| self.clock = None)?.result.at.ms;
        let ours = u64::midpoint(before, now_ms());
        let ahead_ms = theirs.cast_signed().saturating_sub(ours.cast_signed());
        let ahead_ms = if ahead_ms.unsigned_abs() < CLOCK_OFF_MS { 0 } else { ahead_ms };
        self.clock = Some((Instant::now(), ahead_ms));
        Ok(ahead_ms)
    }

    /// Tells how it went.
    fn finish(&self, ahead_ms: i64, now: u64, mut notices: Vec<String>) {
        if ahead_ms.unsigned_abs() >= CLOCK_TOLD_MS {
            let by = crate::words::duration(ahead_ms.unsigned_abs() as f64 / 1e3);
            let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
            notices.push(format!(
                "The clock of Prometheus is {by} {way} that of this server. Times are shown by the clock of this server."
            ));
        }
        let state = &self.state;
        let status = state.status();
        if status.series == 0 && status.newest_ms.is_none() {
            notices.push(
                "Prometheus answers, and has no series of connection pools. See that it scrapes the Collector, and \
                 that --prometheus-label and the tenant in --prometheus-header are right."
                    .to_owned(),
            );
        } else if let Some(newest) = status.newest_ms
            && now.saturating_add_signed(-ahead_ms).saturating_sub(newest) > OLD_MS
        {
            notices.push(
                "Prometheus answers, and got nothing new for 5 minutes. See whether it scrapes.".to_owned(),
            );
        }
        state.well(now_ms(), notices);
    }
}

/// Puts the moments of a picture into the store.
fn apply(app: &App, picture: Picture, mut told: Told, ahead_ms: i64, apart_ms: u64) -> Applied {
    let mut newest_ms = None;
    let mut rejected = None;
    for (sender, of) in picture.senders {
        let mut replay = Replay::new(&sender, of.tracks);
        let after = told.get(&sender).copied().unwrap_or(0);
        let mut is_first = true;
        for moment in replay.moments(after, apart_ms) {
            let at_ms = moment.last_ms.saturating_add_signed(-ahead_ms);
            let request = replay.at(moment, at_ms);
            let metrics = match decode::metrics(&request) {
                Ok(metrics) => metrics,
                Err(malformed) => {
                    rejected = Some(malformed.to_string());
                    continue;
                }
            };
            app.counts.wide_histograms(metrics.wide_histograms);
            if let (Some(state), Some(report), true) = (&app.prometheus, metrics.reports.first(), is_first) {
                state.learn((report.sender.service, report.sender.instance), &of.labels);
            }
            is_first = false;
            // For the store it is then: what is old when it comes is put where it belongs.
            app.store().take_metrics(&metrics.reports, at_ms);
            newest_ms = newest_ms.max(Some(at_ms));
            if metrics.rejected.count > 0 {
                rejected = Some(metrics.rejected.sentence());
            }
            told.insert(sender.clone(), moment.last_ms);
        }
    }
    Applied { told, newest_ms, differing: picture.differing, rejected }
}

/// All series of the contract that have the labels.
pub(super) fn selector(config: &Prometheus) -> String {
    let mut query = format!("{{__name__=~\"{}\"", names::expression());
    for label in &config.prometheus_label {
        add_matcher(&mut query, &label.name, &label.value);
    }
    query.push('}');
    query
}

/// Adds that a label has a value. A name that newer Prometheus keep with its dots stands in quotes.
pub(super) fn add_matcher(query: &mut String, name: &str, value: &str) {
    add(query, name, "=", value);
}

/// Adds that a label has one of some values.
pub(super) fn add_one_of(query: &mut String, name: &str, values: &BTreeSet<&str>) {
    let literal = |value: &&str| -> String {
        let escaped = |c: char| r"\.+*?()|[]{}^$".contains(c).then_some('\\').into_iter().chain([c]);
        value.chars().flat_map(escaped).collect()
    };
    add(query, name, "=~", &values.iter().map(literal).collect::<Vec<_>>().join("|"));
}

fn add(query: &mut String, name: &str, is: &str, value: &str) {
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = if is_plain { name.to_owned() } else { quoted(name) };
    // Writing to a text does not fail.
    let _ = write!(query, ",{name}{is}{}", quoted(value));
}

fn copies(labels: &[Box<str>]) -> String {
    let labels = labels.join(", ");
    format!(
        "Some series are there twice and differ only by {labels}; one of each is shown. If that tells replicas of \
         Prometheus apart, name it by --prometheus-replica-label."
    )
}

fn note(notices: &mut Vec<String>, notice: String) {
    if !notices.contains(&notice) {
        notices.push(notice);
    }
}

/// Twice as long after each failure.
fn pause(interval: Duration, failures: u32) -> Duration {
    let longest = MAX_PAUSE.max(interval);
    interval.saturating_mul(1 << failures.min(10)).min(longest)
}
