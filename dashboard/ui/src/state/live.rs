//! The picture as signals: what a message changed is drawn again, and nothing else.

use leptos::prelude::*;

use crate::derived::Derived;
use poolscope_wire::{Breaker, PoolPoint};

use super::{
    connection::{Connection, StreamFacts},
    message::Message,
    store::{Changes, PoolEntry, Store},
    table::Table,
};

/// A server with something to tell has told it after this time: figures come about once a second.
const SILENCE_MS: u64 = 1_250;

/// The picture. It is cheap to copy, and every copy is the same picture.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    store: StoredValue<Store>,
    /// The picture that is shown while it is held; the other goes on behind it.
    held: StoredValue<Option<Store>>,
    pool_triggers: StoredValue<Table<ArcTrigger>>,
    figures: Trigger,
    list: Trigger,
    breakers: Trigger,
    protection: Trigger,
    sessions: Trigger,
    warnings: Trigger,
    events: Trigger,
    status: Trigger,
    /// Milliseconds that the server's clock is ahead of the browser's.
    clock_offset_ms: RwSignal<i64>,
    browser_now_ms: RwSignal<u64>,
    held_at_ms: RwSignal<Option<u64>>,
    facts: RwSignal<StreamFacts>,
    /// Why the stream can't be read, if it can't.
    pub trouble: RwSignal<Option<String>>,
    /// True while the page that is asked for could not be fetched: then there is no picture to see.
    pub unfetched: RwSignal<bool>,
    /// How often the server replaced the picture because this browser was too slow.
    pub lagged: RwSignal<u64>,
    connection: Derived<Connection>,
}

impl Live {
    /// An empty picture at a moment of the browser's clock.
    #[must_use]
    pub fn new(browser_now_ms: u64) -> Self {
        let browser_now_ms = RwSignal::new(browser_now_ms);
        let facts = RwSignal::new(StreamFacts::default());
        Self {
            store: StoredValue::new(Store::default()),
            held: StoredValue::new(None),
            pool_triggers: StoredValue::new(Table::default()),
            figures: Trigger::new(),
            list: Trigger::new(),
            breakers: Trigger::new(),
            protection: Trigger::new(),
            sessions: Trigger::new(),
            warnings: Trigger::new(),
            events: Trigger::new(),
            status: Trigger::new(),
            clock_offset_ms: RwSignal::new(0),
            browser_now_ms,
            held_at_ms: RwSignal::new(None),
            facts,
            trouble: RwSignal::new(None),
            unfetched: RwSignal::new(false),
            lagged: RwSignal::new(0),
            connection: Derived::new(move || facts.get().state(browser_now_ms.get())),
        }
    }

    /// Takes in a message.
    pub fn receive(self, message: Message, browser_now_ms: u64) {
        let (changes, now_ms) = match message {
            Message::Full(full) => {
                let now_ms = full.status.now_ms;
                if full.lagged {
                    self.lagged.update(|times| *times += 1);
                }
                (self.store.try_update_value(|store| store.apply_full(*full)), now_ms)
            }
            Message::Update(update) => {
                let now_ms = update.now_ms;
                self.pool_triggers.update_value(|triggers| {
                    for id in update.removed_pools.iter().chain(&update.removed_groups) {
                        triggers.remove(id);
                    }
                });
                (self.store.try_update_value(|store| store.apply_update(*update)), now_ms)
            }
        };
        if self.trouble.with_untracked(Option::is_some) {
            self.trouble.set(None);
        }
        self.facts.set(StreamFacts { broken: false, last_message_ms: Some(browser_now_ms) });
        self.clock_offset_ms.set(now_ms.cast_signed() - browser_now_ms.cast_signed());
        self.tick(browser_now_ms);
        if let Some(changes) = changes
            && !self.is_held()
        {
            self.notify(&changes);
        }
    }

    /// Tells that the stream broke.
    pub fn break_off(self) {
        self.facts.update(|facts| facts.broken = true);
    }

    /// Moves the clock.
    pub fn tick(self, browser_now_ms: u64) {
        self.browser_now_ms.set(browser_now_ms);
    }

