//! [`Session`].

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use poolscope_semconv::value::SessionEnd;
use tokio_util::sync::CancellationToken;

use super::life::Life;
use super::registry::Shared;
use crate::event::{EndOfSession, Event};
use crate::said::cut;

/// Most bytes of an error that are told.
const LONGEST_ERROR: usize = 256;

/// A session that is there for as long as this lives. See the [module](super) for an example.
///
/// Dropped without a word, it ends as [`SessionEnd::Dropped`], or as [`SessionEnd::Panicked`] while a panic unwinds; where
/// several tasks serve it, put it into an [`Arc`]. It ends by the first reason that there is, so that one that was told to end
/// and is then completed has ended for what it was told.
#[must_use = "a session ends when it is dropped"]
pub struct Session {
    shared: Arc<Shared>,
    life: Arc<Life>,
    error: Option<String>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, life: Arc<Life>) -> Self {
        Self { shared, life, error: None }
    }

    /// Its number, which no other session of the registry has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.life.id
    }

    /// What it is called.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.life.key
    }

    /// Something happened in it: its idle time begins again. Reads the clock and stores one number.
    #[inline]
    pub fn touch(&self) {
        self.life.touch(self.shared.now());
    }

    /// Whether it was told to end, and why.
    #[must_use]
    pub fn told(&self) -> Option<SessionEnd> {
        self.life.told().map(|told| told.reason)
    }

    /// Waits until it is told to end, and tells why. Can be dropped and asked again at any time.
    pub async fn ended(&self) -> SessionEnd {
        self.life.token().cancelled().await;
        // Whoever wakes has told before.
        self.told().unwrap_or(SessionEnd::Dropped)
    }

    /// A token that is cancelled when the session is told to end, and when it is dropped: for tasks that belong to it. To cancel
    /// it ends only what depends on that very token.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.life.token().child_token()
    }

    /// Ends it, as it should be. Tells the reason that holds: another one, if it was told to end before.
    pub fn complete(self) -> SessionEnd {
        self.end(SessionEnd::Completed)
    }

    /// Ends it because of an error, of which the first 256 bytes are told in its event. Tells the reason that holds.
    pub fn fail(mut self, error: impl fmt::Display) -> SessionEnd {
        self.error = Some(cut(&error.to_string(), LONGEST_ERROR).to_owned());
        self.end(SessionEnd::Error)
    }

    fn end(&self, reason: SessionEnd) -> SessionEnd {
        self.life.tell(reason, self.shared.now());
        self.told().unwrap_or(reason)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let reason = if thread::panicking() { SessionEnd::Panicked } else { SessionEnd::Dropped };
        let reason = self.end(reason);
        // Told before it is counted out: who waits until all are gone may send telemetry then, and end.
        if reason != SessionEnd::Completed {
            let error = self.error.take().filter(|_| reason == SessionEnd::Error);
            self.shared.emit(&Event::SessionEnded(end_of(&self.shared, &self.life, reason, error)));
        }
        self.shared.leave(&self.life, reason);
        // Its tasks end with it.
        self.life.wake();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("of", &self.shared.name)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

/// What is told of a session that has ended, or should have.
pub(super) fn end_of(
    shared: &Shared,
    life: &Life,
    reason: SessionEnd,
    error: Option<String>,
) -> EndOfSession {
    let now = shared.now();
    EndOfSession {
        name: Arc::clone(&shared.name),
        id: life.id,
        key: Arc::clone(&life.key),
        reason,
        duration: now.saturating_sub(life.began),
        idle: now.saturating_sub(life.active()),
        ending: life.told().map_or(Duration::ZERO, |told| now.saturating_sub(told.at)),
        error,
    }
}
