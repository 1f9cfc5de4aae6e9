//! Metrics: finds the points that say something about pools, breakers and what else protects calls, and checks them all.

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use poolscope_semconv::metric::{MetricKind, TELEMETRY_DROPPED};
use prost::Message as _;

use super::attributes::Attribute;
use super::metric::{DataKind, Metric, Point};
use super::{attributes, breaker, foreign, pool, protection, resource, session, value};
use crate::model::{
    BreakerFigure, PoolFigure, ProtectionFigure, Reading, Rejected, Report, SessionFigure, Value,
};
use crate::otlp::fields::{Fields, Malformed};

/// Longest name that is repeated in a sentence to the sender.
const MAX_NAME_CHARS: usize = 80;

/// What a metrics request says.
#[derive(Debug, Default)]
pub(crate) struct Metrics<'a> {
    pub(crate) reports: Vec<Report<'a>>,
    /// Points that were taken, those that nothing here is interested in included.
    pub(crate) taken: u64,
    pub(crate) rejected: Rejected,
    /// Histograms among those that have too many buckets.
    pub(crate) wide_histograms: u64,
}

/// Decodes a metrics request.
pub(crate) fn metrics(request: &[u8]) -> Result<Metrics<'_>, Malformed> {
    let mut all = Metrics::default();
    let mut point = Point::default();
    for field in Fields(request) {
        if let (1, held) = field? {
            of_resource(held.bytes()?, &mut point, &mut all)?;
        }
    }
    Ok(all)
}

/// Decodes what one resource says.
fn of_resource<'a>(message: &'a [u8], point: &mut Point<'a>, all: &mut Metrics<'a>) -> Result<(), Malformed> {
    let mut attributes = Vec::new();
    let mut scopes = Vec::new();
    for field in Fields(message) {
        match field? {
            (1, held) => {
                for field in Fields(held.bytes()?) {
                    if let (1, held) = field? {
                        attributes.push(Attribute::read(held.bytes()?)?);
                    }
                }
            }
            (2, held) => scopes.push(held.bytes()?),
            _ => {}
        }
    }
    // A resource that says nothing is not even an instance.
    if scopes.is_empty() {
        return Ok(());
    }
    let mut report = Report { sender: resource::named(&attributes[..]), ..Report::default() };
    for field in scopes.into_iter().flat_map(Fields) {
        if let (2, held) = field? {
            one(&Metric::read(held.bytes()?)?, point, &mut report, all)?;
        }
    }
    all.reports.push(report);
    Ok(())
}

/// The place of a metric in the store.
#[derive(Clone, Copy)]
pub(super) enum Figure {
    Pool(PoolFigure),
    Breaker(BreakerFigure),
    Protection(ProtectionFigure),
    Session(SessionFigure),
    /// What the sender lost.
    Dropped,
    /// Of a pool, as only other senders tell it.
    Foreign(PoolFigure),
}

/// What points of a metric are like.
struct Shape {
    kind: MetricKind,
    unit: &'static str,
    /// Bounds for those who send none.
    bounds: &'static [f64],
}

fn find(name: &str) -> Option<(Shape, Figure)> {
    let pools = pool::METRICS.iter().map(|(def, figure)| (*def, Figure::Pool(*figure)));
    let breakers = breaker::METRICS.iter().map(|(def, figure)| (*def, Figure::Breaker(*figure)));
    let protection = protection::METRICS.iter().map(|(def, figure)| (*def, Figure::Protection(*figure)));
    let sessions = session::METRICS.iter().map(|(def, figure)| (*def, Figure::Session(*figure)));
    let dropped = std::iter::once((&TELEMETRY_DROPPED, Figure::Dropped));
    let mut all = pools.chain(breakers).chain(protection).chain(sessions).chain(dropped);
    let ours = all.find(|(def, _)| def.name == name);
    let ours =
        ours.map(|(def, figure)| (Shape { kind: def.kind, unit: def.unit, bounds: def.bounds }, figure));
    ours.or_else(|| {
        let (metric, figure, bounds) = foreign::METRICS.iter().find(|(metric, ..)| metric.name == name)?;
        Some((Shape { kind: metric.kind, unit: metric.unit, bounds }, Figure::Foreign(*figure)))
    })
}

/// A metric that has a place in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownMetric {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    pub(crate) unit: &'static str,
    /// Bounds for those who send none; empty unless it is a histogram.
    pub(crate) bounds: &'static [f64],
}

/// All of them.
pub(crate) fn known_metrics() -> impl Iterator<Item = KnownMetric> {
    let ours = pool::METRICS.iter().map(|(def, _)| *def);
    let ours = ours.chain(breaker::METRICS.iter().map(|(def, _)| *def));
    let ours = ours.chain(protection::METRICS.iter().map(|(def, _)| *def));
    let ours = ours.chain(session::METRICS.iter().map(|(def, _)| *def)).chain([&TELEMETRY_DROPPED]);
    let ours =
        ours.map(|def| KnownMetric { name: def.name, kind: def.kind, unit: def.unit, bounds: def.bounds });
    ours.chain(foreign::METRICS.iter().map(|(metric, _, bounds)| KnownMetric {
        name: metric.name,
        kind: metric.kind,
        unit: metric.unit,
        bounds,
    }))
}

