//! Says once what became of a signal, and once when it changes.

use poolscope_semconv::value::Signal;

use super::answer::Refused;

/// What was told last.
#[derive(Debug)]
pub(super) struct Told {
    signal: Signal,
    endpoint: String,
    last: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    /// Taken with a word of warning.
    Warned,
    /// Taken in part.
    Rejected,
    /// Nobody answers.
    Unanswered,
    /// Somebody is there, and TLS fails.
    Insecure,
    /// Somebody answers and does not take it.
    Refused,
}

impl Told {
    pub(super) fn new(signal: Signal, endpoint: String) -> Self {
        Self { signal, endpoint, last: State::Fine }
    }

    /// A request was taken, but for so many items.
    pub(super) fn taken(&mut self, rejected: u64, message: &str) {
        let state = match (rejected, message) {
            (0, "") => State::Fine,
            (0, _) => State::Warned,
            _ => State::Rejected,
        };
        let before = std::mem::replace(&mut self.last, state);
        let (signal, endpoint) = (self.signal, &self.endpoint);
        if matches!(before, State::Unanswered | State::Insecure | State::Refused) {
            tracing::info!("{signal} arrive at {endpoint} again");
        }
        match state {
            State::Rejected if before != state => tracing::warn!(
                "the receiver at {endpoint} rejects some {signal} ({rejected} of the last request), which are counted as \
                 dropped: {message}"
            ),
            State::Warned if before != state => {
                tracing::warn!("the receiver at {endpoint} takes all {signal}, with a warning: {message}");
            }
            _ => {}
        }
    }

    /// A request was lost.
    pub(super) fn refused(&mut self, refused: &Refused) {
        let state = match (refused.is_answered, refused.is_tls) {
            (true, _) => State::Refused,
            (false, true) => State::Insecure,
            (false, false) => State::Unanswered,
        };
        if std::mem::replace(&mut self.last, state) == state {
            return;
        }
        let (signal, endpoint, reason) = (self.signal, &self.endpoint, &refused.reason);
        // Who wants a certificate may close the connection before anybody has read that.
        let or_tls = match endpoint.starts_with("https:") {
            true => "; if one does, it may want a certificate: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            false => "",
        };
        match state {
            State::Refused => tracing::warn!(
                "the receiver at {endpoint} refuses {signal}, so they are dropped and counted; it says: {reason}"
            ),
            State::Insecure => tracing::warn!(
                "TLS with {endpoint} fails, so {signal} are dropped and counted; check OTEL_EXPORTER_OTLP_CERTIFICATE, \
                 OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and the receiver's certificate ({reason})"
            ),
            _ => tracing::warn!(
                "nothing answers at {endpoint}, so {signal} are dropped and counted; start a receiver there, or set \
                 OTEL_EXPORTER_OTLP_ENDPOINT to where one listens{or_tls} ({reason})"
            ),
        }
    }
}
