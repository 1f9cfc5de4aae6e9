//! [`SupervisorBuilder`].

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

use super::handle::Supervised;
use super::link::Link;
use super::run::{Plan, start};
use crate::backoff::Backoff;
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// Wait before the second attempt by default, before jitter.
pub const DEFAULT_MIN_WAIT: Duration = Duration::from_millis(250);

/// Longest wait before an attempt by default.
pub const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(30);

/// How long an attempt to connect may take by default.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the close in order may take by default.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection must have been there by default for earlier attempts to count no longer.
pub const DEFAULT_STABLE_AFTER: Duration = Duration::from_secs(10);

/// Messages that wait to be sent by default, at most.
pub const DEFAULT_OUTBOX: usize = 64;

/// Largest share by which a wait is made shorter at random, unless another one is set.
const DEFAULT_JITTER: f64 = 0.5;

/// What each further wait is multiplied by.
const FACTOR: f64 = 2.0;

const SHORTEST: Duration = Duration::from_millis(1);

/// What may last longer has no limit worth the name.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Most bytes of a name, which every point and event of the supervisor carries.
const LONGEST_NAME: usize = 256;

/// How often the other end is asked whether it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) failures: u32,
}

/// Options of a supervisor, made by [`Scope::supervisor`]. See the [module](super) for an example.
#[derive(Debug)]
#[must_use]
pub struct SupervisorBuilder {
    scope: Scope,
    name: String,
    plan: Plan,
    outbox: usize,
}

impl SupervisorBuilder {
    pub(crate) fn new(scope: &Scope, name: String) -> Self {
        let plan = Plan {
            backoff: Backoff {
                base: DEFAULT_MIN_WAIT,
                factor: FACTOR,
                max: DEFAULT_MAX_WAIT,
                jitter: DEFAULT_JITTER,
            },
            max_attempts: None,
            stable_after: DEFAULT_STABLE_AFTER,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
            silence_timeout: None,
            message_timeout: None,
            handler_timeout: None,
            heartbeat: None,
            #[cfg(feature = "breaker")]
            breaker: None,
        };
        Self { scope: scope.clone(), name, plan, outbox: DEFAULT_OUTBOX }
    }

    /// Waits before attempts: the first one, which doubles with each attempt, and the longest. By default, these are
    /// [`DEFAULT_MIN_WAIT`] and [`DEFAULT_MAX_WAIT`].
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        (self.plan.backoff.base, self.plan.backoff.max) = (min, max);
        self
    }

    /// Largest share by which a wait is made shorter at random, from 0 to 1, so that clients that lost their server together
    /// do not come back together. By default, this is one half.
    pub fn jitter(mut self, share: f64) -> Self {
        self.plan.backoff.jitter = share;
        self
    }

    /// Most attempts without a stable connection, at least 1; `None` for as many as it takes, which is the default.
    pub fn max_attempts(mut self, most: impl Into<Option<u32>>) -> Self {
        self.plan.max_attempts = most.into();
        self
    }

    /// How long a connection must have been there for the attempts before it to count no longer, up to a year. A server that
    /// accepts and hangs up is met with waits that grow, too. By default, this is [`DEFAULT_STABLE_AFTER`].
    pub fn stable_after(mut self, after: Duration) -> Self {
        self.plan.stable_after = after;
        self
    }

    /// How long an attempt to connect may take, from 1 ms to a year. By default, this is [`DEFAULT_CONNECT_TIMEOUT`].
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.plan.connect_timeout = timeout;
        self
    }

    /// How long the close in order may take, a handler that is under way included, from 1 ms to a year. By default, this is
    /// [`DEFAULT_CLOSE_TIMEOUT`].
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.plan.close_timeout = timeout;
        self
    }

    /// How long nothing may come, from 1 ms to a year; `None` for ever, which is the default. Right for servers that always
    /// have something to say; for others, see [`heartbeat`](Self::heartbeat).
    pub fn silence_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.plan.silence_timeout = timeout.into();
        self
    }

    /// How long one message may take to be sent, from 1 ms to a year; `None` for ever, which is the default.
    pub fn message_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.plan.message_timeout = timeout.into();
        self
    }

    /// How long the handler may take for one message, from 1 ms to a year; `None` for ever, which is the default.
    pub fn handler_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.plan.handler_timeout = timeout.into();
        self
    }

    /// Asks the other end whether it is there when nothing has come for an interval, and takes it for gone when that many in a
    /// row were not answered within the timeout. Both times are from 1 ms to a year, and one failure is the least. By default,
    /// it is not asked.
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration, failures: u32) -> Self {
        self.plan.heartbeat = Some(Heartbeat { interval, timeout, failures });
        self
    }

    /// Makes no attempt that the breaker of this destination rejects, and tells it how attempts end. `ws` and `wss` are taken
    /// as `http` and `https`, which they begin as: a WebSocket has one breaker with the requests to its server. By default,
    /// there is none.
    ///
    /// ```
    /// use poolscope::{Scope, breaker::BreakerLayer};
    ///
    /// let scope = Scope::new();
    /// let breakers = BreakerLayer::new(&scope);
    /// let prices = scope.supervisor("prices").breaker(&breakers, "wss://prices.example/".parse().unwrap());
    /// # drop(prices);
    /// ```
    #[cfg(feature = "breaker")]
    pub fn breaker(mut self, breakers: &crate::breaker::BreakerLayer, destination: http::Uri) -> Self {
        self.plan.breaker = Some((breakers.clone(), as_http(destination)));
        self
    }

    /// Messages that wait to be sent, at most; at least 1. They outlive a connection: what waits while there is none is sent over
    /// the next. Not so the one that was being sent, see [`Supervised::send`]. By default, this is [`DEFAULT_OUTBOX`].
    pub fn outbox(mut self, most: usize) -> Self {
        self.outbox = most;
        self
    }

    /// Begins: connects by `connect`, again and again, and gives each message that comes to `handler`, one after the other.
    /// While the handler works, nothing is read, so that a server that is too fast is held back.
    ///
    /// An error or a panic of the handler ends the connection, as do those of the connection itself. A second supervisor of
    /// the same name in a scope gets a number.
    ///
    /// # Errors
    ///
    /// A value out of its range, or there is no tokio runtime here.
    pub fn start<L, E, H, C>(
        self,
        connect: impl FnMut() -> C + Send + 'static,
        handler: impl FnMut(L::Incoming) -> H + Send + 'static,
    ) -> Result<Supervised<L::Outgoing>, ConfigError>
    where
        L: Link,
        C: Future<Output = Result<L, E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
        H: Future<Output: Handled> + Send + 'static,
    {
        self.check()?;
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::new(format!("supervisor {} can't start outside of a tokio runtime", self.name))
        })?;
        Ok(start(&self.scope, &self.name, self.plan, self.outbox, &runtime, connect, handler))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Self { name, plan, .. } = self;
        require(!name.trim().is_empty(), || "a supervisor needs a name: it is empty".to_owned())?;
        require(name.len() <= LONGEST_NAME, || {
            format!("the name of the supervisor has {} bytes: it may have {LONGEST_NAME}", name.len())
        })?;
        require(plan.max_attempts != Some(0), || format!("supervisor {name} must make at least 1 attempt"))?;
        require(self.outbox > 0, || format!("supervisor {name} must have room for at least 1 message"))?;
        require((0.0..=1.0).contains(&plan.backoff.jitter), || {
            format!("the jitter of supervisor {name} must be from 0 to 1, not {}", plan.backoff.jitter)
        })?;
        let (min, max) = (plan.backoff.base, plan.backoff.max);
        require(min <= max, || {
            format!(
                "the longest wait of supervisor {name} must not be below its first of {min:?}, as {max:?} is"
            )
        })?;
        require(plan.heartbeat.is_none_or(|beat| beat.failures > 0), || {
            format!("supervisor {name} must let at least 1 heartbeat fail before its connection is gone")
        })?;
        require(plan.stable_after <= LONGEST, || {
            format!(
                "supervisor {name} must take a connection for stable within a year, not {:?}",
                plan.stable_after
            )
        })?;
        let times = [
            ("first wait", Some(min)),
            ("longest wait", Some(max)),
            ("connect timeout", Some(plan.connect_timeout)),
            ("close timeout", Some(plan.close_timeout)),
            ("silence timeout", plan.silence_timeout),
            ("message timeout", plan.message_timeout),
            ("handler timeout", plan.handler_timeout),
            ("heartbeat interval", plan.heartbeat.map(|beat| beat.interval)),
            ("heartbeat timeout", plan.heartbeat.map(|beat| beat.timeout)),
        ];
        for (what, time) in times {
            require(time.is_none_or(|time| (SHORTEST..=LONGEST).contains(&time)), || {
                format!(
                    "the {what} of supervisor {name} must be from 1 ms to a year, not {:?}",
                    time.unwrap_or_default()
                )
            })?;
        }
        Ok(())
    }
}

