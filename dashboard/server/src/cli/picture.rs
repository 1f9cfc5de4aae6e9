//! What the dashboard says, kept up to date, and in the order in which it is shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet, VecDeque};

use poolscope_wire::{
    Breaker, BreakerState, PoolGroup, PoolKind, PoolPoint, PoolSummary, PrometheusStatus, ServerMessage,
    Sessions, Severity, Warning,
};

use super::text::plain;
use poolscope_wire::text::destination;

/// Time that a trend goes back.
pub(super) const TREND_MS: u64 = 120_000;
/// A value holds for so long: reports of many senders come every 10 s or so.
const HOLDS_MS: u64 = 30_000;
/// Values of one pool that are kept.
const MAX_VALUES: usize = 256;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Picture {
    pub(super) now_ms: u64,
    pub(super) pools: BTreeMap<String, PoolSummary>,
    pub(super) groups: BTreeMap<String, PoolGroup>,
    pub(super) breakers: BTreeMap<String, Breaker>,
    pub(super) sessions: BTreeMap<String, Sessions>,
    pub(super) warnings: BTreeMap<String, Warning>,
    /// How it goes with asking Prometheus, where the figures are from there.
    prometheus: Option<PrometheusStatus>,
    /// Requests per second of each pool, oldest first.
    rates: BTreeMap<String, VecDeque<(u64, f32)>>,
}

/// One line of the overview: a pool, or the same pool on several instances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) pool: &'a PoolSummary,
    /// Where it is of several instances.
    pub(super) group: Option<&'a PoolGroup>,
}

/// What the head line counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Headline {
    pub(super) pools: u64,
    pub(super) bad: u64,
    pub(super) warn: u64,
    pub(super) gone: u64,
    pub(super) bad_warnings: u64,
    pub(super) warn_warnings: u64,
    pub(super) open_breakers: u64,
    pub(super) leaked: u64,
    pub(super) requests_per_s: f64,
    pub(super) reuse: Option<f64>,
}

/// A severity as a word, so that nobody has to see colours.
pub(super) fn word(severity: Severity, is_gone: bool) -> &'static str {
    match severity {
        _ if is_gone => "gone",
        Severity::Ok => "ok",
        Severity::Warn => "warn",
        Severity::Bad => "BAD",
    }
}

/// Destination, and the client's name if it has one.
pub(super) fn name(pool: &PoolSummary) -> String {
    let text = match (pool.kind, pool.address.is_empty()) {
        (PoolKind::Database, true) => pool.client.clone(),
        _ => {
            let client = if pool.client.is_empty() { String::new() } else { format!(" ({})", pool.client) };
            destination("", &pool.address, pool.port) + &client
        }
    };
    plain(&text)
}

impl<'a> Row<'a> {
    pub(super) fn word(&self) -> &'static str {
        word(self.pool.health.severity, self.pool.stale)
    }

    /// Open connections, as far as they are told.
    pub(super) fn open(&self) -> Option<f64> {
        let now = &self.pool.now;
        let known: Vec<f64> =
            [now.idle, now.active, now.upgraded].into_iter().flatten().map(f64::from).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }

    /// The sentence, which for several instances says how many are as bad.
    pub(super) fn sentence(&self) -> String {
        let sentence = plain(&self.pool.health.sentence);
        match self.group {
            Some(group) if group.bad + group.warn > 0 => {
                format!("{} of {} instances: {sentence}", group.bad + group.warn, group.members.len())
            }
            Some(group) => format!("{} instances: {sentence}", group.members.len()),
            None => sentence,
        }
    }

    fn order(&self) -> (bool, Reverse<Severity>, &'a str, &'a str, u16, &'a str) {
        let pool = self.pool;
        (pool.stale, Reverse(pool.health.severity), &pool.service, &pool.address, pool.port, &pool.id)
    }
}

