//! [`Supervised`].

use std::fmt;
use std::sync::Arc;

use poolscope_semconv::value::{SupervisorReason, SupervisorState};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::SupervisorSnapshot;

/// A connection that is kept alive for as long as this is. See the [module](super) for an example.
///
/// Dropped, it has the connection closed in order, without waiting for that.
#[must_use = "the connection is closed when this is dropped"]
pub struct Supervised<M> {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<M>,
}

/// The supervisor has stopped, or, of [`Supervised::try_send`], has no room now. The message is given back.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<M> {
    /// As many messages wait as may wait.
    Full(M),
    /// Nobody will send it.
    Stopped(M),
}

impl<M> SendError<M> {
    /// The message that was not taken.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Stopped(message) => message,
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Stopped(_) => "Stopped(..)",
        })
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the message was not taken: as many wait to be sent as may wait",
            Self::Stopped(_) => "the message was not taken: the supervisor has stopped",
        })
    }
}

impl<M> std::error::Error for SendError<M> {}

impl<M> Supervised<M> {
    pub(super) fn new(shared: Arc<Shared>, outbox: mpsc::Sender<M>) -> Self {
        Self { shared, outbox }
    }

    /// Has a message sent over this connection, or over the next one if there is none now. Waits for room.
    ///
    /// A message is sent once at most: one whose connection is lost while it is sent, which the other end may have or not, is
    /// lost too. So is what waits when the supervisor stops. [`SupervisorSnapshot::lost`] counts them.
    ///
    /// # Errors
    ///
    /// The supervisor has stopped.
    pub async fn send(&self, message: M) -> Result<(), SendError<M>> {
        self.outbox.send(message).await.map_err(|error| SendError::Stopped(error.0))?;
        self.shared.has_taken();
        Ok(())
    }

    /// Has a message sent as by [`send`](Self::send), if there is room for it.
    ///
    /// # Errors
    ///
    /// There is no room, or the supervisor has stopped.
    pub fn try_send(&self, message: M) -> Result<(), SendError<M>> {
        self.outbox.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(message) => SendError::Full(message),
            mpsc::error::TrySendError::Closed(message) => SendError::Stopped(message),
        })?;
        self.shared.has_taken();
        Ok(())
    }

    /// The state that it is in now.
    #[must_use]
    pub fn state(&self) -> SupervisorState {
        self.shared.state()
    }

    /// Waits until it has stopped, and tells why. Can be dropped and asked again at any time.
    pub async fn ended(&self) -> SupervisorReason {
        self.shared.stopped().await
    }

    /// Has the connection closed in order, without waiting for that; [`ended`](Self::ended) does.
    pub fn close(&self) {
        self.shared.stop(SupervisorReason::Requested);
    }

    /// Closes the connection in order, and waits for that. Tells why it stopped, if it had before.
    pub async fn stop(self) -> SupervisorReason {
        self.close();
        self.ended().await
    }

    /// Everything that is known of it; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> SupervisorSnapshot {
        self.shared.snapshot()
    }
}

impl<M> fmt::Debug for Supervised<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl<M> Drop for Supervised<M> {
    fn drop(&mut self) {
        self.shared.stop(SupervisorReason::Dropped);
    }
}
