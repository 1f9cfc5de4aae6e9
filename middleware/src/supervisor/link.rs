//! [`Link`]: a connection that is kept alive.

use std::fmt;
use std::future::{Future, ready};

use poolscope_semconv::value::SupervisorReason;

/// A connection with messages in both directions, as a supervisor keeps it alive. See the [module](super) for an example.
pub trait Link: Send + 'static {
    /// What comes.
    type Incoming: Send;
    /// What goes.
    type Outgoing: Send + 'static;
    /// Why it failed.
    type Error: fmt::Display + Send;

    /// Waits for the next that comes; `None` once the other end has closed it in order.
    ///
    /// Must lose nothing when it is dropped before it is ready, since it is asked again after something was sent. What
    /// `Stream`s and channels give keeps that.
    fn recv(&mut self) -> impl Future<Output = Option<Result<Received<Self::Incoming>, Self::Error>>> + Send;

    /// Sends a message. What takes longer than the message timeout is dropped, and the connection with it; it is not sent again.
    fn send(&mut self, message: Self::Outgoing) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Which of the reasons for a loss an error is; the default is [`SupervisorReason::Failed`].
    fn reason(error: &Self::Error) -> SupervisorReason {
        let _ = error;
        SupervisorReason::Failed
    }

    /// Asks the other end whether it is there: whatever comes next is the answer. Only a connection that can ask may have a
    /// heartbeat; the default does nothing.
    fn ping(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        ready(Ok(()))
    }

    /// Closes it in order. What takes longer than the close timeout is dropped; the default leaves all to the drop.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// What came over a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received<M> {
    /// A message, which goes to the handler.
    Message(M),
    /// Only a sign that the other end is there, such as the answer to a ping.
    Alive,
}
