//! [`BreakerHandle`]: looks at breakers and moves them by hand.

use std::sync::Arc;

use poolscope_semconv::value::BreakerState;

use super::circuit::Circuit;
use super::circuits::Circuits;
use super::state::Force;
use crate::BreakerSnapshot;

/// Looks at the breakers of a layer and moves them by hand. Cheap to clone.
///
/// A breaker is there from the first call to its destination on, or from the start on if a store has
/// kept it; its name is what [`BreakerHandle::list`] tells.
///
/// ```
/// use poolscope::{Scope, breaker::{BreakerLayer, Force}};
///
/// let handle = BreakerLayer::new(&Scope::new()).handle();
/// assert!(handle.list().is_empty());
/// assert!(!handle.force("http://pay.example:80", Force::Open), "nothing was called yet");
/// ```
#[derive(Debug, Clone)]
pub struct BreakerHandle {
    circuits: Arc<Circuits>,
}

impl BreakerHandle {
    pub(super) fn new(circuits: Arc<Circuits>) -> Self {
        Self { circuits }
    }

    /// The breaker of a name.
    pub(super) fn circuit(&self, name: &str) -> Option<Arc<Circuit>> {
        self.circuits.named(name)
    }

    /// What somebody outside may do with these breakers. It holds none of them.
    #[cfg(feature = "control")]
    pub(crate) fn reach(&self) -> super::control::Reach {
        super::control::Reach::new(&self.circuits)
    }

    /// Name of the breaker of a destination.
    #[cfg(feature = "health")]
    pub(super) fn name_of(&self, destination: &str) -> String {
        self.circuits.name_of(destination)
    }

    /// Every breaker as it is now, by name.
    #[must_use]
    pub fn list(&self) -> Vec<BreakerSnapshot> {
        self.circuits.snapshot()
    }

    /// State of a breaker; `None` if there is none of that name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<BreakerState> {
        self.circuits.named(name).map(|circuit| circuit.state())
    }

    /// Holds a breaker in a state until it is reset; false if there is none of that name.
    pub fn force(&self, name: &str, force: Force) -> bool {
        self.circuits.named(name).map(|circuit| circuit.force(force)).is_some()
    }

    /// Brings a breaker back to where it started, which is closed unless the layer only measures, and forgets its
    /// results; false if there is none of that name.
    pub fn reset(&self, name: &str) -> bool {
        self.circuits.named(name).map(|circuit| circuit.reset()).is_some()
    }

    /// Breakers that made room for others because the limit was reached.
    #[must_use]
    pub fn retired(&self) -> u64 {
        self.circuits.retired()
    }

    /// Calls without a breaker of their own, because the limit was reached or the request named no host.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.circuits.overflowed()
    }
}
