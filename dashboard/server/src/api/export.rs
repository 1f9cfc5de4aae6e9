//! Answers as a table that spreadsheets read: CSV by RFC 4180, with one line for each point or event.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use poolscope_wire::{BreakerPoint, Event, FigureHistory, PastWarning, PoolPoint};
use serde::Serialize;
use serde_json::Value;

use super::ApiFailure;
use super::query::Parameters;
use crate::clock::utc;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

impl Format {
    pub(super) fn of(query: &mut Parameters) -> Result<Self, ApiFailure> {
        Ok(query.word("format", &[("json", Self::Json), ("csv", Self::Csv)])?.unwrap_or_default())
    }
}

/// A line of a table: the moment, and its cells by their names in the JSON of the same thing, with a dot inside.
pub(super) trait Line: Serialize {
    const CELLS: &'static [&'static str];
    fn at_ms(&self) -> u64;
}

impl Line for PoolPoint {
    const CELLS: &'static [&'static str] = &[
        "at_ms",
        "idle",
        "active",
        "upgraded",
        "connecting",
        "leaked",
        "limit.max",
        "limit.in_use",
        "limit.queued",
        "limit.oldest_wait_s",
        "max_open",
        "idle_max",
        "idle_min",
        "pending",
        "in_flight",
        "requests_per_s",
        "errors_per_s",
        "opened_per_s",
        "closed_per_s",
        "timeouts_per_s",
        "wasted_per_s",
        "reuse",
        "wait_p50_s",
        "wait_p99_s",
        "use_p50_s",
        "use_p99_s",
        "duration_p50_s",
        "duration_p99_s",
    ];

    fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

impl Line for BreakerPoint {
    const CELLS: &'static [&'static str] = &[
        "at_ms",
        "state",
        "failure_ratio",
        "slow_call_ratio",
        "connect_failure_ratio",
        "window_calls",
        "succeeded_per_s",
        "failed_per_s",
        "rejected_per_s",
    ];

    fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

impl Line for Event {
    const CELLS: &'static [&'static str] = &[
        "at_ms",
        "id",
        "kind",
        "severity",
        "service",
        "instance",
        "pool",
        "breaker",
        "text",
        "trace_id",
        "attributes",
    ];

    fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

impl Line for PastWarning {
    const CELLS: &'static [&'static str] = &[
        "from_ms",
        "to_ms",
        "times",
        "warning.id",
        "warning.rule",
        "warning.severity",
        "warning.sentence",
        "warning.figure.value",
        "warning.figure.limit",
        "warning.figure.unit",
        "warning.since_ms",
        "warning.recovering",
        "warning.what",
        "warning.what_id",
        "warning.name",
        "warning.service",
        "warning.instance",
        "warning.link",
    ];

    fn at_ms(&self) -> u64 {
        self.from_ms
    }
}

/// A table as a file of a plain name.
pub(super) fn csv<L: Line>(lines: &[L], name: &str) -> Response {
    let mut text = format!("time,{}\r\n", L::CELLS.join(","));
    for line in lines {
        text.push_str(&utc(line.at_ms()));
        // What is plain data always has a JSON.
        let json = serde_json::to_value(line).unwrap_or_default();
        for cell in L::CELLS {
            text.push(',');
            let found = cell.split('.').try_fold(&json, |json, key| json.get(key));
            push(&mut text, found.unwrap_or(&Value::Null));
        }
        text.push_str("\r\n");
    }
    file(text, name)
}

