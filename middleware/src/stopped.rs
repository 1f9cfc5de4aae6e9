//! [`Stopped`]: which protection stopped a request, out of whatever its error is wrapped in.

use std::error::Error;
use std::io;
use std::sync::Arc;

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
/// [`Stopped::find`] looks through them, and through the errors of other crates that name their cause by
/// [`Error::source`]. Of those that hold an error and name only its cause, it knows [`io::Error`], a `Box` and an `Arc` of
/// that, an `Arc<dyn Error>` with or without `Send + Sync`, and a `Box` and an `Arc` of one of the errors below. A `Box<dyn
/// Error>` is no error by itself; look into it, as by `Stopped::find(&*boxed)`.
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
        std::iter::successors(Some(error), |error| next(*error)).take(classify::MAX_DEPTH).find_map(Self::is)
    }

    fn is(error: &'a (dyn Error + 'static)) -> Option<Self> {
        #[cfg(feature = "timeout")]
        if let Some(elapsed) = own(error) {
            return Some(Self::Timeout(elapsed));
        }
        #[cfg(feature = "breaker")]
        if let Some(open) = own(error) {
            return Some(Self::Breaker(open));
        }
        #[cfg(feature = "limit")]
        if let Some(refused) = own(error) {
            return Some(Self::Limit(refused));
        }
        #[cfg(feature = "guard")]
        if let Some(exhausted) = own(error) {
            return Some(Self::Guard(exhausted));
        }
        #[cfg(feature = "shutdown")]
        if let Some(refused) = own(error) {
            return Some(Self::Shutdown(refused));
        }
        #[cfg(feature = "shutdown")]
        if let Some(cut) = own(error) {
            return Some(Self::Cut(cut));
        }
        None
    }
}

/// The error that this one holds, or else the one that it names as its cause.
fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    held(error).or_else(|| error.source())
}

/// The error that one holds which passes it over when it names its cause.
fn held<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = own::<io::Error>(error) {
        return error.get_ref().map(|held| held as _);
    }
    if let Some(error) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**error);
    }
    error.downcast_ref::<Arc<dyn Error>>().map(|error| &**error)
}

/// The error as a `T`, also out of a box or an `Arc` of one.
fn own<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    error
        .downcast_ref::<T>()
        .or_else(|| error.downcast_ref::<Box<T>>().map(|error| &**error))
        .or_else(|| error.downcast_ref::<Arc<T>>().map(|error| &**error))
}

#[cfg(all(test, feature = "timeout"))]
mod tests {
    use std::time::Duration;

    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::Scope;
    use crate::timeout::{self, TimeoutLayer};

    async fn elapsed() -> Elapsed {
        let layer =
            TimeoutLayer::new(&Scope::new(), "attempt", Duration::from_millis(1)).expect("a time above zero");
        let hangs =
            service_fn(|_: http::Request<()>| std::future::pending::<io::Result<http::Response<String>>>());
        match layer.layer(hangs).oneshot(http::Request::new(())).await {
            Err(timeout::Error::Elapsed(elapsed)) => elapsed,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stopped_a_request_is_found_in_whatever_holds_it() {
        let elapsed = elapsed().await;
        let bare = || elapsed.clone();
        let held: [Box<dyn Error>; 9] = [
            Box::new(bare()),
            Box::new(Box::new(bare())),
            Box::new(Arc::new(bare())),
            Box::new(io::Error::other(bare())),
            Box::new(io::Error::other(io::Error::other(bare()))),
            Box::new(Box::new(io::Error::other(bare()))),
            Box::new(Arc::new(io::Error::other(Box::new(bare())))),
            Box::new(Arc::<dyn Error + Send + Sync>::from(Box::from(io::Error::other(bare())))),
            Box::new(Arc::<dyn Error>::from(Box::from(bare()))),
        ];
        for error in held {
            assert_eq!(Stopped::find(&*error), Some(Stopped::Timeout(&elapsed)), "{error:?}");
        }
        assert_eq!(Stopped::find(&io::Error::other("something else")), None);
    }
}
