//! What came, against what is declared: two sets of lines that must be one, and what can't be said by such a set.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, metric::Data};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind as SentKind};
use poolscope_semconv::attr::{self, AttributeType};
use poolscope_semconv::def::Values;
use poolscope_semconv::event;
use poolscope_semconv::metric::{self, MetricDef, MetricKind};
use poolscope_semconv::span::{self, Parent, SpanDef, SpanKind};
use poolscope_semconv::value::{METHOD_OTHER, METHODS};
use poolscope_semconv::{SCHEMA_URL, SCOPE_NAME};

use super::receiver::Received;

/// What is in a contract: a line for each name, each key on it, and each value of a closed set.
type Lines = BTreeSet<String>;

/// Every line of the tables.
pub(super) fn declared() -> Lines {
    let mut lines = Lines::new();
    let mut add = |what: String, required: &[&str], optional: &[&str]| {
        lines.extend(required.iter().chain(optional).map(|key| format!("{what} with {key}")));
        lines.insert(what);
    };
    for def in metric::ALL {
        add(format!("metric {}", def.name), def.required, def.optional);
    }
    for def in span::DEFS {
        add(format!("span {}", def.id), def.required, def.optional);
    }
    for def in event::DEFS {
        add(format!("event {}", def.name), def.required, def.optional);
    }
    add("resource".to_owned(), attr::RESOURCE_KEYS, &[]);
    for def in span::DEFS {
        lines.extend(def.links.iter().map(|link| format!("span {} links to {link}", def.id)));
    }
    for def in event::DEFS {
        lines.extend(def.severities.iter().map(|severity| of_severity(def.name, severity.as_str())));
    }
    for def in attr::DEFS {
        if let Values::Closed(values) = def.values {
            lines.extend(values.iter().map(|value| format!("{} is {}", def.name, value.text)));
        }
    }
    lines
}

fn of_severity(event: &str, severity: &str) -> String {
    format!("event {event} is {severity}")
}

/// Everything that came, and what is wrong with it beyond its names.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) lines: Lines,
    pub(super) wrong: BTreeSet<String>,
}

impl Sent {
    pub(super) fn read(received: &Received) -> Self {
        let mut sent = Self::default();
        for resource in received.metrics.iter().flat_map(|request| &request.resource_metrics) {
            sent.resource(resource.resource.as_ref());
            for scope in &resource.scope_metrics {
                sent.scope(scope.scope.as_ref(), &scope.schema_url);
                scope.metrics.iter().for_each(|metric| sent.metric(metric));
            }
        }
        for resource in received.logs.iter().flat_map(|request| &request.resource_logs) {
            sent.resource(resource.resource.as_ref());
            for scope in &resource.scope_logs {
                sent.scope(scope.scope.as_ref(), &scope.schema_url);
                for record in &scope.log_records {
                    let what = format!("event {}", record.event_name);
                    let severity = of_severity(&record.event_name, &record.severity_text);
                    sent.lines.insert(severity);
                    let required = event::find(&record.event_name).map_or(&[][..], |def| def.required);
                    sent.item(what.clone(), &record.attributes, required);
                    let is_sentence = record.body.as_ref().is_some_and(
                        |body| matches!(&body.value, Some(Value::StringValue(text)) if !text.is_empty()),
                    );
                    sent.judge(is_sentence, || format!("{what} has no sentence as body"));
                    sent.judge(record.time_unix_nano > 0, || format!("{what} has no time"));
                }
            }
        }
        let mut spans = Vec::new();
        for resource in received.traces.iter().flat_map(|request| &request.resource_spans) {
            sent.resource(resource.resource.as_ref());
            for scope in &resource.scope_spans {
                sent.scope(scope.scope.as_ref(), &scope.schema_url);
                spans.extend(&scope.spans);
            }
        }
        sent.spans(&spans);
        sent
    }

