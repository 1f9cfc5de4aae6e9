//! [`TimeoutLayer`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::builder::TimeoutBuilder;
use super::describe::{Bodies, Connects, Requests};
use super::limit::Limit;
use super::service::Timeout;
use crate::{ConfigError, Scope};

/// Gives every call a limit of time. See the [module](super) for an example.
#[derive(Debug)]
pub struct TimeoutLayer<K = Requests> {
    limit: Arc<Limit>,
    // A function pointer, so that the kind says nothing about `Send` and `Sync`.
    kind: PhantomData<fn(K)>,
}

impl TimeoutLayer {
    /// A timeout of whole calls, up to the head of the response.
    ///
    /// # Errors
    ///
    /// A limit of zero, which no call could keep.
    pub fn new(scope: &Scope, name: &str, limit: Duration) -> Result<Self, ConfigError> {
        Self::builder(scope, name).limit(limit).build()
    }

    /// A timeout named `acquire`, from the call to the moment at which the request has its connection.
    ///
    /// # Errors
    ///
    /// A limit of zero.
    pub fn acquire(scope: &Scope, limit: Duration) -> Result<Self, ConfigError> {
        Self::builder(scope, "acquire").acquire().limit(limit).build()
    }

    /// A timeout named `headers`, from the moment at which the request has its connection to the head of the response.
    ///
    /// # Errors
    ///
    /// A limit of zero.
    pub fn headers(scope: &Scope, limit: Duration) -> Result<Self, ConfigError> {
        Self::builder(scope, "headers").headers().limit(limit).build()
    }

    /// A timeout with everything that can be set. Its name is what errors, events and metrics tell.
    pub fn builder(scope: &Scope, name: &str) -> TimeoutBuilder {
        TimeoutBuilder::new(scope, name)
    }
}

impl TimeoutLayer<Bodies> {
    /// A timeout named `read`, of each wait for a piece of a response body.
    ///
    /// # Errors
    ///
    /// A limit of zero.
    pub fn read(scope: &Scope, limit: Duration) -> Result<Self, ConfigError> {
        TimeoutBuilder::new(scope, "read").read().limit(limit).build()
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
        TimeoutBuilder::new(scope, name).connector().limit(limit).build()
    }
}

impl<K> TimeoutLayer<K> {
    pub(super) fn of(limit: Limit) -> Self {
        Self { limit: Arc::new(limit), kind: PhantomData }
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
