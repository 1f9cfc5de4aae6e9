//! Puts the identity of a span into the headers of its request.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceState};
use opentelemetry::{Context, global};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of `traceparent`: version, trace id, span id, flags.
const TRACEPARENT_LEN: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// Injects a span by the global propagator. The context is made only if that one needs it.
pub(super) fn inject(span: &SpanContext, context: impl Fn() -> Context, headers: &mut HeaderMap) {
    global::get_text_map_propagator(|propagator| inject_by(propagator, span, &context, headers));
}

fn inject_by(
    propagator: &dyn TextMapPropagator,
    span: &SpanContext,
    context: &impl Fn() -> Context,
    headers: &mut HeaderMap,
) {
    if is_trace_context(propagator) {
        inject_trace_context(span, headers);
    } else {
        propagator.inject_context(&context(), &mut Headers(headers));
    }
}

/// True for the W3C propagator of the SDK, which makes several strings for each request: what it writes is written here
/// at a tenth of the price. It is known by its fields, and by having nothing that it could be set to do otherwise.
fn is_trace_context(propagator: &dyn TextMapPropagator) -> bool {
    size_of_val(propagator) == 0 && propagator.fields().eq([TRACEPARENT.as_str(), TRACESTATE.as_str()])
}

/// Writes `traceparent`, and `tracestate` if there is one.
fn inject_trace_context(span: &SpanContext, headers: &mut HeaderMap) {
    if !span.is_valid() {
        return;
    }
    let mut text = [b'-'; TRACEPARENT_LEN];
    write_hex(&[0], &mut text[..2]);
    write_hex(&span.trace_id().to_bytes(), &mut text[3..35]);
    write_hex(&span.span_id().to_bytes(), &mut text[36..52]);
    write_hex(&[span.is_sampled().into()], &mut text[53..]);
    if let Ok(mut value) = HeaderValue::from_bytes(&text) {
        // No two requests have the same, so it must not push others out of HTTP/2's table of headers; this keeps it out.
        value.set_sensitive(true);
        headers.insert(TRACEPARENT, value);
    }
    if *span.trace_state() == TraceState::NONE {
        return;
    }
    let state = span.trace_state().header();
    if !state.is_empty()
        && let Ok(value) = HeaderValue::try_from(state)
    {
        headers.insert(TRACESTATE, value);
    }
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(text.as_chunks_mut().0) {
        *pair = HEX[usize::from(*byte)];
    }
}

/// Each byte in hexadecimal digits: half the work of looking up each digit.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [[0; 2]; 256];
    let mut byte = 0;
    while byte < hex.len() {
        hex[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    hex
};

/// Lets a propagator write into HTTP headers. A name or value that HTTP does not allow is left out.
struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if value.is_empty() {
            return;
        }
        let name = match key {
            "traceparent" => Ok(TRACEPARENT),
            "tracestate" => Ok(TRACESTATE),
            key => HeaderName::try_from(key),
        };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::propagation::Extractor;
    use opentelemetry::propagation::text_map_propagator::FieldIter;
    use opentelemetry::trace::{SpanId, TraceContextExt, TraceFlags, TraceId};

    fn span(flags: TraceFlags, state: &[(&str, &str)]) -> SpanContext {
        let state = TraceState::from_key_value(state.iter().copied()).unwrap();
        let ids =
            (TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736), SpanId::from(0xf0_67aa_0ba9_02b7));
        SpanContext::new(ids.0, ids.1, flags, false, state)
    }

    /// Injects by a propagator, with the header that a caller has put there before.
    fn headers_by(propagator: &dyn TextMapPropagator, span: &SpanContext) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("stale"));
        let context = || Context::new().with_remote_span_context(span.clone());
        inject_by(propagator, span, &context, &mut headers);
        headers
    }

    /// Writes a header of its own, whatever its fields are said to be.
    #[derive(Debug)]
    struct Other(Vec<String>);

    impl TextMapPropagator for Other {
        fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
            injector.set("x-trace", context.span().span_context().trace_id().to_string());
            injector.set("not a name", "lost".to_owned());
            injector.set("x-empty", String::new());
        }

        fn extract_with_context(&self, context: &Context, _: &dyn Extractor) -> Context {
            context.clone()
        }

        fn fields(&self) -> FieldIter<'_> {
            FieldIter::new(&self.0)
        }
    }

    #[test]
    fn the_trace_context_is_written_as_the_propagator_writes_it() {
        let mut headers = HeaderMap::new();
        inject_trace_context(&span(TraceFlags::SAMPLED, &[("a", "1"), ("b", "2")]), &mut headers);
        assert_eq!(headers[TRACEPARENT], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(headers[TRACESTATE], "a=1,b=2");
        let mut headers = HeaderMap::new();
        // Of the flags only the one that is defined is passed on.
        inject_trace_context(&span(TraceFlags::new(0xfe), &[]), &mut headers);
        assert_eq!(headers[TRACEPARENT], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        assert_eq!(headers.len(), 1, "no state, no header");
        let mut headers = HeaderMap::new();
        inject_trace_context(&SpanContext::empty_context(), &mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn any_other_propagator_is_asked() {
        let fields = ["traceparent", "tracestate"].map(str::to_owned).to_vec();
        // The second has the same fields, and something that may make it write otherwise.
        for propagator in [Other(Vec::new()), Other(fields)] {
            let headers = headers_by(&propagator, &span(TraceFlags::SAMPLED, &[]));
            assert_eq!(headers["x-trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!((headers.len(), &headers[TRACEPARENT]), (2, &HeaderValue::from_static("stale")));
        }
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn the_propagator_of_the_sdk_is_known_and_writes_the_same() {
        let propagator = opentelemetry_sdk::propagation::TraceContextPropagator::new();
        assert!(is_trace_context(&propagator));
        for span in [span(TraceFlags::SAMPLED, &[("a", "1")]), span(TraceFlags::NOT_SAMPLED, &[])] {
            let mut theirs = HeaderMap::new();
            let context = Context::new().with_remote_span_context(span.clone());
            propagator.inject_context(&context, &mut Headers(&mut theirs));
            assert_eq!(headers_by(&propagator, &span), theirs);
        }
    }
}
