//! What the query API answers. Unknown fields are skipped: each of the programs that speak it adds some of its own.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The envelope of an answer with a result of a type.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<R> {
    pub(super) data: Data<R>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

/// The result of a query.
#[derive(Debug, Deserialize)]
pub(super) struct Data<R> {
    pub(super) result: R,
}

/// The envelope of a refusal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    pub(super) error_type: Option<String>,
    pub(super) error: String,
}

/// A series and its values in time.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    #[serde(rename = "metric")]
    pub(super) labels: Labels,
    #[serde(default)]
    pub(super) values: Vec<(Seconds, Number)>,
    #[serde(default)]
    pub(super) histograms: Vec<(Seconds, Native)>,
}

/// The result of a query for one number, of which the time matters. Prometheus answers with the number, VictoriaMetrics
/// with a series that has no name and one value.
#[derive(Debug, Deserialize)]
#[serde(try_from = "ScalarOrVector")]
pub(super) struct Scalar {
    pub(super) at: Seconds,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ScalarOrVector {
    Scalar((Seconds, Number)),
    Vector(Vec<Instant>),
}

#[derive(Debug, Deserialize)]
struct Instant {
    value: (Seconds, Number),
}

impl TryFrom<ScalarOrVector> for Scalar {
    type Error = &'static str;

    fn try_from(told: ScalarOrVector) -> Result<Self, Self::Error> {
        match told {
            ScalarOrVector::Scalar((at, _)) => Ok(Self { at }),
            ScalarOrVector::Vector(all) => {
                all.first().map(|one| Self { at: one.value.0 }).ok_or("a vector without a value")
            }
        }
    }
}

/// A native histogram: only the buckets that hold something.
#[derive(Debug, Deserialize)]
pub(super) struct Native {
    #[serde(default)]
    pub(super) buckets: Vec<(u8, Number, Number, Number)>,
}

/// Unix time; travels as seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds {
    pub(super) ms: u64,
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Out of range becomes the nearest that there is.
        f64::deserialize(deserializer).map(|seconds| Self { ms: (seconds * 1e3).round() as u64 })
    }
}

/// A number; travels as text, since JSON knows no infinity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a value that is no number"))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Labels of a series in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels(pub(super) Vec<(Box<str>, Box<str>)>);

impl Labels {
    /// The value of a label; empty if there is none, as in PromQL.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(label, _)| **label == *name).map_or("", |(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::with_capacity(16);
                while let Some(pair) = map.next_entry()? {
                    labels.push(pair);
                }
                labels.sort_unstable();
                Ok(Labels(labels))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_whatever_else_the_answer_says() {
        let text = r#"{"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[
            {"metric":{"job":"shop","__name__":"up"},"values":[[1700000000.5,"1"],[1700000001,"+Inf"]]},
            {"metric":{},"histograms":[[1,{"count":"3","sum":"1","buckets":[[0,"0.5","1","3"]]}]]}
        ],"stats":{}},"infos":["x"],"warnings":["slow"]}"#;
        let answer: Answer<Vec<Series>> = serde_json::from_str(text).unwrap();
        let first = &answer.data.result[0];
        assert_eq!((first.labels.get("job"), first.labels.get("none")), ("shop", ""));
        assert_eq!(first.values[0], (Seconds { ms: 1_700_000_000_500 }, Number(1.0)));
        assert_eq!(first.values[1].1, Number(f64::INFINITY));
        assert_eq!(answer.data.result[1].histograms[0].1.buckets[0].3, Number(3.0));
        assert_eq!(answer.warnings, ["slow"]);
    }

    #[test]
    fn what_is_no_number_and_what_is_no_matrix_is_an_error() {
        for result in [r#"[{"metric":{},"values":[[1,"x"]]}]"#, r#"[1,"2"]"#, r#"[{"metric":7}]"#] {
            let text = format!(r#"{{"status":"success","data":{{"result":{result}}}}}"#);
            assert!(serde_json::from_str::<Answer<Vec<Series>>>(&text).is_err(), "{result}");
        }
        // Prometheus, and VictoriaMetrics.
        for result in [r#"[1.5,"1.5"]"#, r#"[{"metric":{},"value":[1.5,"1.5"]}]"#] {
            let text = format!(r#"{{"status":"success","data":{{"result":{result}}}}}"#);
            let answer: Answer<Scalar> = serde_json::from_str(&text).unwrap();
            assert_eq!(answer.data.result.at.ms, 1_500);
        }
        for result in ["[]", r#"["x"]"#, r#"[{"metric":{}}]"#, "7"] {
            let text = format!(r#"{{"status":"success","data":{{"result":{result}}}}}"#);
            assert!(serde_json::from_str::<Answer<Scalar>>(&text).is_err(), "{result}");
        }
    }
}
