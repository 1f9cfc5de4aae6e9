//! All metrics of a scope through the program's own OpenTelemetry `MeterProvider`.
//!
//! ```
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//! use poolscope::Scope;
//!
//! # fn main() -> Result<(), poolscope::ConfigError> {
//! // What the program has already, with its own readers, views and resource.
//! let provider = SdkMeterProvider::builder().build();
//!
//! let scope = Scope::new();
//! // Before the first request, so that no record of a histogram is missed. Ends when it is dropped.
//! let bridge = poolscope::meter::register(&scope, &provider)?;
//! let payments = scope.client("payments"); // layers for hyper and reqwest are made from it
//! # let _ = payments;
//! # drop(bridge);
//! # Ok(())
//! # }
//! ```
//!
//! # Which door
//!
//! There are two ways out for the same numbers, with the same names, units, attributes and bucket bounds. One is enough: a
//! receiver that gets both has every number twice. The feature `otlp-sdk` is the second one in one call, with a provider of
//! its own and with spans and events.
//!
//! | | `otlp` | `meter` |
//! |---|---|---|
//! | needs | nothing: it starts everything | a program that has a `MeterProvider` |
//! | leaves by | an OTLP exporter of its own | the readers of the provider: Prometheus, OTLP, stdout, any |
//! | views, resource, temporality, interval | its own settings | those of the provider |
//! | a record of a histogram costs | about 10 ns | about 100 to 200 ns more: a look-up of its attributes in the SDK |
//! | histograms begin | with the scope | when it is registered |
//! | histograms of pools and results that are gone | are not sent any more | stay until the provider ends, unless it sends deltas |
//! | a histogram that never counted | is sent with zeros, so that a chart is never empty | is not sent |
//! | exemplars | trace and span of slow and failed requests | none: the SDK sends none |
//! | `poolscope.telemetry.dropped` | what its exporter lost | none: only the provider's pipeline knows |
//!
//! Take `meter` where the program has metrics of its own and wants one pipeline, one set of views and one place to
//! configure; take `otlp` otherwise. Spans and events are not a part of it: spans take their tracer from
//! [`Scope::set_tracer_provider`], events go to any [`Listener`](crate::Listener).
//!
//! # How it works
//!
//! Counters, up-down counters and gauges are observable instruments. All of them that a reader asks in one collection are
//! answered from one snapshot of the scope, so their numbers agree with each other, and a request pays nothing for them. What
//! is gone is not observed any more, and so not exported any more. Several readers each have their own snapshot.
//!
//! The SDK can't take histograms that were counted elsewhere, so each record goes to a histogram of the SDK too, with
//! attributes that were made once for the series. While no bridge is there, a record pays one relaxed load for that.
//!
//! A source of breakers that panics is caught, and the collection is told nothing; the reader goes on. The requests of an
//! exporter, which run where telemetry is suppressed, are not counted.
//!
//! # Many pools
//!
//! The SDK takes 2000 sets of attributes for each instrument unless a view says otherwise, and sums up the rest as
//! `otel.metric.overflow`. The metric with the most series, `poolscope.connection.closed`, has about twenty for each pool, so a
//! program with more than a hundred pools raises the limit:
//!
//! ```
//! use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
//!
//! let provider = SdkMeterProvider::builder()
//!     .with_view(|instrument: &Instrument| {
//!         let is_ours = instrument.scope().name() == "poolscope";
//!         is_ours.then(|| Stream::builder().with_cardinality_limit(50_000).build().ok()).flatten()
//!     })
//!     .build();
//! # let _ = provider;
//! ```

mod collection;
mod instruments;
mod table;

use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::MeterProvider;
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

use crate::scope::ScopeRef;
use crate::{ConfigError, Scope};
use collection::Collections;
#[cfg(test)]
pub(crate) use table::is_float;

/// Registers all metrics of a scope with a meter of this provider, which holds neither the scope nor the bridge. See the
/// [module](self) for an example.
///
/// # Errors
///
/// If the scope has a bridge already: all its readers get the same numbers, so a second one would tell them twice.
pub fn register<P>(scope: &Scope, provider: &P) -> Result<MeterBridge, ConfigError>
where
    P: MeterProvider + ?Sized,
{
    let meter = provider.meter_with_scope(
        InstrumentationScope::builder(SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
    );
    if !scope.begin_mirrors(&instruments::histograms(&meter)) {
        return Err(ConfigError::new(
            "the scope has a bridge to a MeterProvider already; drop that one first, or give one provider several readers",
        ));
    }
    let collections = Arc::new(Collections::new(scope.downgrade()));
    instruments::observe(&meter, &Arc::downgrade(&collections));
    Ok(MeterBridge { scope: scope.downgrade(), _collections: collections })
}

/// A scope's metrics in a `MeterProvider`, until it is dropped.
///
/// From then on the instruments observe nothing. Histograms stay as they are until the provider ends, since the SDK has no
/// way to take a series back; callbacks stay with the provider too, and do nothing. The provider can be registered with
/// again.
#[must_use = "the bridge ends when it is dropped"]
pub struct MeterBridge {
    scope: ScopeRef,
    /// What the callbacks look for, and find only as long as it is here.
    _collections: Arc<Collections>,
}

impl Drop for MeterBridge {
    fn drop(&mut self) {
        if let Some(scope) = self.scope.upgrade() {
            scope.end_mirrors();
        }
    }
}

impl std::fmt::Debug for MeterBridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterBridge").finish_non_exhaustive()
    }
}
