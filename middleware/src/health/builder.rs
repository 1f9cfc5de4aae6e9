//! [`HealthBuilder`].

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{Method, StatusCode, Uri};
use tower_service::Service;

use super::http::{Asked, ProbeRequest, ProbeResponse};
use super::probe::HealthProbe;
#[cfg(feature = "breaker")]
use crate::breaker::BreakerHandle;
use crate::config_error::require;
use crate::registry::DestinationRef;
use crate::{ConfigError, Scope};

/// Time from one probe to the next by default.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Longest interval: what was seen more than a day ago says nothing of a destination.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Shortest interval, which is how finely the runtime's timers tell time.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// Most bytes of a name, which every point and event of the probe carries.
const LONGEST_NAME: usize = 256;

/// Time that a probe may take by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Largest share by which an interval is made longer at random, by default.
pub const DEFAULT_JITTER: f64 = 0.1;

/// Probes in a row that must fail for a destination to be failing, by default.
pub const DEFAULT_FAILING_AFTER: u32 = 3;

/// Probes in a row that must succeed for a destination to be healthy again, by default.
pub const DEFAULT_HEALTHY_AFTER: u32 = 2;

/// Options of a [`HealthProbe`].
#[derive(Clone)]
#[must_use]
pub struct HealthBuilder {
    pub(super) scope: Scope,
    url: String,
    name: Option<String>,
    method: Method,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) jitter: f64,
    pub(super) slow_from: Option<Duration>,
    pub(super) failing_after: u32,
    pub(super) healthy_after: u32,
    pub(super) expected: Expected,
    #[cfg(feature = "breaker")]
    pub(super) breaker: Option<BreakerHandle>,
}

/// Which statuses are as they should be.
pub(super) type Expected = Arc<dyn Fn(StatusCode) -> bool + Send + Sync>;

impl HealthBuilder {
    pub(super) fn new(scope: &Scope, url: String) -> Self {
        Self {
            scope: scope.clone(),
            url,
            name: None,
            method: Method::GET,
            interval: DEFAULT_INTERVAL,
            timeout: DEFAULT_TIMEOUT,
            jitter: DEFAULT_JITTER,
            slow_from: None,
            failing_after: DEFAULT_FAILING_AFTER,
            healthy_after: DEFAULT_HEALTHY_AFTER,
            expected: Arc::new(|status| status.is_success()),
            #[cfg(feature = "breaker")]
            breaker: None,
        }
    }

    /// Its name in telemetry, of at most 256 bytes; a second probe of one name in a scope gets a number. By default, this is
    /// the destination, as `http://pay.example:80`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Method of the requests, which have no body; any but `CONNECT`. By default, this is `GET`.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Which statuses are as they should be. By default, these are all from 200 to 299.
    pub fn expect(mut self, expected: impl Fn(StatusCode) -> bool + Send + Sync + 'static) -> Self {
        self.expected = Arc::new(expected);
        self
    }

    /// Time from the start of one probe to the start of the next, from 1 ms to a day. By default, this is
    /// [`DEFAULT_INTERVAL`].
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Time that a probe may take, to the end of its answer; at most the interval, since there is one probe at a time. By
    /// default, this is [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Largest share by which an interval is made longer at random, from 0 to 1, so that not all instances of a service
    /// probe at the same moment. By default, this is [`DEFAULT_JITTER`].
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// From how long on a probe that succeeded was slow, below the timeout. By default, none is.
    pub fn slow_from(mut self, from: Duration) -> Self {
        self.slow_from = Some(from);
        self
    }

    /// Probes in a row that must fail for the destination to be failing; fewer make it degraded. By default, this is
    /// [`DEFAULT_FAILING_AFTER`].
    pub fn failing_after(mut self, probes: u32) -> Self {
        self.failing_after = probes;
        self
    }

    /// Probes in a row that must succeed for the destination to be healthy again. By default, this is
    /// [`DEFAULT_HEALTHY_AFTER`].
    pub fn healthy_after(mut self, probes: u32) -> Self {
        self.healthy_after = probes;
        self
    }

    /// Has each probe count in the breaker of the destination like a call, see [`BreakerHandle::probed`], once there is one: the
    /// first call makes it. The service that sends the probes must not have the same breaker around it, or an open one would
    /// reject them.
    ///
    /// **Only for a path that fails when calls do.** A probe that succeeds ends the time that the breaker stays open and counts
    /// as a trial call. So a shallow path, which answers 200 as long as the process lives, undoes both while calls go on failing:
    /// the breaker is half open again at each interval instead of after its open time, and may be closed by probes alone. Use it
    /// where the path does what calls need (its database, say), and where calls are too rare to find out by themselves;
    /// leave it out otherwise, as without it the probe only tells. An interval near the open time keeps the harm small.
    #[cfg(feature = "breaker")]
    pub fn feeds(mut self, breaker: &BreakerHandle) -> Self {
        self.breaker = Some(breaker.clone());
        self
    }

    /// Starts to probe, at once and through a clone of the service for each probe.
    ///
    /// # Errors
    ///
    /// A value out of its range, or two that exclude each other; no tokio runtime to run in.
    pub fn spawn<S, R>(self, service: S) -> Result<HealthProbe, ConfigError>
    where
        S: Service<R> + Clone + Send + 'static,
        S::Response: ProbeResponse<Body: Send> + Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send,
        R: ProbeRequest + Send + 'static,
    {
        let asked = self.check()?;
        let made = R::make(&asked);
        made.map_err(|error| ConfigError::new(format!("{} can't be probed: {error}", self.url)))?;
        HealthProbe::start(self, asked, service)
    }

