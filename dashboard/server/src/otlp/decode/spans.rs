//! Spans: what each says, read within its bounds; what can't be true is rejected by itself.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event, span::Link, span::SpanKind as Kind, status};
use poolscope_semconv::accepted::attr as theirs;
use poolscope_semconv::{attr, span};
use poolscope_wire::{PhaseKind, SpanKind};

use super::attributes::{Attributes as _, any_text, flag, number};
use super::{pool, resource};
use crate::model::{CallRecord, Destination, NoteRecord, Rejected, Sender, SpanRecord};

/// Moments that are kept of one span; others tell little more.
const MAX_NOTES: usize = 8;
/// Links that are kept of one span.
const MAX_LINKS: usize = 8;
/// No request takes longer, and nothing else is worth a waterfall.
const MAX_NS: u64 = 7 * 24 * 3_600 * 1_000_000_000;
/// 2001 and 2200: times outside of them are no times.
const TIMES_NS: std::ops::Range<u64> = 978_307_200_000_000_000..7_258_118_400_000_000_000;
/// Seconds that are more than this are a mistake.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3_600.0;

/// Spans of parts of a request, by how their names begin: ours and .NET's, and those of Go's `otelhttptrace`.
const PARTS: &[(&str, PhaseKind)] = &[
    (span::WAIT_FOR_CONNECTION, PhaseKind::Wait),
    (span::DNS_LOOKUP, PhaseKind::Dns),
    (span::SOCKET_CONNECT, PhaseKind::Tcp),
    (span::TLS_HANDSHAKE, PhaseKind::Tls),
    ("http.getconn", PhaseKind::Wait),
    ("http.dns", PhaseKind::Dns),
    ("http.connect", PhaseKind::Tcp),
    ("http.tls", PhaseKind::Tls),
    ("http.receive", PhaseKind::Body),
];

/// Spans of calls that were turned away.
const REFUSALS: [&str; 3] = [span::BREAKER_REJECTED, span::LIMIT_REFUSED, span::GUARD_REFUSED];

/// What a trace request says.
#[derive(Debug, Default)]
pub(crate) struct Spans<'a> {
    pub(crate) spans: Vec<SpanRecord<'a>>,
    pub(crate) rejected: Rejected,
}

/// Decodes a trace request, keeping so many attributes of each span.
pub(crate) fn spans(request: &ExportTraceServiceRequest, max_attributes: usize) -> Spans<'_> {
    let mut all = Spans::default();
    for resource_spans in &request.resource_spans {
        let sender = resource::sender(resource_spans.resource.as_ref());
        for span in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match one(span, sender, max_attributes) {
                Ok(record) => all.spans.push(record),
                Err(why) => all.rejected.add(1, || why.to_owned()),
            }
        }
    }
    all
}

fn one<'a>(
    span: &'a Span,
    sender: Sender<'a>,
    max_attributes: usize,
) -> Result<SpanRecord<'a>, &'static str> {
    let (Some(trace_id), Some(span_id)) = (trace_id(&span.trace_id), span_id(&span.span_id)) else {
        return Err("a span has no valid trace id and span id");
    };
    let (start_ns, end_ns) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if !TIMES_NS.contains(&start_ns) || !TIMES_NS.contains(&end_ns) {
        return Err("a span has a begin or an end that is no time between 2001 and 2200");
    }
    if end_ns < start_ns {
        return Err("a span ends before it begins");
    }
    if end_ns - start_ns > MAX_NS {
        return Err("a span lasts longer than 7 days");
    }
    let parent = match &span.parent_span_id[..] {
        [] => 0,
        // Some senders write what is not there as zeros.
        bytes if bytes.iter().all(|byte| *byte == 0) => 0,
        bytes => span_id_of(bytes).ok_or("a span has a parent whose id is no span id")?,
    };
    let attributes = &span.attributes[..];
    let kind = kind(span.kind);
    let failed = span.status.as_ref().is_some_and(|status| status.code == status::StatusCode::Error as i32);
    let status = span.status.as_ref().map_or("", |status| &status.message);
    let notes: Vec<_> = span.events.iter().take(MAX_NOTES).map(|event| note(event, max_attributes)).collect();
    let call = call(kind, attributes);
    let is_setup = span.name.starts_with(span::CONNECTION_SETUP);
    let part = PARTS.iter().find(|(prefix, _)| span.name.starts_with(prefix)).map(|(_, part)| *part);
    let part = match attributes.text(attr::CONNECT_PHASE) {
        Some(phase) if phase == poolscope_semconv::value::ConnectPhase::TcpTls.as_str() => {
            part.map(|_| PhaseKind::TcpTls)
        }
        _ => part,
    };
    let dropped = span.attributes.len().saturating_sub(max_attributes)
        + span.events.len().saturating_sub(MAX_NOTES)
        + span.links.len().saturating_sub(MAX_LINKS);
    Ok(SpanRecord {
        sender,
        trace_id,
        span_id,
        parent,
        kind,
        name: &span.name,
        start_ns,
        end_ns,
        failed,
        error: if failed { error(attributes, &span.events) } else { None },
        error_text: if failed { error_text(status, &span.events) } else { "" },
        part,
        is_setup,
        is_refusal: REFUSALS.contains(&&*span.name),
        is_session: attributes.text(attr::SESSION_NAME).is_some(),
        is_upgrade: is_upgrade(attributes),
        destination: (call.is_some() || is_setup).then(|| destination(attributes)).flatten(),
        call,
        breaker: attributes.text(attr::BREAKER_NAME).filter(|name| !name.is_empty()),
        peer: peer(attributes),
        attributes: pairs(attributes, max_attributes),
        notes,
        links: span.links.iter().take(MAX_LINKS).filter_map(link).collect(),
        dropped,
    })
}

