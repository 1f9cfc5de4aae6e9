//! The contract in the format that OpenTelemetry's `weaver` reads.

use poolscope_semconv::SCHEMA_URL;
use poolscope_semconv::attr::{self, AttributeDef, AttributeType};
use poolscope_semconv::def::{Origin, Stability, Values};
use poolscope_semconv::event::{self, EventDef};
use poolscope_semconv::metric::{self, MetricDef, MetricKind};
use poolscope_semconv::span::{self, Parent, SpanDef};

use super::yaml::{Yaml, document};

type Map = Vec<(&'static str, Yaml)>;

/// Who the registry is and what it builds on.
pub(super) fn manifest() -> String {
    let version = SCHEMA_URL.rsplit('/').next().unwrap_or_default();
    let registry = format!(
        "https://github.com/open-telemetry/semantic-conventions/archive/refs/tags/v{version}.zip[model]"
    );
    let own = concat!("https://github.com/poolscope/poolscope/schemas/", env!("CARGO_PKG_VERSION"));
    document(vec![
        ("name", "poolscope".into()),
        ("description", "What Poolscope tells of HTTP connection pools and of what protects them.".into()),
        ("schema_url", own.into()),
        ("stability", Stability::Development.as_str().into()),
        (
            "dependencies",
            Yaml::List(vec![Yaml::Map(vec![
                ("schema_url", SCHEMA_URL.into()),
                ("registry_path", registry.into()),
            ])]),
        ),
    ])
}

/// Every attribute that is ours.
pub(super) fn attributes() -> String {
    let ours = attr::DEFS.iter().filter(|def| def.origin() == Origin::Poolscope);
    let group = Yaml::Map(vec![
        ("id", "registry.poolscope".into()),
        ("type", "attribute_group".into()),
        ("display_name", "Poolscope attributes".into()),
        ("brief", "Attributes of connection pools and of what protects them.".into()),
        ("attributes", Yaml::List(ours.map(|def| Yaml::Map(attribute(def))).collect())),
    ]);
    document(vec![("groups", Yaml::List(vec![group]))])
}

fn attribute(def: &AttributeDef) -> Map {
    let kind = match def.values {
        Values::Closed(values) => {
            let member = |value: &poolscope_semconv::def::ValueDef| {
                Yaml::Map(vec![
                    ("id", value.text.into()),
                    ("value", value.text.into()),
                    ("brief", value.sentence.into()),
                    ("stability", def.stability.as_str().into()),
                ])
            };
            Yaml::Map(vec![("members", Yaml::List(values.iter().map(member).collect()))])
        }
        Values::Any | Values::Open(_) => def.kind.as_str().into(),
    };
    let mut map: Map = vec![
        ("id", def.name.into()),
        ("type", kind),
        ("stability", def.stability.as_str().into()),
        ("brief", def.sentence.into()),
    ];
    if !def.examples.is_empty() {
        let examples = Yaml::List(def.examples.iter().map(|example| Yaml::from(*example)).collect());
        // The one example of a list is a list.
        let is_list = def.kind == AttributeType::StringArray;
        map.push(("examples", if is_list { Yaml::List(vec![examples]) } else { examples }));
    }
    map
}

/// What of OpenTelemetry's resource is sent unasked.
const ENTITIES: [&str; 3] = ["service", "service.instance", "telemetry.sdk"];

/// Every metric, span and event that is ours, and the definitions of OpenTelemetry that what is sent keeps to.
pub(super) fn signals() -> String {
    let ours = metric::ALL.iter().filter(|def| def.origin != Origin::OpenTelemetry);
    let metrics = ours.map(|def| metric(def));
    let spans = span::DEFS.iter().map(span);
    let events = event::DEFS.iter().map(event);
    let groups = metrics.chain(spans).chain(events).map(Yaml::Map).collect();
    let metrics = theirs().map(|def| def.name.into()).collect();
    let entities = ENTITIES.map(Yaml::from).to_vec();
    document(vec![
        ("groups", Yaml::List(groups)),
        ("imports", Yaml::Map(vec![("metrics", Yaml::List(metrics)), ("entities", Yaml::List(entities))])),
    ])
}

/// The metrics of OpenTelemetry that are sent.
fn theirs() -> impl Iterator<Item = &'static MetricDef> {
    metric::ALL.iter().copied().filter(|def| def.origin == Origin::OpenTelemetry)
}