/// The address as HTTP has it.
#[cfg(feature = "breaker")]
fn as_http(uri: http::Uri) -> http::Uri {
    use http::uri::{Scheme, Uri};
    let scheme = match uri.scheme_str() {
        Some("ws") => Scheme::HTTP,
        Some("wss") => Scheme::HTTPS,
        _ => return uri,
    };
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme);
    Uri::from_parts(parts).unwrap_or(uri)
}

/// What a handler gives back: nothing, or that it failed. Sealed.
pub trait Handled: sealed::Sealed {
    #[doc(hidden)]
    fn error(self) -> Option<String>;
}

impl Handled for () {
    fn error(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Display> Handled for Result<(), E> {
    fn error(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let named = |name: &str| Scope::new().supervisor(name);
        let builder = || named("prices");
        let (none, long) = (Duration::ZERO, LONGEST + SHORTEST);
        let refused = [
            (named(""), "it is empty"),
            (named(&"n".repeat(257)), "has 257 bytes"),
            (builder().max_attempts(0), "at least 1 attempt"),
            (builder().outbox(0), "at least 1 message"),
            (builder().jitter(1.1), "from 0 to 1, not 1.1"),
            (builder().jitter(f64::NAN), "from 0 to 1"),
            (builder().backoff(none, SHORTEST), "first wait of supervisor prices"),
            (builder().backoff(SHORTEST * 2, SHORTEST), "must not be below its first of 2ms, as 1ms is"),
            (builder().backoff(SHORTEST, long), "longest wait"),
            (builder().connect_timeout(none), "connect timeout"),
            (builder().close_timeout(none), "close timeout"),
            (builder().silence_timeout(none), "silence timeout"),
            (builder().message_timeout(none), "message timeout"),
            (builder().handler_timeout(long), "handler timeout"),
            (builder().stable_after(long), "within a year"),
            (builder().heartbeat(none, SHORTEST, 1), "heartbeat interval"),
            (builder().heartbeat(SHORTEST, none, 1), "heartbeat timeout"),
            (builder().heartbeat(SHORTEST, SHORTEST, 0), "at least 1 heartbeat"),
        ];
        for (builder, words) in refused {
            let error = builder.check().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        builder().stable_after(none).heartbeat(SHORTEST, LONGEST, 1).max_attempts(1).check().unwrap();
    }
}
