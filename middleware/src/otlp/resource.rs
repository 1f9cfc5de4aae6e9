//! Who sends: the same resource on all three signals.

use opentelemetry::KeyValue;
use opentelemetry::trace::TraceId;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use poolscope_semconv::attr;

/// The resource with what was told, and with the defaults of the OpenTelemetry specification for what was not.
pub(super) fn resource(told: &[(String, String)]) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new(attr::SERVICE_NAME, default_service_name()),
            KeyValue::new(attr::SERVICE_INSTANCE_ID, random_uuid()),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(told.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
        .build()
}

fn default_service_name() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    name.map_or_else(|| "unknown_service".to_owned(), |name| format!("unknown_service:{name}"))
}

/// A random UUID (version 4). The SDK's generator of trace ids has the 128 random bits that it takes.
fn random_uuid() -> String {
    uuid(RandomIdGenerator::default().new_trace_id())
}

fn uuid(random: TraceId) -> String {
    let mut bytes = random.to_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = TraceId::from_bytes(bytes).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Key;

    fn get(resource: &Resource, key: &'static str) -> String {
        resource.get(&Key::from_static_str(key)).unwrap().to_string()
    }

    #[test]
    fn what_was_told_last_wins_and_the_rest_has_defaults() {
        let told = [
            (attr::SERVICE_NAME, "first"),
            (attr::SERVICE_NAME, "shop"),
            (attr::SERVICE_INSTANCE_ID, "shop-1"),
            (attr::SERVICE_VERSION, "1.2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let told = resource(&told);
        assert_eq!(get(&told, attr::SERVICE_NAME), "shop");
        assert_eq!(get(&told, attr::SERVICE_INSTANCE_ID), "shop-1");
        assert_eq!(get(&told, attr::SERVICE_VERSION), "1.2");

        let default = resource(&[]);
        assert!(get(&default, attr::SERVICE_NAME).starts_with("unknown_service:"));
        assert_eq!(get(&default, attr::TELEMETRY_SDK_LANGUAGE), "rust");
        assert_ne!(get(&default, attr::SERVICE_INSTANCE_ID), get(&resource(&[]), attr::SERVICE_INSTANCE_ID));
    }

    #[test]
    fn a_uuid_names_its_version() {
        assert_eq!(uuid(TraceId::from_bytes([0xff; 16])), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(TraceId::from_bytes([0; 16])), "00000000-0000-4000-8000-000000000000");
    }
}
