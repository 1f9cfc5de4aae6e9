//! What the store does not hold: the history of one pool or breaker, or of a group of pools, asked when somebody looks at it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use poolscope_semconv::attr;
use poolscope_wire::{BreakerDetail, PoolDetail, PoolPoint, PoolSummary, Range, StateSpan};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client::Client;
use super::names;
use super::picture::{Label, Picture};
use super::poller::{add_matcher, add_one_of};
use super::problem::Problem;
use super::replay::Replay;
use super::state::State;
use crate::config::Config;
use crate::otlp::decode;
use crate::store::{Id, PoolId, Since, Store, Wanted};

/// Questions at once, whatever browsers ask: Prometheus has more to do than this.
const AT_ONCE: usize = 2;
/// How long a browser waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(10);
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
    answers: Mutex<VecDeque<(Key, Instant, Arc<Part>)>>,
}

/// A part of a history.
#[derive(Debug)]
enum Part {
    Pool(Vec<PoolPoint>, Range),
    Breaker(Box<BreakerDetail>),
}

/// What was asked for: of which pool or breaker, begin, end and step.
type Key = (String, u64, u64, u64);

/// What a history is asked of.
struct Asked<'a> {
    /// Its id.
    id: &'a str,
    /// The usual distance of its reports, if it is known.
    interval_ms: Option<u64>,
    /// The series that tell of it.
    query: String,
    /// Reads it from a store that was told the answer.
    read: fn(&Store, &str, Wanted, u64) -> Option<Part>,
}

impl Older {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, turns: Semaphore::new(AT_ONCE), answers: Mutex::default() }
    }

    /// A history between two moments, of so many points at most; `None` if there is none.
    async fn part(
        &self,
        config: &Config,
        asked: Asked<'_>,
        (from_ms, to_ms, max_points): (u64, u64, usize),
    ) -> Result<Option<Arc<Part>>, Problem> {
        let step_ms = step_ms(asked.interval_ms, to_ms - from_ms, max_points);
        // On whole steps, so that those who look at nearly the same get the same.
        let (from_ms, to_ms) = (from_ms / step_ms * step_ms, to_ms / step_ms * step_ms);
        let key = (asked.id.to_owned(), from_ms, to_ms, step_ms);
        if let Some(part) = self.fresh(&key) {
            return Ok(Some(part));
        }
        let Ok(Ok(_turn)) = timeout(MAX_WAIT, self.turns.acquire()).await else { return Err(Problem::Busy) };
        if let Some(part) = self.fresh(&key) {
            return Ok(Some(part));
        }
        // One step more, from which the first difference is taken.
        let range = (from_ms.saturating_sub(step_ms), to_ms, step_ms);
        let answer = self.client.range(&asked.query, range).await?;
        let max = config.prometheus.prometheus_max_series;
        if answer.result.len() > max {
            return Err(Problem::TooMany(max));
        }
        // It has to hold all that it is told, however little the server keeps.
        let retention_s = (to_ms - from_ms + 2 * step_ms).div_ceil(1_000);
        let config = Config { retention_s, forget_after_s: retention_s, ..config.clone() };
        let (id, read) = (asked.id.to_owned(), asked.read);
        let wanted = Wanted { since: Since::Moment(from_ms), to_ms: Some(to_ms), max_points };
        let part = tokio::task::spawn_blocking(move || {
            let (store, end_ms) = play(&config, Picture::of(answer.result, &[]));
            read(&store, &id, wanted, end_ms)
        });
        let Some(mut part) = part.await.map_err(|error| Problem::stranger(&error.to_string()))? else {
            return Ok(None);
        };
        let range = match &mut part {
            Part::Pool(_, range) => range,
            Part::Breaker(detail) => &mut detail.range,
        };
        range.step_ms = range.step_ms.max(step_ms);
        let part = Arc::new(part);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(other, at, _)| *other != key && at.elapsed() < FRESH);
        answers.truncate(KEPT - 1);
        answers.push_front((key, Instant::now(), part.clone()));
        Ok(Some(part))
    }

    fn fresh(&self, key: &Key) -> Option<Arc<Part>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.iter().find(|(other, at, _)| other == key && at.elapsed() < FRESH);
        known.map(|(.., part)| part.clone())
    }
}