    /// Moves the clock unless a message did so a moment ago: what tells an age is so drawn together with what the message
    /// changed, and not once more between two messages.
    pub fn tick_in_silence(self, browser_now_ms: u64) {
        let last_ms = self.facts.with_untracked(|facts| facts.last_message_ms);
        if last_ms.is_none_or(|last_ms| browser_now_ms.saturating_sub(last_ms) > SILENCE_MS) {
            self.tick(browser_now_ms);
        }
    }

    /// Holds the picture, unless it is held.
    pub fn hold(self) {
        if !self.is_held() {
            self.held.set_value(Some(self.store.get_value()));
            self.held_at_ms.set(Some(self.now_ms_untracked()));
            self.notify(&Changes { all: true, ..Changes::default() });
        }
    }

    /// Lets the picture go on, and says whether it was held.
    pub fn let_go(self) -> bool {
        let was_held = self.is_held();
        if was_held {
            self.held.set_value(None);
            self.held_at_ms.set(None);
            self.notify(&Changes { all: true, ..Changes::default() });
        }
        was_held
    }

    /// True while the picture is held.
    #[must_use]
    pub fn held(self) -> bool {
        self.held_at_ms.get().is_some()
    }

    /// Seconds for which the picture has been held.
    #[must_use]
    pub fn held_for_s(self) -> Option<u64> {
        let now_ms = self.browser_now_ms.get().saturating_add_signed(self.clock_offset_ms.get());
        self.held_at_ms.get().map(|held_at_ms| now_ms.saturating_sub(held_at_ms) / 1_000)
    }

    /// State of the stream.
    #[must_use]
    pub fn connection(self) -> Connection {
        self.connection.get()
    }

    /// Seconds since the last message.
    #[must_use]
    pub fn age_s(self) -> Option<u64> {
        let at = self.facts.get().last_message_ms?;
        Some(self.browser_now_ms.get().saturating_sub(at) / 1_000)
    }

    /// The server's clock, at which the picture is.
    #[must_use]
    pub fn now_ms(self) -> u64 {
        self.held_at_ms
            .get()
            .unwrap_or_else(|| self.browser_now_ms.get().saturating_add_signed(self.clock_offset_ms.get()))
    }

    /// The same, without being told when it moves; also while the picture is held.
    #[must_use]
    pub fn now_ms_untracked(self) -> u64 {
        self.browser_now_ms.get_untracked().saturating_add_signed(self.clock_offset_ms.get_untracked())
    }

