//! Values of `OTEL_*` variables. Pure.

use std::time::Duration;

use super::error::OtlpError;

/// Looks an environment variable up.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Longest duration that a setting may have; it keeps the arithmetic of time away from its ends.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const ALLOWED_MILLIS: &str = "a whole number of milliseconds from 1 to 86400000 (one day)";
pub(super) const ALLOWED_BOOLEAN: &str = "true or false";
const ALLOWED_COUNT: &str = "a whole number from 1 to 1000000";

/// Most items that a queue may be told to hold.
const MAX_COUNT: usize = 1_000_000;

/// The environment, where an empty value is the same as none, as the specification asks.
#[derive(Clone, Copy)]
pub(super) struct Env<'a>(pub(super) Lookup<'a>);

impl Env<'_> {
    pub(super) fn get(self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn parse<T>(
        self,
        name: &str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, OtlpError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| OtlpError::setting(name, &value, allowed))
    }

    /// The value of the first variable that is set, with its name.
    pub(super) fn either(self, names: &[String; 2]) -> Option<(String, String)> {
        names.iter().find_map(|name| self.get(name).map(|value| (name.clone(), value)))
    }

    pub(super) fn parse_either<T>(
        self,
        names: &[String; 2],
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, OtlpError> {
        let Some((name, value)) = self.either(names) else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| OtlpError::setting(&name, &value, allowed))
    }

    pub(super) fn millis(self, name: &str) -> Result<Option<Duration>, OtlpError> {
        self.parse(name, ALLOWED_MILLIS, millis)
    }

    pub(super) fn count(self, name: &str) -> Result<Option<usize>, OtlpError> {
        let count = |value: &str| value.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
        self.parse(name, ALLOWED_COUNT, count)
    }
}

pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

pub(super) fn millis(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_millis).filter(in_range)
}

fn in_range(duration: &Duration) -> bool {
    (Duration::from_millis(1)..=MAX_DURATION).contains(duration)
}

/// A duration that the builder was told.
pub(super) fn checked(name: &str, duration: Duration) -> Result<Duration, OtlpError> {
    if in_range(&duration) {
        Ok(duration)
    } else {
        Err(OtlpError::setting(name, &format!("{duration:?}"), "from 1 ms to 1 day"))
    }
}

/// Whether a list of exporters (`OTEL_TRACES_EXPORTER` etc.) has OTLP in it.
pub(super) fn exports_otlp(list: &str) -> Option<bool> {
    let known = ["otlp", "none", "console", "logging", "prometheus", "zipkin", "jaeger", "otlp/stdout"];
    let names: Vec<_> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    let all_known = names.iter().all(|name| known.contains(&name.as_str()));
    all_known.then(|| names.iter().any(|name| name == "otlp"))
}
