//! What can go wrong when Prometheus is asked, and what to do about it.

use http::StatusCode;

use crate::words;

/// Longest text of others that is repeated.
const MAX_REPEATED: usize = 300;

/// Why there is no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("Prometheus can't be reached: {0}. See that it runs and that --prometheus-url is right")]
    Unreached(String),
    #[error("Prometheus' certificate is not trusted: {0}. Name those who signed it by --prometheus-ca")]
    Untrusted(String),
    #[error(
        "Prometheus did not answer within {0} s. Give it more time by --prometheus-timeout, or less to do by --prometheus-label"
    )]
    Slow(u64),
    #[error("Prometheus answers {}: {}", .0.as_u16(), advice(*.0))]
    Refused(StatusCode),
    #[error(
        "Prometheus leads on to {0}, which is not followed. If that is right, name it by --prometheus-url"
    )]
    Elsewhere(String),
    #[error("Prometheus can't run the query ({kind}): {said}")]
    Query { kind: String, said: String },
    #[error(
        "what answers is no Prometheus API: {0}. --prometheus-url is the address to which /api/v1/query is added"
    )]
    Stranger(String),
    #[error("the answer is larger than {} bytes. Ask for less by --prometheus-label, or allow more by --prometheus-max-bytes", .0)]
    TooLarge(usize),
    #[error("the answer has more than {} series. Ask for less by --prometheus-label, or allow more by --prometheus-max-series", .0)]
    TooMany(usize),
    #[error("too many browsers ask Prometheus for older history at once, or most of them from one address")]
    Busy,
    #[error("the file of --prometheus-token-file or --prometheus-password-file can't be used: {0}")]
    Secret(String),
}

impl Problem {
    /// A refusal of the API itself.
    pub(super) fn query(kind: Option<&str>, said: &str) -> Self {
        let text = |text: &str| words::cut_name(text, MAX_REPEATED).into_string();
        Self::Query { kind: text(kind.unwrap_or("error")), said: text(said) }
    }

    /// An answer that is none.
    pub(super) fn stranger(what: &str) -> Self {
        Self::Stranger(words::cut_name(what, MAX_REPEATED).into_string())
    }

    /// True if half as much may be answered.
    pub(super) fn is_of_size(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::Slow(_))
            || matches!(self, Self::Query { kind, .. } if kind == "timeout" || kind == "execution")
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "it wants to know who asks. Set --prometheus-token-file, or --prometheus-user and --prometheus-password-file"
        }
        StatusCode::FORBIDDEN => "who asks may not. See the token, and the tenant in --prometheus-header",
        StatusCode::NOT_FOUND => {
            "there is no API at this path. --prometheus-url is the address to which /api/v1/query is added"
        }
        StatusCode::METHOD_NOT_ALLOWED => "something on the way lets no POST through, which queries need",
        StatusCode::TOO_MANY_REQUESTS => "it is asked too often. Set a longer --prometheus-interval",
        status if status.is_server_error() => "it is not well, or what stands before it can't reach it",
        _ => "it refuses the question",
    }
}