    /// Reads what the list of pools follows from; runs again when a pool comes, goes or changes its place.
    pub fn with_list<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.list.track();
        self.read(read)
    }

    /// Reads figures of all pools, and what is wrong; runs again with every message that changes one.
    pub fn with_figures<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.figures.track();
        self.breakers.track();
        self.warnings.track();
        self.read(read)
    }

    /// Reads a pool or a group of pools; runs again when that changes.
    pub fn with_pool<T>(self, id: &str, read: impl FnOnce(&PoolEntry) -> T) -> Option<T> {
        let trigger = self.pool_triggers.try_update_value(|triggers| triggers.of(id).clone());
        if let Some(trigger) = trigger {
            trigger.track();
        }
        self.list.track();
        self.read(|store| store.entry(id).map(read))
    }

    /// The newest point of a pool.
    #[must_use]
    pub fn newest_point(self, id: &str) -> Option<PoolPoint> {
        self.with_pool(id, |entry| entry.summary.now)
    }

    /// Reads the breakers.
    pub fn with_breakers<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.breakers.track();
        self.read(read)
    }

    /// A breaker.
    #[must_use]
    pub fn breaker(self, id: &str) -> Option<Breaker> {
        self.with_breakers(|store| store.breakers.get(id).cloned())
    }

    /// Reads what protects calls beside breakers.
    pub fn with_protection<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.protection.track();
        self.read(read)
    }

    /// Reads the registries of sessions.
    pub fn with_sessions<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.sessions.track();
        self.read(read)
    }

    /// Reads the warnings.
    pub fn with_warnings<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.warnings.track();
        self.read(read)
    }

    /// Reads the events.
    pub fn with_events<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.events.track();
        self.read(read)
    }

    /// Reads what the server tells about itself and about who sends.
    pub fn with_status<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.status.track();
        self.read(read)
    }

    /// Reads without running again.
    pub fn peek<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        self.read(read)
    }

    fn is_held(self) -> bool {
        self.held_at_ms.get_untracked().is_some()
    }

    fn read<T>(self, read: impl FnOnce(&Store) -> T) -> T {
        if self.is_held() {
            self.held.with_value(|held| match held {
                Some(store) => read(store),
                None => self.store.with_value(read),
            })
        } else {
            self.store.with_value(read)
        }
    }

    fn notify(self, changes: &Changes) {
        let all = changes.all;
        if all || changes.list {
            self.list.notify();
        }
        if all || changes.list || !changes.pools.is_empty() {
            self.figures.notify();
        }
        if all || changes.breakers {
            self.breakers.notify();
        }
        if all || changes.protection {
            self.protection.notify();
        }
        if all || changes.sessions {
            self.sessions.notify();
        }
        if all || changes.warnings {
            self.warnings.notify();
        }
        if all || changes.events {
            self.events.notify();
        }
        if all || changes.status {
            self.status.notify();
        }
        // Collected first: what runs on a notification may ask for a trigger.
        let triggers: Vec<ArcTrigger> = self.pool_triggers.with_value(|triggers| {
            if all {
                triggers.values().cloned().collect()
            } else {
                changes.pools.iter().filter_map(|id| triggers.get(id).cloned()).collect()
            }
        });
        for trigger in triggers {
            trigger.notify();
        }
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Full, PoolSummary, Status, Update};

    use super::*;

    fn live() -> (Owner, Live) {
        let owner = Owner::new();
        owner.set();
        let live = Live::new(1_000);
        let pools = vec![pool(1)];
        let status = Status { now_ms: 51_000, ..Status::default() };
        live.receive(Message::Full(Box::new(Full { pools, status, ..Full::default() })), 1_000);
        (owner, live)
    }

    fn pool(active: u32) -> PoolSummary {
        let now = PoolPoint { active: Some(active), at_ms: u64::from(active), ..PoolPoint::default() };
        PoolSummary { id: "a".to_owned(), now, ..PoolSummary::default() }
    }

    fn update(active: u32) -> Message {
        Message::Update(Box::new(Update { now_ms: 52_000, pools: vec![pool(active)], ..Update::default() }))
    }

    #[test]
    fn a_held_picture_does_not_move_and_catches_up_when_let_go() {
        let (_owner, live) = live();
        live.hold();
        live.receive(update(5), 2_000);
        live.tick(4_500);
        assert_eq!(live.held_for_s(), Some(3), "what is held tells its age");
        live.tick(2_000);
        assert_eq!(live.newest_point("a").and_then(|point| point.active), Some(1));
        assert_eq!(live.now_ms(), 51_000);
        assert!(live.let_go() && !live.let_go());
        assert_eq!(live.newest_point("a").and_then(|point| point.active), Some(5));
        assert_eq!((live.now_ms(), live.held_for_s()), (52_000, None));
    }

    #[test]
    fn between_two_messages_the_clock_stands_and_in_silence_it_moves() {
        let (_owner, live) = live();
        live.tick_in_silence(2_000);
        assert_eq!(live.now_ms(), 51_000);
        live.tick_in_silence(2_500);
        assert_eq!(live.now_ms(), 52_500);
    }

    #[test]
    fn the_clock_is_the_servers() {
        let (_owner, live) = live();
        live.tick(1_500);
        assert_eq!(live.now_ms(), 51_500, "a browser whose clock is off shows right ages");
    }

    #[test]
    fn the_connection_follows_messages_silence_and_errors() {
        let (_owner, live) = live();
        assert_eq!(live.connection(), Connection::Live);
        live.tick(9_000);
        assert_eq!((live.connection(), live.age_s()), (Connection::Stale, Some(8)));
        live.break_off();
        assert_eq!(live.connection(), Connection::Lost);
        live.receive(update(2), 9_500);
        assert_eq!(live.connection(), Connection::Live);
    }
}
