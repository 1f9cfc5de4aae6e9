//! OTLP as JSON. Its decoder takes a list for an object, by the order of fields, and passes over every name that it does
//! not know, as the protocol wants; so what could only be a mistake of the sender is found by a look of our own.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::budget;
use super::codec::DecodeError;
use super::signal::{SIGNALS, Signal};

/// Fields that are objects, by the names that have no other meaning in any signal.
const OBJECTS: [&str; 12] = [
    "resource",
    "scope",
    "gauge",
    "exponentialHistogram",
    "histogram",
    "summary",
    "positive",
    "negative",
    "arrayValue",
    "kvlistValue",
    "body",
    "status",
];
/// Fields that are lists of objects.
const LISTS: [&str; 16] = [
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
    "dataPoints",
    "exemplars",
    "quantileValues",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    "resourceSpans",
    "scopeSpans",
    "spans",
    "events",
    "links",
    "attributes",
    "values",
];
/// Fields that are an object in one place and a number in another, and a list in none.
const EITHER: [&str; 2] = ["sum", "value"];

/// Decodes a request.
pub(super) fn decode<S: Signal>(body: &[u8]) -> Result<S, DecodeError> {
    budget::check_json(body)?;
    // The types would take a list for their fields in order, and nothing for none.
    if let Some(found) = no_object(body) {
        return Err(DecodeError::NoObject { found, field: S::FIELD });
    }
    let mut names = Names::default();
    Form { name: "", kind: Kind::Request(&mut names) }
        .deserialize(&mut serde_json::Deserializer::from_slice(body))?;
    if let Some((found, path)) = names.misplaced(S::FIELD) {
        return Err(DecodeError::Elsewhere { found, path, here: S::HTTP_PATH, field: S::FIELD });
    }
    serde_json::from_slice(body).or_else(|error| {
        // The form of JSON of protobuf leaves out lists that are empty, and the types do not take that of values.
        if !error.to_string().starts_with("missing field `values`") {
            return Err(error.into());
        }
        let mut json = serde_json::from_slice(body)?;
        fill_lists(&mut json);
        Ok(S::deserialize(json)?)
    })
}

/// What a body is that can't be an object; `None` also for one that is nothing at all, of which the parser says more.
fn no_object(body: &[u8]) -> Option<&'static str> {
    match body.trim_ascii_start().first()? {
        b'[' => Some("a list"),
        b'"' => Some("a text"),
        b'n' => Some("null"),
        b't' | b'f' => Some("true or false"),
        b'-' | b'0'..=b'9' => Some("a number"),
        _ => None,
    }
}

/// Which signals a request names.
#[derive(Debug, Default)]
struct Names([bool; SIGNALS.len()]);

impl Names {
    fn note(&mut self, name: &str) {
        for (named, (field, _)) in self.0.iter_mut().zip(SIGNALS) {
            *named |= name == field;
        }
    }

    /// The field and the path of another signal, where the own is not named. A name that nobody knows is no mistake: it
    /// may be of a version to come.
    fn misplaced(&self, own: &str) -> Option<(&'static str, &'static str)> {
        let mut named = self.0.iter().zip(SIGNALS).filter_map(|(named, signal)| named.then_some(signal));
        let first = named.next().filter(|(field, _)| *field != own)?;
        named.all(|(field, _)| field != own).then_some(first)
    }
}

/// What a value may be, found out without keeping anything of it.
struct Form<'a> {
    /// Name of the field that it is, or is in.
    name: &'static str,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// The whole, whose names are noted.
    Request(&'a mut Names),
    /// No list; whether it is more, the decoder says.
    Object,
    /// A list of those.
    List,
    /// Element of a list.
    Element,
}

impl Kind<'_> {
    fn of(name: &str) -> Self {
        if LISTS.contains(&name) { Self::List } else { Self::Object }
    }
}

/// The name of a field that is an object or a list of objects; `None` for one that is nothing to us.
struct Known;

impl<'de> DeserializeSeed<'de> for Known {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Known {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(LISTS.into_iter().chain(OBJECTS).chain(EITHER).find(|known| *known == name))
    }
}

