//! A [`Socket`] as a [`Link`]: a WebSocket of a client that is kept alive, each connection a session of its own.

use std::fmt;

use futures_util::{Sink, Stream};
use poolscope_semconv::value::{SessionEnd, SupervisorReason};

use super::link::{Link, Received};
use crate::websocket::{Came, Frame, Lost, Socket};

/// Why a supervised WebSocket is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Its session was told to end: the other end did not answer, say.
    #[error("its session was told to end: {0}")]
    Ended(SessionEnd),
    /// The other end closed in order, and said why: its code and its reason.
    #[error("{0}")]
    Closed(String),
    /// The transport failed, or the other end did not take a message.
    #[error("{0}")]
    Failed(String),
}

/// Where its sessions have [liveness](crate::session::SessionsBuilder::liveness), the socket asks by itself, and the supervisor
/// needs no heartbeat.
impl<S, M> Link for Socket<S, M>
where
    S: Stream<Item = Result<M, <S as Sink<M>>::Error>>
        + Sink<M, Error: fmt::Display + Send>
        + Unpin
        + Send
        + 'static,
    M: Frame + Send + 'static,
{
    type Incoming = M;
    type Outgoing = M;
    type Error = SocketError;

    async fn recv(&mut self) -> Option<Result<Received<M>, SocketError>> {
        match (self.next().await, self.lost()) {
            (Some(Came::Message(message)), _) => Some(Ok(Received::Message(message))),
            (Some(Came::Sign), _) => Some(Ok(Received::Alive)),
            (None, Some(Lost::Told(told))) => Some(Err(SocketError::Ended(told))),
            (None, Some(Lost::Closed(farewell))) => Some(Err(SocketError::Closed(farewell))),
            (None, Some(Lost::Failed(error))) => {
                self.session().end(SessionEnd::Error);
                Some(Err(SocketError::Failed(error)))
            }
            (None, None) => None,
        }
    }

    async fn send(&mut self, message: M) -> Result<(), SocketError> {
        Self::send(self, message).await.map_err(|error| SocketError::Failed(error.to_string()))
    }

    fn reason(error: &SocketError) -> SupervisorReason {
        match error {
            SocketError::Ended(SessionEnd::Unresponsive) => SupervisorReason::Unresponsive,
            SocketError::Ended(SessionEnd::IdleTimeout) => SupervisorReason::Silent,
            SocketError::Closed(_) => SupervisorReason::PeerClosed,
            _ => SupervisorReason::Failed,
        }
    }

    async fn ping(&mut self) -> Result<(), SocketError> {
        Self::ping(self).await.map_err(|error| SocketError::Failed(error.to_string()))
    }

    async fn close(&mut self) {
        Self::close(self).await;
    }
}
