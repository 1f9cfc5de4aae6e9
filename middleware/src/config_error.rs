//! [`ConfigError`]: options that can't work.

/// Options of a layer that can't work together, or a value outside of its range. Says which one and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Nothing if `holds`, and the sentence otherwise.
pub(crate) fn require(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::new(sentence())) }
}
