//! Commands from the dashboard: which breakers may be held from there.
//!
//! Nothing is, unless the program says so here and the dashboard runs with `--allow-control`. Then somebody who has logged
//! in there can hold a breaker open or closed for a time, or let it go. The program opens no port for it: it asks the
//! dashboard that takes its metrics, over one more connection with the same headers (the key among them), by an export
//! without points that is answered as soon as there is a command, or after five seconds. It names the breakers that may be
//! held, so that the dashboard offers no others. Through a Collector nobody can be asked; the log says so once.
//!
//! ```
//! use poolscope::Scope;
//! use poolscope::breaker::BreakerLayer;
//! use poolscope::otlp::{Control, Otlp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let payments = BreakerLayer::new(&scope);
//! let search = BreakerLayer::builder(&scope).name("search").build()?;
//! // All breakers of the one layer, and one of the other.
//! let control = Control::new().all(&payments.handle()).only(&search.handle(), ["search http://search.example:80"]);
//! let telemetry = Otlp::new(&scope).service_name("shop").control(control).start()?;
//! # telemetry.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! What holds whatever the dashboard says:
//!
//! - A breaker is let go when the time of the command is over, by the clock of this process, also if the dashboard is gone;
//!   after [`MAX_HOLD`] at the latest, or what [`Control::max_hold`] says. It is let go too when the export ends, and a
//!   restart does not bring it back, with a [`store`](crate::breaker::BreakerBuilder::store) neither.
//! - What the program itself holds by [`BreakerHandle::force`] is not touched, and what it decides while a command is in
//!   force stands.
//! - A command is done once, and is the answer to the question that this process has just asked: one that was recorded does
//!   nothing later.
//! - What is refused is refused with a sentence, which the dashboard shows: a breaker that is not named here, one that no
//!   call goes through, a time that is too long.
//!
//! A breaker that is let go begins anew in its first state, closed unless its layer only measures, with an empty window.
//! Every change is an event (`poolscope.breaker.transition`) with the reason `forced` or `force_ended`, who asked and why.
//! The path of a call is the same as without control.

mod holds;
mod worker;

use std::collections::BTreeSet;
use std::time::Duration;

pub use poolscope_semconv::protocol::control::MAX_HOLD;

use crate::breaker::BreakerHandle;
use crate::breaker::control::Reach;

pub(super) use worker::Worker;

/// Which breakers may be held from the dashboard. See the [module](self).
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is given to Otlp::control"]
pub struct Control {
    rules: Vec<Rule>,
    max_hold: Duration,
}

/// What may be done with the breakers of one layer.
#[derive(Debug, Clone)]
struct Rule {
    reach: Reach,
    /// The names that are meant; `None` if it is all.
    only: Option<BTreeSet<String>>,
}

impl Control {
    /// No breaker yet.
    pub fn new() -> Self {
        Self { rules: Vec::new(), max_hold: MAX_HOLD }
    }

    /// Allows all breakers of a layer, also those that are still to come.
    pub fn all(mut self, layer: &BreakerHandle) -> Self {
        self.rules.push(Rule { reach: layer.reach(), only: None });
        self
    }

    /// Allows breakers of a layer by their names, as [`BreakerHandle::list`] and the dashboard tell them.
    pub fn only<N>(mut self, layer: &BreakerHandle, names: N) -> Self
    where
        N: IntoIterator,
        N::Item: Into<String>,
    {
        let only = names.into_iter().map(Into::into).collect();
        self.rules.push(Rule { reach: layer.reach(), only: Some(only) });
        self
    }

    /// Longest time that one command may hold a breaker. By default, and at most, this is [`MAX_HOLD`].
    pub fn max_hold(mut self, max: Duration) -> Self {
        self.max_hold = max.min(MAX_HOLD);
        self
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}
