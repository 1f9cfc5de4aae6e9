//! [`Plan`]: what a layer was told.

use std::sync::Arc;
use std::time::Duration;

use crate::ClientScope;
use crate::registry::{Aimd, Destination, Gate, Pool};

/// What a layer was told. Shared by its services.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) client: ClientScope,
    pub(super) per_destination: u32,
    /// Limits of single destinations.
    pub(super) of_destinations: Vec<(Destination, u32)>,
    /// The limit of all requests of the client.
    pub(super) total: Option<Arc<Gate>>,
    pub(super) max_queued: u32,
    pub(super) acquire_timeout: Duration,
    pub(super) adaptive: Option<Aimd>,
}

impl Plan {
    /// The gate of a pool that has none yet.
    pub(super) fn gate(&self, pool: &Pool) -> Gate {
        if pool.is_of_many() {
            // They have nothing in common, so a slow one must not hold up the others.
            return Gate::new(u32::MAX, self.max_queued, None);
        }
        let own = self.of_destinations.iter().rev().find(|(destination, _)| pool.is(destination));
        let limit = own.map_or(self.per_destination, |(_, limit)| *limit);
        Gate::new(limit, self.max_queued, self.adaptive.clone())
    }
}
