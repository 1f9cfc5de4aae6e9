//! What happens to the store by time alone.

use super::Store;
use super::journal::Kind;

/// How exactly the live stream tells when instances were heard: all of them at once, since services are told as a whole.
const HEARD_EVERY_MS: u64 = 5_000;

impl Store {
    /// What happens by time alone: pictures get old, the silent is forgotten, severities calm down.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        let silent_ms = |last_seen_ms: u64| now_ms.saturating_sub(last_seen_ms);
        let gone = |last_seen_ms: u64| silent_ms(last_seen_ms) > self.forget_after_ms;
        let kept_ms = self.forget_after_ms.max(self.plan.retention_ms);
        for pool in self.pools.remove_where(|pool| silent_ms(pool.last_seen_ms) > kept_ms) {
            self.removed.pool(&pool);
            self.journal.forget(Kind::Pool, pool.id);
            self.services_changed = true;
        }
        for pool in self.pools.values_mut().filter(|pool| !pool.hidden && gone(pool.last_seen_ms)) {
            self.removed.pool(pool);
            (pool.hidden, pool.published, self.services_changed) = (true, false, true);
        }
        for breaker in self.breakers.remove_where(|breaker| silent_ms(breaker.last_seen_ms) > kept_ms) {
            self.removed.breaker(&breaker);
            self.journal.forget(Kind::Breaker, breaker.id);
            self.services_changed = true;
        }
        for breaker in self.breakers.values_mut().filter(|one| !one.hidden && gone(one.last_seen_ms)) {
            self.removed.breaker(breaker);
            (breaker.hidden, breaker.published, self.services_changed) = (true, false, true);
        }
        for one in self.protection.remove_where(|one| silent_ms(one.last_seen_ms) > kept_ms) {
            self.removed.protection(&one);
            self.journal.forget(Kind::Protection, one.id);
        }
        for one in self.protection.values_mut().filter(|one| !one.hidden && gone(one.last_seen_ms)) {
            self.removed.protection(one);
            (one.hidden, one.published, self.services_changed) = (true, false, true);
        }
        for one in self.sessions.remove_where(|one| silent_ms(one.last_seen_ms) > kept_ms) {
            self.removed.session(&one);
            self.journal.forget(Kind::Session, one.id);
        }
        for one in self.sessions.values_mut().filter(|one| !one.hidden && gone(one.last_seen_ms)) {
            self.removed.session(one);
            (one.hidden, one.published, self.services_changed) = (true, false, true);
        }
        for one in self.instances.remove_where(|instance| gone(instance.last_seen_ms)) {
            self.journal.forget(Kind::Instance, one.id);
            self.services_changed = true;
        }
        for pool in self.pools.values_mut() {
            pool.history.forget(now_ms);
            pool.make_room(now_ms, self.forget_after_ms, self.limits.max_series);
            let stale = pool.reports.is_overdue(now_ms);
            pool.dirty |= stale != pool.stale;
            pool.stale = stale;
            pool.judge(now_ms);
        }
        for breaker in self.breakers.values_mut() {
            breaker.forget(now_ms, self.plan.retention_ms);
            let stale = breaker.reports.is_overdue(now_ms);
            breaker.dirty |= stale != breaker.stale;
            breaker.stale = stale;
            breaker.judge(&self.levels, now_ms);
        }
        self.protection.values_mut().for_each(|one| one.tick(&self.levels, now_ms));
        self.sessions.values_mut().for_each(|one| one.tick(&self.levels, now_ms));
        for instance in self.instances.values_mut() {
            self.services_changed |= instance.tick(&self.levels, now_ms);
        }
        // A clock that was put back makes nothing wait.
        if now_ms.abs_diff(self.heard_told_ms) >= HEARD_EVERY_MS {
            let told_ms = std::mem::replace(&mut self.heard_told_ms, now_ms);
            self.services_changed |= self.instances.values().any(|one| one.last_seen_ms >= told_ms);
        }
        self.tick_lanes(now_ms);
        self.early.forget(now_ms);
        self.events.forget(now_ms.saturating_sub(self.plan.retention_ms));
        self.pair_breakers(now_ms);
        self.log_warnings(now_ms);
        self.bound_history();
    }

    /// Memory of all histories.
    pub(super) fn history_bytes(&self) -> usize {
        let pools = self.pools.values().map(|pool| pool.history.bytes());
        let breakers = self.breakers.values().map(|breaker| breaker.history.bytes());
        let protection = self.protection.values().map(|one| one.course.history.bytes());
        let sessions = self.sessions.values().map(|one| one.course.history.bytes());
        pools.chain(breakers).chain(protection).chain(sessions).sum()
    }

    /// Keeps the memory of all histories together in its bound: those that take more than their part give of it.
    fn bound_history(&mut self) {
        let mut over = self.history_bytes().saturating_sub(self.max_history_bytes);
        if over == 0 {
            return;
        }
        let all = self.pools.len() + self.breakers.len() + self.protection.len() + self.sessions.len();
        let part = self.max_history_bytes / all.max(1);
        let mut shrink = |bytes: usize, shrink: &mut dyn FnMut(usize) -> u64| {
            let excess = bytes.saturating_sub(part).min(over);
            if excess > 0 {
                self.dropped_steps += shrink(bytes - excess);
                over -= excess;
            }
        };
        for pool in self.pools.values_mut() {
            shrink(pool.history.bytes(), &mut |max_bytes| pool.history.shrink(max_bytes));
        }
        for breaker in self.breakers.values_mut() {
            shrink(breaker.history.bytes(), &mut |max_bytes| breaker.history.shrink(max_bytes));
        }
        let courses = self.protection.values_mut().map(|one| &mut one.course);
        for course in courses.chain(self.sessions.values_mut().map(|one| &mut one.course)) {
            shrink(course.history.bytes(), &mut |max_bytes| course.history.shrink(max_bytes));
        }
    }

    /// Lanes get old, and what they take is counted anew.
    fn tick_lanes(&mut self, now_ms: u64) {
        for pool in self.pools.values_mut().filter(|pool| pool.lanes.len() > 0) {
            let newest = pool.points.newest().filter(|_| !pool.stale);
            let open =
                newest.and_then(|point| Some(point.idle? + point.active? + point.upgraded.unwrap_or(0)));
            pool.lanes.tick(now_ms, open == Some(0), &mut self.lane_budget);
        }
        self.lane_budget.used = self.pools.values().map(|pool| pool.lanes.cost()).sum();
    }
}
