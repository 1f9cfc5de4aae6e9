//! [`ServerBuilder`].

use std::time::Duration;

use super::handle::Server;
use super::listener::LONGEST_KEPT_ALIVE;
use super::rules::{AtLimit, Rules};
use super::shared::Shared;
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// Most connections of a server by default.
pub const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// How long a connection may be idle by default. Longer than what load balancers wait by default, so that they close first.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long the head of a request may take by default.
pub const DEFAULT_HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the body of a request may stand still by default.
pub const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may read nothing of what is sent to it, by default.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may be silent before the kernel asks whether it is there, by default.
pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(30);

/// How long a connection that is to end may go on for its requests, by default.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a TLS handshake may take by default.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most TLS handshakes at a time by default.
pub const DEFAULT_MAX_HANDSHAKES: usize = 256;

/// Shortest time from one sweep to the next.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// How finely the runtime's timers tell time.
const SHORTEST: Duration = Duration::from_millis(1);

/// What may last longer has no limit worth the name.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Most bytes of a name, which every point and event of the server carries.
const LONGEST_NAME: usize = 256;

/// Options of a [`Server`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ServerBuilder {
    scope: Scope,
    name: String,
    rules: Rules,
}

impl ServerBuilder {
    pub(crate) fn new(scope: &Scope, name: String) -> Self {
        let rules = Rules {
            max_connections: Some(DEFAULT_MAX_CONNECTIONS),
            at_limit: AtLimit::default(),
            max_age: None,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            headers_timeout: Some(DEFAULT_HEADERS_TIMEOUT),
            read_timeout: Some(DEFAULT_READ_TIMEOUT),
            write_timeout: Some(DEFAULT_WRITE_TIMEOUT),
            keepalive: Some(DEFAULT_KEEPALIVE),
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            ends_upgraded: false,
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            max_handshakes: DEFAULT_MAX_HANDSHAKES,
            sweep_interval: SWEEP_INTERVAL,
        };
        Self { scope: scope.clone(), name, rules }
    }

    /// Most connections at a time, at least 1, those included whose TLS handshake is not over; `None` for no limit. By
    /// default, this is [`DEFAULT_MAX_CONNECTIONS`].
    ///
    /// Those that are [refused](AtLimit::Refuse) don't count among them, and each is counted as rejected. In a flood not each
    /// reads why: 64 at a time are answered, and have a second for it; more are closed as they come.
    pub fn max_connections(mut self, max: impl Into<Option<usize>>) -> Self {
        self.rules.max_connections = max.into();
        self
    }

