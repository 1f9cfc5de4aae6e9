//! Events: OTLP log records with an event name.

/// Defines the constants and the list of all of them in one place, so that none can be left out of [`ALL`].
macro_rules! events {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => {
        $($(#[$doc])* pub const $id: &str = $name;)*
        /// Every event name of the contract.
        pub const ALL: &[&str] = &[$($id),*];
    };
}

events! {
    /// A breaker changed its state.
    BREAKER_TRANSITION = "poolscope.breaker.transition";
    /// A connection was closed.
    CONNECTION_CLOSED = "poolscope.connection.closed";
    /// A connection could not be established.
    CONNECTION_FAILED = "poolscope.connection.failed";
    /// A connection has been held for longer than the leak threshold, and nobody reads its response.
    LEAK_SUSPECTED = "poolscope.leak.suspected";
    /// A connection that was reported as leaked was given back, is read again, or is closed.
    LEAK_RETURNED = "poolscope.leak.returned";
    /// A named timeout fired.
    TIMEOUT_FIRED = "poolscope.timeout.fired";
    /// A call used up its retries and still failed.
    RETRY_EXHAUSTED = "poolscope.retry.exhausted";
    /// A limit of requests in flight refuses requests. At most one a second for each pool, which counts all of them.
    LIMIT_EXCEEDED = "poolscope.limit.exceeded";
    /// A resource is used beyond its soft limit.
    RESOURCE_WARNING = "poolscope.resource.warning";
    /// A resource is used beyond its hard limit, so requests are refused.
    RESOURCE_EXHAUSTED = "poolscope.resource.exhausted";
    /// A resource is below its limits again.
    RESOURCE_RECOVERED = "poolscope.resource.recovered";
    /// What probes say of a destination changed.
    HEALTH_CHANGED = "poolscope.health.changed";
    /// A session ended in another way than that it was completed.
    SESSION_ENDED = "poolscope.session.ended";
    /// A session was told to end and is still there after the time that it had for it.
    SESSION_OVERDUE = "poolscope.session.overdue";
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_in_our_namespace_and_unique() {
        let unique: std::collections::HashSet<_> = super::ALL.iter().collect();
        assert_eq!(unique.len(), super::ALL.len());
        assert!(super::ALL.iter().all(|name| name.starts_with("poolscope.")));
    }
}