impl<'de> DeserializeSeed<'de> for Form<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Form<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of OTLP")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(known) = map.next_key_seed(Known)? {
            let Some(name) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Kind::Request(names) = &mut self.kind {
                names.note(name);
            }
            map.next_value_seed(Form { name, kind: Kind::of(name) })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let name = self.name;
        match self.kind {
            Kind::List => {
                while list.next_element_seed(Form { name, kind: Kind::Element })?.is_some() {}
                Ok(())
            }
            Kind::Element => {
                Err(A::Error::custom(format_args!("a list stands in {name}, where objects are wanted")))
            }
            Kind::Object | Kind::Request(_) => {
                Err(A::Error::custom(format_args!("{name} is a list, where an object is wanted")))
            }
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Writes down empty lists of values. As deep as the parser went, which has a bound.
fn fill_lists(json: &mut Value) {
    match json {
        Value::Array(all) => all.iter_mut().for_each(fill_lists),
        Value::Object(fields) => {
            for (name, value) in fields {
                if let ("arrayValue" | "kvlistValue", Value::Object(list)) = (&**name, &mut *value) {
                    list.entry("values").or_insert_with(|| Value::Array(Vec::new()));
                }
                fill_lists(value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Traces;

    use super::*;

    fn told<S: Signal>(body: &str) -> String {
        decode::<S>(body.as_bytes()).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn what_is_no_object_is_no_request() {
        for (body, found) in [
            ("[]", "a list"),
            (" \n\"x\"", "a text"),
            ("null", "null"),
            ("true", "true or false"),
            ("-1", "a number"),
        ] {
            let whole = format!(
                "the body is not OTLP JSON: {found} is no request; send an object with the field resourceLogs"
            );
            assert_eq!(told::<Logs>(body), whole, "{body}");
        }
        assert!(told::<Logs>("").contains("EOF"));
        assert_eq!(decode::<Logs>(b" {}").unwrap(), Logs::default());
    }

    #[test]
    fn another_signals_request_is_told_where_it_belongs() {
        assert_eq!(
            told::<Metrics>(r#"{"resourceSpans":[]}"#),
            "the body holds resourceSpans, which belongs to /v1/traces: send it there, or send resourceMetrics to \
             /v1/metrics"
        );
        assert!(told::<Traces>(r#"{"x":1,"resourceLogs":[{}]}"#).contains("/v1/logs"));
        assert!(told::<Logs>(r#"{"resourceMetrics":[]}"#).contains("/v1/metrics"));
        // The protocol wants names that a receiver does not know passed over.
        for body in [
            r#"{"resourceMetrics":[],"resourceSpans":[]}"#,
            r#"{"later":[[1]]}"#,
            r#"{"resourceMetrics":[]}"#,
        ] {
            assert_eq!(told::<Metrics>(body), "taken", "{body}");
        }
    }

    #[test]
    fn a_list_is_no_object_anywhere() {
        for (body, wrong) in [
            (r#"{"resourceMetrics":[[]]}"#, "a list stands in resourceMetrics, where objects are wanted"),
            (r#"{"resourceMetrics":[{"resource":[]}]}"#, "resource is a list, where an object is wanted"),
            (r#"{"resourceMetrics":[{"scopeMetrics":[[],{}]}]}"#, "a list stands in scopeMetrics"),
            (r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":[]}]}]}]}"#, "sum is a list"),
            (
                r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":{"arrayValue":[]}}]}}]}"#,
                "arrayValue is a list",
            ),
        ] {
            let told = told::<Metrics>(body);
            assert!(
                told.starts_with("the body is not OTLP JSON: ") && told.contains(wrong),
                "{body}: {told}"
            );
            assert!(told.contains(" at line 1 column "), "{told}");
        }
        for body in
            [r#"{"resourceMetrics":{}}"#, r#"{"resourceMetrics":["x"]}"#, r#"{"resourceMetrics":[null]}"#]
        {
            assert!(told::<Metrics>(body).contains("invalid type"), "{body}: {}", told::<Metrics>(body));
        }
        // What a field that nobody knows holds is its own matter.
        let unknown = r#"{"resourceMetrics":[{"later":[[]],"scopeMetrics":[{"metrics":[{"name":"a"}]}]}]}"#;
        assert_eq!(told::<Metrics>(unknown), "taken");
    }

    #[test]
    fn every_number_and_list_of_numbers_passes() {
        let point = r#"{"attributes":[{"key":"a","value":{"arrayValue":{}}}],"count":"1","sum":1.5,"min":-1,
            "explicitBounds":[1,2.5],"bucketCounts":["1",0,0],"exemplars":[]}"#;
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"a","histogram":
            {{"aggregationTemporality":2,"dataPoints":[{point}]}}}}]}}]}}]}}"#
        );
        assert_eq!(told::<Metrics>(&body), "taken");
    }
}
