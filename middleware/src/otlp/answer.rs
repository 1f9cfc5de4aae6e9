//! What came back for one attempt.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use serde_json::{Map, Value};

/// The answer of a receiver that took a request. The answers of the three signals have the same fields with the same
/// numbers, so this one is read for all of them: whether something was rejected, how much of it, and why.
pub(super) type Message = ExportMetricsServiceResponse;

/// Longest text of a receiver that is passed on.
const MAX_TEXT: usize = 500;

/// How one attempt ended.
#[derive(Debug)]
pub(super) struct Answer {
    /// The dashboard introduced itself.
    pub(super) is_dashboard: bool,
    pub(super) result: Result<Taken, Refused>,
}

/// The receiver took the request, perhaps not all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Items that it did not take.
    pub(super) rejected: u64,
    /// Why, or a warning; empty if all is well.
    pub(super) message: String,
}

/// The request was not taken.
#[derive(Debug)]
pub(super) struct Refused {
    /// Another attempt may succeed.
    pub(super) is_transient: bool,
    /// A receiver said so; otherwise nobody answered in its place.
    pub(super) is_answered: bool,
    /// Somebody is there, but TLS with it failed.
    pub(super) is_tls: bool,
    /// How long to wait, in the receiver's words.
    pub(super) pause: Option<Duration>,
    pub(super) reason: String,
}

impl Taken {
    pub(super) fn new(message: Message) -> Self {
        let Some(partial) = message.partial_success else { return Self::default() };
        let rejected = u64::try_from(partial.rejected_data_points).unwrap_or(0);
        Self { rejected, message: shortened(&partial.error_message) }
    }

    /// Reads a message in JSON, of any signal; `None` if it is none.
    pub(super) fn from_json(body: &[u8]) -> Option<Self> {
        const REJECTED: [&str; 3] = ["rejectedDataPoints", "rejectedSpans", "rejectedLogRecords"];
        let message = serde_json::from_slice::<Map<String, Value>>(body).ok()?;
        // Other fields are those of another version, or of a vendor.
        let partial = match message.get("partialSuccess") {
            None | Some(Value::Null) => return Some(Self::default()),
            Some(partial) => partial.as_object()?,
        };
        let rejected = match REJECTED.iter().find_map(|key| partial.get(*key)) {
            None | Some(Value::Null) => 0,
            // JSON of protobuf has 64 bits as text, and takes numbers too.
            Some(Value::String(text)) => text.parse().ok()?,
            Some(number) => number.as_i64()?,
        };
        let message = match partial.get("errorMessage") {
            None | Some(Value::Null) => "",
            Some(text) => text.as_str()?,
        };
        Some(Self { rejected: u64::try_from(rejected).unwrap_or(0), message: shortened(message) })
    }
}

impl Refused {
    /// Nobody answered, for this reason.
    pub(super) fn unanswered(reason: &(dyn std::error::Error + 'static)) -> Self {
        let causes = || std::iter::successors(Some(reason), |error| error.source());
        let is_tls = causes().any(is_tls);
        let mut reason = String::new();
        for cause in causes().map(ToString::to_string) {
            // Some tell of their cause already.
            if !reason.ends_with(&cause) {
                let colon = if reason.is_empty() { "" } else { ": " };
                reason = reason + colon + &cause;
            }
        }
        Self { is_transient: true, is_answered: false, is_tls, pause: None, reason: shortened(&reason) }
    }

    /// Remembers what an attempt has learned of TLS, and says it of a later one that has learned nothing. Who is refused by an
    /// alert often finds the connection closed before having read it.
    pub(super) fn recall(&mut self, learned: &mut Option<String>) {
        match learned {
            _ if self.is_tls => *learned = Some(self.reason.clone()),
            Some(reason) if !self.is_answered => {
                self.is_tls = true;
                self.reason.clone_from(reason);
            }
            _ => {}
        }
    }

    /// A receiver answered in a way that another attempt will not mend.
    pub(super) fn for_good(reason: impl Into<String>) -> Self {
        Self { is_transient: false, is_answered: true, is_tls: false, pause: None, reason: reason.into() }
    }
}

/// True if it is an error of TLS, which travels inside of one of input and output. Of one that comes while HTTP/2 reads, only
/// the text is left.
#[cfg(feature = "otlp-tls")]
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<std::io::Error>() else { return error.is::<rustls::Error>() };
    io.get_ref().is_some_and(|inner| is_tls(inner) || inner.to_string().starts_with("received fatal alert"))
}

#[cfg(not(feature = "otlp-tls"))]
fn is_tls(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// A receiver's text, which may be of any length and hold anything.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "otlp-tls")]
    #[test]
    fn what_one_attempt_learns_of_tls_is_told_of_those_that_learn_nothing() {
        let failed = |kind: std::io::ErrorKind, text: &'static str| {
            Refused::unanswered(&std::io::Error::new(kind, text))
        };
        let alert = || failed(std::io::ErrorKind::InvalidData, "received fatal alert: CertificateRequired");
        let closed = || failed(std::io::ErrorKind::BrokenPipe, "broken pipe");
        let mut learned = None;
        let mut tell = |mut refused: Refused| {
            refused.recall(&mut learned);
            (refused.is_tls, refused.reason)
        };
        assert_eq!(tell(closed()), (false, "broken pipe".to_owned()));
        let told = (true, "received fatal alert: CertificateRequired".to_owned());
        assert_eq!(tell(alert()), told);
        assert_eq!(tell(closed()), told);
        assert_eq!(tell(Refused::for_good("no")), (false, "no".to_owned()));
    }

    #[test]
    fn an_answer_in_json_is_read_for_every_signal() {
        let taken = |rejected, message: &str| Some(Taken { rejected, message: message.to_owned() });
        for (json, expected) in [
            ("{}", taken(0, "")),
            (r#"{"partialSuccess":{}}"#, taken(0, "")),
            (r#"{"partialSuccess":null}"#, taken(0, "")),
            (r#"{"partialSuccess":{"rejectedSpans":"5"}}"#, taken(5, "")),
            (r#"{"partialSuccess":{"rejectedDataPoints":7,"errorMessage":"old"}}"#, taken(7, "old")),
            (r#"{"partialSuccess":{"rejectedLogRecords":"1","new":true}}"#, taken(1, "")),
            (r#"{"partialSuccess":{"rejectedSpans":-3,"errorMessage":"hm"}}"#, taken(0, "hm")),
            (r#"{"partialSuccess":{"rejectedSpans":"many"}}"#, None),
            (r#"{"partialSuccess":true}"#, None),
            (r#"{"status":"ok"}"#, taken(0, "")),
            (r#""fine""#, None),
            ("[]", None),
            ("{", None),
        ] {
            assert_eq!(Taken::from_json(json.as_bytes()), expected, "{json}");
        }
    }
}
