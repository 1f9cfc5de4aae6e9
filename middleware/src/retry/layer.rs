//! [`RetryLayer`].

use std::sync::Arc;

use tower_layer::Layer;

use super::plan::Plan;
use super::policy::RetryPolicy;
use super::service::Retry;

/// Tries calls again as a policy says. See the [module](super) for an example.
#[derive(Debug, Clone)]
pub struct RetryLayer {
    plan: Arc<Plan>,
}

impl RetryLayer {
    /// A layer that acts by a policy.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "as `RetryLayer::new` of tower takes it")]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { plan: Arc::clone(policy.plan()) }
    }
}

impl<S: Clone> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, Arc::clone(&self.plan))
    }
}
