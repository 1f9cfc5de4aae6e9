//! [`LimitBuilder`]: the options of a limit and their defaults.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::layer::LimitLayer;
use super::plan::Plan;
use crate::config_error::require;
use crate::registry::{Aimd, Destination, DestinationRef, Gate};
use crate::{ClientScope, ConfigError};

/// Requests in flight to one destination by default.
pub const DEFAULT_PER_DESTINATION: u32 = 100;

/// Requests that may wait at one limit by default.
pub const DEFAULT_MAX_QUEUED: u32 = 1_000;

/// How long a request waits for its turn by default, at most.
pub const DEFAULT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is left of a limit that finds itself when it falls, by default.
pub const DEFAULT_BACKOFF: f64 = 0.9;

/// How a limit finds itself; see the [module](super).
#[derive(Debug, Clone)]
#[must_use]
pub struct Adaptive {
    aimd: Aimd,
}

impl Adaptive {
    /// A limit between these bounds, both included. It begins at what [`LimitBuilder::per_destination`] says, or at the
    /// bound that is nearer to it.
    pub fn between(min: u32, max: u32) -> Self {
        Self { aimd: Aimd { min, max, backoff: DEFAULT_BACKOFF, slow_from: None } }
    }

    /// What is left of the limit when it falls, above 0 and below 1. By default, this is [`DEFAULT_BACKOFF`].
    pub fn backoff(mut self, share: f64) -> Self {
        self.aimd.backoff = share;
        self
    }

    /// Time to the head of an answer from which on the destination has too much to do. By default, time says nothing.
    pub fn slow_from(mut self, time: Duration) -> Self {
        self.aimd.slow_from = Some(time);
        self
    }
}

/// Options of a [`LimitLayer`].
#[derive(Debug)]
#[must_use]
pub struct LimitBuilder {
    client: ClientScope,
    per_destination: u32,
    of_destinations: Vec<(Option<Destination>, u32)>,
    total: Option<u32>,
    max_queued: u32,
    acquire_timeout: Duration,
    adaptive: Option<Aimd>,
}

impl LimitBuilder {
    pub(super) fn new(client: &ClientScope) -> Self {
        Self {
            client: client.clone(),
            per_destination: DEFAULT_PER_DESTINATION,
            of_destinations: Vec::new(),
            total: None,
            max_queued: DEFAULT_MAX_QUEUED,
            acquire_timeout: DEFAULT_ACQUIRE_TIMEOUT,
            adaptive: None,
        }
    }

    /// Most requests in flight to one destination (scheme, host and port). By default, this is
    /// [`DEFAULT_PER_DESTINATION`].
    pub fn per_destination(mut self, max: u32) -> Self {
        self.per_destination = max;
        self
    }

    /// Like [`per_destination`](Self::per_destination) for the one destination of this URI. The last word on it counts.
    pub fn destination(mut self, uri: &Uri, max: u32) -> Self {
        self.of_destinations.push((DestinationRef::from_uri(uri).map(|of| of.to_owned()), max));
        self
    }

    /// Most requests in flight of the client, to all destinations together. A request takes its turn at its destination
    /// first, so that a slow one holds up no other, as long as it may not take all places: where the limit of a destination
    /// is as high as this one or higher, it can. By default, there is no such limit.
    ///
    /// Layers of one client share it, so all that name one must name the same. How many may wait at it is what the first of
    /// them says.
    pub fn total(mut self, max: u32) -> Self {
        self.total = Some(max);
        self
    }

    /// Most requests that may wait at a limit; 0 to refuse at once. By default, this is [`DEFAULT_MAX_QUEUED`].
    pub fn max_queued(mut self, max: u32) -> Self {
        self.max_queued = max;
        self
    }

