//! [`Socket`].

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use poolscope_semconv::value::SessionEnd;
use tokio::time::{sleep, timeout};

use super::frame::{Frame, FrameKind, farewell};
use super::signs::{Signs, Watched};
use crate::session::Session;

/// How long a write may take by default.
pub const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other end has to say goodbye by default.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What crates for WebSockets say where the transport has ended, and no Close frame came before: a browser that was killed, say.
const TORN: &str = "without closing handshake";

/// The same in the words of RFC 6455.
const ABNORMAL: &str = "the other end closed without a Close frame (1006)";

/// A WebSocket and its session. See the [module](super) for an example.
///
/// Dropped without [`finish`](Self::finish), it closes the transport without a word, and the session ends as when it is dropped.
#[must_use = "a socket is closed when it is dropped"]
pub struct Socket<S, M> {
    // First, since the transport is to be gone when the session is counted out.
    stream: S,
    session: Session,
    signs: Signs,
    write_timeout: Duration,
    close_timeout: Duration,
    is_ping_owed: bool,
    /// A ping came whose answer was not handed to the kernel yet.
    is_answer_owed: bool,
    state: State,
    _message: PhantomData<fn(M) -> M>,
}

/// What came.
pub(crate) enum Came<M> {
    Message(M),
    /// The other end asks, or answers.
    Sign,
}

/// Why nothing comes any more.
#[cfg(feature = "supervisor")]
pub(crate) enum Lost {
    Failed(String),
    /// The session was told to end.
    Told(SessionEnd),
    /// The other end has closed, and said this.
    Closed(String),
}

/// What can still be done with the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// The other end has said goodbye, and perhaps why.
    Closed(Option<String>),
    /// It is of no use any more, for this reason.
    Broken(String),
}

/// Why a message could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<E> {
    /// The session was told to end.
    #[error("the session was told to end: {0}")]
    Ended(SessionEnd),
    /// The other end did not read for so long.
    #[error("the other end did not take the message within {0:?}")]
    TimedOut(Duration),
    /// The other end has closed, or an error came before.
    #[error("the socket is closed")]
    Closed,
    /// The transport failed.
    #[error("{0}")]
    Transport(#[source] E),
}

impl<S, M: Frame> Socket<S, M> {
    /// A socket that lives as long as its session.
    pub fn new(stream: S, session: Session) -> Self {
        if M::IS_SERVED {
            session.is_served();
        }
        Self {
            stream,
            session,
            signs: Signs::new(),
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
            is_ping_owed: false,
            is_answer_owed: false,
            state: State::Open,
            _message: PhantomData,
        }
    }
}

