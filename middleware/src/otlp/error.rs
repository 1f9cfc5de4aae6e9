//! Why the export could not be started.

/// Why [`Otlp::start`](super::Otlp::start) failed. The text is one sentence that says what to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// An environment variable or a setting of the builder has a value that is not allowed.
    #[error("{name} is {value}, but must be {allowed}")]
    Setting {
        /// Name of the variable, or of the builder's method.
        name: String,
        /// The value; of a header, which may be a secret, only its name.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A file of certificates or of a key can't be used.
    #[error("{name} names {path}, which can't be used: {reason}")]
    File {
        /// Name of the variable, or of the builder's method.
        name: String,
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An exporter could not be built.
    #[error("the OTLP exporter of {signal} could not be built for {endpoint}: {reason}")]
    Exporter {
        /// The signal.
        signal: poolscope_semconv::value::Signal,
        /// Where it should send to.
        endpoint: String,
        /// Why not, in the words of the library that refused.
        reason: String,
    },
    /// The system gave no thread or no event loop for the export.
    #[error("the thread that exports telemetry could not be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// Longest part of a wrong value that is shown.
const MAX_SHOWN: usize = 200;

impl OtlpError {
    #[cfg(feature = "otlp-tls")]
    pub(super) fn file(name: String, path: String, reason: &str) -> Self {
        Self::File { name, path, reason: reason.to_owned() }
    }

    /// A value that is not allowed. What stands before an `@` may be a password and is left out.
    pub(super) fn setting(name: &str, value: &str, allowed: &'static str) -> Self {
        let shown: String = value.rsplit('@').next().unwrap_or_default().chars().take(MAX_SHOWN).collect();
        Self::Setting { name: name.to_owned(), value: format!("{shown:?}"), allowed }
    }
}