fn trace_id(bytes: &[u8]) -> Option<u128> {
    bytes.try_into().ok().map(u128::from_be_bytes).filter(|id| *id != 0)
}

fn span_id_of(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn span_id(bytes: &[u8]) -> Option<u64> {
    span_id_of(bytes).filter(|id| *id != 0)
}

fn kind(kind: i32) -> SpanKind {
    match Kind::try_from(kind) {
        Ok(Kind::Client) => SpanKind::Client,
        Ok(Kind::Server) => SpanKind::Server,
        Ok(Kind::Producer) => SpanKind::Producer,
        Ok(Kind::Consumer) => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn link(link: &Link) -> Option<(u128, u64)> {
    Some((trace_id(&link.trace_id)?, span_id(&link.span_id)?))
}

fn pairs(attributes: &[KeyValue], max: usize) -> Vec<(&str, Cow<'_, str>)> {
    let pairs = attributes.iter().take(max).map(|kv| {
        let value = kv.value.as_ref().and_then(|any| any.value.as_ref());
        (kv.key.as_str(), value.map_or(Cow::Borrowed(""), any_text))
    });
    pairs.collect()
}

fn note(event: &Event, max_attributes: usize) -> NoteRecord<'_> {
    NoteRecord {
        name: &event.name,
        time_ns: event.time_unix_nano,
        attributes: pairs(&event.attributes, max_attributes),
    }
}

/// The status code of an answer, by the conventions of now or of before.
fn status_code(attributes: &[KeyValue]) -> Option<u16> {
    let keys = [attr::HTTP_RESPONSE_STATUS_CODE, theirs::HTTP_STATUS_CODE];
    keys.into_iter().find_map(|key| attributes.integer(key)).and_then(|code| u16::try_from(code).ok())
}

/// True of a request, of either side, that was answered by a 101, or of a CONNECT that succeeded.
fn is_upgrade(attributes: &[KeyValue]) -> bool {
    let is_connect = || {
        let keys = [attr::HTTP_REQUEST_METHOD, theirs::HTTP_METHOD];
        keys.into_iter().find_map(|key| attributes.text(key)) == Some("CONNECT")
    };
    match status_code(attributes) {
        Some(101) => true,
        Some(200..=299) => is_connect(),
        _ => false,
    }
}

/// What an HTTP client tells of a request, by the conventions of now or of before; `None` if it is no such span.
fn call(kind: SpanKind, attributes: &[KeyValue]) -> Option<CallRecord<'_>> {
    let get = |keys: [&str; 2]| keys.into_iter().find_map(|key| attributes.text(key));
    let whole = |keys: [&str; 2]| keys.into_iter().find_map(|key| attributes.integer(key));
    let method = get([attr::HTTP_REQUEST_METHOD, theirs::HTTP_METHOD]);
    if kind != SpanKind::Client || method.is_none() {
        return None;
    }
    let seconds = |key| number(attributes, key).filter(|value| (0.0..=MAX_SECONDS).contains(value));
    Some(CallRecord {
        method: attributes.text(attr::HTTP_REQUEST_METHOD_ORIGINAL).or(method).unwrap_or_default(),
        url: match get([attr::URL_FULL, theirs::HTTP_URL]) {
            Some(url) => Cow::Borrowed(url),
            None => Cow::Owned(composed(attributes)),
        },
        status_code: status_code(attributes),
        resends: whole([attr::HTTP_REQUEST_RESEND_COUNT, theirs::HTTP_RESEND_COUNT])
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        connection: attributes.integer(attr::CONNECTION_ID).and_then(|id| u64::try_from(id).ok()),
        acquire: attributes.text(attr::ACQUIRE_OUTCOME),
        wait_s: seconds(attr::ACQUIRE_WAIT),
        limit_s: seconds(attr::LIMIT_WAIT),
        headers_s: seconds(attr::RESPONSE_HEADERS_TIME),
        idle_s: seconds(attr::CONNECTION_IDLE_TIME),
        stale: flag(attributes, attr::CONNECTION_STALE),
    })
}

/// An address of the parts that are told, where the whole one is not.
fn composed(attributes: &[KeyValue]) -> String {
    let get = |keys: [&str; 2]| keys.into_iter().find_map(|key| attributes.text(key)).unwrap_or_default();
    let scheme = get([attr::URL_SCHEME, theirs::HTTP_SCHEME]);
    let host = get([attr::SERVER_ADDRESS, theirs::NET_PEER_NAME]);
    let path = get([theirs::HTTP_TARGET, attr::URL_TEMPLATE]);
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{host}{path}")
}

/// The pool that a request went through. The conventions have the scheme of a client's span only in its URL.
fn destination(attributes: &[KeyValue]) -> Option<Destination<'_>> {
    let get = |keys: [&str; 2]| keys.into_iter().find_map(|key| attributes.text(key));
    let scheme = || {
        let url = get([attr::URL_FULL, theirs::HTTP_URL])?;
        ["https", "http"]
            .into_iter()
            .find(|scheme| url.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://")))
    };
    if let Some(destination) = pool::destination(attributes) {
        let Destination { client, address, .. } = destination;
        return match destination.scheme {
            "" => {
                let port = Some(destination.port).filter(|port| *port != 0);
                Some(Destination::new(client, scheme().unwrap_or_default(), address, port))
            }
            _ => Some(destination),
        };
    }
    let address = attributes.text(theirs::NET_PEER_NAME).filter(|address| !address.is_empty())?;
    let scheme = attributes.text(theirs::HTTP_SCHEME).or_else(scheme).unwrap_or_default();
    let port = attributes.integer(theirs::NET_PEER_PORT).and_then(|port| u16::try_from(port).ok());
    Some(Destination::new("", scheme, address, port))
}

fn peer(attributes: &[KeyValue]) -> Option<(&str, Option<u16>)> {
    let address = attributes.text(attr::NETWORK_PEER_ADDRESS)?;
    Some((address, attributes.integer(attr::NETWORK_PEER_PORT).and_then(|port| u16::try_from(port).ok())))
}

/// The class of a failure: what is told of the span, else of its last exception.
fn error<'a>(attributes: &'a [KeyValue], events: &'a [Event]) -> Option<Cow<'a, str>> {
    let exception = || events.iter().rev().find_map(|event| event.attributes.text(theirs::EXCEPTION_TYPE));
    let status = || {
        let code = [attr::HTTP_RESPONSE_STATUS_CODE, theirs::HTTP_STATUS_CODE];
        let code = code.into_iter().find_map(|key| attributes.integer(key))?;
        Some(Cow::Owned(code.to_string()))
    };
    attributes.text(attr::ERROR_TYPE).or_else(exception).map(Cow::Borrowed).or_else(status)
}

/// What a span says of its failure, else its last exception.
fn error_text<'a>(status: &'a str, events: &'a [Event]) -> &'a str {
    let exception = || events.iter().rev().find_map(|event| event.attributes.text(theirs::EXCEPTION_MESSAGE));
    Some(status).filter(|text| !text.is_empty()).or_else(exception).unwrap_or_default()
}