    /// What happens to a connection beyond the limit. By default, it is refused.
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.rules.at_limit = at_limit;
        self
    }

    /// How old a connection may become, from 1 ms to a year, each by up to a tenth less or more, so that those that came
    /// together don't go together; `None` for ever, which is the default. One that is idle then ends at once, and others
    /// when their requests have, for which they have the [drain timeout](Self::drain_timeout).
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.rules.max_age = age.into();
        self
    }

    /// How long a connection may have no request, from 1 ms to a year; `None` for ever. By default, this is
    /// [`DEFAULT_IDLE_TIMEOUT`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.rules.idle_timeout = timeout.into();
        self
    }

    /// How long the head of a request over HTTP/1 may take from its first byte, from 1 ms to a year; `None` for ever. By
    /// default, this is [`DEFAULT_HEADERS_TIMEOUT`]. Over HTTP/2, a head that does not come is no request, and the idle timeout
    /// holds. So it does for a head whose first bytes came before the answer to the request before it was sent: where in those
    /// bytes a body ended and the head began, only hyper knows.
    pub fn headers_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.rules.headers_timeout = timeout.into();
        self
    }

    /// How long the body of a request may stand still while the handler waits for it, from 1 ms to a year; `None` for ever.
    /// The body fails then. By default, this is [`DEFAULT_READ_TIMEOUT`].
    pub fn read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.rules.read_timeout = timeout.into();
        self
    }

    /// How long a client may read nothing of what is sent to it, from 1 ms to a year; `None` for ever. By default, this is
    /// [`DEFAULT_WRITE_TIMEOUT`].
    ///
    /// Over TCP on Linux the kernel is asked, four times in this time, what the client has acknowledged of what is on its way (less
    /// often where that would be more than one connection each 0.5 ms): it is cut when that was nothing more for so long. So a
    /// client that is gone is found by the little that is sent to it, and one that reads slowly goes on, as long as its own kernel
    /// tells of room, for which up to half of its receive buffer must have been read. And where an answer is larger than the send
    /// buffer, a third of that must be free again within ten times this time. Elsewhere, and where the process may not ask
    /// (`NETLINK_SOCK_DIAG`, or a socket of another network namespace), that must be so within the timeout itself. Over HTTP/2, something of some stream must be read.
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.rules.write_timeout = timeout.into();
        self
    }

    /// How long a client may be silent, in whole seconds from 1 to 32,767, before the kernel asks whether it is there; `None` for
    /// never. One that does not answer for as long again is gone ([`Unresponsive`](super::ServerCloseReason::Unresponsive)), and
    /// so is what is done for it: a handler that has nothing to say for long, as of a long poll, would never notice. By default,
    /// this is [`DEFAULT_KEEPALIVE`]. Over TCP on Linux; elsewhere it is what the socket has, and so it is where the listening
    /// socket has keepalive on already.
    ///
    /// A client that is there may wait for as long as it likes: how long a handler takes is bounded by a timeout around the
    /// service, such as that of `tower`.
    pub fn keepalive(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.rules.keepalive = time.into();
        self
    }

    /// How long a connection that is too old or too long idle may go on until it has ended in order, from 1 ms to a year;
    /// then it is cut. By default, this is [`DEFAULT_DRAIN_TIMEOUT`].
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.rules.drain_timeout = timeout;
        self
    }

    /// Whether the maximum age, the idle timeout, now from the last byte, and the write timeout hold for connections too that
    /// left HTTP, such as WebSockets. By default, they don't: their sessions have limits of their own, and the
    /// [keepalive](Self::keepalive) finds those whose client is gone. Over HTTP/2, where one stream leaves HTTP, the write timeout
    /// holds in either case, since the others have not.
    pub fn ends_upgraded(mut self, ends: bool) -> Self {
        self.rules.ends_upgraded = ends;
        self
    }

    /// How long a TLS handshake may take, from 1 ms to a year. By default, this is [`DEFAULT_HANDSHAKE_TIMEOUT`].
    #[cfg(feature = "server-tls")]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handshake_timeout = timeout;
        self
    }

    /// Most TLS handshakes at a time, at least 1; connections beyond are closed. By default, this is
    /// [`DEFAULT_MAX_HANDSHAKES`].
    #[cfg(feature = "server-tls")]
    pub fn max_handshakes(mut self, max: usize) -> Self {
        self.rules.max_handshakes = max;
        self
    }

    /// Makes the server. A second one of the same name in a scope gets a number.
    ///
    /// # Errors
    ///
    /// A value out of its range.
    pub fn build(self) -> Result<Server, ConfigError> {
        let (name, rules) = (&self.name, &self.rules);
        require(!name.trim().is_empty(), || "a server needs a name: it is empty".to_owned())?;
        require(name.len() <= LONGEST_NAME, || {
            format!("the name of the server has {} bytes: it may have {LONGEST_NAME}", name.len())
        })?;
        let counts = [("connection", rules.max_connections), ("TLS handshake", Some(rules.max_handshakes))];
        for (what, max) in counts {
            require(max != Some(0), || format!("at least 1 {what} of server {name} must be allowed, not 0"))?;
        }
        let times = [
            ("maximum age", rules.max_age),
            ("idle timeout", rules.idle_timeout),
            ("headers timeout", rules.headers_timeout),
            ("read timeout", rules.read_timeout),
            ("write timeout", rules.write_timeout),
            ("drain timeout", Some(rules.drain_timeout)),
            ("handshake timeout", Some(rules.handshake_timeout)),
        ];
        for (what, time) in times {
            require(time.is_none_or(|time| (SHORTEST..=LONGEST).contains(&time)), || {
                let time = time.unwrap_or_default();
                format!("the {what} of server {name} must be from 1 ms to a year, not {time:?}")
            })?;
        }
        let kept_alive = Duration::from_secs(1)..=Duration::from_secs(LONGEST_KEPT_ALIVE);
        require(rules.keepalive.is_none_or(|time| kept_alive.contains(&time)), || {
            let time = rules.keepalive.unwrap_or_default();
            format!("the keepalive of server {name} must be from 1 s to {LONGEST_KEPT_ALIVE} s, not {time:?}")
        })?;
        Ok(Server::new(Shared::add(&self.scope, name, self.rules)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_work_are_refused_in_words() {
        let named = |name: &str| Scope::new().server(name);
        let builder = || named("api");
        let refused = [
            (named(""), "it is empty"),
            (named(&"n".repeat(257)), "has 257 bytes: it may have 256"),
            (builder().max_connections(0), "at least 1 connection of server api must be allowed, not 0"),
            (
                builder().max_age(Duration::ZERO),
                "maximum age of server api must be from 1 ms to a year, not 0ns",
            ),
            (builder().idle_timeout(Duration::MAX), "idle timeout"),
            (builder().headers_timeout(Duration::ZERO), "headers timeout"),
            (builder().read_timeout(Duration::from_micros(999)), "read timeout"),
            (builder().write_timeout(LONGEST + SHORTEST), "write timeout of server api"),
            (builder().drain_timeout(Duration::ZERO), "drain timeout"),
            (builder().keepalive(Duration::from_millis(999)), "must be from 1 s to 32767 s, not 999ms"),
            (builder().keepalive(Duration::from_secs(32_768)), "keepalive of server api"),
            #[cfg(feature = "server-tls")]
            (builder().handshake_timeout(Duration::ZERO), "handshake timeout"),
            #[cfg(feature = "server-tls")]
            (builder().max_handshakes(0), "at least 1 TLS handshake"),
        ];
        for (builder, words) in refused {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let widest = builder().idle_timeout(LONGEST).max_age(LONGEST).write_timeout(None).read_timeout(None);
        widest.headers_timeout(None).max_connections(None).build().unwrap();
        builder().idle_timeout(SHORTEST).max_age(SHORTEST).max_connections(1).build().unwrap();
    }
}