impl Picture {
    /// Takes a message of the live stream.
    pub(super) fn apply(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Full(full) => {
                *self = Self {
                    now_ms: full.status.now_ms,
                    pools: full.pools.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    groups: full.groups.into_iter().map(|one| (one.merged.id.clone(), one)).collect(),
                    breakers: full.breakers.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    sessions: full.sessions.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    warnings: full.warnings.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    prometheus: full.status.prometheus,
                    rates: BTreeMap::new(),
                };
                for (id, points) in full.history {
                    points.0.iter().for_each(|point| self.rate(&id, point.at_ms, point.requests_per_s));
                }
            }
            ServerMessage::Update(update) => {
                self.now_ms = update.now_ms;
                if let Some(status) = update.status {
                    self.prometheus = status.prometheus;
                }
                for pool in update.pools {
                    self.rate(&pool.id, pool.now.at_ms, pool.now.requests_per_s);
                    self.pools.insert(pool.id.clone(), pool);
                }
                for news in update.news {
                    let pool = match self.pools.get_mut(&news.id) {
                        Some(pool) => pool,
                        None => match self.groups.get_mut(&news.id) {
                            Some(group) => &mut group.merged,
                            None => continue,
                        },
                    };
                    news.apply(pool);
                    let PoolPoint { at_ms, requests_per_s, .. } = pool.now;
                    self.rate(&news.id, at_ms, requests_per_s);
                }
                for id in &update.removed_pools {
                    self.pools.remove(id);
                    self.rates.remove(id);
                }
                self.groups.extend(update.groups.into_iter().map(|one| (one.merged.id.clone(), one)));
                update.removed_groups.iter().for_each(|id| drop(self.groups.remove(id)));
                self.breakers.extend(update.breakers.into_iter().map(|one| (one.id.clone(), one)));
                update.removed_breakers.iter().for_each(|id| drop(self.breakers.remove(id)));
                self.sessions.extend(update.sessions.into_iter().map(|one| (one.id.clone(), one)));
                update.removed_sessions.iter().for_each(|id| drop(self.sessions.remove(id)));
                self.warnings.extend(update.warnings.into_iter().map(|one| (one.id.clone(), one)));
                update.removed_warnings.iter().for_each(|id| drop(self.warnings.remove(id)));
            }
        }
    }

    fn rate(&mut self, id: &str, at_ms: u64, rate: Option<f32>) {
        let Some(rate) = rate else { return };
        let rates = self.rates.entry(id.to_owned()).or_default();
        if rates.back().is_some_and(|(last_ms, _)| *last_ms >= at_ms) {
            return;
        }
        rates.push_back((at_ms, rate));
        while rates.len() > MAX_VALUES
            || rates.front().is_some_and(|(first_ms, _)| first_ms + TREND_MS + HOLDS_MS < at_ms)
        {
            rates.pop_front();
        }
    }

    /// Leaves one service.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.pools.retain(|_, one| is_wanted(&one.service));
        self.groups.retain(|_, one| is_wanted(&one.merged.service));
        self.breakers.retain(|_, one| is_wanted(&one.service));
        self.sessions.retain(|_, one| is_wanted(&one.service));
        self.warnings.retain(|_, one| is_wanted(&one.service));
    }

    /// The rows in which a text occurs (all for an empty one), worst first, then by name: figures move no row.
    pub(super) fn rows(&self, filter: &str) -> Vec<Row<'_>> {
        let grouped: HashSet<&str> =
            self.groups.values().flat_map(|group| group.members.iter().map(String::as_str)).collect();
        let alone = self.pools.values().filter(|pool| !grouped.contains(&*pool.id));
        let alone = alone.map(|pool| Row { pool, group: None });
        let groups = self.groups.values().map(|group| Row { pool: &group.merged, group: Some(group) });
        let filter = filter.to_lowercase();
        let is_meant = |row: &Row<'_>| {
            let pool = row.pool;
            let words = [row.word(), &pool.service, &pool.instance, &pool.health.sentence];
            filter.is_empty()
                || name(pool).to_lowercase().contains(&filter)
                || words.iter().any(|word| word.to_lowercase().contains(&filter))
        };
        let mut rows: Vec<_> = groups.chain(alone).filter(is_meant).collect();
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        rows
    }

    /// What is said where there is no pool: never more than is known.
    pub(super) fn none_known(&self) -> String {
        match &self.prometheus {
            None => "No pool is known: send OTLP to this dashboard, or look at its page for how.".to_owned(),
            Some(PrometheusStatus { problem: Some(problem), .. }) => {
                format!("Nothing is known of the pools: {}.", plain(problem))
            }
            Some(PrometheusStatus { answered_ms: None, .. }) => {
                "Nothing is known of the pools: there is no answer of Prometheus so far.".to_owned()
            }
            Some(source) => plain(source.notices.first().map_or("Prometheus has no pool.", String::as_str)),
        }
    }

    /// Warnings, worst first; notes and what is over already last.
    pub(super) fn warnings(&self) -> Vec<&Warning> {
        let mut warnings: Vec<_> = self.warnings.values().collect();
        warnings.sort_by_key(|one| (Reverse(one.severity), one.recovering, &one.service, &one.name, &one.id));
        warnings
    }

    /// Breakers, those that reject first.
    pub(super) fn breakers(&self) -> Vec<&Breaker> {
        let mut breakers: Vec<_> = self.breakers.values().collect();
        breakers.sort_by_key(|one| (one.stale, !rejects(one), &one.service, &one.name, &one.id));
        breakers
    }

    /// The worst of all that is not gone.
    pub(super) fn worst(&self) -> Severity {
        let pools = self.pools.values().filter(|one| !one.stale).map(|one| one.health.severity);
        let sessions = self.sessions.values().filter(|one| !one.stale).map(|one| one.health.severity);
        let warnings = self.warnings.values().map(|one| one.severity);
        pools.chain(sessions).chain(warnings).max().unwrap_or_default()
    }

    pub(super) fn headline(&self) -> Headline {
        let mut all = Headline { pools: self.pools.len() as u64, ..Headline::default() };
        let (mut reused, mut weight) = (0.0, 0.0);
        for pool in self.pools.values() {
            if pool.stale {
                all.gone += 1;
                continue;
            }
            match pool.health.severity {
                Severity::Bad => all.bad += 1,
                Severity::Warn => all.warn += 1,
                Severity::Ok => {}
            }
            all.leaked += u64::from(pool.now.leaked.unwrap_or_default());
            let rate = f64::from(pool.now.requests_per_s.unwrap_or_default());
            all.requests_per_s += rate;
            if let Some(reuse) = pool.reuse {
                reused += f64::from(reuse) * rate;
                weight += rate;
            }
        }
        let warnings = |of| self.warnings.values().filter(|one| one.severity == of).count() as u64;
        (all.bad_warnings, all.warn_warnings) = (warnings(Severity::Bad), warnings(Severity::Warn));
        all.reuse = (weight > 0.0).then(|| reused / weight);
        all.open_breakers = self.breakers.values().filter(|one| !one.stale && rejects(one)).count() as u64;
        all
    }

    /// Requests per second of a row over the last two minutes, one value for each column; `None` where nothing is known.
    pub(super) fn trend(&self, row: Row<'_>, columns: usize) -> Vec<Option<f64>> {
        let own = std::slice::from_ref(&row.pool.id);
        let members = row.group.map_or(own, |group| &group.members);
        let series: Vec<_> = members.iter().filter_map(|id| self.rates.get(id)).collect();
        let step = TREND_MS / columns.max(1) as u64;
        let at = |column: usize| self.now_ms.saturating_sub((columns - 1 - column) as u64 * step);
        let value = |rates: &VecDeque<(u64, f32)>, at_ms: u64| {
            let (last_ms, rate) = rates.iter().rev().find(|(ms, _)| *ms <= at_ms)?;
            (at_ms - last_ms <= HOLDS_MS).then_some(f64::from(*rate))
        };
        let sum = |at_ms| {
            let known: Vec<f64> = series.iter().filter_map(|rates| value(rates, at_ms)).collect();
            (!known.is_empty()).then(|| known.iter().sum())
        };
        (0..columns).map(|column| sum(at(column))).collect()
    }
}

fn rejects(breaker: &Breaker) -> bool {
    matches!(breaker.state, BreakerState::Open | BreakerState::ForcedOpen)
}

#[cfg(test)]
pub(super) mod tests;