/// The shortest step, of which so many points as are wanted reach over a range, that each holds as many reports as the next:
/// of steps that hold now one and now two of them, every rate would jump to and fro. Scrapes are taken to be whole seconds
/// apart, since steps can't be finer: what was measured between two of them is rounded to that.
fn step_ms(interval_ms: Option<u64>, range_ms: u64, max_points: usize) -> u64 {
    let interval_ms = (interval_ms.unwrap_or(0).saturating_add(STEP_MS / 2) / STEP_MS).max(1) * STEP_MS;
    let wanted_ms = range_ms / (max_points.max(2) as u64 - 1);
    wanted_ms.max(1).div_ceil(interval_ms) * interval_ms
}

/// The begin and end of what the store does not hold of a range that is asked for by its moment; `None` if it holds all.
fn missing(wanted: Wanted, held: &Range, interval_ms: Option<u64>, now_ms: u64) -> Option<(u64, u64, usize)> {
    let Since::Moment(from_ms) = wanted.since else { return None };
    let to_ms = wanted.to_ms.unwrap_or(now_ms).min(now_ms);
    let slack_ms = interval_ms.unwrap_or(0).saturating_mul(2);
    let is_held = held.oldest_ms.is_some_and(|oldest| oldest <= from_ms.saturating_add(slack_ms));
    (!is_held && from_ms < to_ms).then_some((from_ms, to_ms, wanted.max_points))
}

/// Puts what Prometheus keeps in the place of a history that begins later than what is asked for. It is that of a pool or
/// group, with the usual distance of its reports if that is known, and the id and the instance of each of its pools.
pub(crate) async fn complete(
    state: &State,
    config: &Config,
    (mut pool, interval_ms, members): (PoolDetail, Option<u64>, &[(String, String)]),
    wanted: Wanted,
    now_ms: u64,
) -> Result<PoolDetail, Problem> {
    let missing = missing(wanted, &pool.range, interval_ms, now_ms);
    let labels = |(_, instance): &(String, String)| state.labels(&pool.summary.service, instance);
    let senders: Vec<_> = members.iter().filter_map(labels).collect();
    let (Some(older), Some(missing), false) = (state.older(), missing, senders.is_empty()) else {
        return Ok(pool);
    };
    let read = |store: &Store, id: &str, wanted, end_ms| {
        let detail = store.pool_or_group(PoolId::parse(id)?, wanted, end_ms)?;
        Some(Part::Pool(detail.points, detail.range))
    };
    let query = pool_selector(&pool.summary, &senders);
    let asked = Asked { id: &pool.summary.id, interval_ms, query, read };
    let part = match older.part(config, asked, missing).await {
        // Of so many instances the store has less, which is better than nothing.
        Err(Problem::TooMany(_)) if senders.len() > 1 => return Ok(pool),
        answer => answer?,
    };
    let Some(Part::Pool(points, range)) = part.as_deref() else { return Ok(pool) };
    // A pool that is as young as its history has nothing older there either.
    if points.first().is_some_and(|first| pool.points.first().is_none_or(|held| first.at_ms < held.at_ms)) {
        pool.points.clone_from(points);
        pool.range.clone_from(range);
    }
    Ok(pool)
}

/// As [`complete`], for a breaker: its states and changes as far as the samples tell, and
/// from where the store holds them those of the store, which sees more.
pub(crate) async fn complete_breaker(
    state: &State,
    config: &Config,
    (mut detail, interval_ms): (BreakerDetail, Option<u64>),
    wanted: Wanted,
    now_ms: u64,
) -> Result<BreakerDetail, Problem> {
    let missing = missing(wanted, &detail.range, interval_ms, now_ms);
    let breaker = &detail.breaker;
    let sender = state.labels(&breaker.service, &breaker.instance);
    let (Some(older), Some(sender), Some(missing)) = (state.older(), sender, missing) else {
        return Ok(detail);
    };
    let read = |store: &Store, id: &str, wanted, end_ms| {
        Some(Part::Breaker(Box::new(store.breaker_detail(Id::parse(id)?, wanted, end_ms)?)))
    };
    let query = breaker_selector(&breaker.name, &sender);
    let asked = Asked { id: &breaker.id, interval_ms, query, read };
    let part = older.part(config, asked, missing).await?;
    let Some(Part::Breaker(part)) = part.as_deref() else { return Ok(detail) };
    let held_ms = detail.points.first().map_or(u64::MAX, |held| held.at_ms);
    if part.points.first().is_none_or(|first| first.at_ms >= held_ms) {
        return Ok(detail);
    }
    let older = part.states.iter().filter(|span| span.from_ms < held_ms);
    let older = older.map(|span| StateSpan { to_ms: span.to_ms.min(held_ms), ..*span });
    detail.states = older.chain(detail.states).collect();
    let older = part.transitions.iter().filter(|change| change.at_ms < held_ms).cloned();
    detail.transitions = older.chain(detail.transitions).collect();
    detail.points.clone_from(&part.points);
    detail.counted = part.counted;
    detail.range.clone_from(&part.range);
    Ok(detail)
}

