//! Spans of `tracing` instead of OpenTelemetry's.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanId, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SpanData;
use poolscope::Scope;
use poolscope::limit::LimitLayer;
use poolscope_semconv::{attr, span};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::*;

/// What differs from run to run.
const VARIES: [&str; 5] = [
    attr::ACQUIRE_WAIT,
    attr::RESPONSE_HEADERS_TIME,
    attr::CONNECTION_IDLE_TIME,
    attr::NETWORK_PEER_PORT,
    attr::SERVER_PORT,
];

/// A span without what differs from run to run: name, kind, status, attributes, links.
fn told(span: &SpanData) -> (String, String, String, BTreeMap<String, String>, usize) {
    let value = |key: &str, value: String| match key {
        _ if VARIES.contains(&key) => String::new(),
        attr::URL_FULL => value.replace(|c: char| c.is_ascii_digit(), ""),
        _ => value,
    };
    let attributes = span
        .attributes
        .iter()
        .filter(|attribute| !["level", "target"].contains(&attribute.key.as_str()))
        .map(|attribute| {
            let key = attribute.key.as_str();
            (key.to_owned(), value(key, attribute.value.to_string()))
        })
        .collect();
    let name = span.name.split(':').next().unwrap().to_owned();
    let status = match &span.status {
        Status::Error { description } => format!("error {}", description.split(':').next().unwrap()),
        other => format!("{other:?}"),
    };
    (name, format!("{:?}", span.span_kind), status, attributes, span.links.links.len())
}

/// Requests that end well, badly and not at all.
async fn run(make: Make, scope: impl Fn(&Program) -> Scope) -> Vec<SpanData> {
    let (program, upstream) = (Program::new(), Upstream::start().await);
    let get = make(&scope(&program), open());
    for path in ["/", "/?sig=secret", "/fails"] {
        handler(&get, upstream.url(path)).await.unwrap();
    }
    // Nobody listens on the port of a listener that is gone.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    handler(&get, format!("http://upstream.test:{}/", gone.port())).await.unwrap_err();
    program.all()
}

#[tokio::test]
async fn they_tell_the_same() {
    for make in CLIENTS {
        let named = |mut spans: Vec<SpanData>, name: &str| {
            spans.retain(|span| span.name.starts_with(name));
            spans.sort_by_key(|span| span.start_time);
            spans.iter().map(told).collect::<Vec<_>>()
        };
        let direct = run(make, Program::direct).await;
        let traced = run(make, |_| by_tracing()).await;
        let kinds = ["GET", span::CONNECTION_SETUP, span::DNS_LOOKUP, span::WAIT_FOR_CONNECTION];
        for (name, count) in kinds.into_iter().zip([4, 2, 2, 2]) {
            let (direct, traced) = (named(direct.clone(), name), named(traced.clone(), name));
            assert_eq!(direct.len(), count, "{name}: {direct:#?}");
            assert_eq!(traced, direct);
        }
    }
}

