//! How much memory a request would take when it is decoded, found out before it is.
//!
//! An empty message is two bytes as it travels and up to two hundred as it is held, so 16 MiB of nothing would unfold to
//! gigabytes. One pass over the bytes counts what decoding would make, and stops at the budget.

use super::fields::{Fields, Held, Malformed};
use super::shape::{Part, Shape};

/// A number in a list stands for one unit, which is up to 32 bytes of memory, and a message for eight. An honest request
/// of 16 MiB needs some three million; the worst that is let through takes about 130 MB.
const MAX_UNITS: usize = 4_000_000;
const UNITS_OF_A_MESSAGE: usize = 8;
/// Deeper nesting is refused by the decoder.
const MAX_DEPTH: usize = 200;

/// Why a request is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BudgetError {
    #[error("the request holds more items than can be decoded at once; send fewer")]
    TooMany,
    #[error("the body is not OTLP protobuf: its fields do not fit into it")]
    Malformed,
}

/// Checks a protobuf message.
pub(super) fn check_protobuf(message: &[u8], shape: &'static Shape) -> Result<(), BudgetError> {
    let mut units = 0;
    walk(message, shape, &mut units, 0)
}

/// Checks JSON. Braces and commas inside texts count as well, which is harmless: there are few.
pub(super) fn check_json(text: &[u8]) -> Result<(), BudgetError> {
    let units: usize = text
        .iter()
        .map(|byte| match byte {
            b'{' => UNITS_OF_A_MESSAGE,
            b',' => 1,
            _ => 0,
        })
        .sum();
    if units > MAX_UNITS { Err(BudgetError::TooMany) } else { Ok(()) }
}

fn spend(units: &mut usize, more: usize) -> Result<(), BudgetError> {
    *units = units.saturating_add(more);
    if *units > MAX_UNITS { Err(BudgetError::TooMany) } else { Ok(()) }
}

fn walk(message: &[u8], shape: &'static Shape, units: &mut usize, depth: usize) -> Result<(), BudgetError> {
    if depth > MAX_DEPTH {
        return Err(BudgetError::Malformed);
    }
    for field in Fields(message) {
        let (number, held) = field.map_err(|Malformed| BudgetError::Malformed)?;
        match (held, shape.part(number)) {
            (Held::Bytes(message), Some(Part::Many(inner))) => {
                spend(units, UNITS_OF_A_MESSAGE)?;
                walk(message, inner, units, depth + 1)?;
            }
            (Held::Bytes(message), Some(Part::One(inner))) => walk(message, inner, units, depth + 1)?,
            (Held::Bytes(packed), Some(Part::Numbers)) => spend(units, packed.len())?,
            (Held::Varint(_), Some(Part::Numbers)) => spend(units, 1)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::shape::{LOGS, METRICS, TRACES};
    use super::*;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::metrics::v1::*;
    use prost::Message as _;

    /// A request whose points have so many attributes each.
    fn request(points: usize, attributes: usize) -> Vec<u8> {
        let attribute = KeyValue { key: "k".into(), ..KeyValue::default() };
        let point = HistogramDataPoint {
            attributes: vec![attribute; attributes],
            bucket_counts: vec![1; 15],
            explicit_bounds: vec![1.0; 14],
            ..HistogramDataPoint::default()
        };
        let data = metric::Data::Histogram(Histogram {
            data_points: vec![point; points],
            aggregation_temporality: 2,
        });
        let metric = Metric { data: Some(data), ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
    }

    #[test]
    fn every_list_on_the_way_counts() {
        let mut units = 0;
        walk(&request(10, 5), &METRICS, &mut units, 0).unwrap();
        // Resource, scope, metric, ten points; their attributes are read where they lie.
        assert_eq!(units, (1 + 1 + 1 + 10) * UNITS_OF_A_MESSAGE);
    }

    #[test]
    fn an_honest_request_of_full_size_is_taken() {
        let full = request(60_000, 6);
        assert!(full.len() > 15 * 1024 * 1024, "{}", full.len());
        assert_eq!(check_protobuf(&full, &METRICS), Ok(()));
    }

    #[test]
    fn nothing_in_large_numbers_is_refused() {
        let nothing = [0x0a, 0x00].repeat(MAX_UNITS / UNITS_OF_A_MESSAGE + 1);
        for shape in [&METRICS, &LOGS, &TRACES] {
            assert_eq!(check_protobuf(&nothing, shape), Err(BudgetError::TooMany));
        }
        assert_eq!(check_json("{},".repeat(1_000_000).as_bytes()), Err(BudgetError::TooMany));
        assert_eq!(check_json("1,".repeat(MAX_UNITS + 1).as_bytes()), Err(BudgetError::TooMany));
    }

    #[test]
    fn what_does_not_fit_is_malformed_and_depth_is_bounded() {
        for bytes in [&[0x0a, 0x05, 0x00][..], &[0xff; 12], &[0x0b], &[0x0a], &[0x09, 0, 0]] {
            assert_eq!(check_protobuf(bytes, &METRICS), Err(BudgetError::Malformed), "{bytes:?}");
        }
        // A list in a list in a list.
        let mut value = Vec::new();
        for _ in 0..2_000 {
            let wrap = |tag: u8, inner: &[u8]| {
                let mut out = vec![tag];
                prost::encoding::encode_varint(inner.len() as u64, &mut out);
                out.extend_from_slice(inner);
                out
            };
            value = wrap(0x2a, &wrap(0x0a, &value));
        }
        let mut units = 0;
        let root = LOGS.part(1).unwrap();
        let Part::Many(resource) = root else { panic!() };
        let Some(Part::Many(scope)) = resource.part(2) else { panic!() };
        let Some(Part::Many(record)) = scope.part(2) else { panic!() };
        let Some(Part::One(body)) = record.part(5) else { panic!() };
        assert_eq!(walk(&value, body, &mut units, 0), Err(BudgetError::Malformed));
    }
}
