//! The picture, and how the stream's messages change it. Pure: no signals, no browser.

use std::collections::VecDeque;

use poolscope_semconv::event::LEAK_RETURNED;
use poolscope_wire::{
    Breaker, Event, Full, PoolGroup, PoolNews, PoolSummary, Protection, Service, SessionPoint, Sessions,
    Severity, SparkLine, SparkPoint, Status, Update, Warning,
};

use super::{guards::Guards, ring::Ring, table::Table};

/// The most events that are kept: more than anybody scrolls through. When there are more, routine goes first, so that a
/// thousand connections that close after use push out no change of a breaker.
const MAX_EVENTS: usize = 1_000;

/// A pool that has got better keeps its place this long, so that a pool that flaps does not make the list jump.
const PLACE_HELD_MS: u64 = 10_000;

/// True for what pools do all day, such as closing connections after use. The end of a leak belongs to its beginning.
#[must_use]
pub fn is_routine(event: &Event) -> bool {
    event.severity == Severity::Ok && event.breaker.is_none() && event.kind != LEAK_RETURNED
}

/// A pool with its newest points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolEntry {
    /// The newest summary.
    pub summary: PoolSummary,
    /// The newest points.
    pub ring: Ring,
    /// The severity that decides about the place, and whether it is as bad as that still: it rises at once and falls late.
    pub place: (Severity, bool),
    /// Since when it has been better than [`Self::place`].
    better_since_ms: Option<u64>,
}

impl PoolEntry {
    /// Moves the place after the severity, and says whether it changed.
    fn settle_place(&mut self, now_ms: u64) -> bool {
        let now = rank(&self.summary);
        if now >= self.place {
            self.better_since_ms = None;
            return std::mem::replace(&mut self.place, now) != now;
        }
        let since = *self.better_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) < PLACE_HELD_MS {
            return false;
        }
        self.better_since_ms = None;
        self.place = now;
        true
    }
}

/// How bad a pool is: what recovers is better than what is as bad still.
fn rank(pool: &PoolSummary) -> (Severity, bool) {
    (pool.health.severity, !pool.health.is_recovering())
}

/// A group of pools with its newest points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupEntry {
    /// All of them together.
    pub entry: PoolEntry,
    /// The group without what the entry has.
    pub group: PoolGroup,
}

impl GroupEntry {
    fn take(&mut self, mut group: PoolGroup) {
        self.entry.summary = std::mem::take(&mut group.merged);
        self.entry.ring.push(SparkPoint::from(&self.entry.summary.now));
        self.group = group;
    }
}

/// A registry of sessions with its newest points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionEntry {
    /// The newest figures.
    pub summary: Sessions,
    /// The newest points, oldest first.
    pub points: VecDeque<SessionPoint>,
}

/// The most points of a registry of sessions that are kept.
const MAX_SESSION_POINTS: usize = 240;

impl SessionEntry {
    fn take(&mut self, summary: Sessions) {
        if self.points.back().is_none_or(|newest| newest.at_ms < summary.now.at_ms) {
            self.points.push_back(summary.now);
        }
        if self.points.len() > MAX_SESSION_POINTS {
            self.points.pop_front();
        }
        self.summary = summary;
    }
}

/// The picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Store {
    /// The server about itself.
    pub status: Status,
    /// Who sends.
    pub services: Vec<Service>,
    /// Every pool, by id.
    pub pools: Table<PoolEntry>,
    /// Every breaker, by id.
    pub breakers: Table<Breaker>,
    /// Which of them guards which pool.
    pub guards: Guards,
    /// What else protects calls, by id.
    pub protection: Table<Protection>,
    /// Pools of several instances as one, by id.
    pub groups: Table<GroupEntry>,
    /// Every registry of sessions, by id.
    pub sessions: Table<SessionEntry>,
    /// Everything that is wrong, by id.
    pub warnings: Table<Warning>,
    /// The newest events, newest first.
    pub events: VecDeque<Event>,
    /// True from the first message on.
    pub filled: bool,
}