#[tokio::test]
async fn a_wait_and_a_set_up_last_as_long_as_they_last() {
    const HELD: Duration = Duration::from_millis(120);
    for make in CLIENTS {
        let (program, upstream) = (Program::new(), Upstream::start().await);
        let gate = Arc::new(Semaphore::new(0));
        let scope = by_tracing();
        let get = make(&scope, gate.clone());
        let (done, ()) = tokio::join!(handler(&get, upstream.url("/slow")), async {
            // In one thread, the look-up has begun where this sees the connect.
            while scope.snapshot().pools.iter().all(|pool| pool.connecting == 0) {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(HELD).await;
            gate.add_permits(1);
        });
        done.unwrap();
        let request = program.one("GET");
        let (setup, wait) = (program.one(span::CONNECTION_SETUP), program.one(span::WAIT_FOR_CONNECTION));
        let (look_up, connect) = (program.one(span::DNS_LOOKUP), program.one(span::SOCKET_CONNECT));
        assert_eq!(wait.parent_span_id, id(&request));
        assert_eq!(setup.parent_span_id, SpanId::INVALID);
        for part in [&look_up, &connect] {
            assert_eq!(part.parent_span_id, id(&setup));
            assert!(setup.start_time <= part.start_time && part.end_time <= setup.end_time);
        }
        assert!(look_up.end_time <= connect.start_time);
        for held in [&setup, &wait, &look_up] {
            assert!(took(held) >= HELD, "{held:#?}");
            assert!(held.end_time + SLOW <= request.end_time, "none lasts until the body's end: {held:#?}");
        }
        let waited: f64 = text(&request, attr::ACQUIRE_WAIT).parse().unwrap();
        assert!((took(&wait).as_secs_f64() - waited).abs() < 0.1, "{waited} and {wait:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_says_so() {
    let (program, upstream) = (Program::new(), Upstream::start().await);
    let get = hyper(&by_tracing(), Arc::new(Semaphore::new(0)));
    let call = handler(&get, upstream.url("/"));
    tokio::time::timeout(Duration::from_millis(50), call).await.unwrap_err();
    for name in ["GET", span::WAIT_FOR_CONNECTION, span::CONNECTION_SETUP, span::DNS_LOOKUP] {
        let span = program.one(name);
        assert_eq!(text(&span, attr::ERROR_TYPE), "canceled", "{name}");
        assert!(matches!(span.status, Status::Error { .. }));
    }
}

#[tokio::test]
async fn a_refusal_is_a_span_below_the_callers() {
    let program = Program::new();
    let scope = by_tracing();
    let limit = LimitLayer::builder(&scope.client("test")).per_destination(1).max_queued(0).build().unwrap();
    let never = service_fn(|_: http::Request<String>| {
        std::future::pending::<Result<http::Response<String>, io::Error>>()
    });
    let mut service = limit.layer(never);
    let mut call = || service.call(http::Request::get("http://a.test/").body(String::new()).unwrap());
    let outer = tracing::info_span!("outer");
    outer.in_scope(|| {
        let (first, second) = (call(), call());
        assert!(futures_are(first, second));
    });
    drop(outer);
    let refused = program.one(span::LIMIT_REFUSED);
    assert_eq!(refused.parent_span_id, id(&program.one("outer")));
    assert_eq!(text(&refused, attr::LIMIT_OUTCOME), "queue_full");
    assert!(matches!(&refused.status, Status::Error { description } if !description.is_empty()));
}

/// True if the first of two futures waits and the second has failed.
fn futures_are<T, E>(
    first: impl Future<Output = Result<T, E>>,
    second: impl Future<Output = Result<T, E>>,
) -> bool {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    first.as_mut().poll(&mut cx).is_pending()
        && matches!(second.as_mut().poll(&mut cx), std::task::Poll::Ready(Err(_)))
}

/// Lines of `fmt`, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_program_without_opentelemetry_has_them_in_its_log() {
    opentelemetry::global::set_text_map_propagator(
        opentelemetry_sdk::propagation::TraceContextPropagator::new(),
    );
    let lines = Lines::default();
    let log = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
    let log = log.with_span_events(FmtSpan::CLOSE);
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
    let upstream = Upstream::start().await;
    let get = hyper(&by_tracing(), open());
    handler(&get, upstream.url("/")).await.unwrap();
    let lines = lines.lines();
    let closed = |start: &str, field: &str| {
        let is_it =
            |line: &&String| [start, field, ": poolscope: close"].iter().all(|part| line.contains(part));
        lines.iter().find(is_it).unwrap_or_else(|| panic!("{start} {field} in {lines:#?}"))
    };
    closed("handler:HTTP{", "HTTP wait_for_connection{");
    closed("INFO HTTP connection_setup{", "dns.question.name=\"upstream.test\"");
    let request = closed("handler:HTTP{otel.name=\"GET\" otel.kind=\"client\"", "status_code=200");
    assert!(request.contains("server.address=\"upstream.test\""), "{request}");
    assert_eq!(upstream.parents(), ["none"]);

    // A context that is current without the help of `tracing` goes out all the same.
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let outer = Context::new().with_span(provider.tracer("program").start("outer"));
    let id = outer.span().span_context().span_id().to_string();
    handler(&get, upstream.url("/")).with_context(outer).await.unwrap();
    assert!(upstream.parents()[1].contains(&id), "{:?} of {id}", upstream.parents());
}

#[tokio::test]
async fn what_a_filter_takes_out_leaves_the_trace_whole() {
    let program = Program::new();
    let filter = tracing_subscriber::EnvFilter::new("info,poolscope=off");
    let layer = tracing_opentelemetry::layer().with_tracer(program.provider.tracer("program"));
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(filter).with(layer));
    let upstream = Upstream::start().await;
    handler(&hyper(&by_tracing(), open()), upstream.url("/")).await.unwrap();
    let outer = program.one("handler");
    assert_eq!(program.requests(), []);
    assert_eq!(program.one("sign").parent_span_id, id(&outer));
    assert!(upstream.parents()[0].contains(&id(&outer).to_string()));
}

#[test]
fn a_request_in_telemetrys_own_work_has_no_span() {
    let program = Program::new();
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let scope = by_tracing();
    let service = poolscope::hyper::RequestLayer::new(&scope.client("test")).layer(service_fn(
        |_: http::Request<poolscope::hyper::RequestBody<String>>| async {
            Ok::<_, io::Error>(http::Response::new(String::new()))
        },
    ));
    let call = service.oneshot(http::Request::get("http://a.test/").body(String::new()).unwrap());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(call).unwrap();
    assert_eq!(program.all(), []);
}
