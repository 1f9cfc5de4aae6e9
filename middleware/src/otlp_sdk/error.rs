//! Why the export could not be started.

use opentelemetry_otlp::ExporterBuildError;
use poolscope_semconv::value::Signal;

use crate::ConfigError;

/// Why [`OtlpSdk::start`](super::OtlpSdk::start) failed. The text is one sentence that says what to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpSdkError {
    /// A variable of the environment names a protocol that is not offered.
    #[error("{name} is {value:?}, but must be grpc or http/protobuf")]
    Protocol {
        /// Name of the variable.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// `opentelemetry-otlp` could not build an exporter; it names the setting.
    #[error("the OTLP exporter of {signal} could not be built: {reason}")]
    Exporter {
        /// The signal.
        signal: Signal,
        /// Why not.
        #[source]
        reason: ExporterBuildError,
    },
    /// The client of the exporters over HTTP could not be built.
    #[error("the HTTP client of the OTLP exporters could not be built: {0}")]
    Client(#[source] reqwest::Error),
    /// The scope's metrics are somewhere else already.
    #[error(transparent)]
    Bridge(#[from] ConfigError),
    /// The system gave no thread or no event loop for the exporters.
    #[error("the thread that exports telemetry could not be started: {0}")]
    Thread(#[source] std::io::Error),
}
