//! Metrics: finds the points that say something about pools, breakers and what else protects calls, and checks them all.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric::Data};
use poolscope_semconv::metric::{MetricKind, TELEMETRY_DROPPED};

use super::{attributes, breaker, foreign, pool, protection, resource, session, value};
use crate::model::{
    BreakerFigure, PoolFigure, ProtectionFigure, Reading, Rejected, Report, SessionFigure, Value,
};

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
pub(crate) fn metrics(request: &ExportMetricsServiceRequest) -> Metrics<'_> {
    let mut all = Metrics::default();
    for resource_metrics in &request.resource_metrics {
        let mut report =
            Report { sender: resource::sender(resource_metrics.resource.as_ref()), ..Report::default() };
        for metric in resource_metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            one(metric, &mut report, &mut all);
        }
        // A resource that says nothing is not even an instance.
        if !resource_metrics.scope_metrics.is_empty() {
            all.reports.push(report);
        }
    }
    all
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

fn one<'a>(metric: &'a Metric, report: &mut Report<'a>, all: &mut Metrics<'a>) {
    let Some(data) = &metric.data else {
        // The number of points is not known; the metric counts as one.
        all.rejected.add(1, || sentence(metric, "has no data that can be read"));
        return;
    };
    let Some((def, figure)) = find(&metric.name) else {
        all.taken += points_of(data) as u64;
        return;
    };
    let scale = value::scale(&metric.unit, def.unit);
    // A sum of times may be of any length.
    let is_time = value::is_time(def.unit) && def.kind != MetricKind::Counter;
    let mut sink = Sink { metric, figure, scale, is_time, report, all };
    match (data, def.kind) {
        (Data::Gauge(gauge), MetricKind::Gauge | MetricKind::UpDownCounter) => {
            sink.numbers(&gauge.data_points, Ok(false), true);
        }
        (Data::Sum(sum), MetricKind::Gauge | MetricKind::UpDownCounter | MetricKind::Counter) => {
            let signed = def.kind != MetricKind::Counter;
            sink.numbers(&sum.data_points, value::is_delta(sum.aggregation_temporality), signed);
        }
        (Data::Histogram(histogram), MetricKind::Histogram) => {
            let delta = value::is_delta(histogram.aggregation_temporality);
            for point in &histogram.data_points {
                let value = delta.and_then(|delta| value::histogram(point, delta, scale));
                let time = (point.start_time_unix_nano, point.time_unix_nano);
                sink.point(&point.attributes, time, point.flags, value);
            }
        }
        (Data::ExponentialHistogram(histogram), MetricKind::Histogram) => {
            let delta = value::is_delta(histogram.aggregation_temporality);
            for point in &histogram.data_points {
                let value = delta.and_then(|delta| value::exponential(point, def.bounds, delta, scale));
                let time = (point.start_time_unix_nano, point.time_unix_nano);
                sink.point(&point.attributes, time, point.flags, value);
            }
        }
        _ => {
            let what = format!("is a {}, and a {} was expected", kind_of(data), word(def.kind));
            all.rejected.add(points_of(data).max(1), || sentence(metric, &what));
        }
    }
}

/// Puts the points of one metric where they belong.
struct Sink<'a, 'b> {
    metric: &'a Metric,
    figure: Figure,
    /// From its unit to ours.
    scale: f64,
    is_time: bool,
    report: &'b mut Report<'a>,
    all: &'b mut Metrics<'a>,
}

impl<'a> Sink<'a, '_> {
    fn numbers(&mut self, points: &'a [NumberDataPoint], delta: Result<bool, &'static str>, signed: bool) {
        for point in points {
            let value = delta.and_then(|delta| value::number(point, delta, signed, self.scale));
            let time = (point.start_time_unix_nano, point.time_unix_nano);
            self.point(&point.attributes, time, point.flags, value);
        }
    }

    fn point(
        &mut self,
        attributes: &'a [KeyValue],
        (start_ns, time_ns): (u64, u64),
        flags: u32,
        value: Result<Value<'a>, &'static str>,
    ) {
        if value::has_ended(flags) {
            self.all.taken += 1;
            return;
        }
        match value.and_then(|value| self.keep(attributes, (start_ns, time_ns), value)) {
            Ok(()) => self.all.taken += 1,
            Err(what) => {
                self.all.wide_histograms += u64::from(what == value::TOO_MANY_BUCKETS);
                self.all.rejected.add(1, || sentence(self.metric, what));
            }
        }
    }

    fn keep(
        &mut self,
        attributes: &'a [KeyValue],
        (start_ns, time_ns): (u64, u64),
        value: Value<'a>,
    ) -> Result<(), &'static str> {
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
        let series = attributes::series_id(&self.metric.name, attributes);
        let reading = Reading { series, start_ns, time_ns, value };
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

fn sentence(metric: &Metric, what: &str) -> String {
    let name: String = metric.name.chars().take(MAX_NAME_CHARS).collect();
    format!("metric \"{name}\" {what}")
}

fn points_of(data: &Data) -> usize {
    match data {
        Data::Gauge(data) => data.data_points.len(),
        Data::Sum(data) => data.data_points.len(),
        Data::Histogram(data) => data.data_points.len(),
        Data::ExponentialHistogram(data) => data.data_points.len(),
        Data::Summary(data) => data.data_points.len(),
    }
}

fn kind_of(data: &Data) -> &'static str {
    match data {
        Data::Gauge(_) => "gauge",
        Data::Sum(_) => "sum",
        Data::Histogram(_) => "histogram",
        Data::ExponentialHistogram(_) => "exponential histogram",
        Data::Summary(_) => "summary",
    }
}

fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "sum",
        MetricKind::UpDownCounter | MetricKind::Gauge => "gauge or sum",
        MetricKind::Histogram => "histogram",
    }
}
