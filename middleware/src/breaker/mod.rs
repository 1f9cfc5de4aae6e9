//! Circuit breaker.
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct BreakerOpen;
