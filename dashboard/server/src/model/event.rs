//! What log records say.

use std::borrow::Cow;

use super::Sender;

/// A log record that is an event.
#[derive(Debug)]
pub(crate) struct EventRecord<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) name: &'a str,
    pub(crate) time_ns: u64,
    /// OTLP severity number.
    pub(crate) severity: i32,
    pub(crate) body: Option<Cow<'a, str>>,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
    /// Connections of a pool's snapshot, which are no attributes here.
    pub(crate) rows: Vec<&'a str>,
    /// Attributes beyond the limit.
    pub(crate) dropped_attributes: usize,
    pub(crate) trace_id: &'a [u8],
}

impl EventRecord<'_> {
    /// Text of an attribute.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_ref())
    }

    /// Number of an attribute, if it is one.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.parse().ok().filter(|number: &f64| number.is_finite())
    }
}
