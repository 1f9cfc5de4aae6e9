//! What the live stream tells: the whole picture first, then what changed.

use poolscope_wire as wire;

use super::query::{breaker, summary};
use super::{Removed, Store};

/// Events in the first picture; older ones are asked for.
const FULL_EVENTS: usize = 200;

impl Store {
    /// The whole picture; the server adds what it knows about itself.
    pub(crate) fn full(&mut self, status: wire::Status, lagged: bool) -> wire::Full {
        self.pools.values_mut().for_each(|pool| pool.published = true);
        self.breakers.values_mut().for_each(|breaker| breaker.published = true);
        self.protection.values_mut().filter(|one| !one.hidden).for_each(|one| one.published = true);
        self.sessions.values_mut().filter(|one| !one.hidden).for_each(|one| one.published = true);
        let warnings = self.warnings();
        let sessions = self.sessions();
        wire::Full {
            status,
            services: self.services(),
            pools: self.pools(),
            groups: self.groups(),
            history: self
                .shown_pools()
                .map(|pool| {
                    let points = pool.points.iter().map(wire::SparkPoint::from).collect();
                    (pool.id.to_string(), wire::SparkLine(points))
                })
                .collect(),
            breakers: self.breakers(),
            protection: self.protection(),
            sessions,
            session_history: self
                .shown_sessions()
                .map(|one| (one.id.to_string(), one.points.iter().copied().collect()))
                .collect(),
            warnings,
            events: self.events.picture(FULL_EVENTS),
            lagged,
        }
    }

    /// What changed since the last update.
    pub(crate) fn update(&mut self, now_ms: u64) -> wire::Update {
        let removed = std::mem::take(&mut self.removed);
        let (groups, removed_groups) = self.changed_groups(now_ms);
        let warnings = self.warnings();
        let (warnings, removed_warnings) = self.told_warnings.change(warnings);
        let mut update = wire::Update {
            now_ms,
            status: None,
            services: std::mem::take(&mut self.services_changed).then(|| self.services()),
            pools: Vec::new(),
            news: Vec::new(),
            removed_pools: removed.pools,
            groups,
            removed_groups,
            breakers: Vec::new(),
            removed_breakers: removed.breakers,
            protection: Vec::new(),
            removed_protection: removed.protection,
            sessions: Vec::new(),
            removed_sessions: removed.sessions,
            warnings,
            removed_warnings,
            events: self.events.take_unpublished(),
        };
        for pool in self.pools.values_mut().filter(|pool| pool.dirty && !pool.hidden) {
            (pool.dirty, pool.published) = (false, true);
            update.pools.push(summary(pool));
        }
        for one in self.breakers.values_mut().filter(|breaker| breaker.dirty && !breaker.hidden) {
            (one.dirty, one.published) = (false, true);
            update.breakers.push(breaker(one));
        }
        for one in self.protection.values_mut().filter(|one| one.dirty && !one.hidden) {
            (one.dirty, one.published) = (false, true);
            update.protection.push(one.to_wire());
        }
        for one in self.sessions.values_mut().filter(|one| one.dirty && !one.hidden) {
            (one.dirty, one.published) = (false, true);
            update.sessions.push(one.read());
        }
        update
    }

    /// True if [`Store::update`] would tell something.
    pub(crate) fn has_news(&self) -> bool {
        self.services_changed
            || self.events.has_unpublished()
            || !self.removed.pools.is_empty()
            || !self.removed.breakers.is_empty()
            || !self.removed.protection.is_empty()
            || !self.removed.sessions.is_empty()
            || self.shown_sessions().any(|one| one.dirty)
            || self.shown_pools().any(|pool| pool.dirty)
            || self.shown_breakers().any(|breaker| breaker.dirty)
            || self.shown_protection().any(|one| one.dirty)
    }

    /// Nobody listens: what changed need not be told, and what is told next is the whole picture.
    pub(crate) fn forget_news(&mut self) {
        self.removed = Removed::default();
        self.services_changed = false;
        self.events.forget_unpublished();
        for pool in self.pools.values_mut() {
            (pool.dirty, pool.published) = (false, false);
        }
        for breaker in self.breakers.values_mut() {
            (breaker.dirty, breaker.published) = (false, false);
        }
        for one in self.protection.values_mut() {
            (one.dirty, one.published) = (false, false);
        }
        for one in self.sessions.values_mut() {
            (one.dirty, one.published) = (false, false);
        }
    }
}
