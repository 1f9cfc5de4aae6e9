//! [`ServedResults`]: the requests of a server by route, method and result: the series of `http.server.request.duration`.

use std::sync::{Arc, PoisonError, RwLock};

use papaya::HashMap;
use poolscope_semconv::{attr, metric};

use super::exemplar::Traced;
use super::method::KnownMethod;
use super::mirror::{Mirroring, PoolMirrors};
use super::results::{Outcome, Results};
use super::server_snapshot::ServedResultSnapshot;
use crate::series::{Labels, owned, text, with_served};

/// Most routes of a server; requests of those beyond are counted together.
const MOST_ROUTES: usize = 100;

/// A result of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) method: KnownMethod,
    pub(crate) outcome: Outcome,
    pub(crate) version: http::Version,
    pub(crate) nanos: u64,
}

/// See the [module](self). Recording takes no lock, and allocates only for a route or a result that was never seen before.
pub(crate) struct ServedResults {
    /// Those of requests whose route is not told.
    unrouted: Results,
    routes: HashMap<Box<str>, Arc<Results>, foldhash::fast::RandomState>,
    /// Read only for a route that was never seen before.
    mirrored: RwLock<PoolMirrors>,
}

impl ServedResults {
    pub(crate) fn new() -> Self {
        Self { unrouted: results(), routes: HashMap::default(), mirrored: RwLock::default() }
    }

    #[inline]
    pub(crate) fn record(
        &self,
        route: Option<&str>,
        served: Served,
        traced: impl FnOnce() -> Option<Traced>,
    ) {
        let Served { method, outcome, version, nanos } = served;
        let Some(route) = route else {
            return self.unrouted.record(method, outcome, Some(version), nanos, traced);
        };
        let routes = self.routes.pin();
        let results = routes.get(route).or_else(|| {
            self.make(route);
            routes.get(route)
        });
        match results {
            Some(results) => results.record(method, outcome, Some(version), nanos, traced),
            None => self.unrouted.record_overflow(nanos, traced),
        }
    }

    /// Makes the series of a route, if there is room.
    #[cold]
    fn make(&self, route: &str) {
        let mirrored = self.mirrored.write().unwrap_or_else(PoisonError::into_inner);
        let routes = self.routes.pin();
        if routes.len() >= MOST_ROUTES {
            return;
        }
        routes.get_or_insert_with(route.into(), || {
            let made = results();
            if let Some((mirrors, key)) = &*mirrored {
                made.mirror(Some(mirrors), &with_route(key, route));
            }
            Arc::new(made)
        });
    }

    /// All series, those that are made later too, go to mirrors besides from now on, or to none any more.
    pub(crate) fn mirror(&self, mirrors: Mirroring<'_>, key: &Labels<'_>) {
        let mut mirrored = self.mirrored.write().unwrap_or_else(PoisonError::into_inner);
        *mirrored = mirrors.map(|mirrors| (Arc::clone(mirrors), owned(key)));
        self.unrouted.mirror(mirrors, key);
        for (route, results) in &self.routes.pin() {
            results.mirror(mirrors, &with_route(key, route));
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<ServedResultSnapshot> {
        let rows = |route: Option<&str>, results: &Results| {
            let route = route.map(str::to_owned);
            results
                .snapshot()
                .into_iter()
                .map(move |result| ServedResultSnapshot { route: route.clone(), result })
        };
        let mut all: Vec<_> = rows(None, &self.unrouted).collect();
        let routes = self.routes.pin();
        let mut routed: Vec<_> = routes.iter().collect();
        routed.sort_by_key(|(route, _)| *route);
        all.extend(routed.into_iter().flat_map(|(route, results)| rows(Some(route), results)));
        all
    }
}

fn results() -> Results {
    Results::of(&metric::HTTP_SERVER_REQUEST_DURATION, with_served)
}

fn with_route(key: &Labels<'_>, route: &str) -> Labels<'static> {
    let mut labels = owned(key);
    labels.push(text(attr::HTTP_ROUTE, route.to_owned()));
    labels
}

impl std::fmt::Debug for ServedResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedResults").field("routes", &self.routes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode, Version};

    use super::*;

    #[test]
    fn routes_beyond_the_most_are_counted_together() {
        let results = ServedResults::new();
        let served = Served {
            method: KnownMethod::of(&Method::GET),
            outcome: Outcome::Status(StatusCode::OK),
            version: Version::HTTP_11,
            nanos: 1,
        };
        results.record(None, served, || None);
        for number in 0..MOST_ROUTES + 20 {
            for _ in 0..2 {
                results.record(Some(&format!("/{number}")), served, || None);
            }
        }
        let rows = results.snapshot();
        assert_eq!(rows.len(), 1 + MOST_ROUTES + 1);
        let of = |route: Option<&str>, overflow| {
            let row =
                rows.iter().find(|row| row.route.as_deref() == route && row.result.overflow == overflow);
            row.map(|row| row.result.duration.count())
        };
        assert_eq!((of(None, false), of(Some("/7"), false), of(None, true)), (Some(1), Some(2), Some(40)));
    }
}