    fn judge(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.insert(wrong());
        }
    }

    fn resource(&mut self, resource: Option<&Resource>) {
        let keys = resource.into_iter().flat_map(|resource| &resource.attributes).map(|pair| &pair.key);
        let keys: BTreeSet<_> = keys.collect();
        for required in attr::RESOURCE_KEYS {
            self.judge(keys.iter().any(|key| key == required), || format!("a resource lacks {required}"));
        }
        self.lines.insert("resource".to_owned());
        self.lines.extend(keys.iter().map(|key| format!("resource with {key}")));
    }

    fn scope(&mut self, scope: Option<&InstrumentationScope>, schema_url: &str) {
        let name = scope.map(|scope| scope.name.as_str()).unwrap_or_default();
        self.judge(name == SCOPE_NAME, || format!("something is sent by the scope {name:?}"));
        self.judge(schema_url == SCHEMA_URL, || format!("something has the schema {schema_url:?}"));
    }

    /// One point, span or record: its keys, and what their values are.
    fn item(&mut self, what: String, attributes: &[KeyValue], required: &[&str]) {
        let mut keys = BTreeSet::new();
        for pair in attributes {
            let key = pair.key.as_str();
            self.judge(keys.insert(key), || format!("{what} has {key} twice"));
            self.lines.insert(format!("{what} with {key}"));
            let Some(def) = attr::find(key) else { continue };
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            let is_of_type = matches!(
                (def.kind, value),
                (AttributeType::String, Some(Value::StringValue(_)))
                    | (AttributeType::Int, Some(Value::IntValue(_)))
                    | (AttributeType::Double, Some(Value::DoubleValue(_)))
                    | (AttributeType::Boolean, Some(Value::BoolValue(_)))
                    | (AttributeType::StringArray, Some(Value::ArrayValue(_)))
            );
            self.judge(is_of_type, || format!("{key} of {what} is {value:?} and no {}", def.kind.as_str()));
            let Some(Value::StringValue(text)) = value else { continue };
            match def.values {
                Values::Closed(_) => {
                    self.lines.insert(format!("{key} is {text}"));
                }
                Values::Open(known) => {
                    let is_known = known.iter().any(|value| value.text == text);
                    let is_status = text.parse::<u16>().is_ok_and(|status| (100..1000).contains(&status));
                    self.judge(is_known || is_status, || format!("{key} of {what} is {text:?}"));
                }
                Values::Any if key == attr::HTTP_REQUEST_METHOD => {
                    let is_known = METHODS.contains(&text.as_str()) || text == METHOD_OTHER;
                    self.judge(is_known, || format!("{key} of {what} is {text:?}"));
                }
                Values::Any => {}
            }
        }
        for key in required {
            self.judge(keys.contains(key), || format!("{what} lacks {key}"));
        }
        self.lines.insert(what);
    }

    fn metric(&mut self, metric: &Metric) {
        let name = &metric.name;
        let what = format!("metric {name}");
        let def = metric::find(name);
        if let Some(def) = def {
            self.judge(metric.unit == def.unit, || format!("{name} has the unit {}", metric.unit));
            self.judge(metric.description == def.description, || format!("{name} has another description"));
            let is_of_kind = is_of_kind(metric, def);
            self.judge(is_of_kind, || format!("{name} is no cumulative {:?}: {:?}", def.kind, metric.data));
        }
        let required = def.map_or(&[][..], |def| def.required);
        let bounds = def.map_or(&[][..], |def| def.bounds);
        match &metric.data {
            Some(Data::Sum(sum)) => {
                for point in &sum.data_points {
                    self.judge(point.start_time_unix_nano > 0, || format!("{name} counts from nowhere"));
                    self.item(what.clone(), &point.attributes, required);
                }
            }
            Some(Data::Gauge(gauge)) => {
                gauge
                    .data_points
                    .iter()
                    .for_each(|point| self.item(what.clone(), &point.attributes, required));
            }
            Some(Data::Histogram(histogram)) => {
                for point in &histogram.data_points {
                    self.judge(point.start_time_unix_nano > 0, || format!("{name} counts from nowhere"));
                    self.judge(point.explicit_bounds == bounds, || format!("{name} has other bounds"));
                    let count: u64 = point.bucket_counts.iter().sum();
                    let is_whole = point.bucket_counts.len() == bounds.len() + 1 && count == point.count;
                    self.judge(is_whole, || format!("the buckets of {name} are not its count"));
                    self.item(what.clone(), &point.attributes, required);
                }
            }
            other => self.judge(false, || format!("{name} is {other:?}")),
        }
    }

    fn spans(&mut self, spans: &[&Span]) {
        let by_id: BTreeMap<_, _> = spans.iter().map(|span| (&span.span_id, definition(span))).collect();
        let id_of = |span_id: &Vec<u8>| by_id.get(span_id).copied().flatten().map(|def| def.id);
        for span in spans {
            let Some(def) = definition(span) else {
                self.lines.insert(format!("span {:?} of kind {}", span.name, span.kind));
                continue;
            };
            let what = format!("span {}", def.id);
            self.item(what.clone(), &span.attributes, def.required);
            let is_named = is_named_by(span, def);
            self.judge(is_named, || format!("{:?} is not {}: {:?}", span.name, def.pattern, span.attributes));
            let is_below = match def.parent {
                Parent::Current | Parent::Remote => true,
                Parent::None => span.parent_span_id.is_empty(),
                Parent::Span(id) => id_of(&span.parent_span_id) == Some(id),
            };
            self.judge(is_below, || format!("{what} is below {:?}", id_of(&span.parent_span_id)));
            for link in &span.links {
                let to = id_of(&link.span_id).unwrap_or("something else");
                self.lines.insert(format!("{what} links to {to}"));
            }
            let is_in_order = span.start_time_unix_nano <= span.end_time_unix_nano;
            self.judge(is_in_order, || format!("{what} ends before it begins"));
        }
    }
}

