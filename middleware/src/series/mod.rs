//! A snapshot as the series of the contract: which points there are, with which attributes. Where they go is the
//! business of a [`Sink`], so that every way out tells the same.

mod servers;
mod walk;

use std::borrow::Cow;

use poolscope_semconv::attr;
use poolscope_semconv::metric::MetricDef;
use poolscope_semconv::value::{ErrorType, Observation};

#[cfg(feature = "server")]
pub(crate) use servers::{handshake_key, served_key};
pub(crate) use walk::{others, pool};

use crate::registry::{HistogramSnapshot, ResultSnapshot};

/// One attribute of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label<'a> {
    pub(crate) key: &'static str,
    pub(crate) value: LabelValue<'a>,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LabelValue<'a> {
    Text(Cow<'a, str>),
    Integer(i64),
    Truth,
}

/// Attributes of a series.
pub(crate) type Labels<'a> = Vec<Label<'a>>;

/// The same, with texts of their own.
pub(crate) fn owned(labels: &Labels<'_>) -> Labels<'static> {
    let value = |value: &LabelValue<'_>| match value {
        LabelValue::Text(text) => LabelValue::Text(Cow::Owned(text.to_string())),
        LabelValue::Integer(integer) => LabelValue::Integer(*integer),
        LabelValue::Truth => LabelValue::Truth,
    };
    labels.iter().map(|label| Label { key: label.key, value: value(&label.value) }).collect()
}

/// Takes the points of a snapshot.
pub(crate) trait Sink {
    fn integer(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: u64);

    fn float(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: f64);

    /// A distribution; one that was never made has the bounds of its metric and counts nothing.
    fn histogram(&mut self, def: &'static MetricDef, labels: Labels<'_>, snapshot: &HistogramSnapshot);
}

/// A text attribute.
pub(crate) fn text<'a>(key: &'static str, value: impl Into<Cow<'a, str>>) -> Label<'a> {
    Label { key, value: LabelValue::Text(value.into()) }
}

/// A whole number as attribute.
pub(crate) fn integer(key: &'static str, value: i64) -> Label<'static> {
    Label { key, value: LabelValue::Integer(value) }
}

/// An attribute that is true.
pub(crate) fn truth(key: &'static str) -> Label<'static> {
    Label { key, value: LabelValue::Truth }
}

/// What names a pool.
pub(crate) fn pool_key<'a>(
    client: &'a str,
    scheme: &'static str,
    host: &'a str,
    port: u16,
    observation: Observation,
) -> Labels<'a> {
    let mut key = vec![
        text(attr::CLIENT_NAME, client),
        text(attr::URL_SCHEME, scheme),
        text(attr::SERVER_ADDRESS, host),
        integer(attr::SERVER_PORT, i64::from(port)),
    ];
    if observation != Observation::Exact {
        key.push(text(attr::OBSERVATION, observation.as_str()));
    }
    key
}

/// A pool's key and one kind of look-up of its connects.
pub(crate) fn with_lookup<'a>(key: &Labels<'a>, question: &'a str, error: Option<ErrorType>) -> Labels<'a> {
    let mut labels = key.clone();
    labels.push(text(attr::DNS_QUESTION_NAME, question));
    labels.extend(error.map(|error| text(attr::ERROR_TYPE, error.as_str())));
    labels
}

/// A pool's key and one result of its requests.
pub(crate) fn with_result<'a>(key: &Labels<'a>, result: &ResultSnapshot) -> Labels<'a> {
    with_errors_from(400, key, result)
}

/// A server's key and one result of its requests: what a client does wrong is no error of the server.
pub(crate) fn with_served<'a>(key: &Labels<'a>, result: &ResultSnapshot) -> Labels<'a> {
    with_errors_from(500, key, result)
}

fn with_errors_from<'a>(first: u16, key: &Labels<'a>, result: &ResultSnapshot) -> Labels<'a> {
    let mut labels = key.clone();
    labels.push(text(attr::HTTP_REQUEST_METHOD, result.method));
    if let Some(status) = result.status {
        labels.push(integer(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        if status >= first {
            labels.push(text(attr::ERROR_TYPE, status.to_string()));
        }
    }
    if let Some(error_type) = result.error_type {
        labels.push(text(attr::ERROR_TYPE, error_type.as_str()));
    }
    if let Some(protocol) = result.protocol {
        labels.push(text(attr::NETWORK_PROTOCOL_VERSION, protocol));
    }
    if result.overflow {
        labels.push(truth(attr::OTEL_METRIC_OVERFLOW));
    }
    labels
}
