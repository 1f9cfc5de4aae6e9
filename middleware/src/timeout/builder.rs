//! [`TimeoutBuilder`].

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::adaptive::{Adaptive, Destinations};
use super::describe::{Bodies, Connects, Requests};
use super::layer::TimeoutLayer;
use super::limit::{Limit, Part, Time};
use crate::config_error::require;
use crate::{ConfigError, Scope};

/// Sets a timeout up: what it is around, and how long that may take.
///
/// Unless told otherwise it is around a whole call, up to the head of the response.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct TimeoutBuilder<K = Requests> {
    scope: Scope,
    name: String,
    part: Part,
    time: Option<Set>,
    /// What it is around instead of the head, if that can't be combined with a part of it.
    instead: Option<&'static str>,
    kind: PhantomData<fn(K)>,
}

/// How the limit is given.
#[derive(Debug, Clone)]
enum Set {
    Fixed(Duration),
    Adaptive(Adaptive),
}

impl TimeoutBuilder {
    pub(super) fn new(scope: &Scope, name: &str) -> Self {
        Self {
            scope: scope.clone(),
            name: name.to_owned(),
            part: Part::Whole,
            time: None,
            instead: None,
            kind: PhantomData,
        }
    }

    /// Limits the time until the request has its connection. See the [module](super) for how that is known.
    pub fn acquire(mut self) -> Self {
        self.part = Part::Acquire;
        self
    }

    /// Limits the time from having the connection to the head of the response. See the [module](super) for how the former
    /// is known.
    pub fn headers(mut self) -> Self {
        self.part = Part::Headers;
        self
    }

    /// Limits each wait for a piece of the response body. Time in which nobody asks for the next piece does not count.
    pub fn read(mut self) -> TimeoutBuilder<Bodies> {
        self.part = Part::Read;
        self.around(None)
    }

    /// Limits the whole call with its body: what is read of it later fails as soon as the time is over.
    pub fn to_body_end(self) -> TimeoutBuilder<Bodies> {
        self.around(Some("the end of the body"))
    }

    /// Is around a connector, whose requests may be of any type and whose errors are boxed.
    pub fn connector(self) -> TimeoutBuilder<Connects> {
        self.around(Some("a connect"))
    }

    fn around<K>(self, instead: Option<&'static str>) -> TimeoutBuilder<K> {
        let Self { scope, name, part, time, .. } = self;
        TimeoutBuilder { scope, name, part, time, instead, kind: PhantomData }
    }
}

impl<K> TimeoutBuilder<K> {
    /// The time that it may take. The last of this and [`TimeoutBuilder::adaptive`] holds; there is no default.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.time = Some(Set::Fixed(limit));
        self
    }

    /// A limit that is found from the time that calls take, for each destination.
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.time = Some(Set::Adaptive(adaptive));
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// No limit, or one of zero, which no call could keep; a part that can't be combined with what it is around; an
    /// [`Adaptive`] that can't work, or for [`TimeoutBuilder::read`], whose waits say nothing about how long the next one
    /// takes.
    pub fn build(self) -> Result<TimeoutLayer<K>, ConfigError> {
        let Self { scope, name, part, time, instead, .. } = self;
        if let Some(instead) = instead {
            require(part == Part::Whole, || {
                format!(
                    "timeout {name} can't be both around {instead} and around a part before the head; make two"
                )
            })?;
        }
        let time = time.ok_or_else(|| {
            ConfigError::new(format!("timeout {name} has no limit; give it one, fixed or adaptive"))
        })?;
        let start = match &time {
            Set::Fixed(limit) => *limit,
            Set::Adaptive(adaptive) => {
                require(part != Part::Read, || {
                    format!(
                        "timeout {name} can't adapt: a wait for a piece of a body does not tell the next one"
                    )
                })?;
                adaptive.check(&name)?;
                adaptive.first_limit()
            }
        };
        require(!start.is_zero(), || {
            format!("the limit of timeout {name} is zero; give it a time in which a call can end")
        })?;
        let stats = scope.timeout_stats(&name);
        stats.set_limit(start);
        let time = match time {
            Set::Fixed(limit) => Time::Fixed(limit),
            Set::Adaptive(adaptive) => {
                let destinations = Arc::new(Destinations::new(&adaptive));
                stats.learns(Arc::downgrade(&destinations) as _);
                Time::Learned(destinations)
            }
        };
        let events = Arc::clone(scope.events());
        Ok(TimeoutLayer::of(Limit { name: name.into(), part, time, stats, events }))
    }
}