impl<S, M> Socket<S, M> {
    /// How long a write may take, after which the socket is given up, and the connection of a server that carries it is reset: a
    /// client that does not read holds nobody. It is for the whole message, however steadily that goes. By default, this is
    /// [`DEFAULT_WRITE_TIMEOUT`].
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// How long the other end has to answer the Close frame. By default, this is [`DEFAULT_CLOSE_TIMEOUT`].
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Its session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What it sends and receives by.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S, M> Socket<S, M>
where
    S: Stream<Item = Result<M, <S as Sink<M>>::Error>> + Sink<M, Error: fmt::Display> + Unpin,
    M: Frame,
{
    /// The next message for the program. `None` when the other end has closed, the transport has failed, or the session was told
    /// to end; [`finish`](Self::finish) says which.
    ///
    /// Can be dropped and called again at any time without losing a message. Sends the pings that are due meanwhile.
    pub async fn recv(&mut self) -> Option<M> {
        loop {
            match self.next().await? {
                Came::Message(message) => return Some(message),
                Came::Sign => {}
            }
        }
    }

    /// The next message for the program, or sign that the other end is there.
    pub(crate) async fn next(&mut self) -> Option<Came<M>> {
        while self.state == State::Open {
            if self.is_ping_owed && self.ping().await.is_err() {
                return None;
            }
            // Who asks and does not read would have answers pile up here without end: nothing more is read until it does.
            if self.is_answer_owed {
                if self.write(None).await.is_err() {
                    return None;
                }
                self.is_answer_owed = false;
            }
            let Self { stream, session, signs, is_ping_owed, .. } = self;
            let received = tokio::select! {
                biased;
                reason = session.ended() => {
                    if reason == SessionEnd::Unresponsive {
                        // Has the transport see that it was cut: the program may hold it for long.
                        let _ = stream.next().now_or_never();
                    }
                    return None;
                }
                () = session.ping_due() => {
                    *is_ping_owed = true;
                    continue;
                }
                received = signs.watch(stream.next()) => received.done,
            };
            let Some(received) = received else {
                // Something of a message.
                session.heard();
                return Some(Came::Sign);
            };
            match received {
                Some(Ok(message)) => match message.kind() {
                    FrameKind::Data => {
                        session.received(message.size());
                        return Some(Came::Message(message));
                    }
                    FrameKind::Pong => {
                        session.pong();
                        return Some(Came::Sign);
                    }
                    FrameKind::Ping => {
                        session.heard();
                        self.is_answer_owed = true;
                        return Some(Came::Sign);
                    }
                    FrameKind::Close => self.state = State::Closed(farewell(&message)),
                },
                Some(Err(error)) => self.broken(&error),
                None => self.state = State::Closed(None),
            }
        }
        None
    }

    /// Sends a message, and returns when it was handed to the kernel.
    ///
    /// If this is dropped before, the message may or may not be sent.
    ///
    /// # Errors
    ///
    /// The session was told to end, the other end has closed or does not read, or the transport has failed.
    pub async fn send(&mut self, message: M) -> Result<(), SendError<<S as Sink<M>>::Error>> {
        let (kind, size) = (message.kind(), message.size());
        self.write(Some(message)).await?;
        if kind == FrameKind::Data {
            self.session.sent(size);
        }
        if self.is_ping_owed { self.ping().await } else { Ok(()) }
    }

    pub(crate) async fn ping(&mut self) -> Result<(), SendError<<S as Sink<M>>::Error>> {
        self.write(Some(M::ping())).await?;
        self.is_ping_owed = false;
        Ok(())
    }

    /// Writes a message, and what was to be written before; of these alone, if there is none.
    async fn write(&mut self, message: Option<M>) -> Result<(), SendError<<S as Sink<M>>::Error>> {
        if let Some(reason) = self.session.told() {
            return Err(SendError::Ended(reason));
        }
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        let Self { stream, session, signs, write_timeout, is_ping_owed, .. } = self;
        let sent = {
            let mut sending = pin!(async {
                match message {
                    Some(message) => stream.send(message).await,
                    None => stream.flush().await,
                }
            });
            let mut too_long = pin!(sleep(*write_timeout));
            loop {
                tokio::select! {
                    biased;
                    reason = session.ended() => return Err(SendError::Ended(reason)),
                    // It can't be asked now. But what waits asks it as well: whatever it takes of that is the answer.
                    () = session.ping_due() => *is_ping_owed = true,
                    Watched { done, is_moved } = signs.watch(sending.as_mut()) => {
                        if is_moved {
                            session.heard();
                        }
                        if done.is_some() {
                            break done;
                        }
                    }
                    () = &mut too_long => break None,
                }
            }
        };
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.broken(&error);
                Err(self.session.told().map_or(SendError::Transport(error), SendError::Ended))
            }
            None => {
                let error = SendError::TimedOut(self.write_timeout);
                self.broken(&error);
                self.session.is_stuck();
                Err(error)
            }
        }
    }

    fn broken(&mut self, error: &impl fmt::Display) {
        // Its transport may have been cut for what it was told to end.
        if self.session.told().is_none() {
            self.session.errored();
        }
        let error = error.to_string();
        self.state = State::Broken(if error.ends_with(TORN) { ABNORMAL.to_owned() } else { error });
    }

    /// Ends the socket and its session, and tells why it has ended: for what it was told to, because of an error of the
    /// transport, or because it is completed. The other end is told by a Close frame, unless it has closed before, or does not
    /// respond: to one that is gone nothing more is sent.
    pub async fn finish(mut self) -> SessionEnd {
        let reason = self.session.told().unwrap_or(match self.state {
            State::Broken(_) => SessionEnd::Error,
            State::Open | State::Closed(_) => SessionEnd::Completed,
        });
        if reason != SessionEnd::Unresponsive {
            // What is not said by then remains unsaid.
            let _ = timeout(self.close_timeout, self.say_goodbye(reason)).await;
        }
        let Self { stream, session, state, .. } = self;
        drop(stream);
        match state {
            State::Broken(error) => session.fail(error),
            State::Open | State::Closed(_) => session.complete(),
        }
    }

    /// Why there is nothing to receive any more, if not because the other end has closed without saying why.
    #[cfg(feature = "supervisor")]
    pub(crate) fn lost(&self) -> Option<Lost> {
        match (&self.state, self.session.told()) {
            (State::Broken(error), _) => Some(Lost::Failed(error.clone())),
            (_, Some(told)) => Some(Lost::Told(told)),
            (State::Closed(farewell), None) => farewell.clone().map(Lost::Closed),
            (State::Open, None) => None,
        }
    }

    /// Says goodbye, as when it is [finished](Self::finish), and ends the session as completed.
    #[cfg(feature = "supervisor")]
    pub(crate) async fn close(&mut self) {
        let _ = timeout(self.close_timeout, self.say_goodbye(SessionEnd::Completed)).await;
        self.state = State::Closed(None);
        self.session.end(SessionEnd::Completed);
    }

    async fn say_goodbye(&mut self, reason: SessionEnd) {
        let stream = &mut self.stream;
        match self.state {
            State::Open => {
                let close = M::close(close_code(reason), reason.as_str());
                if stream.send(close).await.is_err() {
                    return;
                }
                // The other end answers, after what was under way.
                while let Some(Ok(message)) = stream.next().await {
                    if message.kind() == FrameKind::Close {
                        break;
                    }
                }
                let _ = stream.close().await;
            }
            // The answer to its own.
            State::Closed(_) => drop(stream.close().await),
            State::Broken(_) => {}
        }
    }
}

/// The code of RFC 6455, or of its registry, that says why a session has ended.
fn close_code(reason: SessionEnd) -> u16 {
    match reason {
        SessionEnd::Completed => 1000,
        SessionEnd::IdleTimeout
        | SessionEnd::MaxDuration
        | SessionEnd::Unresponsive
        | SessionEnd::Shutdown
        | SessionEnd::Dropped => 1001,
        SessionEnd::Error | SessionEnd::Panicked => 1011,
        // Try again later.
        SessionEnd::Evicted => 1013,
    }
}

impl<S, M> fmt::Debug for Socket<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("session", &self.session)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