    /// How long a request may wait for its turn, for both limits together. By default, this is
    /// [`DEFAULT_ACQUIRE_TIMEOUT`].
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Lets the limit of each destination find itself. By default, it stays as it is.
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.adaptive = Some(adaptive.aimd);
        self
    }

    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// A value out of its range, a URI that names no host, or a total that differs from the one that the client has.
    pub fn build(self) -> Result<LimitLayer, ConfigError> {
        self.check()?;
        let total = self.total_gate()?;
        Ok(LimitLayer::new(Plan {
            client: self.client,
            per_destination: self.per_destination,
            of_destinations: self
                .of_destinations
                .into_iter()
                .filter_map(|(of, max)| Some((of?, max)))
                .collect(),
            total,
            max_queued: self.max_queued,
            acquire_timeout: self.acquire_timeout,
            adaptive: self.adaptive,
        }))
    }

    /// The gate of all requests of the client, if there is to be one.
    fn total_gate(&self) -> Result<Option<Arc<Gate>>, ConfigError> {
        let Some(max) = self.total else { return Ok(None) };
        let gate = self.client.total_limit(|| Gate::new(max, self.max_queued, None));
        require(gate.limit() == max, || {
            format!(
                "client {} has a limit of {} for all its requests by another layer, and cannot have one of {max} too",
                self.client.name(),
                gate.limit()
            )
        })?;
        Ok(Some(Arc::clone(gate)))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let client = self.client.name();
        let is_some = |max: u32, of: &str| {
            require(max > 0, || {
                format!("the limit of {of} of client {client} is zero; no request would ever be let through")
            })
        };
        is_some(self.per_destination, "a destination")?;
        for (destination, max) in &self.of_destinations {
            let named = destination.as_ref().map(ToString::to_string);
            let named = named.ok_or_else(|| {
                ConfigError::new(format!(
                    "a limit of client {client} is for a URI without a host; name a destination like https://host.example"
                ))
            })?;
            is_some(*max, &named)?;
        }
        if let Some(total) = self.total {
            is_some(total, "all requests")?;
        }
        require(!self.acquire_timeout.is_zero(), || {
            format!(
                "the acquire timeout of client {client} is zero; to refuse at once, let no request wait by max_queued(0)"
            )
        })?;
        self.adaptive.as_ref().map_or(Ok(()), |aimd| check_adaptive(aimd, client))
    }
}

fn check_adaptive(aimd: &Aimd, client: &str) -> Result<(), ConfigError> {
    require(aimd.min > 0, || {
        format!("the least limit of client {client} is zero; no request would ever be let through again")
    })?;
    require(aimd.min <= aimd.max, || {
        format!(
            "the least limit of client {client} is {}, which is above its greatest, {}",
            aimd.min, aimd.max
        )
    })?;
    require(aimd.backoff > 0.0 && aimd.backoff < 1.0, || {
        format!("the backoff of the limit of client {client} must be between 0 and 1, not {}", aimd.backoff)
    })?;
    require(aimd.slow_from.is_none_or(|time| !time.is_zero()), || {
        format!("answers of client {client} are slow from zero on; name a time in which one can come")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let scope = Scope::new();
        let builder = || LimitLayer::builder(&scope.client("c"));
        let uri = Uri::from_static;
        let refused = [
            (builder().per_destination(0), "the limit of a destination of client c is zero"),
            (
                builder().destination(&uri("http://a.example"), 0),
                "the limit of http://a.example:80 of client c",
            ),
            (builder().destination(&uri("/path"), 1), "without a host"),
            (builder().total(0), "the limit of all requests of client c is zero"),
            (builder().acquire_timeout(Duration::ZERO), "max_queued(0)"),
            (builder().adaptive(Adaptive::between(0, 1)), "the least limit"),
            (builder().adaptive(Adaptive::between(2, 1)), "above its greatest, 1"),
            (builder().adaptive(Adaptive::between(1, 2).backoff(1.0)), "backoff"),
            (builder().adaptive(Adaptive::between(1, 2).backoff(f64::NAN)), "backoff"),
            (builder().adaptive(Adaptive::between(1, 2).slow_from(Duration::ZERO)), "slow from zero on"),
        ];
        for (builder, words) in refused {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(builder().total(1).build().is_ok());
    }

    #[test]
    fn layers_of_one_client_have_one_total() {
        let scope = Scope::new();
        let builder = || LimitLayer::builder(&scope.client("c"));
        builder().total(50).build().unwrap();
        let refused = builder().total(5).build().unwrap_err().to_string();
        assert!(refused.starts_with("client c has a limit of 50 for all its requests"), "{refused}");
        assert!(builder().total(50).per_destination(1).build().is_ok());
        assert!(builder().build().is_ok(), "one without a total has none");
        assert!(LimitLayer::builder(&scope.client("d")).total(5).build().is_ok());
    }
}
