//! [`LimitLayer`].

use std::sync::Arc;

use tower_layer::Layer;

use super::builder::LimitBuilder;
use super::plan::Plan;
use super::service::Limit;
use crate::ClientScope;

/// Bounds the requests in flight. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct LimitLayer {
    plan: Arc<Plan>,
}

impl LimitLayer {
    /// Options of a limit of the pools of a client.
    pub fn builder(client: &ClientScope) -> LimitBuilder {
        LimitBuilder::new(client)
    }

    pub(super) fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan) }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit::new(inner, Arc::clone(&self.plan))
    }
}
