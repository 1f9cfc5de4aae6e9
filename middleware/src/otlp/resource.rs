//! Who sends: the same resource on all three signals.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use poolscope_semconv::attr;

use crate::export;

/// The resource with what was told, and with the defaults of the OpenTelemetry specification for what was not.
pub(super) fn resource(told: &[(String, String)]) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new(attr::SERVICE_NAME, default_service_name()),
            KeyValue::new(attr::SERVICE_INSTANCE_ID, export::random_uuid()),
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
}
