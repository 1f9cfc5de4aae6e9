//! [`Reach`]: what somebody outside of the application may do with the breakers of a layer, and [`Hold`], which ends.

use std::sync::{Arc, Weak};

use super::circuit::Circuit;
use super::circuits::Circuits;
use super::state::Force;
use crate::event::Forced;

/// The breakers of a layer, which it does not keep.
#[derive(Debug, Clone)]
pub(crate) struct Reach(Weak<Circuits>);

/// The application itself holds the breaker.
#[derive(Debug)]
pub(crate) struct HeldByApplication;

/// A breaker that is held for somebody outside. Dropping it lets the breaker go, unless the application has decided
/// something about it meanwhile.
#[derive(Debug)]
pub(crate) struct Hold(Weak<Circuit>);

impl Reach {
    pub(super) fn new(circuits: &Arc<Circuits>) -> Self {
        Self(Arc::downgrade(circuits))
    }

    /// True if calls go through a breaker of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.circuit(name).is_some()
    }

    /// Names of the breakers that calls go through.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.0.upgrade().map_or_else(Vec::new, |circuits| circuits.names_in_use())
    }

    /// Holds a breaker in a state; `None` if no calls go through one of this name.
    pub(crate) fn hold(
        &self,
        name: &str,
        force: Force,
        forced: Forced,
    ) -> Option<Result<Hold, HeldByApplication>> {
        let circuit = self.circuit(name)?;
        let is_held = circuit.hold(force, forced);
        Some(if is_held { Ok(Hold(Arc::downgrade(&circuit))) } else { Err(HeldByApplication) })
    }

    fn circuit(&self, name: &str) -> Option<Arc<Circuit>> {
        self.0.upgrade()?.in_use(name)
    }
}

impl Hold {
    /// Holds the same breaker in another state, or for another time.
    pub(crate) fn change(&self, force: Force, forced: Forced) -> Result<(), HeldByApplication> {
        let is_held = self.0.upgrade().is_none_or(|circuit| circuit.hold(force, forced));
        if is_held { Ok(()) } else { Err(HeldByApplication) }
    }

    /// Lets the breaker go for this reason.
    pub(crate) fn end(self, forced: Forced) {
        if let Some(circuit) = self.0.upgrade() {
            circuit.let_go(Some(forced));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(circuit) = self.0.upgrade() {
            circuit.let_go(None);
        }
    }
}