/// What is sent beyond the definition of a metric that is not ours. Only the newer format of definitions knows such a thing.
pub(super) fn refinements() -> String {
    let refinements = theirs().map(|def| Yaml::Map(refinement(def))).collect();
    document(vec![("file_format", "definition/2".into()), ("metric_refinements", Yaml::List(refinements))])
}

fn refinement(def: &MetricDef) -> Map {
    let mut map: Map =
        vec![("id", format!("metric.poolscope.{}", def.name).into()), ("ref", def.name.into())];
    if !def.note.is_empty() {
        map.push(("note", def.note.into()));
    }
    if !def.bounds.is_empty() {
        map.push(("annotations", bounds(def)));
    }
    // The specification of SDKs defines the overflow; their registry has not got it.
    let optional = def.optional.iter().copied().filter(|key| *key != attr::OTEL_METRIC_OVERFLOW);
    // The level of what is theirs and sent at times is theirs too.
    let is_theirs = |key: &str| attr::find(key).is_some_and(|def| def.origin() != Origin::Poolscope);
    let (kept, ours): (Vec<_>, Vec<_>) = optional.partition(|key| is_theirs(key));
    refer(&mut map, def.required, &ours);
    if let Some((_, Yaml::List(attributes))) = map.last_mut() {
        attributes.extend(kept.into_iter().map(|key| Yaml::Map(vec![("ref", key.into())])));
    }
    map
}

fn bounds(def: &MetricDef) -> Yaml {
    Yaml::Map(vec![("explicit_bucket_boundaries", Yaml::Numbers(def.bounds))])
}

fn metric(def: &MetricDef) -> Map {
    let instrument = match def.kind {
        MetricKind::Counter => "counter",
        MetricKind::UpDownCounter => "updowncounter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let mut map: Map = vec![
        ("id", format!("metric.{}", def.name).into()),
        ("type", "metric".into()),
        ("metric_name", def.name.into()),
        ("stability", def.stability.as_str().into()),
        ("brief", def.description.into()),
        ("instrument", instrument.into()),
        ("unit", def.unit.into()),
    ];
    if !def.note.is_empty() {
        map.push(("note", def.note.into()));
    }
    if !def.bounds.is_empty() {
        map.push(("annotations", bounds(def)));
    }
    refer(&mut map, def.required, def.optional);
    map
}

fn span(def: &SpanDef) -> Map {
    let id = |id: &str| format!("span.poolscope.{}", id.to_ascii_lowercase());
    let mut note = format!("The name is `{}`. ", def.pattern);
    note.push_str(&match def.parent {
        Parent::Current => "Its parent is the span that is current where the call is made.".to_owned(),
        Parent::Remote => {
            "Its parent is the span that the caller tells in its headers, if it tells one.".to_owned()
        }
        Parent::None => "It has no parent: it begins a trace of its own.".to_owned(),
        Parent::Span(parent) => format!("Its parent is `{}`.", id(parent)),
    });
    for link in def.links {
        note.push_str(&format!(" It links to `{}`, if that is sampled.", id(link)));
    }
    let mut map: Map = vec![
        ("id", id(def.id).into()),
        ("type", "span".into()),
        ("span_kind", def.kind.as_str().into()),
        ("stability", def.stability.as_str().into()),
        ("brief", def.sentence.into()),
        ("note", note.into()),
    ];
    refer(&mut map, def.required, def.optional);
    map
}

fn event(def: &EventDef) -> Map {
    let severities: Vec<_> = def.severities.iter().map(|severity| severity.as_str()).collect();
    let mut map: Map = vec![
        ("id", format!("event.{}", def.name).into()),
        ("type", "event".into()),
        ("name", def.name.into()),
        ("stability", Stability::Development.as_str().into()),
        ("brief", def.sentence.into()),
        ("note", format!("Its severity is {}. Its body is a sentence.", severities.join(" or ")).into()),
    ];
    refer(&mut map, def.required, def.optional);
    map
}

