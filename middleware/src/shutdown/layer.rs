//! [`ShutdownLayer`].

use tower_layer::Layer;

use super::service::Shutdown;
use crate::Scope;

/// Takes part in the shutdown of a scope. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct ShutdownLayer {
    scope: Scope,
}

impl ShutdownLayer {
    /// A layer whose requests end with the scope's shutdown.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self { scope: scope.clone() }
    }
}

impl<S> Layer<S> for ShutdownLayer {
    type Service = Shutdown<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Shutdown::new(inner, self.scope.clone())
    }
}
