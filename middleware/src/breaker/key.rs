//! [`Key`]: what a breaker belongs to, and the rule that chooses it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use papaya::Equivalent;

use crate::http_message::Asked;
use crate::registry::{Destination, DestinationRef};

type Rule = dyn for<'a> Fn(&Asked<'a>) -> Option<Cow<'a, str>> + Send + Sync;

/// The rule that chooses the breaker of a request; without one, it is the destination's.
#[derive(Clone, Default)]
pub(super) struct KeyRule(Option<Arc<Rule>>);

impl KeyRule {
    pub(super) fn new(
        rule: impl for<'a> Fn(&Asked<'a>) -> Option<Cow<'a, str>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(rule)))
    }

    /// True if every request has the breaker of its destination.
    #[inline]
    pub(super) fn is_destination(&self) -> bool {
        self.0.is_none()
    }

    /// The key of a request; `None` if it has none and names no host.
    pub(super) fn key<'a>(&self, asked: &Asked<'a>) -> Option<KeyRef<'a>> {
        match self.0.as_ref().and_then(|rule| rule(asked)) {
            Some(key) => Some(KeyRef::Chosen(key)),
            None => asked.target().destination().map(KeyRef::Destination),
        }
    }
}

impl fmt::Debug for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "KeyRule(custom)" } else { "KeyRule(destination)" })
    }
}

/// What a breaker belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Destination(Destination),
    Chosen(Box<str>),
}

/// A borrowed key, so that looking a breaker up allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyRef<'a> {
    Destination(DestinationRef<'a>),
    Chosen(Cow<'a, str>),
}

impl KeyRef<'_> {
    pub(super) fn to_owned(&self) -> Key {
        match self {
            Self::Destination(destination) => Key::Destination(destination.to_owned()),
            Self::Chosen(key) => Key::Chosen(key.as_ref().into()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destination(destination) => destination.fmt(f),
            Self::Chosen(key) => f.write_str(key),
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Destination(destination) => destination.hash(state),
            Self::Chosen(key) => key.hash(state),
        }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Destination(destination) => destination.hash(state),
            Self::Chosen(key) => key.hash(state),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Destination(one), Key::Destination(other)) => one.equivalent(other),
            (Self::Chosen(one), Key::Chosen(other)) => **one == **other,
            _ => false,
        }
    }
}
