//! Where a signal goes: the forms that an endpoint may have. Pure.

use http::Uri;

use super::config::Protocol;
use super::error::OtlpError;

const ALLOWED_URL: &str = "a URL with http or https and a host, such as http://localhost:4317";
const ALLOWED_TARGET: &str =
    "a URL with http or https and a host, such as http://localhost:4317, or host:port over gRPC";
const WITHOUT_TLS: &str = "an http URL unless poolscope is built with the feature otlp-tls";
const BARE_WITHOUT_TLS: &str = "a URL with http: without a scheme it means TLS, for which poolscope must be built with the \
                                feature otlp-tls, unless OTEL_EXPORTER_OTLP_INSECURE is true";

/// For whom an endpoint was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// For all signals: over HTTP, the path of the signal is appended.
    ForAll,
    /// For one signal: over HTTP it is used as it is, as the specification wants.
    ForOne,
}

/// The endpoint of a signal: for gRPC scheme and authority, for HTTP the whole URL.
pub(super) fn endpoint(
    name: &str,
    value: &str,
    meant: Meant,
    protocol: Protocol,
    path: &str,
    insecure: bool,
) -> Result<String, OtlpError> {
    let uri = match protocol {
        Protocol::Grpc => with_scheme(name, value, insecure)?,
        Protocol::HttpProtobuf => url(name, value, ALLOWED_URL)?,
    };
    let root = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => return Err(OtlpError::setting(name, value, ALLOWED_URL)),
    };
    Ok(match (protocol, meant) {
        (Protocol::Grpc, _) => root,
        (Protocol::HttpProtobuf, Meant::ForAll) => {
            format!("{root}{}{path}", uri.path().trim_end_matches('/'))
        }
        (Protocol::HttpProtobuf, Meant::ForOne) => uri.to_string(),
    })
}

/// An endpoint for people to read: what stands before an `@` or after a `?` may be a secret and is left out.
pub(super) fn shown(endpoint: &str) -> String {
    let public = endpoint.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = public.split_once("://").unwrap_or(("", public));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// gRPC allows an endpoint without a scheme; whether that means TLS is a setting of its own.
fn with_scheme(name: &str, value: &str, insecure: bool) -> Result<Uri, OtlpError> {
    if value.contains("://") {
        return url(name, value, ALLOWED_TARGET);
    }
    if !insecure && !cfg!(feature = "otlp-tls") {
        return Err(OtlpError::setting(name, value, BARE_WITHOUT_TLS));
    }
    // Anything but a host and a port makes no URL here.
    let has_port = value.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !has_port || value.contains('/') {
        return Err(OtlpError::setting(name, value, ALLOWED_TARGET));
    }
    let scheme = if insecure { "http" } else { "https" };
    url(name, &format!("{scheme}://{value}"), ALLOWED_TARGET)
}

fn url(name: &str, value: &str, allowed: &'static str) -> Result<Uri, OtlpError> {
    let uri: Option<Uri> = value.parse().ok();
    let uri = uri.filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    let uri = uri.ok_or_else(|| OtlpError::setting(name, value, allowed))?;
    if uri.scheme_str() == Some("https") && !cfg!(feature = "otlp-tls") {
        return Err(OtlpError::setting(name, value, WITHOUT_TLS));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn secrets_of_an_endpoint_are_not_shown() {
        for (endpoint, text) in [
            ("http://user:pa@ss@host:1/v1/x?token=secret", "http://host:1/v1/x"),
            ("https://[::1]:4317", "https://[::1]:4317"),
            ("http://host/a@b", "http://host/a@b"),
            ("http://host?token=s", "http://host"),
        ] {
            assert_eq!(shown(endpoint), text);
        }
    }
}