fn file(text: String, name: &str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// A history as it is, or as the table of its figures.
pub(super) fn figures(format: Format, history: &FigureHistory, name: &str) -> Response {
    if format == Format::Json {
        return Json(history).into_response();
    }
    let mut text = format!("time,at_ms,{}\r\n", history.names.join(","));
    for point in &history.points {
        text.push_str(&format!("{},{}", utc(point.at_ms), point.at_ms));
        for value in &point.values {
            text.push(',');
            text.extend(value.map(|value| value.to_string()));
        }
        text.push_str("\r\n");
    }
    file(text, name)
}

/// A normal answer, or the table of what it holds.
pub(super) fn answer<T: Serialize, L: Line>(
    format: Format,
    whole: &T,
    lines: impl FnOnce(&T) -> &[L],
    name: &str,
) -> Response {
    match format {
        Format::Json => Json(whole).into_response(),
        Format::Csv => csv(lines(whole), name),
    }
}

fn push(text: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(one) => push_text(text, one),
        // Attributes, which are pairs.
        Value::Array(pairs) => {
            let word = |part: Option<&Value>| part.and_then(Value::as_str).unwrap_or_default().to_owned();
            let pair = |pair: &Value| format!("{}={}", word(pair.get(0)), word(pair.get(1)));
            push_text(text, &pairs.iter().map(pair).collect::<Vec<_>>().join("; "));
        }
        other => text.push_str(&other.to_string()),
    }
}

/// What a formula begins with; some spreadsheets take the wide forms as well.
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// What some spreadsheets skip.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Text in quotes. A spreadsheet would take one that begins so for a formula and run it, also out of quotes; a quote in
/// front makes it text.
fn push_text(text: &mut String, one: &str) {
    text.push('"');
    let seen = one.trim_start_matches(is_unseen);
    if seen.starts_with(FORMULAS) || one.starts_with(['\t', '\r', '\n']) {
        text.push('\'');
    }
    text.push_str(&one.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{Figure, PoolLimit, Unit, Warning};

    use super::*;

    fn keys(json: &Value) -> Vec<String> {
        let of = |(key, value): (&String, &Value)| match value {
            Value::Object(_) => keys(value).into_iter().map(|inner| format!("{key}.{inner}")).collect(),
            _ => vec![key.clone()],
        };
        json.as_object().unwrap().iter().flat_map(of).collect()
    }

    fn names<L: Line>(line: &L) {
        let json = serde_json::to_value(line).unwrap();
        let mut keys = keys(&json);
        let mut cells: Vec<&str> = L::CELLS.to_vec();
        cells.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, cells);
    }

    #[test]
    fn a_table_has_every_figure_of_the_json() {
        names(&PoolPoint { limit: Some(PoolLimit::default()), ..PoolPoint::default() });
        names(&BreakerPoint::default());
        names(&Event::default());
        let figure = Some(Figure { value: 1.0, limit: None, unit: Unit::Count });
        let warning = Warning { figure, ..Warning::default() };
        names(&PastWarning { warning, ..PastWarning::default() });
    }

    #[tokio::test]
    async fn a_table_can_be_read_and_runs_nothing() {
        use http_body_util::BodyExt as _;
        let event = Event {
            at_ms: 1_700_000_000_123,
            text: "=HYPERLINK(\"http://evil\")".into(),
            service: "a,b\r\nc".into(),
            attributes: vec![("@x".into(), "1".into()), ("y".into(), "2".into())],
            ..Event::default()
        };
        let response = csv(&[event], "events");
        assert_eq!(response.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"events.csv\"");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        let (head, line) = text.split_once("\r\n").unwrap();
        assert_eq!(
            head,
            "time,at_ms,id,kind,severity,service,instance,pool,breaker,text,trace_id,attributes"
        );
        assert_eq!(
            line,
            "2023-11-14T22:13:20.123Z,1700000000123,0,\"\",\"ok\",\"a,b\r\nc\",\"\",,,\
             \"'=HYPERLINK(\"\"http://evil\"\")\",,\"'@x=1; y=2\"\r\n"
        );
    }

    #[test]
    fn what_looks_like_a_formula_is_text() {
        for (one, cell) in [
            ("-1+1", "\"'-1+1\""),
            ("+1", "\"'+1\""),
            ("  =1", "\"'  =1\""),
            ("\t=1", "\"'\t=1\""),
            ("\u{feff}\u{1}=1", "\"'\u{feff}\u{1}=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
        ] {
            let mut text = String::new();
            push_text(&mut text, one);
            assert_eq!(text, cell);
        }
    }
}
