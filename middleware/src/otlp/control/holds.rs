//! [`Holds`]: commands that are in force, until their time is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use opentelemetry::Context;
use poolscope_semconv::protocol::control::{Action, Command, Done, MAX_WHY};
use tokio::time::Instant;

use super::{Control, Rule};
use crate::breaker::Force;
use crate::breaker::control::{HeldByApplication, Hold};
use crate::event::Forced;
use crate::said::Said;

/// Commands whose end is remembered, so that one that comes again is not done again.
const REMEMBERED: usize = 256;
/// Most characters of who asked.
const MAX_BY: usize = 100;
/// Where the program itself holds the breaker.
const HELD: &str = "the application itself holds this breaker, and only it can let it go";

/// What is held from the dashboard. Dropping it lets everything go.
#[derive(Debug)]
pub(super) struct Holds {
    control: Control,
    /// By the name of the breaker.
    held: BTreeMap<String, (Hold, Instant)>,
    done: VecDeque<Done>,
}

impl Holds {
    pub(super) fn new(control: Control) -> Self {
        Self { control, held: BTreeMap::new(), done: VecDeque::new() }
    }

    /// Does a command, unless it was done before, and tells what came of it.
    pub(super) fn take(&mut self, command: &Command, now: Instant) -> Done {
        if let Some(done) = self.done.iter().find(|done| done.id == command.id) {
            return done.clone();
        }
        // This thread's work is not told of; what it does to the application is.
        let _context = Context::new().attach();
        let done = Done { id: command.id.clone(), result: self.apply(command, now) };
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(done.clone());
        done
    }

    /// Names of the breakers that take commands now.
    pub(super) fn takes(&self) -> BTreeSet<String> {
        let of = |rule: &Rule| {
            let names = rule.reach.names().into_iter().map(|name| name.to_string());
            let is_meant = |name: &String| rule.only.as_ref().is_none_or(|only| only.contains(name));
            names.filter(is_meant).collect::<Vec<_>>()
        };
        self.control.rules.iter().flat_map(of).collect()
    }

    /// When the first of them is over.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.held.values().map(|(_, until)| *until).min()
    }

    /// Lets go what is over.
    pub(super) fn end_due(&mut self, now: Instant) {
        let _context = Context::new().attach();
        self.held.retain(|_, (_, until)| *until > now);
    }

    fn apply(&mut self, command: &Command, now: Instant) -> Result<Duration, String> {
        let name = &command.breaker;
        // A layer may be named several times, each time with other breakers.
        let mut known = self.control.rules.iter().filter(|rule| rule.reach.knows(name)).peekable();
        known.peek().ok_or(
            "no call goes through a breaker of this name there: none came since the start, or the application did not \
             offer its layer for control",
        )?;
        let rule = known
            .find(|rule| rule.only.as_ref().is_none_or(|only| only.contains(name)))
            .ok_or("the application offers other breakers for control, and not this one")?;
        let max = self.control.max_hold;
        if command.lasts > max {
            return Err(format!("the application lets a breaker be held for {} at most", Said(max)));
        }
        let lasts = (command.action != Action::Automatic).then_some(command.lasts);
        let forced = Forced { by: text(&command.by, MAX_BY), why: text(&command.why, MAX_WHY), lasts };
        let force = match command.action {
            Action::ForceOpen => Force::Open,
            Action::ForceClosed => Force::Closed,
            Action::Automatic => {
                if let Some((hold, _)) = self.held.remove(name) {
                    hold.end(forced);
                }
                return Ok(Duration::ZERO);
            }
        };
        if let Some((hold, until)) = self.held.get_mut(name) {
            hold.change(force, forced).map_err(|HeldByApplication| HELD)?;
            *until = now + command.lasts;
        } else {
            let held = rule.reach.hold(name, force, forced);
            let hold = held.ok_or("the breaker is gone")?.map_err(|HeldByApplication| HELD)?;
            self.held.insert(name.clone(), (hold, now + command.lasts));
        }
        Ok(command.lasts)
    }
}

/// A text that goes on into telemetry, on one line.
fn text(text: &str, max: usize) -> std::sync::Arc<str> {
    let text: String = text.chars().filter(|character| !character.is_control()).take(max).collect();
    text.into()
}

#[cfg(test)]
mod tests;
