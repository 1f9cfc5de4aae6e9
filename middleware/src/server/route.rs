//! The route of a request, as what serves it tells.

use std::cell::Cell;
use std::sync::OnceLock;

#[cfg(feature = "axum")]
use axum::extract::MatchedPath;

thread_local! {
    /// Route of the request that is being polled, if it was told in this poll.
    static TOLD: Cell<Option<Route>> = const { Cell::new(None) };
}

/// Template of a route.
#[derive(Debug, Clone)]
pub(super) enum Route {
    Fixed(&'static str),
    #[cfg(feature = "axum")]
    Matched(MatchedPath),
}

impl Route {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(route) => route,
            #[cfg(feature = "axum")]
            Self::Matched(path) => path.as_str(),
        }
    }
}

/// Tells the template of the route, such as `/orders/{id}`, of the request that is being served here: call it from the service
/// or from the handler, inside of its future. With axum, `RouteLayer` does so.
///
/// It becomes `http.route` of metrics and spans; a server keeps 100 routes, and counts the requests of more together.
pub fn set_route(route: &'static str) {
    TOLD.set(Some(Route::Fixed(route)));
}

#[cfg(feature = "axum")]
pub(super) fn matched(path: MatchedPath) {
    TOLD.set(Some(Route::Matched(path)));
}

/// Runs one poll of a request; keeps the route that is told in it, the first one, also when the poll panics.
#[inline]
pub(super) fn told_in<R>(route: &OnceLock<Route>, poll: impl FnOnce() -> R) -> R {
    let _outer = Outer { route, told: TOLD.take() };
    poll()
}

/// Puts the route of the outer request back.
struct Outer<'a> {
    route: &'a OnceLock<Route>,
    told: Option<Route>,
}

impl Drop for Outer<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(route) = TOLD.replace(self.told.take()) {
            // It has one already where it is told in several polls.
            let _ = self.route.set(route);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_that_of_the_innermost_request() {
        let [inner, outer, none] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        told_in(&outer, || {
            set_route("/outer");
            told_in(&inner, || set_route("/inner"));
            told_in(&none, || ());
        });
        assert_eq!(inner.get().unwrap().as_str(), "/inner");
        assert_eq!(outer.get().unwrap().as_str(), "/outer");
        assert!(none.get().is_none() && TOLD.take().is_none());
    }
}
