//! [`TimeoutLayer`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::describe::{Connects, Requests};
use super::limit::Limit;
use super::service::Timeout;
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// Gives every call a limit of time. See the [module](super) for an example.
#[derive(Debug)]
pub struct TimeoutLayer<K = Requests> {
    limit: Arc<Limit>,
    // A function pointer, so that the kind says nothing about `Send` and `Sync`.
    kind: PhantomData<fn(K)>,
}

impl TimeoutLayer {
    /// A timeout around a service of requests, whose errors and events name the destination.
    ///
    /// # Errors
    ///
    /// A limit of zero, which no call could keep.
    pub fn new(scope: &Scope, name: &str, limit: Duration) -> Result<Self, ConfigError> {
        Self::with(scope, name, limit)
    }
}

impl TimeoutLayer<Connects> {
    /// A timeout around a connector whose requests are of any type and whose errors are boxed, for
    /// `reqwest::ClientBuilder::connector_layer` or TLS connectors of hyper.
    ///
    /// # Errors
    ///
    /// A limit of zero, which no call could keep.
    pub fn for_connector(scope: &Scope, name: &str, limit: Duration) -> Result<Self, ConfigError> {
        Self::with(scope, name, limit)
    }
}

impl<K> TimeoutLayer<K> {
    fn with(scope: &Scope, name: &str, limit: Duration) -> Result<Self, ConfigError> {
        require(!limit.is_zero(), || {
            format!("the limit of timeout {name} is zero; give it a time in which a call can end")
        })?;
        let stats = scope.timeout_stats(name);
        stats.set_limit(limit);
        let events = Arc::clone(scope.events());
        let limit = Arc::new(Limit { name: name.into(), after: limit, stats, events });
        Ok(Self { limit, kind: PhantomData })
    }
}

impl<K> Clone for TimeoutLayer<K> {
    fn clone(&self) -> Self {
        Self { limit: Arc::clone(&self.limit), kind: PhantomData }
    }
}

impl<S, K> Layer<S> for TimeoutLayer<K> {
    type Service = Timeout<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, Arc::clone(&self.limit))
    }
}
