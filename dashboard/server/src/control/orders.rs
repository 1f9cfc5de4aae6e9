//! [`Orders`]: who takes orders, and what became of those that were given.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use poolscope_semconv::protocol::control::{Action, Command, Done, Question};
use poolscope_wire::{BreakerState, Control, ControlAction, ControlState};
use tokio::time::Instant;

use super::{Instance, PATIENCE};
use crate::pace::Pace;

/// Enough orders at once for all instances of a service, and not for a script that runs wild.
const PACE: Pace = Pace::new(60, Duration::from_secs(1));

/// Instances that take orders at once.
const MAX_LISTENERS: usize = 1_000;
/// Questions of one instance that wait at once: a new one, and one whose connection is lost.
const MAX_WAITING: usize = 2;
/// Orders that are remembered, done ones too.
const MAX_ORDERS: usize = 500;
/// Orders of one instance that wait to be fetched.
const MAX_QUEUE: usize = 16;
/// An instance that asks no more still counts as listening for so long: from one question to the next it is silent.
const BREATH: Duration = Duration::from_secs(2);

/// An order that somebody may give.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) to: Instance,
    /// Id and name of the breaker.
    pub(super) breaker: (String, String),
    /// Its state when the order was given.
    pub(super) was: BreakerState,
    pub(super) action: ControlAction,
    pub(super) lasts: Duration,
    pub(super) by: String,
    pub(super) reason: String,
}

/// Why an order is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many came; the next one may after so long.
    Pace(Duration),
    /// The instance does not ask for orders.
    Deaf,
    /// Too many wait for it.
    Full,
}

#[derive(Debug)]
struct Listener {
    waiting: usize,
    last: Instant,
    /// Names of the breakers that it offers; `None` if it does not say.
    takes: Takes,
}

type Takes = Option<Arc<BTreeSet<String>>>;

/// Who takes orders at a moment, and for which breakers.
#[derive(Debug)]
pub(crate) struct Takers(HashMap<Instance, Takes>);

impl Takers {
    /// True if a breaker takes orders. Of who does not say which do, each may: it answers with a sentence if not.
    pub(crate) fn takes(&self, service: &str, instance: &str, breaker: &str) -> bool {
        let instance = Instance { service: service.to_owned(), id: instance.to_owned() };
        let known = self.0.get(&instance);
        known.is_some_and(|takes| takes.as_ref().is_none_or(|names| names.contains(breaker)))
    }
}