fn is_of_kind(metric: &Metric, def: &MetricDef) -> bool {
    let cumulative = AggregationTemporality::Cumulative as i32;
    match (def.kind, &metric.data) {
        (MetricKind::Counter, Some(Data::Sum(sum))) => {
            sum.is_monotonic && sum.aggregation_temporality == cumulative
        }
        (MetricKind::UpDownCounter, Some(Data::Sum(sum))) => {
            !sum.is_monotonic && sum.aggregation_temporality == cumulative
        }
        (MetricKind::Gauge, Some(Data::Gauge(_))) => true,
        (MetricKind::Histogram, Some(Data::Histogram(histogram))) => {
            histogram.aggregation_temporality == cumulative
        }
        _ => false,
    }
}

fn definition(span: &Span) -> Option<&'static SpanDef> {
    let kind = match SentKind::try_from(span.kind) {
        Ok(SentKind::Client) => SpanKind::Client,
        Ok(SentKind::Server) => SpanKind::Server,
        Ok(SentKind::Internal) => SpanKind::Internal,
        _ => return None,
    };
    span::find(kind, &span.name)
}

/// The values of its attributes stand in its name where the pattern says. A span that lacks one of them has a name of its own,
/// which only begins like the pattern.
fn is_named_by(span: &Span, def: &SpanDef) -> bool {
    let mut name = def.pattern.to_owned();
    for pair in &span.attributes {
        let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            _ => continue,
        };
        let value = match pair.key.as_str() {
            attr::HTTP_REQUEST_METHOD if value == METHOD_OTHER => span::HTTP_OTHER.to_owned(),
            // As in a URL, since a port follows.
            attr::NETWORK_PEER_ADDRESS if value.contains(':') => format!("[{value}]"),
            _ => value,
        };
        name = name.replace(&format!("{{{}}}", pair.key), &value);
    }
    let name = name.replace(&format!(" {{{}}}", attr::URL_TEMPLATE), "");
    let name = name.replace(&format!(" {{{}}}", attr::HTTP_ROUTE), "");
    // A template has braces too.
    let is_whole = !name.contains("{server.") && !name.contains("{network.") && !name.contains("{dns.");
    if is_whole { span.name == name } else { span.name.starts_with(def.prefix) }
}

#[test]
fn what_is_sent_otherwise_than_declared_is_found() {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics};
    let gauge = |name: &str, unit: &str, attributes| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint { attributes, ..NumberDataPoint::default() }],
        })),
        ..Metric::default()
    };
    let opened = metric::CONNECTION_OPENED.name;
    let scope = ScopeMetrics {
        metrics: vec![gauge("poolscope.unheard.of", "1", Vec::new()), gauge(opened, "s", Vec::new())],
        ..ScopeMetrics::default()
    };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let mut received = Received::default();
    received.metrics.push(ExportMetricsServiceRequest { resource_metrics: vec![resource] });
    let sent = Sent::read(&received);
    let undeclared: Vec<_> = sent.lines.difference(&declared()).cloned().collect();
    assert_eq!(undeclared, ["metric poolscope.unheard.of"]);
    let told = |what: &str| sent.wrong.iter().any(|wrong| wrong.starts_with(what));
    for what in ["a resource lacks", "something is sent by the scope"] {
        assert!(told(what), "{what}: {:?}", sent.wrong);
    }
    for what in ["has the unit s", "is no cumulative Counter"] {
        assert!(told(&format!("{opened} {what}")), "{what}: {:?}", sent.wrong);
    }
    assert!(told(&format!("metric {opened} lacks {}", attr::CLIENT_NAME)), "{:?}", sent.wrong);
}
