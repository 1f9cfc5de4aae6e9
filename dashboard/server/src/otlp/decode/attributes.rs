//! Attributes: look-up, text, and the identity of a series.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Keyed at random, so that nobody can make up attributes whose hashes collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The value of a key.
fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|kv| kv.key == key)?.value.as_ref()?.value.as_ref()
}

/// The text of a key, if its value is a text.
pub(super) fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The integer of a key; senders write ports and status codes as integers or as text.
pub(super) fn integer(attributes: &[KeyValue], key: &str) -> Option<i64> {
    match value(attributes, key)? {
        Value::IntValue(number) => Some(*number),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// The number of a key.
pub(super) fn number(attributes: &[KeyValue], key: &str) -> Option<f64> {
    let number = match value(attributes, key)? {
        Value::DoubleValue(number) => *number,
        Value::IntValue(number) => *number as f64,
        Value::StringValue(text) => text.parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// True if a key is there and true.
pub(super) fn flag(attributes: &[KeyValue], key: &str) -> bool {
    match value(attributes, key) {
        Some(Value::BoolValue(flag)) => *flag,
        Some(Value::StringValue(text)) => text == "true",
        _ => false,
    }
}

/// Identity of the series of a metric, whatever the order of its attributes.
pub(super) fn series_id(metric: &str, attributes: &[KeyValue]) -> u64 {
    attributes.iter().fold(HASHER.hash_one(metric), |id, kv| {
        let value = kv.value.as_ref().and_then(|any| any.value.as_ref());
        let hash = match value {
            Some(Value::StringValue(text)) => HASHER.hash_one((&kv.key, text)),
            Some(Value::IntValue(number)) => HASHER.hash_one((&kv.key, number)),
            Some(Value::BoolValue(flag)) => HASHER.hash_one((&kv.key, flag)),
            Some(Value::DoubleValue(number)) => HASHER.hash_one((&kv.key, number.to_bits())),
            other => HASHER.hash_one((&kv.key, other.map(|value| any_text(value).into_owned()))),
        };
        id.wrapping_add(hash)
    })
}

/// Any value as people read it.
pub(super) fn any_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::StringValue(text) => Cow::Borrowed(text),
        Value::BoolValue(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Value::IntValue(number) => Cow::Owned(number.to_string()),
        Value::DoubleValue(number) => Cow::Owned(number.to_string()),
        Value::BytesValue(bytes) => Cow::Owned(format!("{} bytes", bytes.len())),
        Value::ArrayValue(list) => {
            let items: Vec<_> = list.values.iter().map(scalar_text).collect();
            Cow::Owned(format!("[{}]", items.join(", ")))
        }
        Value::KvlistValue(list) => {
            let items: Vec<_> = list
                .values
                .iter()
                .map(|kv| format!("{}={}", kv.key, optional_text(kv.value.as_ref())))
                .collect();
            Cow::Owned(format!("{{{}}}", items.join(", ")))
        }
        Value::StringValueStrindex(_) => Cow::Borrowed(""),
    }
}

/// Values inside values are told by their text, and not unfolded further.
fn scalar_text(any: &AnyValue) -> Cow<'_, str> {
    match any.value.as_ref() {
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) => Cow::Borrowed("..."),
        Some(value) => any_text(value),
        None => Cow::Borrowed(""),
    }
}

fn optional_text(any: Option<&AnyValue>) -> Cow<'_, str> {
    any.map_or(Cow::Borrowed(""), scalar_text)
}

/// The texts of a list; what is no text in it is left out.
pub(super) fn texts(kv: &KeyValue) -> Vec<&str> {
    let Some(Value::ArrayValue(list)) = kv.value.as_ref().and_then(|any| any.value.as_ref()) else {
        return Vec::new();
    };
    let texts = list.values.iter().filter_map(|any| match any.value.as_ref() {
        Some(Value::StringValue(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The text of a log record's body.
pub(super) fn body_text(any: &AnyValue) -> Option<Cow<'_, str>> {
    any.value.as_ref().map(any_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    #[test]
    fn the_order_of_attributes_does_not_make_another_series_and_a_value_does() {
        let a = kv("a", Value::StringValue("1".into()));
        let b = kv("b", Value::IntValue(2));
        let id = series_id("m", &[a.clone(), b.clone()]);
        assert_eq!(id, series_id("m", &[b.clone(), a.clone()]));
        assert_ne!(id, series_id("n", &[a.clone(), b.clone()]));
        assert_ne!(id, series_id("m", &[a, kv("b", Value::IntValue(3))]));
    }

    #[test]
    fn integers_may_come_as_text() {
        let attributes = [kv("port", Value::StringValue("443".into())), kv("code", Value::IntValue(200))];
        assert_eq!(integer(&attributes, "port"), Some(443));
        assert_eq!(integer(&attributes, "code"), Some(200));
        assert_eq!(integer(&attributes, "none"), None);
    }
}
