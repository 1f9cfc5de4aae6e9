//! Traces in words, and the questions that find them. Pure.

use poolscope_wire::{Refusal, Refuser, TraceList, TraceStatus, TraceSummary, path};

use crate::components::phases;
use crate::route::Query;
use crate::time::range::Range;
use crate::{format, words};

/// The most traces that are listed: whoever looks for others filters.
pub const MAX_SHOWN: usize = 100;

/// A part that takes less than this share of a trace does not explain it.
const TELLS_FROM: f64 = 0.25;

/// Why a span failed, in words.
#[must_use]
pub fn failure(error: &str) -> String {
    if error.is_empty() { "failed".to_owned() } else { format!("failed: {}", words::result(error)) }
}

/// The name of what turned a call away, as it goes on after "rejected by the breaker"; empty if it has none.
fn named(refusal: &Refusal) -> String {
    let part =
        |before: &str, text: &str| if text.is_empty() { String::new() } else { format!("{before}{text}") };
    let of = if refusal.by == Refuser::Limit { " of " } else { " " };
    part(of, &refusal.name) + &part(" to ", &refusal.destination) + &part(", for ", &refusal.resource)
}

/// How long a trace took, with what its first request waited before.
#[must_use]
pub fn took_s(trace: &TraceSummary) -> f64 {
    phases::whole(&trace.phases, 0.0, trace.duration_s).1
}

/// What is to be said of a trace: why it failed, and where its time went.
#[must_use]
pub fn sentence(trace: &TraceSummary) -> String {
    let mut parts = Vec::new();
    match (&trace.error, trace.status) {
        (Some(error), TraceStatus::Rejected) => {
            let by = trace.refusal.as_ref().map(named).unwrap_or_default();
            parts.push(format!("{}{by}", words::result(error)));
        }
        (Some(error), _) if trace.recovered => {
            parts.push(format!("an attempt {}, a later one did not", failure(error)));
        }
        (Some(error), _) => parts.push(failure(error)),
        (None, TraceStatus::Failed) => parts.push("failed".to_owned()),
        (None, TraceStatus::Rejected | TraceStatus::Slow | TraceStatus::Good) => {}
    }
    if trace.resends > 0 {
        parts.push(format!("sent {} times", format::count(trace.resends + 1)));
    }
    let worth_telling = |(_, seconds): &(_, f64)| *seconds >= took_s(trace) * TELLS_FROM;
    if let Some((kind, seconds)) = phases::longest(&trace.phases).filter(worth_telling) {
        parts.push(format!("{} {}", format::duration(seconds), phases::meaning(kind)));
    }
    parts.join(" \u{b7} ")
}

/// Of which of the traces that are asked for only a sample is kept; empty if all of them are. What was before the time
/// that is looked at does not matter.
#[must_use]
pub fn sampled(list: &TraceList, status: &str, from_ms: u64, now_ms: u64) -> String {
    let kinds = [
        ("failed", "failed", list.failed_since_ms),
        ("slow", "were slow", list.slow_since_ms),
        ("rejected", "were turned away", list.rejected_since_ms),
    ];
    let is_asked = |key: &str| match status {
        "" => key != "rejected",
        status => status == "all" || status == key,
    };
    let told = |(key, did, since_ms): (&str, &str, Option<u64>)| {
        let since_ms = since_ms.filter(|since_ms| is_asked(key) && *since_ms > from_ms)?;
        Some(format!("that {did} before {}", format::dated_time(since_ms, now_ms)))
    };
    let told: Vec<_> = kinds.into_iter().filter_map(told).collect();
    if told.is_empty() {
        return String::new();
    }
    format!("Only a sample is kept of traces {}; newer ones are all here.", told.join(" and of those "))
}

/// A request without the scheme, whose destination is what is looked for.
#[must_use]
pub fn short(request: &str) -> String {
    let (method, url) = request.split_once(' ').unwrap_or(("", request));
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    format!("{method} {url}").trim().to_owned()
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Service, pool, breaker and connection; empty for all.
    pub service: String,
    /// Id of a pool.
    pub pool: String,
    /// Id of a breaker.
    pub breaker: String,
    /// Number of a connection.
    pub connection: String,
    /// A text that they have.
    pub text: String,
    /// `failed`, `slow`, `rejected`, `all`; empty for failed and slow.
    pub status: String,
    /// `slowest`; empty for the newest first.
    pub sort: String,
    /// The time that they were at.
    pub range: Range,
}

impl Question {
    /// The address that answers it at a moment of the server's clock.
    #[must_use]
    pub fn url(&self, now_ms: u64) -> String {
        let from_ms = self.range.span(now_ms).from_ms.to_string();
        // What comes now belongs to a time that moves on.
        let to_ms = match self.range {
            Range::Fixed(span) => span.to_ms.to_string(),
            Range::Live(_) => String::new(),
        };
        let query = [
            ("service", &self.service),
            ("pool", &self.pool),
            ("breaker", &self.breaker),
            ("connection", &self.connection),
            ("q", &self.text),
            ("status", &self.status),
            ("sort", &self.sort),
            ("from_ms", &from_ms),
            ("to_ms", &to_ms),
            ("limit", &MAX_SHOWN.to_string()),
        ];
        let query = query.into_iter().fold(Query::default(), |query, (key, value)| query.with(key, value));
        format!("{}{}", path::TRACES, query.to_text())
    }

