//! [`Origin`]: who takes a connection.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

thread_local! {
    static CURRENT: Cell<Option<Origin>> = const { Cell::new(None) };
}

/// Who takes a connection: a place in the code or a name. A leak is reported with it.
///
/// Requests that are started inside of [`Origin::scope`] or [`Origin::in_scope`] carry it, and so does what a
/// retry layer around them sends again.
///
/// ```
/// use poolscope::Origin;
///
/// # async fn fetch() {}
/// # async fn run() {
/// Origin::here().scope(fetch()).await;
/// Origin::named("nightly report").scope(fetch()).await;
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Place(&'static Location<'static>),
    Name(&'static str),
}

impl Origin {
    /// The place in the code where this is called.
    #[must_use]
    #[track_caller]
    pub const fn here() -> Self {
        Self(Kind::Place(Location::caller()))
    }

    /// A name.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self(Kind::Name(name))
    }

    /// Runs a future whose requests have this origin. A request starts when the service is called, so the call belongs
    /// inside: `origin.scope(async { service.call(request).await })`.
    pub fn scope<F>(self, future: F) -> OriginScope<F> {
        OriginScope { inner: future, origin: self }
    }

    /// Runs a function whose requests have this origin: those that it starts, as by `Service::call`.
    pub fn in_scope<R>(self, run: impl FnOnce() -> R) -> R {
        let _outer = Outer(CURRENT.replace(Some(self)));
        run()
    }

    #[inline]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Runs a function whose requests have this origin if there is one, and what they would have otherwise.
    pub(crate) fn in_scope_of<R>(origin: Option<Self>, run: impl FnOnce() -> R) -> R {
        match origin {
            Some(origin) => origin.in_scope(run),
            None => run(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Place(place) => write!(f, "{}:{}", place.file(), place.line()),
            Kind::Name(name) => f.write_str(name),
        }
    }
}

/// Puts the outer origin back, also after a panic.
struct Outer(Option<Origin>);

impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

pin_project! {
    /// Future of [`Origin::scope`].
    #[derive(Debug)]
    pub struct OriginScope<F> {
        #[pin]
        inner: F,
        origin: Origin,
    }
}

impl<F: Future> Future for OriginScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.origin.in_scope(|| this.inner.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_callers() {
        let origin = Origin::here();
        assert_eq!(origin.to_string(), format!("{}:{}", file!(), line!() - 1));
    }

    #[tokio::test]
    async fn the_innermost_origin_holds_between_the_polls_too() {
        let outer = Origin::named("outer");
        outer
            .scope(async {
                tokio::task::yield_now().await;
                assert_eq!(Origin::current(), Some(outer));
                Origin::named("inner")
                    .scope(async { assert_eq!(Origin::current(), Some(Origin::named("inner"))) })
                    .await;
                assert_eq!(Origin::current(), Some(outer));
            })
            .await;
        assert_eq!(Origin::current(), None);
    }
}
