//! [`Stopped`]: which protection stopped a request, out of whatever its error is wrapped in.

use std::error::Error;

#[cfg(feature = "breaker")]
use crate::breaker::BreakerOpen;
use crate::classify;
#[cfg(feature = "guard")]
use crate::guard::ResourcesExhausted;
#[cfg(feature = "limit")]
use crate::limit;
#[cfg(feature = "shutdown")]
use crate::shutdown;
#[cfg(feature = "timeout")]
use crate::timeout::Elapsed;

/// Which protection stopped a request.
///
/// Layers wrap the errors of what is inside of them, so the error of a whole stack has many layers itself.
/// [`Stopped::find`] looks through them, and through boxes and the errors of other crates that name their cause.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use poolscope::{Scope, Stopped, breaker::BreakerLayer, timeout::TimeoutLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scope = Scope::new();
/// let client = ServiceBuilder::new()
///     .layer(BreakerLayer::new(&scope))
///     .layer(TimeoutLayer::new(&scope, "attempt", Duration::from_secs(1))?)
///     .service(service_fn(|_: Request<()>| std::future::pending::<std::io::Result<Response<String>>>()));
///
/// let error = client.oneshot(Request::get("http://pay.example/").body(())?).await.unwrap_err();
/// assert!(matches!(Stopped::find(&error), Some(Stopped::Timeout(elapsed)) if &*elapsed.name == "attempt"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stopped<'a> {
    /// A named timeout fired.
    #[cfg(feature = "timeout")]
    Timeout(&'a Elapsed),
    /// A breaker did not let it through.
    #[cfg(feature = "breaker")]
    Breaker(&'a BreakerOpen),
    /// A limit did not let it through.
    #[cfg(feature = "limit")]
    Limit(&'a limit::Refused),
    /// The process would run out of a resource.
    #[cfg(feature = "guard")]
    Guard(&'a ResourcesExhausted),
    /// The program shuts down, and did not take it.
    #[cfg(feature = "shutdown")]
    Shutdown(&'a shutdown::Refused),
    /// The program has shut down before it was over.
    #[cfg(feature = "shutdown")]
    Cut(&'a shutdown::Cut),
}

impl<'a> Stopped<'a> {
    /// What stopped the request that ended with this error; `None` if none of the layers of this crate did.
    #[must_use]
    pub fn find(error: &'a (dyn Error + 'static)) -> Option<Self> {
        classify::causes(error).find_map(Self::is)
    }

    fn is(error: &'a (dyn Error + 'static)) -> Option<Self> {
        #[cfg(feature = "timeout")]
        if let Some(elapsed) = error.downcast_ref() {
            return Some(Self::Timeout(elapsed));
        }
        #[cfg(feature = "breaker")]
        if let Some(open) = error.downcast_ref() {
            return Some(Self::Breaker(open));
        }
        #[cfg(feature = "limit")]
        if let Some(refused) = error.downcast_ref() {
            return Some(Self::Limit(refused));
        }
        #[cfg(feature = "guard")]
        if let Some(exhausted) = error.downcast_ref() {
            return Some(Self::Guard(exhausted));
        }
        #[cfg(feature = "shutdown")]
        if let Some(refused) = error.downcast_ref() {
            return Some(Self::Shutdown(refused));
        }
        #[cfg(feature = "shutdown")]
        if let Some(cut) = error.downcast_ref() {
            return Some(Self::Cut(cut));
        }
        None
    }
}
