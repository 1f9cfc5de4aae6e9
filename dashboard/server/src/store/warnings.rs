//! Everything that is wrong, and what of that changed.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};
use poolscope_wire as wire;
use wire::{Rule, Subject, Warning};

use super::Store;
use super::WarningFilter;
use super::pool::Pool;
use super::protection::Protection;
use crate::rules::About;

/// What the live stream has told of the warnings.
#[derive(Debug, Default)]
pub(super) struct ToldWarnings(BTreeMap<String, Warning>);

impl ToldWarnings {
    /// What of all is new or changed, and the ids of what is over.
    pub(super) fn change(&mut self, all: Vec<Warning>) -> (Vec<Warning>, Vec<String>) {
        let mut before = std::mem::take(&mut self.0);
        let mut changed = Vec::new();
        for warning in all {
            if before.remove(&warning.id).as_ref() != Some(&warning) {
                changed.push(warning.clone());
            }
            self.0.insert(warning.id.clone(), warning);
        }
        (changed, before.into_keys().collect())
    }
}

/// Scheme, address and port.
type Destination<'a> = (&'a str, &'a str, u16);

fn destination(pool: &Pool) -> Destination<'_> {
    (&pool.scheme, &pool.address, pool.port)
}

/// What the user called the client, or where it goes.
fn short_name(pool: &Pool) -> &str {
    if pool.client.is_empty() { &pool.address } else { &pool.client }
}

/// What a pool is called where others are spoken of too.
fn name<'a>(pool: &'a Pool, shared: &HashSet<(&str, &str)>) -> Cow<'a, str> {
    let short = short_name(pool);
    if !shared.contains(&(&*pool.service, short)) {
        return short.into();
    }
    let (scheme, address, port) = destination(pool);
    let whole = wire::text::destination(scheme, address, port);
    match (pool.client.is_empty(), whole.is_empty()) {
        (true, _) => whole.into(),
        (false, true) => short.into(),
        (false, false) => format!("{short} \u{b7} {whole}").into(),
    }
}

impl Store {
    /// Everything that is wrong with those who still report, worst first, then in the order of the rules; the notes last.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut all = Vec::new();
        let shared = LazyCell::new(|| self.shared_names());
        for pool in self.shown_pools().filter(|pool| !pool.stale && pool.condition.finds_something()) {
            let id = pool.id.to_string();
            let about = About {
                what: Subject::Pool,
                id: &id,
                name: &name(pool, &shared),
                service: &pool.service,
                instance: &pool.instance,
                link: &format!("/pools/{id}"),
            };
            // That its breaker is open is told once, of the breaker.
            all.extend(pool.condition.warnings(about).filter(|one| one.rule != Rule::BreakerOpen));
        }
        for breaker in self.shown_breakers().filter(|breaker| !breaker.stale) {
            let id = breaker.id.to_string();
            all.extend(breaker.condition.warnings(About {
                what: Subject::Breaker,
                id: &id,
                name: &breaker.name,
                service: &breaker.service,
                instance: &breaker.instance,
                link: &format!("/breakers/{id}"),
            }));
        }
        all.extend(self.protection.values().filter_map(Protection::warning));
        for one in self.shown_sessions().filter(|one| !one.stale) {
            let id = one.id.to_string();
            all.extend(one.condition.warnings(About {
                what: Subject::Session,
                id: &id,
                name: &one.name,
                service: &one.service,
                instance: &one.instance,
                link: "/sessions",
            }));
        }
        for one in self.instances.values() {
            let id = one.id.to_string();
            all.extend(one.condition.warnings(About {
                what: Subject::Instance,
                id: &id,
                name: &one.service,
                service: &one.service,
                instance: &one.instance,
                link: "/services",
            }));
        }
        all.sort_by(|a, b| {
            let key = |one: &'_ Warning| (std::cmp::Reverse(one.severity), one.rule);
            key(a).cmp(&key(b)).then_with(|| {
                (&a.service, &a.name, &a.instance, &a.id).cmp(&(&b.service, &b.name, &b.instance, &b.id))
            })
        });
        all
    }

    /// Names that more than one destination has in a service: there the name alone tells nobody where to look.
    fn shared_names(&self) -> HashSet<(&str, &str)> {
        let mut first: HashMap<(&str, &str), Destination<'_>> = HashMap::default();
        let mut shared = HashSet::default();
        for pool in self.shown_pools() {
            let (key, destination) = ((&*pool.service, short_name(pool)), destination(pool));
            if *first.entry(key).or_insert(destination) != destination {
                shared.insert(key);
            }
        }
        shared
    }

    /// Notes what is wrong now, and what is over.
    pub(super) fn log_warnings(&mut self, now_ms: u64) {
        let all = self.warnings();
        self.warning_log.note(all, now_ms);
        self.warning_log.forget(now_ms.saturating_sub(self.plan.retention_ms));
    }

    /// What was wrong in a time: so many that began last.
    pub(crate) fn warning_log(
        &self,
        filter: WarningFilter<'_>,
        limit: usize,
        now_ms: u64,
    ) -> wire::WarningLog {
        let found = self.warning_log.of(filter);
        wire::WarningLog {
            from_ms: filter.from_ms,
            to_ms: filter.to_ms,
            since_ms: self.warning_log.since_ms(now_ms),
            more: found.len().saturating_sub(limit) as u64,
            warnings: found.into_iter().take(limit).cloned().collect(),
        }
    }

    /// The rules and their limits.
    pub(crate) fn rules(&self) -> Vec<wire::RuleSetting> {
        self.levels.to_wire()
    }
}