/// Plays an answer to a store of its own; tells the moment of its end.
fn play(config: &Config, picture: Picture) -> (Store, u64) {
    let mut store = Store::new(config);
    let mut end_ms = 0;
    for (sender, of) in picture.senders {
        let mut replay = Replay::new(&sender, of.tracks);
        for moment in replay.moments(0, 0) {
            end_ms = end_ms.max(moment.last_ms);
            if let Ok(metrics) = decode::metrics(&replay.at(moment, moment.last_ms)) {
                store.take_metrics(&metrics.reports, moment.last_ms);
            }
        }
    }
    (store, end_ms)
}

/// A key of ours as this sender's labels have it.
fn label(key: &str, sender: &[Label]) -> String {
    let is_dotted = sender.iter().any(|(name, _)| name.contains('.'));
    if is_dotted { key.to_owned() } else { key.replace('.', "_") }
}

/// The series of some senders that lead to where the pool does. Senders that are told by labels of the same names are asked
/// for at once: what else that finds is of no pool that is looked at.
fn pool_selector(pool: &PoolSummary, senders: &[Vec<Label>]) -> String {
    let mut alike: BTreeMap<Vec<&str>, Vec<&[Label]>> = BTreeMap::new();
    for sender in senders {
        alike.entry(sender.iter().map(|(name, _)| &**name).collect()).or_default().push(sender);
    }
    let query = |(names, senders): (Vec<&str>, Vec<&[Label]>)| {
        let mut query = format!("{{__name__=~\"{}\"", names::expression());
        for (place, name) in names.into_iter().enumerate() {
            let values: BTreeSet<&str> = senders.iter().map(|sender| &*sender[place].1).collect();
            match values.first() {
                Some(only) if values.len() == 1 => add_matcher(&mut query, name, only),
                _ => add_one_of(&mut query, name, &values),
            }
        }
        // A sender of ours names the address of every pool by the same label.
        if pool.lacks.is_empty() {
            add_matcher(&mut query, &label(attr::SERVER_ADDRESS, senders[0]), &pool.address);
        }
        query.push('}');
        query
    };
    alike.into_iter().map(query).collect::<Vec<_>>().join(" or ")
}

/// The series of one sender that tell of a breaker.
fn breaker_selector(name: &str, sender: &[Label]) -> String {
    let mut query = format!("{{__name__=~\"{}\"", names::expression());
    for (name, value) in sender {
        add_matcher(&mut query, name, value);
    }
    add_matcher(&mut query, &label(attr::BREAKER_NAME, sender), name);
    query.push('}');
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_as_many_reports_as_the_next() {
        let day_ms = 86_400_000;
        assert_eq!(step_ms(Some(60_000), day_ms, 1_000), 120_000);
        assert_eq!(step_ms(Some(15_000), day_ms, 1_000), 90_000);
        // What was measured is about what was meant, and never nothing.
        assert_eq!(step_ms(Some(14_998), day_ms, 1_000), 90_000);
        assert_eq!(step_ms(None, 3_600_000, 1_000), 4_000);
        assert_eq!(step_ms(Some(60_000), 600_000, 1_000), 60_000);
        assert_eq!(step_ms(Some(60_000), 600_000, 0), 600_000);
    }

    #[test]
    fn what_is_held_is_not_asked_for_and_what_may_be_missing_is() {
        let held = Range { oldest_ms: Some(74_000), ..Range::default() };
        let wanted = Wanted { since: Since::Moment(60_000), to_ms: None, max_points: 9 };
        assert_eq!(missing(wanted, &held, Some(10_000), 90_000), None, "no report is between them");
        assert_eq!(missing(wanted, &held, Some(1_000), 90_000), Some((60_000, 90_000, 9)));
        assert_eq!(
            missing(wanted, &held, None, 90_000),
            Some((60_000, 90_000, 9)),
            "one has come, who knows"
        );
    }
}