    /// True if it asks for less than all that failed or was slow.
    #[must_use]
    pub fn narrows(&self) -> bool {
        let texts = [&self.service, &self.pool, &self.breaker, &self.connection, &self.text];
        texts.into_iter().any(|text| !text.is_empty())
            || !self.range.is_live()
            || matches!(self.status.as_str(), "failed" | "slow" | "rejected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::range::Span;
    use poolscope_wire::{Phase, PhaseKind};

    #[test]
    fn a_trace_says_why_it_failed_and_where_its_time_went() {
        let phases = vec![Phase { kind: PhaseKind::Wait, start_s: 0.0, duration_s: 1.2 }];
        let slow = TraceSummary { phases, status: TraceStatus::Slow, ..TraceSummary::default() };
        assert_eq!(sentence(&slow), "1.2 s waiting for a connection");
        let failed = TraceSummary {
            error: Some("timeout".to_owned()),
            recovered: false,
            resends: 2,
            status: TraceStatus::Failed,
            ..slow
        };
        assert_eq!(
            sentence(&failed),
            "failed: timeout \u{b7} sent 3 times \u{b7} 1.2 s waiting for a connection"
        );
        assert_eq!(failure("503"), "failed: status 503");
        assert_eq!(failure(""), "failed");
    }

    #[test]
    fn a_trace_that_was_turned_away_says_by_whom() {
        let told = |error: &str, by, name: &str, destination: &str, resource: &str| {
            let [name, destination, resource] = [name, destination, resource].map(str::to_owned);
            let refusal = Some(Refusal { by, name, destination, resource, breaker: None });
            let (error, status) = (Some(error.to_owned()), TraceStatus::Rejected);
            sentence(&TraceSummary { error, status, refusal, ..TraceSummary::default() })
        };
        assert_eq!(told("breaker_open", Refuser::Breaker, "pay", "", ""), "rejected by the breaker pay");
        let limit = told("limit_exceeded", Refuser::Limit, "orders", "pay", "");
        assert_eq!(limit, "refused by the limit of orders to pay");
        let guard = told("resources_exhausted", Refuser::Guard, "files", "", "open_files");
        assert_eq!(guard, "refused by the resource guard files, for open_files");
        assert_eq!(told("breaker_open", Refuser::Breaker, "", "", ""), "rejected by the breaker");
    }

    #[test]
    fn a_sample_is_told_as_one_for_what_is_asked_and_looked_at() {
        let list = TraceList {
            failed_since_ms: Some(10_000),
            rejected_since_ms: Some(30_000),
            ..TraceList::default()
        };
        let [ten, thirty] = [10_000, 30_000].map(format::clock_time);
        let sampled = |status: &str, from_ms| sampled(&list, status, from_ms, 40_000);
        let failed =
            format!("Only a sample is kept of traces that failed before {ten}; newer ones are all here.");
        assert_eq!(sampled("", 9_999), failed);
        assert_eq!(sampled("failed", 0), failed);
        assert_eq!(sampled("", 10_000), "", "all that are looked at are here");
        assert_eq!(sampled("slow", 0), "");
        let both = format!(
            "Only a sample is kept of traces that failed before {ten} and of those that were turned away before \
             {thirty}; newer ones are all here."
        );
        assert_eq!(sampled("all", 0), both);
        let next_day = super::sampled(&list, "failed", 0, 40_000 + 86_400_000);
        assert_eq!(next_day, failed.replace(&ten, &format::dated_time(10_000, 86_440_000)), "with its day");
        assert!(next_day.len() > failed.len());
    }

    #[test]
    fn a_request_is_told_by_where_it_went() {
        assert_eq!(short("GET https://pay.example/a?b"), "GET pay.example/a?b");
        assert_eq!(short("GET"), "GET");
        assert_eq!(short("_OTHER <b>"), "_OTHER <b>");
    }

    #[test]
    fn a_question_is_an_address() {
        let range = Range::Live(60_000);
        let question = Question { text: "a&b".to_owned(), range, ..Question::default() };
        assert_eq!(question.url(100_000), "/api/v1/traces?q=a%26b&from_ms=40000&limit=100");
        let range = Range::Fixed(Span { from_ms: 5, to_ms: 9 });
        let fixed = Question { range, ..question };
        assert_eq!(fixed.url(100_000), "/api/v1/traces?q=a%26b&from_ms=5&to_ms=9&limit=100");
        assert!(fixed.narrows() && !Question { status: "all".into(), ..Question::default() }.narrows());
    }
}
