//! One SERVER span for each request that is served, after the HTTP semantic conventions.

use std::marker::PhantomData;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Version};
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt};
use opentelemetry::{Context, ContextGuard, KeyValue, Value, global};
use poolscope_semconv::value::{DisconnectPhase, ErrorType, METHOD_OTHER, protocol_version};
use poolscope_semconv::{attr, span};

use super::on::trace_ref;
use super::tracer::Started;
use super::url::without_values;
use super::{Incoming, peer};
use crate::Scope;
use crate::registry::{KnownMethod, TraceRef};

/// The span of a request that is served, which ends with its answer. What is not recorded is passed on all the same: what the
/// handler does belongs to the trace of the client.
#[derive(Debug, Default)]
pub(crate) struct ServedSpan {
    // In a box, since it moves with the request from one future to the next, in programs without a tracer too.
    inner: Option<Box<Inner>>,
}

#[derive(Debug)]
struct Inner {
    context: Context,
    is_recorded: bool,
    /// True once the span says why it failed: the SDK would keep a second reason beside the first.
    has_failed: bool,
}

impl ServedSpan {
    /// Starts the span below the one that the request tells of, as the global propagator reads it.
    pub(crate) fn start(scope: &Scope, incoming: &Incoming<'_>) -> Self {
        let Some(starts) = scope.tracing().starts() else { return Self::default() };
        let headers = Headers(incoming.request.headers);
        let remote = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
        let known = incoming.known.name();
        let started = {
            let _remote = remote.clone().attach();
            let name = known.unwrap_or(span::HTTP_OTHER).into();
            starts.start(name, SpanKind::Server, &mut |span| {
                describe(incoming, known, &mut |attribute| span.set_attribute(attribute));
            })
        };
        let (context, is_recorded) = match started {
            Started::Suppressed => return Self::default(),
            Started::Unsampled(identity) => (remote.with_remote_span_context(identity), false),
            Started::Recorded(context) => (context, true),
        };
        Self { inner: Some(Box::new(Inner { context, is_recorded, has_failed: false })) }
    }

    /// Makes it current until what comes back is dropped, so that spans of what the handler does are below it.
    #[inline]
    pub(crate) fn enter(&self) -> Option<ServedInside<'_>> {
        let inner = self.inner.as_ref()?;
        #[cfg(feature = "tracing")]
        if let Some(handle) = inner.context.get::<crate::tracing::Handle>() {
            // Its bridge to OpenTelemetry, if there is one, makes the context current.
            return Some(ServedInside::Span(handle.0.enter()));
        }
        Some(ServedInside::Context(inner.context.clone().attach(), PhantomData))
    }

    /// Its identity.
    pub(crate) fn trace(&self) -> Option<TraceRef> {
        trace_ref(self.inner.as_ref()?.context.span().span_context())
    }

    fn recorded(&self) -> Option<&Context> {
        self.inner.as_ref().filter(|inner| inner.is_recorded).map(|inner| &inner.context)
    }

    fn set(&self, attribute: KeyValue) {
        if let Some(context) = self.recorded() {
            context.span().set_attribute(attribute);
        }
    }

    /// The route of the request is known.
    pub(crate) fn routed(&self, method: KnownMethod, route: &str) {
        let Some(context) = self.recorded() else { return };
        let span = context.span();
        span.update_name(format!("{} {route}", method.name().unwrap_or(span::HTTP_OTHER)));
        span.set_attribute(KeyValue::new(attr::HTTP_ROUTE, route.to_owned()));
    }

    /// The head of the answer is there; `after` tells how long that took.
    pub(crate) fn answered(
        &mut self,
        status: StatusCode,
        version: Version,
        after: impl FnOnce() -> Duration,
    ) {
        let Some(context) = self.recorded() else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new(attr::RESPONSE_HEADERS_TIME, after().as_secs_f64()));
        span.set_attribute(KeyValue::new(attr::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
        let version = match version {
            Version::HTTP_10 => protocol_version::HTTP_1_0,
            Version::HTTP_2 => protocol_version::HTTP_2,
            Version::HTTP_3 => protocol_version::HTTP_3,
            _ => protocol_version::HTTP_1_1,
        };
        span.set_attribute(KeyValue::new(attr::NETWORK_PROTOCOL_VERSION, version));
        // What a client does wrong is no error of the server.
        if status.is_server_error() {
            self.fail(status.as_str().to_owned());
        }
    }

    pub(crate) fn error(&mut self, class: ErrorType) {
        self.fail(class.as_str());
    }

    /// The client left before it had the whole answer.
    pub(crate) fn disconnected(&self, phase: DisconnectPhase) {
        self.set(KeyValue::new(attr::SERVER_DISCONNECT_PHASE, phase.as_str()));
    }

    /// Why it failed; only the first reason counts.
    fn fail(&mut self, error_type: impl Into<Value>) {
        let Some(inner) = self.inner.as_mut().filter(|inner| inner.is_recorded) else { return };
        if !std::mem::replace(&mut inner.has_failed, true) {
            let span = inner.context.span();
            span.set_attribute(KeyValue::new(attr::ERROR_TYPE, error_type));
            span.set_status(Status::error(""));
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(inner) = self.inner.take().filter(|inner| inner.is_recorded) {
            inner.context.span().end();
        }
    }
}

/// What is current while a request is being served.
#[derive(Debug)]
#[expect(dead_code, reason = "all that they do is to end")]
pub(crate) enum ServedInside<'a> {
    /// The context of its span.
    Context(ContextGuard, PhantomData<&'a ()>),
    /// Its span of the crate `tracing`.
    #[cfg(feature = "tracing")]
    Span(tracing::span::Entered<'a>),
}

fn describe(incoming: &Incoming<'_>, known: Option<&'static str>, set: &mut dyn FnMut(KeyValue)) {
    let Incoming { request, server, scheme, peer: from, connection, .. } = incoming;
    set(KeyValue::new(attr::HTTP_REQUEST_METHOD, known.unwrap_or(METHOD_OTHER)));
    if known.is_none() {
        set(KeyValue::new(attr::HTTP_REQUEST_METHOD_ORIGINAL, request.method.as_str().to_owned()));
    }
    set(KeyValue::new(attr::URL_PATH, request.uri.path().to_owned()));
    if let Some(query) = request.uri.query() {
        set(KeyValue::new(attr::URL_QUERY, without_values(query)));
    }
    set(KeyValue::new(attr::URL_SCHEME, *scheme));
    set(KeyValue::new(attr::SERVER_NAME, (*server).to_owned()));
    set(KeyValue::new(attr::CONNECTION_ID, i64::try_from(*connection).unwrap_or(i64::MAX)));
    let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let authority: Option<http::uri::Authority> = request.uri.authority().cloned().or(host);
    if let Some(authority) = authority {
        set(KeyValue::new(attr::SERVER_ADDRESS, authority.host().to_owned()));
        authority
            .port_u16()
            .into_iter()
            .for_each(|port| set(KeyValue::new(attr::SERVER_PORT, i64::from(port))));
    }
    if let Some(from) = from {
        set(KeyValue::new(attr::CLIENT_ADDRESS, from.ip().to_string()));
        peer(*from).into_iter().for_each(&mut *set);
    }
    let agent = request.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.into_iter().for_each(|agent| set(KeyValue::new(attr::USER_AGENT_ORIGINAL, agent.to_owned())));
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let all: Vec<_> = self.0.get_all(key).iter().filter_map(|value| value.to_str().ok()).collect();
        (!all.is_empty()).then_some(all)
    }
}