/// What a message changed, so that only what shows it is drawn again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Everything, by a full picture.
    pub all: bool,
    /// Pools whose figures changed.
    pub pools: Vec<String>,
    /// The set of pools, or the place of one.
    pub list: bool,
    /// Breakers.
    pub breakers: bool,
    /// What else protects calls.
    pub protection: bool,
    /// Registries of sessions.
    pub sessions: bool,
    /// Warnings.
    pub warnings: bool,
    /// Events.
    pub events: bool,
    /// The server about itself, or who sends.
    pub status: bool,
}

impl Store {
    /// A pool or a group of pools.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&PoolEntry> {
        self.pools.get(id).or_else(|| self.groups.get(id).map(|group| &group.entry))
    }

    /// Takes what changed of a pool or a group, and gives its id.
    fn take_news(&mut self, news: PoolNews) -> Option<String> {
        let entry = match self.pools.get_mut(&news.id) {
            Some(entry) => entry,
            None => &mut self.groups.get_mut(&news.id)?.entry,
        };
        news.apply(&mut entry.summary);
        entry.ring.push(SparkPoint::from(&entry.summary.now));
        Some(news.id)
    }

    fn keep_event(&mut self, event: Event) {
        self.events.push_front(event);
        if self.events.len() > MAX_EVENTS {
            let oldest = self.events.iter().rposition(is_routine).unwrap_or(MAX_EVENTS);
            self.events.remove(oldest);
        }
    }

    /// Replaces the picture. Places that are held over from before are forgotten.
    pub fn apply_full(&mut self, full: Full) -> Changes {
        let Full { status, services, pools, groups, breakers, protection, sessions, events, .. } = full;
        let mut history: Table<SparkLine> = full.history.into_iter().collect();
        let mut session_history: Table<Vec<SessionPoint>> = full.session_history.into_iter().collect();
        self.warnings = full.warnings.into_iter().map(|one| (one.id.clone(), one)).collect();
        self.groups = groups
            .into_iter()
            .map(|group| {
                let (id, place) = (group.merged.id.clone(), rank(&group.merged));
                let members = group.members.iter().filter_map(|id| history.get(id)).map(|line| &line.0);
                let ring = Ring::from_history(super::fleet::merge_history(members));
                let mut entry = GroupEntry::default();
                (entry.entry.ring, entry.entry.place) = (ring, place);
                entry.take(group);
                (id, entry)
            })
            .collect();
        self.sessions = sessions
            .into_iter()
            .map(|summary| {
                let points = std::mem::take(session_history.of(&summary.id)).into();
                let mut entry = SessionEntry { points, ..SessionEntry::default() };
                let id = summary.id.clone();
                entry.take(summary);
                (id, entry)
            })
            .collect();
        self.pools = pools
            .into_iter()
            .map(|summary| {
                let mut ring = Ring::from_history(std::mem::take(history.of(&summary.id)).0);
                ring.push(SparkPoint::from(&summary.now));
                let place = rank(&summary);
                (summary.id.clone(), PoolEntry { summary, ring, place, better_since_ms: None })
            })
            .collect();
        self.status = status;
        self.services = services;
        self.guards = Guards::default();
        breakers.iter().for_each(|breaker| self.guards.add(breaker));
        self.breakers = breakers.into_iter().map(|breaker| (breaker.id.clone(), breaker)).collect();
        self.protection = protection.into_iter().map(|one| (one.id.clone(), one)).collect();
        self.events = events.into_iter().take(MAX_EVENTS).collect();
        self.filled = true;
        Changes { all: true, ..Changes::default() }
    }

    /// Takes in what changed.
    pub fn apply_update(&mut self, update: Update) -> Changes {
        let mut changes = Changes {
            breakers: !update.breakers.is_empty() || !update.removed_breakers.is_empty(),
            protection: !update.protection.is_empty() || !update.removed_protection.is_empty(),
            sessions: !update.sessions.is_empty() || !update.removed_sessions.is_empty(),
            warnings: !update.warnings.is_empty() || !update.removed_warnings.is_empty(),
            events: !update.events.is_empty(),
            status: update.status.is_some() || update.services.is_some(),
            ..Changes::default()
        };
        for summary in update.pools {
            let id = summary.id.clone();
            let known = self.pools.contains_key(&id);
            let entry = self.pools.of(&id);
            entry.ring.push(SparkPoint::from(&summary.now));
            entry.summary = summary;
            changes.list |= !known;
            changes.pools.push(id);
        }
        for id in &update.removed_pools {
            changes.list |= self.pools.remove(id);
        }
        for group in update.groups {
            let id = group.merged.id.clone();
            let known = self.groups.get(&id).map(|entry| entry.group.members.len());
            changes.list |= known != Some(group.members.len());
            self.groups.of(&id).take(group);
            changes.pools.push(id);
        }
        for id in &update.removed_groups {
            changes.list |= self.groups.remove(id);
        }
        for news in update.news {
            changes.pools.extend(self.take_news(news));
        }
        for entry in self.groups.values_mut() {
            changes.list |= entry.entry.settle_place(update.now_ms);
        }
        for summary in update.sessions {
            let id = summary.id.clone();
            self.sessions.of(&id).take(summary);
        }
        for id in &update.removed_sessions {
            self.sessions.remove(id);
        }
        for warning in update.warnings {
            self.warnings.insert(warning.id.clone(), warning);
        }
        for id in &update.removed_warnings {
            self.warnings.remove(id);
        }
        for entry in self.pools.values_mut() {
            changes.list |= entry.settle_place(update.now_ms);
        }
        for breaker in update.breakers {
            if !self.breakers.contains_key(&breaker.id) {
                self.guards.add(&breaker);
            }
            self.breakers.insert(breaker.id.clone(), breaker);
        }
        for id in &update.removed_breakers {
            if let Some(gone) = self.breakers.get(id) {
                self.guards.remove(gone);
            }
            self.breakers.remove(id);
        }
        for one in update.protection {
            self.protection.insert(one.id.clone(), one);
        }
        for id in &update.removed_protection {
            self.protection.remove(id);
        }
        for event in update.events {
            self.keep_event(event);
        }
        if let Some(status) = update.status {
            self.status = status;
        }
        if let Some(services) = update.services {
            self.services = services;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use poolscope_wire::{Health, PoolPoint};

    use super::*;

    fn pool(id: &str, severity: Severity, at_ms: u64) -> PoolSummary {
        PoolSummary {
            id: id.to_owned(),
            health: Health { severity, ..Health::default() },
            now: PoolPoint { at_ms, ..PoolPoint::default() },
            ..PoolSummary::default()
        }
    }

    fn filled(pools: &[PoolSummary]) -> Store {
        let mut store = Store::default();
        store.apply_full(Full { pools: pools.to_vec(), ..Full::default() });
        store
    }

    fn update(now_ms: u64, pools: &[PoolSummary]) -> Update {
        Update { now_ms, pools: pools.to_vec(), ..Update::default() }
    }

    #[test]
    fn a_full_picture_replaces_everything() {
        let mut store = filled(&[pool("old", Severity::Bad, 1)]);
        let history =
            vec![("new".to_owned(), SparkLine(vec![SparkPoint { at_ms: 1, ..SparkPoint::default() }]))];
        let changes =
            store.apply_full(Full { pools: vec![pool("new", Severity::Ok, 2)], history, ..Full::default() });
        assert!(changes.all);
        assert_eq!(store.pools.keys().collect::<Vec<_>>(), ["new"]);
        assert_eq!(store.pools["new"].ring.iter().len(), 2, "the history and the newest point");
    }

    #[test]
    fn what_protects_comes_changes_and_goes() {
        let one = |last_seen_ms| Protection { id: "a".to_owned(), last_seen_ms, ..Protection::default() };
        let mut store = Store::default();
        store.apply_full(Full { protection: vec![one(1)], ..Full::default() });
        assert!(!store.apply_update(Update::default()).protection);
        assert!(store.apply_update(Update { protection: vec![one(2)], ..Update::default() }).protection);
        assert_eq!(store.protection["a"].last_seen_ms, 2);
        let gone = Update { removed_protection: vec!["a".to_owned()], ..Update::default() };
        assert!(store.apply_update(gone).protection);
        assert!(store.protection.is_empty());
    }

    #[test]
    fn an_update_names_only_what_changed() {
        let mut store = filled(&[pool("a", Severity::Ok, 1_000), pool("b", Severity::Ok, 1_000)]);
        let changes = store.apply_update(update(2_000, &[pool("a", Severity::Ok, 2_000)]));
        assert_eq!(changes, Changes { pools: vec!["a".to_owned()], ..Changes::default() });
        assert_eq!(store.pools["a"].ring.iter().len(), 2);
        assert_eq!(store.pools["b"].ring.iter().len(), 1);
    }

    #[test]
    fn news_of_a_pool_are_a_new_point_of_it() {
        let (mut told, mut now) = (pool("a", Severity::Ok, 1_000), pool("a", Severity::Bad, 2_000));
        now.now.active = Some(7);
        let mut store = filled(from_ref(&told));
        let group = PoolGroup { merged: pool("g", Severity::Ok, 1_000), ..PoolGroup::default() };
        store.apply_update(Update { groups: vec![group.clone()], ..Update::default() });
        let news = PoolNews::between(&mut told, &mut now).unwrap();
        let (mut of_group, mut merged) = (group.merged, pool("g", Severity::Ok, 2_000));
        let of_group = PoolNews::between(&mut of_group, &mut merged).unwrap();
        let (mut before, mut unknown) = (pool("x", Severity::Ok, 1), pool("x", Severity::Ok, 2));
        let unknown = PoolNews::between(&mut before, &mut unknown).unwrap();
        let changes = store.apply_update(Update { news: vec![news, of_group, unknown], ..Update::default() });
        assert_eq!((changes.pools, changes.list), (vec!["a".to_owned(), "g".to_owned()], true));
        assert_eq!((&store.pools["a"].summary, store.pools["a"].ring.iter().len()), (&now, 2));
        assert_eq!(store.groups["g"].entry.ring.iter().len(), 2);
    }

    #[test]
    fn new_and_removed_pools_change_the_list() {
        let mut store = filled(&[]);
        assert!(store.apply_update(update(1, &[pool("a", Severity::Ok, 1)])).list);
        let gone = Update { removed_pools: vec!["a".to_owned()], ..Update::default() };
        assert!(store.apply_update(gone.clone()).list);
        assert!(!store.apply_update(gone).list, "it was gone already");
    }

    #[test]
    fn a_pool_rises_at_once_and_falls_late() {
        let (fine, bad) = (pool("a", Severity::Ok, 1), pool("a", Severity::Bad, 1));
        let mut store = filled(from_ref(&fine));
        assert!(store.apply_update(update(1_000, from_ref(&bad))).list);
        assert!(!store.apply_update(update(2_000, from_ref(&fine))).list, "it keeps its place");
        assert_eq!(store.pools["a"].place.0, Severity::Bad);
        assert!(!store.apply_update(update(3_000, from_ref(&bad))).list, "it flapped, and nothing moved");
        assert!(!store.apply_update(update(4_000, from_ref(&fine))).list);
        assert!(store.apply_update(update(4_000 + PLACE_HELD_MS, &[])).list, "also without a new report");
        assert_eq!(store.pools["a"].place.0, Severity::Ok);
    }

    #[test]
    fn routine_pushes_out_no_event_that_matters() {
        let mut store = Store::default();
        let opened = Event { id: 1, severity: Severity::Bad, ..Event::default() };
        let routine = (2..=MAX_EVENTS as u64 + 5).map(|id| Event { id, ..Event::default() });
        let events = std::iter::once(opened).chain(routine).collect();
        store.apply_update(Update { events, ..Update::default() });
        assert_eq!(store.events.len(), MAX_EVENTS);
        assert_eq!(store.events.back().map(|event| event.id), Some(1));
    }

    #[test]
    fn events_are_newest_first_and_bounded() {
        let mut store = filled(&[]);
        let events = (1..=MAX_EVENTS as u64 + 5).map(|id| Event { id, ..Event::default() }).collect();
        assert!(store.apply_update(Update { events, ..Update::default() }).events);
        assert_eq!(store.events.len(), MAX_EVENTS);
        assert_eq!(store.events[0].id, MAX_EVENTS as u64 + 5);
    }
}
