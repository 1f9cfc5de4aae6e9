//! [`HygieneBuilder`]: the options of a [`Hygiene`] and their defaults.

use std::time::Duration;

use super::Hygiene;
use crate::ConfigError;
use crate::config_error::require;
use crate::registry::Rules;

/// Largest share of the maximum age by which a connection goes earlier, by default.
pub const DEFAULT_MAX_AGE_JITTER: f64 = 0.1;

/// Options of a [`Hygiene`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HygieneBuilder {
    max_age: Option<Duration>,
    jitter: Option<f64>,
    poison_on_errors: bool,
    poison_after_timeouts: Option<u32>,
    evict_on_5xx: bool,
}

impl HygieneBuilder {
    pub(super) fn new() -> Self {
        Self {
            max_age: None,
            jitter: None,
            poison_on_errors: false,
            poison_after_timeouts: None,
            evict_on_5xx: false,
        }
    }

    /// Age at which a connection is replaced, so that servers that are new get load and names are looked up anew. By default,
    /// a connection may be of any age.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Largest share of the maximum age, from 0 to less than 1, by which a connection goes earlier, at random: so that those
    /// that were opened together do not go together. By default, this is [`DEFAULT_MAX_AGE_JITTER`].
    pub fn max_age_jitter(mut self, share: f64) -> Self {
        self.jitter = Some(share);
        self
    }

    /// Replaces an HTTP/2 connection after a request on it that failed in a way that puts the connection in doubt: the peer
    /// has reset its stream or the connection, has ended it too soon, or has broken the protocol. A request that was dropped
    /// or timed out is none of these. An HTTP/1 connection ends with each request that fails, whatever is set here. By
    /// default, it is off.
    pub fn poison_on_errors(mut self, yes: bool) -> Self {
        self.poison_on_errors = yes;
        self
    }

    /// Replaces an HTTP/2 connection on which so many requests in a row ran into a timeout without any answer between them.
    /// For a peer that is gone without a word, whose connection would take every request with it until the kernel gives up,
    /// after a quarter of an hour. The time limits that count are those of this crate's `timeout` layer; a future that is
    /// dropped by a timer of the program's own looks like one that nobody wants any more. By default, it is off.
    pub fn poison_after_timeouts(mut self, timeouts: u32) -> Self {
        self.poison_after_timeouts = Some(timeouts);
        self
    }

    /// Replaces a connection after an answer with a status from 500 to 599, when that was read. Of use where a load balancer
    /// in between chooses a server for each connection; elsewhere it only costs connects, and most of all when the server
    /// is in trouble. By default, it is off.
    pub fn evict_on_5xx(mut self, yes: bool) -> Self {
        self.evict_on_5xx = yes;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// If the age is zero, the share is not from 0 to less than 1 or has no age, or the count of timeouts is 0.
    pub fn build(self) -> Result<Hygiene, ConfigError> {
        let jitter = self.jitter.unwrap_or(DEFAULT_MAX_AGE_JITTER);
        require(self.max_age != Some(Duration::ZERO), || {
            "max_age is 0: no connection would live; leave it out to keep connections for ever".to_owned()
        })?;
        require((0.0..1.0).contains(&jitter), || {
            format!("max_age_jitter is {jitter}: it is a share, from 0 to less than 1")
        })?;
        require(self.jitter.is_none() || self.max_age.is_some(), || {
            "max_age_jitter is set, and max_age is not: there is no age to be varied".to_owned()
        })?;
        require(self.poison_after_timeouts != Some(0), || {
            "poison_after_timeouts is 0: leave it out to keep connections after timeouts".to_owned()
        })?;
        Ok(Hygiene {
            rules: Rules {
                max_age: self.max_age,
                jitter,
                poison_on_errors: self.poison_on_errors,
                poison_after_timeouts: self.poison_after_timeouts.unwrap_or(0),
                evict_on_5xx: self.evict_on_5xx,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_work_is_refused_with_a_sentence() {
        let second = Duration::from_secs(1);
        let builder = Hygiene::builder;
        for (options, word) in [
            (builder().max_age(Duration::ZERO), "max_age is 0"),
            (builder().max_age(second).max_age_jitter(1.0), "max_age_jitter is 1"),
            (builder().max_age(second).max_age_jitter(-0.1), "max_age_jitter is -0.1"),
            (builder().max_age(second).max_age_jitter(f64::NAN), "max_age_jitter is NaN"),
            (builder().max_age_jitter(0.5), "no age"),
            (builder().poison_after_timeouts(0), "poison_after_timeouts is 0"),
        ] {
            let error = options.build().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        builder().build().unwrap();
        builder().max_age(second).max_age_jitter(0.0).build().unwrap();
    }
}