fn one<'a>(
    metric: &Metric<'a>,
    point: &mut Point<'a>,
    report: &mut Report<'a>,
    all: &mut Metrics<'a>,
) -> Result<(), Malformed> {
    let Some(data) = metric.data else {
        // The number of points is not known; the metric counts as one.
        all.rejected.add(1, || sentence(metric, "has no data that can be read"));
        return Ok(());
    };
    let Some((def, figure)) = find(metric.name) else {
        all.taken += data.count()?;
        return Ok(());
    };
    let scale = value::scale(metric.unit, def.unit);
    // A sum of times may be of any length.
    let is_time = value::is_time(def.unit) && def.kind != MetricKind::Counter;
    let id = attributes::metric_id(metric.name);
    let mut sink = Sink { metric, id, figure, is_time, report, all };
    match (data.kind, def.kind) {
        (DataKind::Gauge, MetricKind::Gauge | MetricKind::UpDownCounter) => {
            for message in data.points() {
                point.read_number(message?)?;
                sink.point(point, value::number(point, false, true, scale));
            }
        }
        (DataKind::Sum, MetricKind::Gauge | MetricKind::UpDownCounter | MetricKind::Counter) => {
            let (signed, delta) = (def.kind != MetricKind::Counter, data.is_delta()?);
            for message in data.points() {
                point.read_number(message?)?;
                sink.point(point, delta.and_then(|delta| value::number(point, delta, signed, scale)));
            }
        }
        (DataKind::Histogram, MetricKind::Histogram) => {
            let delta = data.is_delta()?;
            for message in data.points() {
                point.read_histogram(message?)?;
                sink.point(point, delta.and_then(|delta| value::histogram(point, def.bounds, delta, scale)));
            }
        }
        (DataKind::ExponentialHistogram, MetricKind::Histogram) => {
            let delta = data.is_delta()?;
            for message in data.points() {
                let message = message?;
                point.read_exponential(message)?;
                let decoded = ExponentialHistogramDataPoint::decode(message).map_err(|_| Malformed)?;
                let value = delta.and_then(|delta| value::exponential(&decoded, def.bounds, delta, scale));
                sink.point(point, value);
            }
        }
        _ => {
            let what = format!("is a {}, and a {} was expected", data.kind.word(), word(def.kind));
            let points = usize::try_from(data.count()?).unwrap_or(usize::MAX);
            all.rejected.add(points.max(1), || sentence(metric, &what));
        }
    }
    Ok(())
}

/// Puts the points of one metric where they belong.
struct Sink<'a, 'b> {
    metric: &'b Metric<'a>,
    /// Identity of the metric.
    id: u64,
    figure: Figure,
    is_time: bool,
    report: &'b mut Report<'a>,
    all: &'b mut Metrics<'a>,
}

impl<'a> Sink<'a, '_> {
    fn point(&mut self, point: &Point<'a>, value: Result<Value<'a>, &'static str>) {
        if value::has_ended(point.flags) {
            self.all.taken += 1;
            return;
        }
        let value = if point.is_crowded { Err("has a point of more than 1,024 attributes") } else { value };
        match value.and_then(|value| self.keep(point, value)) {
            Ok(()) => self.all.taken += 1,
            Err(what) => {
                self.all.wide_histograms += u64::from(what == value::TOO_MANY_BUCKETS);
                self.all.rejected.add(1, || sentence(self.metric, what));
            }
        }
    }

    fn keep(&mut self, point: &Point<'a>, value: Value<'a>) -> Result<(), &'static str> {
        let attributes = &point.attributes[..];
        if self.is_time {
            value::plausible_time(&value)?;
        }
        match self.figure {
            Figure::Pool(figure) | Figure::Foreign(figure) if figure.is_count() => value::plausible(&value)?,
            // Whoever has no limit may send the largest number there is.
            Figure::Foreign(PoolFigure::Max | PoolFigure::IdleMax) if value::plausible(&value).is_err() => {
                return Ok(());
            }
            _ => {}
        }
        let series = attributes::series_id(self.id, attributes);
        let reading = Reading { series, start_ns: point.start_ns, time_ns: point.time_ns, value };
        match protection::of_client(self.figure, attributes) {
            Figure::Pool(figure) => self.report.pools.extend(pool::reading(figure, attributes, reading)?),
            Figure::Foreign(figure) => {
                self.report.pools.push(foreign::reading(figure, attributes, reading)?);
            }
            Figure::Breaker(figure) => {
                self.report.breakers.extend(breaker::reading(figure, attributes, reading));
            }
            Figure::Protection(figure) => {
                self.report.protection.extend(protection::reading(figure, attributes, reading));
            }
            Figure::Session(figure) => {
                self.report.sessions.extend(session::reading(figure, attributes, reading));
            }
            Figure::Dropped => self.report.dropped.push(session::dropped(attributes, reading)),
        }
        Ok(())
    }
}

fn sentence(metric: &Metric<'_>, what: &str) -> String {
    let name: String = metric.name.chars().take(MAX_NAME_CHARS).collect();
    format!("metric \"{name}\" {what}")
}

fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "sum",
        MetricKind::UpDownCounter | MetricKind::Gauge => "gauge or sum",
        MetricKind::Histogram => "histogram",
    }
}
