//! [`RetryPolicy`].

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::time::Sleep;
use tower::retry::Policy;

use super::builder::RetryPolicyBuilder;
use super::call::Call;
use super::plan::Plan;
use super::replay::Replay;
use crate::Scope;
use crate::http_message::Answered;

/// Decides which calls are tried again and when. See the [module](super) for an example.
#[derive(Debug)]
pub struct RetryPolicy {
    plan: Arc<Plan>,
    /// The call that this clone is in. Only tower's retry layer makes such clones, one for each call.
    call: Option<Call<Plan>>,
    /// A call has begun, and the next clone is its.
    begun: AtomicBool,
}

impl RetryPolicy {
    /// A policy with the default options, counted under a name.
    #[must_use]
    pub fn new(scope: &Scope, name: &str) -> Self {
        Self::builder(scope, name).finish()
    }

    /// A policy with options of its own, counted under a name.
    pub fn builder(scope: &Scope, name: &str) -> RetryPolicyBuilder {
        RetryPolicyBuilder::new(scope, name)
    }

    pub(super) fn from_plan(plan: Plan) -> Self {
        Self { plan: Arc::new(plan), call: None, begun: AtomicBool::new(false) }
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

/// tower clones the policy right after it has asked it to clone a request, and keeps that clone for the call. Every other
/// clone is just one more policy.
impl Clone for RetryPolicy {
    fn clone(&self) -> Self {
        let call = self.begun.swap(false, Relaxed).then(|| Call::new(&self.plan));
        Self { plan: Arc::clone(&self.plan), call, begun: AtomicBool::new(false) }
    }
}

impl<R, Res, E> Policy<R, Res, E> for RetryPolicy
where
    R: Replay,
    Res: Answered,
    E: StdError + 'static,
{
    type Future = Sleep;

    fn retry(&mut self, request: &mut R, result: &mut Result<Res, E>) -> Option<Self::Future> {
        let call = self.call.get_or_insert_with(|| Call::new(&self.plan));
        let delay = call.judge(result, self.plan.is_safe(request), || request.target().text())?;
        Some(tokio::time::sleep(delay))
    }

    fn clone_request(&mut self, request: &R) -> Option<R> {
        let clone = request.replay()?;
        match &mut self.call {
            // Asked inside of a call, it is to begin another attempt.
            // The service that tower calls next is out of reach here.
            Some(call) => call.resend(|| ()),
            None => self.begun.store(true, Relaxed),
        }
        Some(clone)
    }
}
