//! The instruments of the contract with a meter of OpenTelemetry.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram, Meter};
use poolscope_semconv::metric::{ALL, MetricDef, MetricKind};

use super::collection::Collections;
use super::table::{Number, attributes, index, is_float};
use crate::registry::{Mirror, Mirrors};
use crate::series::Labels;

/// Makes all instruments that are observed.
pub(super) fn observe(meter: &Meter, collections: &Weak<Collections>) {
    for (index, def) in ALL.iter().enumerate() {
        macro_rules! observed {
            ($make:ident) => {
                drop(
                    meter
                        .$make(def.name)
                        .with_unit(def.unit)
                        .with_description(def.description)
                        .with_callback(callback(Weak::clone(collections), index))
                        .build(),
                )
            };
        }
        match def.kind {
            MetricKind::Counter => observed!(u64_observable_counter),
            MetricKind::UpDownCounter => observed!(i64_observable_up_down_counter),
            MetricKind::Gauge if is_float(def) => observed!(f64_observable_gauge),
            MetricKind::Gauge => observed!(i64_observable_gauge),
            MetricKind::Histogram => {}
        }
    }
}

/// Tells what one instrument has now; nothing once the bridge is gone.
fn callback<T: From<Number>>(
    collections: Weak<Collections>,
    index: usize,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
    move |instrument| {
        let Some(collections) = collections.upgrade() else { return };
        for point in collections.table(index).points(index) {
            instrument.observe(T::from(point.value), &point.attributes);
        }
    }
}

impl From<Number> for u64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(value) => value,
            Number::Float(value) => value as Self,
        }
    }
}

impl From<Number> for i64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(value) => Self::try_from(value).unwrap_or(Self::MAX),
            Number::Float(value) => value as Self,
        }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Integer(value) => value as Self,
            Number::Float(value) => value,
        }
    }
}

/// Makes all histograms, with the bounds of the contract.
pub(super) fn histograms(meter: &Meter) -> Arc<dyn Mirrors> {
    let histogram = |def: &&'static MetricDef| {
        let builder = meter.f64_histogram(def.name).with_unit(def.unit).with_description(def.description);
        let is_one = def.kind == MetricKind::Histogram;
        is_one.then(|| builder.with_boundaries(def.bounds.to_vec()).build())
    };
    Arc::new(Histograms(ALL.iter().map(histogram).collect()))
}

/// Histograms of the SDK, each at the place of its metric in the contract.
struct Histograms(Vec<Option<Histogram<f64>>>);

impl Mirrors for Histograms {
    fn mirror(&self, def: &'static MetricDef, labels: Labels<'_>) -> Arc<dyn Mirror> {
        let histogram = index(def).and_then(|index| self.0.get(index)?.clone());
        Arc::new(Series { histogram, attributes: attributes(labels).into() })
    }
}

/// One series of a histogram of the SDK.
struct Series {
    histogram: Option<Histogram<f64>>,
    attributes: Box<[KeyValue]>,
}

impl Mirror for Series {
    fn record(&self, value: f64) {
        if let Some(histogram) = &self.histogram {
            histogram.record(value, &self.attributes);
        }
    }
}
