//! [`ResourceGuard`].

use std::sync::Arc;

use super::builder::GuardBuilder;
use super::layer::GuardLayer;
use super::limits::Limits;
use super::shared::Shared;
use crate::registry::{ResourceSnapshot, Rows};
use crate::{ConfigError, Scope};

/// Watches the resources of this process, and refuses requests through its layers before one is used up. Cheap to clone;
/// it looks for as long as it, a layer or a service of it lives. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct ResourceGuard {
    shared: Arc<Shared>,
}

impl ResourceGuard {
    /// A guard with options of its own.
    pub fn builder(scope: &Scope) -> GuardBuilder {
        GuardBuilder::new(scope)
    }

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A layer that refuses requests while a resource is exhausted.
    #[must_use]
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::new(Arc::clone(&self.shared))
    }

    /// Watches something that the program counts itself, such as sessions; without limits it is only shown.
    ///
    /// The count is asked at every look, at times on the way of a request: it must be quick, and must not ask the guard or the
    /// scope. One that panics counts as not known.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
    ///
    /// use poolscope::{Scope, guard::{Limits, ResourceGuard}};
    ///
    /// # fn main() -> Result<(), poolscope::ConfigError> {
    /// let guard = ResourceGuard::builder(&Scope::new()).build()?;
    /// let sessions = Arc::new(AtomicU64::new(3));
    /// let counted = Arc::clone(&sessions);
    /// guard.watch("sessions", Limits::amounts(800, 1_000), move || counted.load(Relaxed))?;
    /// assert_eq!(guard.snapshot()[3].current, Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The name is taken, or limits that can't work, such as shares of a limit that the system does not set.
    pub fn watch(
        &self,
        name: &str,
        limits: impl Into<Option<Limits>>,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<(), ConfigError> {
        let limits = limits.into();
        limits.map_or(Ok(()), |limits| limits.check(name, false))?;
        self.shared.watch(name, limits, Box::new(count))
    }

    /// Every resource, as it was when the guard last looked: open files, memory, connections, and then what the program
    /// counts itself.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ResourceSnapshot> {
        self.shared.rows()
    }
}
