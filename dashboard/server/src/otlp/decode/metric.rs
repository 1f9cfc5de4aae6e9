//! A metric and its points as they travel: read where they lie, since most of what they hold is known by now.
//!
//! Decoding them into messages first would take a dozen allocations a point, and most of the time of taking it. Where a
//! field that may come once comes twice, the last counts.

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

use super::attributes::Attribute;
use crate::otlp::fields::{Fields, Held, Malformed};

/// What the points of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataKind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl DataKind {
    fn of(field: u64) -> Option<Self> {
        Some(match field {
            5 => Self::Gauge,
            7 => Self::Sum,
            9 => Self::Histogram,
            10 => Self::ExponentialHistogram,
            11 => Self::Summary,
            _ => return None,
        })
    }

    /// As people call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential histogram",
            Self::Summary => "summary",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) data: Option<Data<'a>>,
}

impl<'a> Metric<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut metric = Self::default();
        for field in Fields(message) {
            match field? {
                (1, held) => metric.name = held.text()?,
                (3, held) => metric.unit = held.text()?,
                (field, held) => {
                    if let Some(kind) = DataKind::of(field) {
                        metric.data = Some(Data { kind, message: held.bytes()? });
                    }
                }
            }
        }
        Ok(metric)
    }
}

/// The points of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) kind: DataKind,
    message: &'a [u8],
}

impl<'a> Data<'a> {
    pub(super) fn points(self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> {
        Fields(self.message).filter_map(|field| match field {
            Ok((1, held)) => Some(held.bytes()),
            Ok(_) => None,
            Err(malformed) => Some(Err(malformed)),
        })
    }

    /// How many there are.
    pub(super) fn count(self) -> Result<u64, Malformed> {
        self.points().try_fold(0, |count, point| point.map(|_| count + 1))
    }

    /// Whether they are deltas.
    pub(super) fn is_delta(self) -> Result<Result<bool, &'static str>, Malformed> {
        let mut temporality = 0;
        for field in Fields(self.message) {
            if let (2, held) = field? {
                temporality = held.varint()?;
            }
        }
        Ok(match i32::try_from(temporality).map(AggregationTemporality::try_from) {
            Ok(Ok(AggregationTemporality::Delta)) => Ok(true),
            Ok(Ok(AggregationTemporality::Cumulative)) => Ok(false),
            _ => Err("has no aggregation temporality"),
        })
    }
}

/// Attributes that a point may have: SDKs keep 128, and no metric has as many.
const MAX_ATTRIBUTES: usize = 1_024;

/// One point. It is filled anew for each, so that its lists are allocated once.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    pub(super) attributes: Vec<Attribute<'a>>,
    /// It has more attributes than are read.
    pub(super) is_crowded: bool,
    pub(super) start_ns: u64,
    pub(super) time_ns: u64,
    pub(super) flags: u64,
    /// Of a number.
    pub(super) number: Option<f64>,
    /// Of a histogram.
    pub(super) count: u64,
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
}

impl<'a> Point<'a> {
    fn clear(&mut self) {
        self.attributes.clear();
        self.counts.clear();
        self.bounds.clear();
        (self.start_ns, self.time_ns, self.flags, self.number, self.count) = (0, 0, 0, None, 0);
        self.is_crowded = false;
    }

    fn read_attribute(&mut self, held: Held<'a>) -> Result<(), Malformed> {
        self.is_crowded = self.attributes.len() >= MAX_ATTRIBUTES;
        if !self.is_crowded {
            self.attributes.push(Attribute::read(held.bytes()?)?);
        }
        Ok(())
    }

    /// Reads a point of a gauge or a sum.
    pub(super) fn read_number(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        self.clear();
        for field in Fields(message) {
            match field? {
                (4, held) => self.number = Some(f64::from_bits(held.eight()?)),
                (6, held) => self.number = Some(held.eight()?.cast_signed() as f64),
                (7, held) => self.read_attribute(held)?,
                (8, held) => self.flags = held.varint()?,
                (field, held) => self.read_time(field, held)?,
            }
        }
        Ok(())
    }

    /// Reads a point of a histogram.
    pub(super) fn read_histogram(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        self.clear();
        for field in Fields(message) {
            match field? {
                (4, held) => self.count = held.eight()?,
                (6, held) => held.eights(|count| self.counts.push(count))?,
                (7, held) => held.eights(|bound| self.bounds.push(f64::from_bits(bound)))?,
                (9, held) => self.read_attribute(held)?,
                (10, held) => self.flags = held.varint()?,
                (field, held) => self.read_time(field, held)?,
            }
        }
        Ok(())
    }

    /// Reads what a point of an exponential histogram has beside its value.
    pub(super) fn read_exponential(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        self.clear();
        for field in Fields(message) {
            match field? {
                (1, held) => self.read_attribute(held)?,
                (10, held) => self.flags = held.varint()?,
                (field, held) => self.read_time(field, held)?,
            }
        }
        Ok(())
    }

    fn read_time(&mut self, field: u64, held: Held<'_>) -> Result<(), Malformed> {
        match field {
            2 => self.start_ns = held.eight()?,
            3 => self.time_ns = held.eight()?,
            _ => {}
        }
        Ok(())
    }
}
