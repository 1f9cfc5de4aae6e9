//! [`SessionId`].

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// What a client proves with that a session is its own: 128 random bits, as 32 digits.
///
/// It never leaves with telemetry, and is not shown by `Debug`. After a login, make a new session and remove the one from
/// before: whoever knew its id may be somebody else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// One that nobody can guess.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("{:032x}", u128::from_le_bytes(bits)).into()))
    }

    /// The id as text, for a cookie.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
