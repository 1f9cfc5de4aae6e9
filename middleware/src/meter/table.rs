//! The numbers of one snapshot, by metric, as instruments observe them.

use std::sync::Arc;

use opentelemetry::{KeyValue, StringValue, Value};
use poolscope_semconv::metric::{ALL, MetricDef, MetricKind};

use crate::registry::{HistogramSnapshot, ScopeSnapshot};
use crate::series::{self, LabelValue, Labels, Sink};

/// What an instrument observes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(u64),
    Float(f64),
}

/// One point.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) value: Number,
}

/// All points of a snapshot that are no histograms. One without any place is that of a snapshot that can't be had.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Vec<Point>>);

impl Table {
    pub(super) fn of(snapshot: &ScopeSnapshot) -> Self {
        let mut table = Self(vec![Vec::new(); ALL.len()]);
        for pool in &snapshot.pools {
            series::pool(&mut table, pool);
        }
        series::others(&mut table, snapshot);
        table
    }

    /// Points of the metric that has this place in the contract.
    pub(super) fn points(&self, index: usize) -> &[Point] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: Number) {
        debug_assert_eq!(is_float(def), matches!(value, Number::Float(_)), "{}", def.name);
        if let Some(points) = index(def).and_then(|index| self.0.get_mut(index)) {
            points.push(Point { attributes: attributes(labels), value });
        }
    }
}

impl Sink for Table {
    fn integer(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: u64) {
        self.add(def, labels, Number::Integer(value));
    }

    fn float(&mut self, def: &'static MetricDef, labels: Labels<'_>, value: f64) {
        self.add(def, labels, Number::Float(value));
    }

    fn histogram(&mut self, _: &'static MetricDef, _: Labels<'_>, _: &HistogramSnapshot) {
        // The SDK has counted the same records itself.
    }
}

/// True if points of the metric are no whole numbers: gauges of times and of shares.
pub(crate) fn is_float(def: &MetricDef) -> bool {
    def.kind == MetricKind::Gauge && matches!(def.unit, "s" | "1")
}

/// Place of a metric in the contract.
pub(super) fn index(def: &MetricDef) -> Option<usize> {
    ALL.iter().position(|known| known.name == def.name)
}

/// Attributes as the SDK has them. Texts are shared, since it keeps them twice.
pub(super) fn attributes(labels: Labels<'_>) -> Vec<KeyValue> {
    labels
        .into_iter()
        .map(|label| {
            let value = match label.value {
                LabelValue::Text(text) => Value::String(StringValue::from(Arc::<str>::from(text))),
                LabelValue::Integer(integer) => Value::I64(integer),
                LabelValue::Truth => Value::Bool(true),
            };
            KeyValue::new(label.key, value)
        })
        .collect()
}