#[derive(Debug)]
struct Entry {
    to: Instance,
    name: String,
    was: BreakerState,
    lasts: Duration,
    asked: Instant,
    /// It was handed over at least once.
    fetched: bool,
    told: Control,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orders {
    listeners: HashMap<Instance, Listener>,
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// When the orders that were taken count no more.
    spent: Option<Instant>,
}

impl Orders {
    /// An instance asks, and tells what came of the order before: the next order for it. `None` if too many ask.
    #[expect(
        clippy::option_option,
        reason = "that it may not ask, and that there is nothing for it, are not the same"
    )]
    pub(super) fn hear(
        &mut self,
        from: &Instance,
        question: &Question,
        now_ms: u64,
        now: Instant,
    ) -> Option<Option<Command>> {
        self.listeners.retain(|_, listener| listener.is_there(now));
        let takes = question.takes.clone().map(Arc::new);
        if let Some(listener) = self.listeners.get_mut(from) {
            if listener.waiting >= MAX_WAITING {
                return None;
            }
            *listener = Listener { waiting: listener.waiting + 1, last: now, takes };
        } else if self.listeners.len() >= MAX_LISTENERS {
            return None;
        } else {
            self.listeners.insert(from.clone(), Listener { waiting: 1, last: now, takes });
        }
        if let Some(done) = &question.done {
            self.done(from, done, now_ms);
        }
        Some(self.next(from, now_ms, now))
    }

    /// A question is answered, or its connection lost.
    pub(super) fn left(&mut self, from: &Instance, now: Instant) {
        if let Some(listener) = self.listeners.get_mut(from) {
            (listener.waiting, listener.last) = (listener.waiting.saturating_sub(1), now);
        }
    }

    /// The next order for an instance. It stays the next until the instance has told what came of it.
    pub(super) fn next(&mut self, to: &Instance, now_ms: u64, now: Instant) -> Option<Command> {
        self.pass(now_ms, now);
        let asked = |entry: &&mut Entry| entry.told.state == ControlState::Asked && entry.to == *to;
        let entry = self.entries.iter_mut().find(asked)?;
        entry.fetched = true;
        let told = &entry.told;
        Some(Command {
            id: told.id.clone(),
            breaker: entry.name.clone(),
            action: match told.action {
                ControlAction::ForceOpen => Action::ForceOpen,
                ControlAction::ForceClosed => Action::ForceClosed,
                ControlAction::Automatic => Action::Automatic,
            },
            lasts: entry.lasts,
            by: told.by.clone(),
            why: told.reason.clone(),
        })
    }

    /// Takes an order, or says why not.
    pub(super) fn take(&mut self, order: Order, now_ms: u64, now: Instant) -> Result<Control, Refused> {
        PACE.check(self.spent, now).map_err(Refused::Pace)?;
        self.spent = Some(PACE.spend(self.spent, now));
        self.pass(now_ms, now);
        if !self.listeners.get(&order.to).is_some_and(|listener| listener.is_there(now)) {
            return Err(Refused::Deaf);
        }
        let waits = |entry: &Entry| entry.told.state == ControlState::Asked;
        let queued = self.entries.iter().filter(|entry| waits(entry) && entry.to == order.to).count();
        if queued >= MAX_QUEUE {
            return Err(Refused::Full);
        }
        if self.entries.len() >= MAX_ORDERS {
            // Those in force go too before one that nobody has fetched: the application holds them, whoever remembers.
            let oldest = self.entries.iter().position(|entry| !waits(entry)).ok_or(Refused::Full)?;
            self.entries.remove(oldest);
        }
        let told = Control {
            id: order.id,
            breaker: order.breaker.0,
            action: order.action,
            for_s: order.lasts.as_secs(),
            reason: order.reason,
            by: order.by,
            at_ms: now_ms,
            state: ControlState::Asked,
            until_ms: None,
            sentence: None,
        };
        let entry = Entry {
            to: order.to,
            name: order.breaker.1,
            was: order.was,
            lasts: order.lasts,
            asked: now,
            fetched: false,
            told: told.clone(),
        };
        entry.log();
        self.entries.push_back(entry);
        Ok(told)
    }

    /// All orders that are known, the newest first.
    pub(super) fn list(&mut self, now_ms: u64, now: Instant) -> Vec<Control> {
        self.pass(now_ms, now);
        self.entries.iter().rev().map(|entry| entry.told.clone()).collect()
    }

    /// Who takes orders now.
    pub(super) fn takers(&self, now: Instant) -> Takers {
        let there = self.listeners.iter().filter(|(_, listener)| listener.is_there(now));
        Takers(there.map(|(one, listener)| (one.clone(), listener.takes.clone())).collect())
    }

    /// An instance tells what came of an order; of one that is not its own, nothing.
    fn done(&mut self, from: &Instance, done: &Done, now_ms: u64) {
        let open = |entry: &Entry| {
            let waits = matches!(entry.told.state, ControlState::Asked | ControlState::Unanswered);
            waits && entry.told.id == done.id && entry.to == *from
        };
        let Some(index) = self.entries.iter().position(open) else { return };
        let entry = &mut self.entries[index];
        match &done.result {
            Err(sentence) => {
                entry.told.state = ControlState::Refused;
                entry.told.sentence = Some(sentence.clone());
            }
            Ok(left) => {
                let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                let is_over = entry.told.action == ControlAction::Automatic;
                entry.told.state = if is_over { ControlState::Over } else { ControlState::InForce };
                entry.told.until_ms = Some(now_ms.saturating_add(left_ms));
                entry.told.sentence = None;
            }
        }
        entry.log();
        if entry.told.state != ControlState::Refused {
            self.replace_before(index, now_ms);
        }
    }

    /// What was in force for the same breaker is so no more.
    fn replace_before(&mut self, index: usize, now_ms: u64) {
        let breaker = self.entries[index].told.breaker.clone();
        for (other, entry) in self.entries.iter_mut().enumerate() {
            if other != index && entry.told.breaker == breaker && entry.told.state == ControlState::InForce {
                (entry.told.state, entry.told.until_ms) = (ControlState::Over, Some(now_ms));
                entry.told.sentence = Some("another order came after it".to_owned());
                entry.log();
            }
        }
    }

    /// Time passes.
    fn pass(&mut self, now_ms: u64, now: Instant) {
        for entry in &mut self.entries {
            let told = &mut entry.told;
            match told.state {
                ControlState::Asked if now.saturating_duration_since(entry.asked) >= PATIENCE => {
                    told.state = ControlState::Unanswered;
                    told.sentence = Some(if entry.fetched {
                        "the instance got it and did not answer: the state of the breaker tells whether it is done".to_owned()
                    } else {
                        "the instance did not fetch it in time, and it is withdrawn".to_owned()
                    });
                }
                ControlState::InForce if told.until_ms.is_some_and(|until_ms| until_ms <= now_ms) => {
                    told.state = ControlState::Over;
                }
                _ => continue,
            }
            entry.log();
        }
    }
}

impl Entry {
    /// Writes down how far it has come: who wants what of which breaker, and what was before.
    fn log(&self) {
        let told = &self.told;
        tracing::warn!(
            id = told.id,
            service = self.to.service,
            instance = self.to.id,
            breaker = self.name,
            was = ?self.was,
            action = ?told.action,
            seconds = told.for_s,
            by = told.by,
            reason = told.reason,
            state = ?told.state,
            sentence = told.sentence,
            "control of a breaker"
        );
    }
}

impl Listener {
    fn is_there(&self, now: Instant) -> bool {
        self.waiting > 0 || now.saturating_duration_since(self.last) < BREATH
    }
}
