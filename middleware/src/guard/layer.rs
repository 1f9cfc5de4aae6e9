//! [`GuardLayer`].

use std::sync::Arc;

use tower_layer::Layer;

use super::service::Guarded;
use super::shared::Shared;

/// Refuses requests while a resource is exhausted. Made by [`ResourceGuard::layer`](super::ResourceGuard::layer); clones and
/// services share the guard. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct GuardLayer {
    shared: Arc<Shared>,
}

impl GuardLayer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, Arc::clone(&self.shared))
    }
}