/// Adds the attributes of a signal by their names.
fn refer(map: &mut Map, required: &[&'static str], optional: &[&'static str]) {
    let level = |key: &str| match attr::find(key).and_then(|def| def.condition) {
        Some(condition) => Yaml::Map(vec![("conditionally_required", condition.into())]),
        None => "recommended".into(),
    };
    let reference =
        |key: &&'static str, level| Yaml::Map(vec![("ref", Yaml::from(*key)), ("requirement_level", level)]);
    let required = required.iter().map(|key| reference(key, "required".into()));
    let optional = optional.iter().map(|key| reference(key, level(key)));
    let references: Vec<_> = required.chain(optional).collect();
    // A span must say that it has none; others need not.
    let is_span = map.iter().any(|(key, _)| *key == "span_kind");
    if !references.is_empty() || is_span {
        map.push(("attributes", Yaml::List(references)));
    }
}

/// What the folder is, for who finds it.
pub(super) fn readme() -> String {
    format!(
        "# Semantic-convention registry

Every `poolscope.*` attribute, metric, span and event, in the format that OpenTelemetry's
[weaver](https://github.com/open-telemetry/weaver) reads; it builds on OpenTelemetry's own registry ({SCHEMA_URL}).
Written by `{}` from [poolscope-semconv](../../middleware/semconv/README.md).

```sh
weaver registry check -r collector-config/semconv
weaver registry live-check -r collector-config/semconv     # judges what is sent to it by OTLP
```

A registry of your own builds on it by naming it under `dependencies` in its manifest.

- `attributes.yaml` and `signals.yaml` define what is ours, and import the metrics and the resource of OpenTelemetry that are
  sent too, as they are.
- `refinements.yaml` says which attributes and bounds these metrics have from Poolscope: `metric.poolscope.` before the name.
  weaver has refinements only in its newer format, of which it warns that it is not stable yet, as it does of OpenTelemetry's
  own files in it; for `--future` that is an error. Delete the file if your weaver does not know it (before 0.25).

Checked with weaver 0.25.1. A live check reports every name of ours as an improvement to be made, as none is stable yet. With
`--v2` it needs `--include-unreferenced`, or it knows no attribute of OpenTelemetry's.
",
        super::COMMAND
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_ours_is_in_the_registry_once() {
        let (attributes, signals, refinements) = (attributes(), signals(), refinements());
        let count = |text: &str, line: String| text.lines().filter(|of| of.trim() == line).count();
        for def in attr::DEFS {
            let expected = usize::from(def.origin() == Origin::Poolscope);
            assert_eq!(count(&attributes, format!("- id: {}", def.name)), expected, "{}", def.name);
        }
        for def in metric::ALL {
            let expected = usize::from(def.origin != Origin::OpenTelemetry);
            assert_eq!(count(&signals, format!("metric_name: {}", def.name)), expected, "{}", def.name);
            assert_eq!(count(&refinements, format!("ref: {}", def.name)), 1 - expected, "{}", def.name);
        }
        for name in event::ALL {
            assert_eq!(count(&signals, format!("name: {name}")), 1, "{name}");
        }
        assert_eq!(signals.lines().filter(|line| line.trim() == "type: span").count(), span::DEFS.len());
    }

    #[test]
    fn a_closed_set_has_its_members_and_an_optional_key_its_condition() {
        let text = attributes();
        assert!(text.contains("            - id: half_open\n              value: half_open\n"), "{text}");
        let observation = "      - ref: poolscope.observation\n        requirement_level:\n          conditionally_required: \"if not exact\"\n";
        assert!(signals().contains(observation));
        assert!(refinements().contains(observation));
    }

    #[test]
    fn a_refinement_says_of_theirs_only_what_is_always_sent() {
        let text = refinements();
        let method = "      - ref: http.request.method\n        requirement_level: required\n";
        let status = "      - ref: http.response.status_code\n      - ref: error.type\n";
        assert!(text.contains(method) && text.contains(status), "{text}");
    }
}
