//! [`BreakerStore`]: what breakers know, kept over restarts.

#[cfg(feature = "breaker-store")]
mod file;
mod saver;

use std::error::Error;
use std::time::SystemTime;

#[cfg(feature = "breaker-store")]
pub use self::file::{DEFAULT_MAX_AGE, FileStore};
pub(super) use self::saver::Saver;
use super::state::Force;

/// A breaker that is not as it was made: open, or held by hand.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "breaker-store", derive(serde::Serialize, serde::Deserialize))]
pub struct StoredBreaker {
    /// Its name.
    pub name: String,
    /// What it is kept in.
    pub state: StoredState,
}

/// A state that is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "breaker-store",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum StoredState {
    /// Open until then, or trying since then; it has opened again so often without having been closed.
    Open {
        /// When it lets a call try.
        until: SystemTime,
        /// How often it has opened again, which makes its open time grow.
        reopened: u32,
    },
    /// Held in a state by hand.
    Forced(Force),
}

/// Where breakers are kept over a restart, so that a program that starts anew does not begin by calling what was known to be
/// down. See [`BreakerBuilder::store`](super::BreakerBuilder::store).
///
/// Both are called by threads that may wait: `load` by who builds the layer, `save` by a thread of the layer's own.
pub trait BreakerStore: Send + Sync + 'static {
    /// What was saved last; nothing if there is nothing. What is open can be too old to be true; what is held by hand can't.
    ///
    /// # Errors
    ///
    /// What is there can't be read. The layer says so as a warning, and begins with closed breakers.
    fn load(&self) -> Result<Vec<StoredBreaker>, Box<dyn Error + Send + Sync>>;

    /// Keeps these in the place of what was saved before. Called after changes, for the last of several that come at once. The
    /// shutdown of the scope waits for it.
    ///
    /// # Errors
    ///
    /// They can't be kept. The layer says so as a warning, and saves again after the next change.
    fn save(&self, breakers: &[StoredBreaker]) -> Result<(), Box<dyn Error + Send + Sync>>;
}
