//! Resources: who sends.

use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::attr;

use super::attributes::text;
use crate::model::Sender;

/// OpenTelemetry's own name for a service that has none.
const UNKNOWN_SERVICE: &str = "unknown_service";

pub(super) fn sender(resource: Option<&Resource>) -> Sender<'_> {
    let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
    let get = |key| text(attributes, key).unwrap_or_default();
    Sender {
        service: text(attributes, attr::SERVICE_NAME)
            .filter(|name| !name.is_empty())
            .unwrap_or(UNKNOWN_SERVICE),
        instance: get(attr::SERVICE_INSTANCE_ID),
        language: get(attr::TELEMETRY_SDK_LANGUAGE),
        version: get(attr::SERVICE_VERSION),
    }
}
