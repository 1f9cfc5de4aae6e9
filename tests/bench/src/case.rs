//! What is measured: HTTP clients, a server and a service, and what is put around each.

use std::fmt;

use clap::ValueEnum;

/// What is below the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stack {
    /// hyper-util's legacy client over HTTP/1.1
    #[value(name = "hyper-h1")]
    HyperHttp1,
    /// The same over HTTP/2: one connection
    #[value(name = "hyper-h2")]
    HyperHttp2,
    /// reqwest over HTTP/1.1
    Reqwest,
    /// hyper-util's server over HTTP/1.1, asked by a client in its process
    Server,
    /// A service that answers at once, without a socket
    Service,
}

/// What is put around the client, the server or the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// Nothing
    Bare,
    /// Our connect layer
    Connector,
    /// Our connect layer and request layer, or our server: all metrics, no tracer
    Full,
    /// The same, and each request tells its route
    FullRoute,
    /// The same with a tracer that samples nothing
    FullUnsampled,
    /// The same with a tracer that samples everything, a batch processor and an exporter that drops
    FullSampled,
    /// tower-otel's spans; nothing is sampled
    TowerOtelTrace,
    /// tower-otel's metrics
    TowerOtelMetrics,
    /// tower-otel's metrics and spans; nothing is sampled
    #[value(name = "tower-otel-metrics+trace")]
    TowerOtelMetricsTrace,
    /// tower-http's `TraceLayer`; nothing is sampled, and it injects no header
    TowerHttpTrace,
    /// tower-http's `TraceLayer` in a program without a subscriber
    TowerHttpTraceNoSubscriber,
    /// reqwest-middleware without a middleware
    ReqwestMiddleware,
    /// reqwest-tracing; nothing is sampled
    ReqwestTracing,
    /// Our circuit breaker with its defaults
    Breaker,
    /// The circuit breaker of tower-resilience
    TowerResilienceBreaker,
    /// failsafe's breaker that counts consecutive failures
    FailsafeBreaker,
    /// Our timeout of whole calls
    Timeout,
    /// Our timeout, with a limit that adapts
    AdaptiveTimeout,
    /// tower's timeout
    TowerTimeout,
    /// Our retry layer with its defaults
    Retry,
    /// tower's retry layer with a policy that tries nothing again
    TowerRetry,
    /// Our limit of requests in flight
    Limit,
    /// tower's limit of requests in flight
    TowerLimit,
    /// Our breaker, limit, timeout and retry together, in the order of our stack
    #[value(name = "stack")]
    All,
}

impl Case {
    /// The cases that there are on a stack, [`Case::Bare`] first.
    #[must_use]
    pub fn of(stack: Stack) -> &'static [Self] {
        match stack {
            Stack::HyperHttp1 | Stack::HyperHttp2 => &[
                Self::Bare,
                Self::Connector,
                Self::Full,
                Self::FullUnsampled,
                Self::FullSampled,
                Self::TowerOtelTrace,
                Self::TowerOtelMetrics,
                Self::TowerOtelMetricsTrace,
                Self::TowerHttpTrace,
                Self::TowerHttpTraceNoSubscriber,
            ],
            Stack::Reqwest => &[
                Self::Bare,
                Self::Connector,
                Self::Full,
                Self::FullUnsampled,
                Self::FullSampled,
                Self::ReqwestMiddleware,
                Self::ReqwestTracing,
            ],
            Stack::Server => &[
                Self::Bare,
                Self::Full,
                Self::FullRoute,
                Self::FullUnsampled,
                Self::FullSampled,
                Self::TowerOtelTrace,
                Self::TowerOtelMetrics,
                Self::TowerOtelMetricsTrace,
                Self::TowerHttpTrace,
                Self::TowerHttpTraceNoSubscriber,
            ],
            Stack::Service => &[
                Self::Bare,
                Self::Breaker,
                Self::TowerResilienceBreaker,
                Self::FailsafeBreaker,
                Self::Timeout,
                Self::AdaptiveTimeout,
                Self::TowerTimeout,
                Self::Retry,
                Self::TowerRetry,
                Self::Limit,
                Self::TowerLimit,
                Self::All,
            ],
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(self).as_str())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(self).as_str())
    }
}

/// The name on the command line and in results.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
