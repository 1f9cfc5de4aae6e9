//! Spans: checked and counted; nothing shows them yet.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::model::Rejected;

/// What a trace request says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) taken: u64,
    pub(crate) rejected: Rejected,
}

/// Decodes a trace request.
pub(crate) fn spans(request: &ExportTraceServiceRequest) -> Spans {
    let mut all = Spans::default();
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    for span in scopes.flat_map(|scope| &scope.spans) {
        if is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) {
            all.taken += 1;
        } else {
            all.rejected.add(1, || "a span has no valid trace id and span id".to_owned());
        }
    }
    all
}

fn is_id(bytes: &[u8], len: usize) -> bool {
    bytes.len() == len && bytes.iter().any(|byte| *byte != 0)
}
