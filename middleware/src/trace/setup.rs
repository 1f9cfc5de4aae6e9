//! The span over the set-up of a connection: a trace of its own, with a child for each part.
//!
//! A connection outlives the request that it was made for, and serves others; so the set-up belongs to no request's
//! trace, and each request that it serves links to it. Source: .NET 9, `docs/dotnet/dotnet-network-traces.md` of the
//! semantic conventions.

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, StringValue};
use poolscope_semconv::value::{ConnectPhase, ErrorType, NetworkType};
use poolscope_semconv::{attr, span};

use super::OpenSetup;
use crate::Scope;
use crate::event::PoolName;
use crate::registry::{Pool, Report};

/// The span over the set-up of a connection, for requests to link to; without one if it is not sampled, since a link would
/// lead nowhere.
#[derive(Debug, Default)]
pub(crate) struct SetupSpan(Option<SpanContext>);

impl SetupSpan {
    pub(super) fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref()
    }
}

/// Begins the spans of a set-up, if they have to be there from its begin.
pub(crate) fn open_setup(scope: &Scope, pool: &Pool) -> OpenSetup {
    if scope.tracing().is_by_tracing() { OpenSetup::begin(pool.name()) } else { OpenSetup::default() }
}

/// Makes the span of a set-up that has ended, from what was marked on the way; or ends the one that is there.
pub(crate) fn setup_span(scope: &Scope, open: &OpenSetup, report: &Report<'_>) -> SetupSpan {
    if let Some(context) = open.end(report) {
        return SetupSpan(Some(context).filter(SpanContext::is_sampled));
    }
    let Some(tracer) = scope.tracing().tracer() else { return SetupSpan::default() };
    let pool = report.pool.name();
    let at = |after: Duration| report.started + after;
    let builder = tracer
        .span_builder(format!("{} {}:{}", span::CONNECTION_SETUP, pool.host, pool.port))
        .with_kind(SpanKind::Internal)
        .with_start_time(report.started);
    let mut setup = tracer.build_with_context(builder, &Context::new());
    if !setup.is_recording() {
        return SetupSpan::default();
    }
    describe_pool(&mut setup, pool);
    setup.set_attributes(report.peer.into_iter().flat_map(super::peer));
    fail(&mut setup, report.error);
    let context = setup.span_context().clone();
    let parent = Context::new().with_span(setup);
    for phase in &report.phases {
        let (name, attributes) = describe_part(phase.phase, pool, report.question, report.peer);
        let builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(at(phase.begin))
            .with_attributes(attributes);
        let mut part = tracer.build_with_context(builder, &parent);
        part.set_attribute(KeyValue::new(attr::CONNECT_PHASE, phase.phase.as_str()));
        fail(&mut part, report.error.filter(|_| !phase.is_complete));
        part.end_with_timestamp(at(phase.end));
    }
    parent.span().end_with_timestamp(at(report.took));
    SetupSpan(Some(context).filter(SpanContext::is_sampled))
}

pub(crate) fn fail(span: &mut impl Span, error: Option<ErrorType>) {
    if let Some(error) = error {
        span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error.as_str()));
        span.set_status(Status::error(""));
    }
}

/// What a set-up is for.
pub(crate) fn describe_pool(span: &mut impl Span, pool: &PoolName) {
    span.set_attribute(KeyValue::new(attr::SERVER_ADDRESS, StringValue::from(pool.host.clone())));
    span.set_attribute(KeyValue::new(attr::SERVER_PORT, i64::from(pool.port)));
    span.set_attribute(KeyValue::new(attr::URL_SCHEME, pool.scheme));
    span.set_attribute(KeyValue::new(attr::CLIENT_NAME, StringValue::from(pool.client.clone())));
}

/// Name and attributes of the span over a part.
pub(crate) fn describe_part(
    phase: ConnectPhase,
    pool: &PoolName,
    question: Option<&str>,
    peer: Option<SocketAddr>,
) -> (String, Vec<KeyValue>) {
    let host = || StringValue::from(pool.host.clone());
    match phase {
        ConnectPhase::Dns => {
            let question = question.unwrap_or(&pool.host);
            let attribute = KeyValue::new(attr::DNS_QUESTION_NAME, question.to_owned());
            (format!("{} {question}", span::DNS_LOOKUP), vec![attribute])
        }
        ConnectPhase::Tls => {
            let attribute = KeyValue::new(attr::SERVER_ADDRESS, host());
            (format!("{} {}", span::TLS_HANDSHAKE, pool.host), vec![attribute])
        }
        ConnectPhase::Tcp | ConnectPhase::TcpTls => match peer {
            Some(peer) => {
                let version = if peer.is_ipv4() { NetworkType::V4 } else { NetworkType::V6 };
                let mut attributes = Vec::from(super::peer(peer));
                attributes.push(KeyValue::new(attr::NETWORK_TYPE, version.as_str()));
                (format!("{} {peer}", span::SOCKET_CONNECT), attributes)
            }
            None => (format!("{} {}:{}", span::SOCKET_CONNECT, pool.host, pool.port), Vec::new()),
        },
    }
}
