//! The contract as tables for people.

use std::fmt::Write as _;

use poolscope_semconv::def::{Origin, Stability, Values};
use poolscope_semconv::metric::{MetricDef, MetricKind};
use poolscope_semconv::span::{Parent, SpanDef};
use poolscope_semconv::{SCHEMA_URL, accepted, attr, event, metric, span};

/// The whole page.
pub(super) fn text() -> String {
    let mut out = format!(
        "<!-- Written by `{}` from the telemetry contract. Do not edit. -->

# Reference

What Poolscope sends, and what it understands of others. Names without `poolscope.` are OpenTelemetry's
({SCHEMA_URL}). In the columns of attributes, a key in parentheses is there when it is known.

- [Metrics](#metrics)
- [Spans](#spans)
- [Events](#events)
- [Attributes](#attributes)
- [Values](#values)
- [Metrics of others](#metrics-of-others)
",
        super::COMMAND
    );
    metrics(&mut out);
    spans(&mut out);
    events(&mut out);
    attributes(&mut out);
    values(&mut out);
    others(&mut out);
    out
}

fn line(out: &mut String, text: impl std::fmt::Display) {
    let _ = writeln!(out, "{text}");
}

fn metrics(out: &mut String) {
    line(
        out,
        "\n## Metrics\n\nSums and histograms are cumulative unless `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says otherwise.\n",
    );
    line(out, "| name | kind | unit | what | attributes | stability |\n|---|---|---|---|---|---|");
    for def in metric::ALL {
        let what = [def.description, def.note].join(" ");
        line(
            out,
            format_args!(
                "| `{}` | {} | `{}` | {} | {} | {} |",
                def.name,
                kind(def.kind),
                def.unit,
                what.trim(),
                keys(def.required, def.optional),
                stability(def)
            ),
        );
    }
    line(out, "\nUpper bounds of the buckets:\n\n| bounds | of |\n|---|---|");
    let mut seen: Vec<&[f64]> = Vec::new();
    for def in metric::ALL.iter().filter(|def| !def.bounds.is_empty()) {
        if !seen.contains(&def.bounds) {
            seen.push(def.bounds);
        }
    }
    for bounds in seen {
        let of = metric::ALL.iter().filter(|def| def.bounds == bounds).map(|def| format!("`{}`", def.name));
        let numbers: Vec<_> = bounds.iter().map(ToString::to_string).collect();
        line(out, format_args!("| {} | {} |", numbers.join(" "), of.collect::<Vec<_>>().join(", ")));
    }
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::UpDownCounter => "up-down counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn stability(def: &MetricDef) -> String {
    match def.origin {
        Origin::Poolscope => def.stability.as_str().to_owned(),
        origin => format!("{}: {}, {}", origin.as_str(), def.stability.as_str(), def.level.as_str()),
    }
}

fn keys(required: &[&str], optional: &[&str]) -> String {
    let required = required.iter().map(|key| format!("`{key}`"));
    let optional = optional.iter().map(|key| format!("(`{key}`)"));
    let all: Vec<_> = required.chain(optional).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(" ") }
}

fn spans(out: &mut String) {
    line(
        out,
        "\n## Spans\n\n| name | kind | what | parent | links to | attributes | stability |\n|---|---|---|---|---|---|---|",
    );
    for def in span::DEFS {
        let parent = match def.parent {
            Parent::Current => "what is current".to_owned(),
            Parent::Remote => "the caller's, if it tells one".to_owned(),
            Parent::None => "none".to_owned(),
            Parent::Span(id) => format!("`{}`", pattern(id)),
        };
        let links: Vec<_> = def.links.iter().map(|id| format!("`{}`", pattern(id))).collect();
        let links = if links.is_empty() { "-".to_owned() } else { links.join(", ") };
        line(
            out,
            format_args!(
                "| `{}` | {} | {} | {parent} | {links} | {} | {} |",
                def.pattern,
                def.kind.as_str(),
                def.sentence,
                keys(def.required, def.optional),
                span_stability(def)
            ),
        );
    }
}

fn pattern(id: &str) -> &str {
    span::DEFS.iter().find(|def| def.id == id).map_or(id, |def| def.pattern)
}

fn span_stability(def: &SpanDef) -> String {
    match def.origin {
        Origin::Poolscope => def.stability.as_str().to_owned(),
        origin => format!("{}: {}", origin.as_str(), def.stability.as_str()),
    }
}

fn events(out: &mut String) {
    line(out, "\n## Events\n\nOTLP log records with an event name. The body is a sentence.\n");
    line(out, "| name | severity | what | attributes |\n|---|---|---|---|");
    for def in event::DEFS {
        let severities: Vec<_> = def.severities.iter().map(|severity| severity.as_str()).collect();
        let keys = keys(def.required, def.optional);
        line(out, format_args!("| `{}` | {} | {} | {keys} |", def.name, severities.join(", "), def.sentence));
    }
}

fn attributes(out: &mut String) {
    line(out, "\n## Attributes\n\n| key | type | what | values | stability |\n|---|---|---|---|---|");
    for def in attr::DEFS {
        let words: Vec<_> = def.known_values().iter().map(|value| format!("`{}`", value.text)).collect();
        let examples: Vec<_> = def.examples.iter().map(|example| format!("`{example}`")).collect();
        let values = match def.values {
            Values::Closed(_) => words.join(" "),
            Values::Open(_) => format!("{}, or another", words.join(" ")),
            Values::Any if examples.is_empty() => "any".to_owned(),
            Values::Any => format!("such as {}", examples.join(", ")),
        };
        let stability = match (def.origin(), def.stability) {
            (Origin::Poolscope, stability) => stability.as_str().to_owned(),
            (origin, Stability::Stable) => format!("{}: stable", origin.as_str()),
            (origin, stability) => format!("{}: {}", origin.as_str(), stability.as_str()),
        };
        line(
            out,
            format_args!(
                "| `{}` | {} | {} | {values} | {stability} |",
                def.name,
                def.kind.as_str(),
                def.sentence
            ),
        );
    }
}

fn values(out: &mut String) {
    line(
        out,
        "\n## Values\n\nThe sets are closed but that of `error.type`, which also has the status codes of failed requests.",
    );
    let mut seen = Vec::new();
    for def in attr::DEFS.iter().filter(|def| !def.known_values().is_empty()) {
        let known = def.known_values();
        if seen.contains(&known) {
            continue;
        }
        seen.push(known);
        let of = attr::DEFS.iter().filter(|other| other.known_values() == known);
        let of: Vec<_> = of.map(|def| format!("`{}`", def.name)).collect();
        line(out, format_args!("\n{}:\n\n| value | what |\n|---|---|", of.join(", ")));
        for value in known {
            line(out, format_args!("| `{}` | {} |", value.text, value.sentence));
        }
    }
}

fn others(out: &mut String) {
    line(
        out,
        "\n## Metrics of others\n\nThe dashboard understands these beside the `http.client.*` of above; Poolscope sends none of them.\n",
    );
    line(out, "| name | kind | unit | attributes |\n|---|---|---|---|");
    for metric in accepted::ALL {
        let keys = keys(metric.attributes, &[]);
        line(out, format_args!("| `{}` | {} | `{}` | {keys} |", metric.name, kind(metric.kind), metric.unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_row_and_every_row_as_many_cells_as_its_head() {
        let text = text();
        let names = metric::ALL.iter().map(|def| def.name).chain(event::ALL.iter().copied());
        let names = names.chain(attr::ALL.iter().copied()).chain(span::DEFS.iter().map(|def| def.pattern));
        for name in names.chain(accepted::ALL.iter().map(|metric| metric.name)) {
            assert!(text.contains(&format!("\n| `{name}` |")), "{name} has no row");
        }
        let mut cells = 0;
        for line in text.lines().filter(|line| line.starts_with('|') || line.is_empty()) {
            let found = line.matches('|').count();
            if cells == 0 || line.is_empty() {
                cells = found;
            }
            assert_eq!(found, cells, "{line}");
        }
    }
}
