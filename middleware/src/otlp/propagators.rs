//! `OTEL_PROPAGATORS`: which headers carry a trace from process to process.

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use super::env::Env;
use super::error::OtlpError;

const ALLOWED: &str = "none or a list of tracecontext and baggage; for another, set it as the global propagator and call \
                       Otlp::without_global_propagator";

/// The propagator that the environment asks for; `None` if it asks for none.
pub(super) fn propagator(env: Env<'_>) -> Result<Option<TextMapCompositePropagator>, OtlpError> {
    // Baggage is not told to every server unless somebody wants it, other than in the specification.
    let known =
        env.parse("OTEL_PROPAGATORS", ALLOWED, parse)?.unwrap_or(Known { trace: true, baggage: false });
    let trace = known.trace.then(|| Box::new(TraceContextPropagator::new()) as Boxed);
    let baggage = known.baggage.then(|| Box::new(BaggagePropagator::new()) as Boxed);
    let all: Vec<_> = trace.into_iter().chain(baggage).collect();
    Ok((!all.is_empty()).then(|| TextMapCompositePropagator::new(all)))
}

type Boxed = Box<dyn TextMapPropagator + Send + Sync>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    trace: bool,
    baggage: bool,
}

fn parse(list: &str) -> Option<Known> {
    let mut known = Known::default();
    for name in list.split(',').map(str::trim) {
        match name.to_ascii_lowercase().as_str() {
            "tracecontext" => known.trace = true,
            "baggage" => known.baggage = true,
            "none" => {}
            _ => return None,
        }
    }
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: Option<&str>) -> Option<Vec<String>> {
        let lookup = |_: &str| list.map(str::to_owned);
        let found = propagator(Env(&lookup)).unwrap()?;
        let mut names: Vec<_> = found.fields().map(str::to_owned).collect();
        names.sort_unstable();
        Some(names)
    }

    #[test]
    fn the_environment_says_which_headers_carry_a_trace() {
        assert_eq!(headers(None).unwrap(), ["traceparent", "tracestate"]);
        assert_eq!(headers(Some("TraceContext, baggage")).unwrap(), ["baggage", "traceparent", "tracestate"]);
        assert_eq!(headers(Some("baggage")).unwrap(), ["baggage"]);
        assert_eq!(headers(Some("none")), None);
        let error = propagator(Env(&|_: &str| Some("b3".to_owned()))).unwrap_err().to_string();
        assert!(error.starts_with("OTEL_PROPAGATORS is \"b3\""), "{error}");
    }
}
