//! Attributes: look-up, text, and the identity of a series.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;

use foldhash::quality::RandomState;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use crate::otlp::fields::{Fields, Malformed};

/// Keyed at random, so that nobody can make up attributes whose hashes collide without having sent many.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// An attribute as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    key: &'a [u8],
    value: Scalar<'a>,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scalar<'a> {
    Nothing,
    /// Found out to be a text when somebody asks for it; one that is none is no value.
    Text(&'a [u8]),
    Integer(u64),
    Flag(bool),
    /// The bits of a number.
    Number(u64),
    /// A list, or bytes.
    Other(&'a [u8]),
}

impl<'a> Attribute<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut key, mut value) = (&[][..], Scalar::Nothing);
        for field in Fields(message) {
            match field? {
                (1, held) => key = held.bytes()?,
                (2, held) => value = Scalar::read(held.bytes()?)?,
                _ => {}
            }
        }
        Ok(Self { key, value })
    }
}

impl<'a> Scalar<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut value = Self::Nothing;
        for field in Fields(message) {
            value = match field? {
                (1, held) => Self::Text(held.bytes()?),
                (2, held) => Self::Flag(held.varint()? != 0),
                (3, held) => Self::Integer(held.varint()?),
                (4, held) => Self::Number(held.eight()?),
                (5..=7, held) => Self::Other(held.bytes()?),
                _ => value,
            };
        }
        Ok(value)
    }
}

/// Attributes, as they travel or decoded.
pub(super) trait Attributes<'a>: Copy {
    /// The text of a key, if its value is a text.
    fn text(self, key: &str) -> Option<&'a str>;

    /// The integer of a key; senders write ports and status codes as integers or as text.
    fn integer(self, key: &str) -> Option<i64>;
}

impl<'a> Attributes<'a> for &[Attribute<'a>] {
    fn text(self, key: &str) -> Option<&'a str> {
        match self.iter().find(|one| one.key == key.as_bytes())?.value {
            Scalar::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    fn integer(self, key: &str) -> Option<i64> {
        match self.iter().find(|one| one.key == key.as_bytes())?.value {
            Scalar::Integer(number) => Some(number.cast_signed()),
            Scalar::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }
}

impl<'a> Attributes<'a> for &'a [KeyValue] {
    fn text(self, key: &str) -> Option<&'a str> {
        match value(self, key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    fn integer(self, key: &str) -> Option<i64> {
        match value(self, key)? {
            Value::IntValue(number) => Some(*number),
            Value::StringValue(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The value of a key.
fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|kv| kv.key == key)?.value.as_ref()?.value.as_ref()
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

/// Identity of a metric, of which those of its series are made.
pub(super) fn metric_id(name: &str) -> u64 {
    HASHER.hash_one(name)
}

/// Identity of a series of a metric, whatever the order of its attributes.
pub(super) fn series_id(metric: u64, attributes: &[Attribute<'_>]) -> u64 {
    let ids = attributes.iter().map(|one| HASHER.hash_one((one.key, one.value)));
    ids.fold(metric, u64::wrapping_add)
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
    use prost::Message as _;

    use super::*;

    fn kv(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    /// The attribute as it travels.
    fn bytes(key: &str, value: Value) -> Vec<u8> {
        kv(key, value).encode_to_vec()
    }

    #[test]
    fn the_order_of_attributes_does_not_make_another_series_and_a_value_does() {
        let text = bytes("a", Value::StringValue("1".into()));
        let numbers = [2, 3].map(|number| bytes("b", Value::IntValue(number)));
        let (a, b) = (Attribute::read(&text).unwrap(), Attribute::read(&numbers[0]).unwrap());
        let id = series_id(metric_id("m"), &[a, b]);
        assert_eq!(id, series_id(metric_id("m"), &[b, a]));
        assert_ne!(id, series_id(metric_id("n"), &[a, b]));
        assert_ne!(id, series_id(metric_id("m"), &[a, Attribute::read(&numbers[1]).unwrap()]));
    }

    #[test]
    fn attributes_say_the_same_as_they_travel_and_decoded() {
        let values = [
            Value::StringValue("443".into()),
            Value::StringValue("shop".into()),
            Value::IntValue(-5),
            Value::BoolValue(true),
            Value::DoubleValue(1.5),
            Value::BytesValue(vec![1]),
        ];
        for value in values {
            let travels = bytes("key", value.clone());
            let (travels, decoded) = (&[Attribute::read(&travels).unwrap()][..], &[kv("key", value)][..]);
            assert_eq!(
                (travels.text("key"), travels.integer("key")),
                (decoded.text("key"), decoded.integer("key"))
            );
            assert_eq!(travels.text("other"), None);
        }
        assert_eq!([Attribute { key: b"key", value: Scalar::Text(&[0xff]) }].text("key"), None);
    }

    #[test]
    fn integers_may_come_as_text() {
        let attributes = [kv("port", Value::StringValue("443".into())), kv("code", Value::IntValue(200))];
        assert_eq!(attributes.integer("port"), Some(443));
        assert_eq!(attributes.integer("code"), Some(200));
        assert_eq!(attributes.integer("none"), None);
    }
}
