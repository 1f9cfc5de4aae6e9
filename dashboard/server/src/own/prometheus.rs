//! `GET /metrics`: the server's own figures as Prometheus reads them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};

use super::counts::{AtDoor, Reason};
use super::memory::resident_bytes;
use crate::app::{App, VERSION};
use crate::clock::now_ms;
use crate::conn::Cut;

const PREFIX: &str = "poolscope_dashboard_";

/// Answers with everything.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text(&app)).into_response()
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

/// The text form of Prometheus.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family<'a>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
        for (labels, value) in samples {
            let labels: Vec<_> =
                labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
        }
    }

    fn one(&mut self, kind: Kind, name: &str, help: &str, value: f64) {
        self.family(kind, name, help, [(Vec::new(), value)]);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text(app: &App) -> String {
    use Kind::{Counter, Gauge};
    let mut page = Page::default();
    let now = now_ms();
    let trace_limits = app.trace_limits();
    let status = app.status(&app.store(), trace_limits, now);
    page.family(Gauge, "build_info", "Version of the dashboard.", [(vec![("version", VERSION)], 1.0)]);
    page.one(
        Gauge,
        "start_time_seconds",
        "When it started, in Unix seconds.",
        status.started_ms as f64 / 1e3,
    );
    if let Some(bytes) = resident_bytes() {
        page.one(Gauge, "resident_memory_bytes", "Memory that is resident.", bytes as f64);
    }
    received(&mut page, app);

    let limits = || status.limits.iter().map(|limit| (vec![("limit", &*limit.name)], limit));
    page.family(
        Gauge,
        "limit_used",
        "How much there is of what is bounded.",
        limits().map(|(labels, limit)| (labels, limit.used as f64)),
    );
    page.family(
        Gauge,
        "limit_max",
        "How much there can be.",
        limits().map(|(labels, limit)| (labels, limit.max as f64)),
    );
    page.family(
        Counter,
        "limit_hits_total",
        "How often something was dropped, refused or evicted for a bound.",
        limits().map(|(labels, limit)| (labels, limit.hits as f64)),
    );

    page.family(
        Counter,
        "turned_away_requests_total",
        "Requests that are none of OTLP and were refused for where they are from or lead to, by reason.",
        AtDoor::ALL.map(|why| (vec![("reason", why.as_str())], app.counts.all_turned_away(why) as f64)),
    );

    let places = || app.places.iter().map(|(name, places)| (vec![("listener", *name)], places));
    page.family(
        Gauge,
        "connections",
        "Connections at this moment.",
        places().map(|(labels, places)| (labels, places.used().0 as f64)),
    );
    page.family(
        Counter,
        "connections_accepted_total",
        "Connections that were accepted.",
        places().map(|(labels, places)| (labels, places.accepted() as f64)),
    );
    page.family(
        Counter,
        "connections_cut_total",
        "Connections that were ended here, by reason.",
        app.places.iter().flat_map(|(name, places)| {
            Cut::ALL.map(|why| (vec![("listener", *name), ("reason", why.as_str())], places.cuts(why) as f64))
        }),
    );

    let (queued, resyncs) = app.streams.lag();
    page.one(Gauge, "streams", "Browsers that listen to the live stream.", status.streams as f64);
    page.one(
        Gauge,
        "stream_queued_messages",
        "Messages that wait for the browser that lags most.",
        queued as f64,
    );
    page.one(
        Counter,
        "stream_resyncs_total",
        "Full pictures sent again to browsers that lagged.",
        resyncs as f64,
    );
    page.one(
        Counter,
        "streams_let_go_total",
        "Browsers that read nothing for too long.",
        app.streams.let_go() as f64,
    );
    if let Some(login) = app.access.login() {
        let (wrong, turned_away) = login.tries.counts();
        page.family(
            Counter,
            "failed_logins_total",
            "Logins that failed, by reason.",
            [
                (vec![("reason", "wrong_token")], wrong as f64),
                (vec![("reason", "too_many")], turned_away as f64),
            ],
        );
    }
    let (reloads, failed) = app.files.counts();
    page.family(
        Counter,
        "reloads_total",
        "How often certificates and key files were read again.",
        [(vec![("outcome", "success")], reloads as f64), (vec![("outcome", "failure")], failed as f64)],
    );
    page.0
}

fn received(page: &mut Page, app: &App) {
    use Kind::Counter;
    let signals = app.counts.signals();
    let of = |read: fn(&super::counts::SignalCounts) -> u64| {
        signals
            .iter()
            .map(move |of| (vec![("signal", of.kind.as_str())], read(of) as f64))
            .collect::<Vec<_>>()
    };
    page.family(Counter, "otlp_requests_total", "OTLP requests that were taken.", of(|of| of.requests));
    page.family(
        Counter,
        "otlp_items_total",
        "Metric points, spans and log records that were taken.",
        of(|of| of.items),
    );
    page.family(
        Counter,
        "otlp_rejected_items_total",
        "Items rejected inside requests that were taken.",
        of(|of| of.rejected),
    );
    page.family(
        Counter,
        "otlp_refused_requests_total",
        "OTLP requests that were refused, by reason.",
        signals.iter().flat_map(|of| {
            Reason::ALL.map(|why| {
                (
                    vec![("signal", of.kind.as_str()), ("reason", why.as_str())],
                    of.refused[why as usize] as f64,
                )
            })
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_nothing_is_a_family_without_samples() {
        let mut page = Page::default();
        page.family(Kind::Gauge, "x", "Help.", [(vec![("a", "b\"c\\d\ne")], 1.5)]);
        page.family(Kind::Gauge, "none", "Help.", []);
        let written = "# HELP poolscope_dashboard_x Help.\n# TYPE poolscope_dashboard_x gauge\n\
            poolscope_dashboard_x{a=\"b\\\"c\\\\d\\ne\"} 1.5\n";
        assert_eq!(page.0, written);
    }
}
