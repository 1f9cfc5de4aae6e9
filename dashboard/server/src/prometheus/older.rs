//! What the store does not hold: the history of one pool, asked when somebody looks at it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use poolscope_semconv::attr;
use poolscope_wire::{PoolDetail, PoolPoint, PoolSummary, Range};
use tokio::sync::Semaphore;

use super::client::Client;
use super::names;
use super::picture::{Label, Picture};
use super::poller::add_matcher;
use super::problem::Problem;
use super::replay::Replay;
use super::state::State;
use crate::config::Config;
use crate::otlp::decode;
use crate::store::{Id, Since, Store, Wanted};

/// Questions at once, whatever browsers ask: Prometheus has more to do than this.
const AT_ONCE: usize = 2;
/// An answer is good for so long: several browsers look at one pool, and each moves its range with the time.
const FRESH: Duration = Duration::from_secs(10);
const KEPT: usize = 16;
/// Steps are whole seconds.
const STEP_MS: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Older {
    client: Arc<Client>,
    turns: Semaphore,
    answers: Mutex<VecDeque<(Key, Instant, Part)>>,
}

/// A part of the history of a pool.
type Part = Arc<(Vec<PoolPoint>, Range)>;

/// What was asked for: the pool, begin, end and step.
type Key = (String, u64, u64, u64);

impl Older {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, turns: Semaphore::new(AT_ONCE), answers: Mutex::default() }
    }

    /// The history of a pool between two moments, of so many points at most. The labels tell its sender.
    async fn pool(
        &self,
        config: &Config,
        pool: &PoolDetail,
        sender: &[Label],
        (from_ms, to_ms, max_points): (u64, u64, usize),
    ) -> Result<Part, Problem> {
        let shortest = pool.interval_ms.max(STEP_MS);
        let wanted = (to_ms - from_ms) / (max_points.max(2) as u64 - 1);
        let step_ms = shortest.max(wanted).div_ceil(STEP_MS) * STEP_MS;
        // On whole steps, so that those who look at nearly the same get the same.
        let (from_ms, to_ms) = (from_ms / step_ms * step_ms, to_ms / step_ms * step_ms);
        let key = (pool.summary.id.clone(), from_ms, to_ms, step_ms);
        if let Some(part) = self.fresh(&key) {
            return Ok(part);
        }
        // Closed never; an error would mean that it is.
        let _turn = self.turns.acquire().await;
        if let Some(part) = self.fresh(&key) {
            return Ok(part);
        }
        // One step more, from which the first difference is taken.
        let range = (from_ms.saturating_sub(step_ms), to_ms, step_ms);
        let answer = self.client.range(&selector(&pool.summary, sender), range).await?;
        let max = config.prometheus.prometheus_max_series;
        if answer.result.len() > max {
            return Err(Problem::TooMany(max));
        }
        // It has to hold all that it is told, however little the server keeps.
        let retention_s = (to_ms - from_ms + 2 * step_ms).div_ceil(1_000);
        let config = Config { retention_s, forget_after_s: retention_s, ..config.clone() };
        let id = pool.summary.id.clone();
        let wanted = Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), max_points };
        let part = tokio::task::spawn_blocking(move || {
            part_of(&config, Picture::of(answer.result, &[]), &id, wanted)
        });
        let mut part = part.await.map_err(|error| Problem::stranger(&error.to_string()))?;
        part.1.step_ms = part.1.step_ms.max(step_ms);
        let part = Arc::new(part);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(other, at, _)| *other != key && at.elapsed() < FRESH);
        answers.truncate(KEPT - 1);
        answers.push_front((key, Instant::now(), part.clone()));
        Ok(part)
    }

    fn fresh(&self, key: &Key) -> Option<Part> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.iter().find(|(other, at, _)| other == key && at.elapsed() < FRESH);
        known.map(|(.., part)| part.clone())
    }
}

/// Puts what Prometheus keeps in the place of a history that begins later than what is asked for by its moment.
pub(crate) async fn complete(
    state: &State,
    config: &Config,
    mut pool: PoolDetail,
    wanted: Wanted,
    now_ms: u64,
) -> Result<PoolDetail, Problem> {
    let Since::Moment(from_ms) = wanted.since else { return Ok(pool) };
    let to_ms = wanted.to_ms.unwrap_or(now_ms).min(now_ms);
    let slack_ms = pool.interval_ms.saturating_mul(2);
    let is_held = pool.range.oldest_ms.is_some_and(|oldest| oldest <= from_ms.saturating_add(slack_ms));
    let sender = state.labels(&pool.summary.service, &pool.summary.instance);
    let (Some(older), Some(sender), false) = (state.older(), sender, is_held || from_ms >= to_ms) else {
        return Ok(pool);
    };
    let part = older.pool(config, &pool, &sender, (from_ms, to_ms, wanted.max_points)).await?;
    // A pool that is as young as its history has nothing older there either.
    if part.0.first().is_some_and(|first| pool.points.first().is_none_or(|held| first.at_ms < held.at_ms)) {
        pool.points.clone_from(&part.0);
        pool.range.clone_from(&part.1);
    }
    Ok(pool)
}

/// Plays the answer to a store of its own, and reads the pool from it.
fn part_of(config: &Config, picture: Picture, id: &str, wanted: Wanted) -> (Vec<PoolPoint>, Range) {
    let mut store = Store::new(config);
    let mut end_ms = 0;
    for (sender, of) in picture.senders {
        let mut replay = Replay::new(&sender, of.tracks);
        for moment in replay.moments(0, 0) {
            end_ms = end_ms.max(moment.last_ms);
            let metrics = decode::metrics(replay.at(moment, moment.last_ms));
            store.take_metrics(&metrics.reports, moment.last_ms);
        }
    }
    let detail = Id::parse(id).and_then(|id| store.pool(id, wanted, end_ms));
    detail.map(|detail| (detail.points, detail.range)).unwrap_or_default()
}

/// The series of one sender that lead to where the pool does.
fn selector(pool: &PoolSummary, sender: &[Label]) -> String {
    let mut query = format!("{{__name__=~\"{}\"", names::expression());
    for (name, value) in sender {
        add_matcher(&mut query, name, value);
    }
    // A sender of ours names the address of every pool by the same label.
    if pool.lacks.is_empty() {
        let is_dotted = sender.iter().any(|(name, _)| name.contains('.'));
        let name = if is_dotted { attr::SERVER_ADDRESS } else { "server_address" };
        add_matcher(&mut query, name, &pool.address);
    }
    query.push('}');
    query
}
