//! Timeouts.
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Elapsed;