    /// The name, or else the destination.
    pub(super) fn name_of(&self, destination: &str) -> String {
        self.name.clone().unwrap_or_else(|| destination.to_owned())
    }

    fn check(&self) -> Result<Asked, ConfigError> {
        let url = &self.url;
        let uri: Uri = url.parse().map_err(|error| {
            ConfigError::new(format!("{url} can't be probed: it is no URL, since it has an {error}"))
        })?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        require(is_http && DestinationRef::from_uri(&uri).is_some(), || {
            format!("{url} can't be probed: it must begin with http:// or https:// and name a host")
        })?;
        let authority = uri.authority().map_or("", Authority::as_str);
        let host_and_port = authority.rsplit('@').next().unwrap_or_default();
        // A port that is no number up to 65,535 is not told as one.
        let is_default = host_and_port.ends_with(':') || Some(host_and_port) == uri.host();
        require(is_default || uri.port_u16().is_some_and(|port| port > 0), || {
            format!("{url} can't be probed: its port must be from 1 to 65535")
        })?;
        require(self.method != Method::CONNECT, || {
            format!("{url} can't be probed by CONNECT: it opens a tunnel, and has no answer to read")
        })?;
        require(self.name.as_ref().is_none_or(|name| !name.trim().is_empty()), || {
            format!("the name of the probes of {url} is empty; leave it out to have that of the destination")
        })?;
        let name = self.name.as_ref().map_or(authority, String::as_str);
        require(name.len() <= LONGEST_NAME, || {
            format!("the name of the probes has {} bytes: it may have {LONGEST_NAME}", name.len())
        })?;
        require((SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.interval), || {
            format!("the interval of the probes of {url} must be from 1 ms to a day, not {:?}", self.interval)
        })?;
        require(!self.timeout.is_zero(), || {
            format!("the timeout of the probes of {url} must be above zero")
        })?;
        require(self.timeout <= self.interval, || {
            let (timeout, interval) = (self.timeout, self.interval);
            format!(
                "the timeout of the probes of {url}, {timeout:?}, must not be longer than their interval, {interval:?}, \
                 since there is one at a time"
            )
        })?;
        require((0.0..=1.0).contains(&self.jitter), || {
            format!("the jitter of the probes of {url} must be from 0 to 1, not {}", self.jitter)
        })?;
        require(self.slow_from.is_none_or(|from| !from.is_zero() && from < self.timeout), || {
            format!(
                "the time from which on a probe of {url} is slow must be above zero and below its timeout"
            )
        })?;
        require(self.failing_after > 0 && self.healthy_after > 0, || {
            format!("{url} must be failing after at least 1 probe, and healthy again after at least 1")
        })?;
        Ok(Asked { method: self.method.clone(), uri })
    }
}

impl fmt::Debug for HealthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthBuilder")
            .field("url", &self.url)
            .field("method", &self.method)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let to = |url: &str| HealthProbe::builder(&Scope::new(), url);
        let builder = || to("http://pay.example/health");
        let second = Duration::from_secs(1);
        let refused = [
            (to("/health"), "must begin with http"),
            (to("ftp://pay.example/"), "must begin with http"),
            (to("not a url"), "it is no URL"),
            (to("http://h:0/"), "port must be from 1 to 65535"),
            (to("http://h:65536/"), "port must be from 1 to 65535"),
            (to("http://user:pw@[::1]:99999/"), "port must be from 1 to 65535"),
            (builder().method(Method::CONNECT), "can't be probed by CONNECT"),
            (builder().name(""), "is empty"),
            (builder().name(" \n"), "is empty"),
            (builder().name("n".repeat(257)), "has 257 bytes: it may have 256"),
            (to(&format!("http://{}/", "h".repeat(300))), "has 300 bytes: it may have 256"),
            (builder().interval(Duration::ZERO), "from 1 ms to a day"),
            (
                builder().interval(Duration::from_nanos(1)).timeout(Duration::from_nanos(1)),
                "from 1 ms to a day",
            ),
            (builder().interval(Duration::MAX), "from 1 ms to a day"),
            (builder().timeout(Duration::ZERO), "timeout"),
            (builder().interval(second).timeout(2 * second), "must not be longer than their interval"),
            (builder().jitter(1.5), "from 0 to 1"),
            (builder().jitter(f64::NAN), "from 0 to 1"),
            (builder().slow_from(second), "below its timeout"),
            (builder().slow_from(Duration::ZERO), "above zero"),
            (builder().failing_after(0), "at least 1"),
            (builder().healthy_after(0), "at least 1"),
        ];
        for (builder, words) in refused {
            let error = builder.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        builder().interval(second).timeout(second).slow_from(second / 2).jitter(1.0).check().unwrap();
        builder().name("n".repeat(256)).interval(LONGEST_INTERVAL).check().unwrap();
        for url in [
            "http://h",
            "http://h:/",
            "http://h:65535",
            "http://user:pw@h/",
            "https://user@[::1]",
            "http://[::1]:1/",
        ] {
            to(url).check().unwrap();
        }
    }
}
