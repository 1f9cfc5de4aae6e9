//! Resources: who sends.

use opentelemetry_proto::tonic::resource::v1::Resource;
use poolscope_semconv::accepted::attr as theirs;
use poolscope_semconv::attr;

use super::attributes::Attributes;
use crate::model::Sender;

/// OpenTelemetry's own name for a service that has none.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// The sender that a resource names.
pub(crate) fn sender(resource: Option<&Resource>) -> Sender<'_> {
    named(resource.map_or(&[][..], |resource| &resource.attributes))
}

/// The sender that the attributes of a resource name.
pub(super) fn named<'a>(attributes: impl Attributes<'a>) -> Sender<'a> {
    let get = |key| attributes.text(key).unwrap_or_default();
    Sender {
        service: attributes
            .text(attr::SERVICE_NAME)
            .filter(|name| !name.is_empty())
            .unwrap_or(UNKNOWN_SERVICE),
        // Many SDKs name no instance; what it runs in then tells two of a service apart.
        instance: [attr::SERVICE_INSTANCE_ID, theirs::K8S_POD_NAME, theirs::CONTAINER_ID, theirs::HOST_NAME]
            .map(get)
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
        language: get(attr::TELEMETRY_SDK_LANGUAGE),
        version: get(attr::SERVICE_VERSION),
    }
}
