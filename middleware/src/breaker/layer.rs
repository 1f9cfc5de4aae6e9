//! [`BreakerLayer`].

use std::sync::Arc;

use tower_layer::Layer;

use super::builder::{BreakerBuilder, Config, Store};
use super::circuits::{Circuits, Shown};
#[cfg(feature = "supervisor")]
use super::error::BreakerOpen;
use super::handle::BreakerHandle;
#[cfg(feature = "supervisor")]
use super::permit::Permit;
use super::service::Breaker;
use crate::Scope;
#[cfg(feature = "supervisor")]
use crate::http_message::Asked;

/// Puts a breaker in front of each destination. Clones of the layer and all its services share the breakers. See the
/// [module](super) for an example.
#[derive(Debug, Clone)]
pub struct BreakerLayer {
    circuits: Arc<Circuits>,
}

impl BreakerLayer {
    /// A layer with the default options, whose breakers are shown in the snapshots of the scope.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self::from_config(scope, Config::default())
    }

    /// A layer with options of its own.
    pub fn builder(scope: &Scope) -> BreakerBuilder {
        BreakerBuilder::new(scope)
    }

    /// The breakers of this layer, to look at and to move by hand.
    #[must_use]
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(&self.circuits))
    }

    /// Lets a call through that is no request, by the breaker of a destination.
    #[cfg(feature = "supervisor")]
    pub(crate) fn admit(&self, destination: &http::Uri) -> Result<Permit, BreakerOpen> {
        self.circuits.admit(&Asked::new(destination))
    }

    pub(super) fn from_config(scope: &Scope, mut config: Config) -> Self {
        config.name = scope.distinct_breaker_prefix(config.name);
        let store = config.store.take();
        let circuits = Arc::new(Circuits::new(config, scope));
        if let Some(Store(store)) = store {
            circuits.keep_in(store);
        }
        scope.show_breakers(Shown(Arc::downgrade(&circuits)));
        Self { circuits }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Breaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, Arc::clone(&self.circuits))
    }
}
