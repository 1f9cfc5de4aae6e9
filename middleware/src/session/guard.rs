//! [`Session`].

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

#[cfg(all(feature = "server", feature = "websocket"))]
use poolscope_semconv::value::ServerCloseReason;
use poolscope_semconv::value::SessionEnd;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::data::DataFull;
use super::life::Life;
use super::presence::{OfTask, Presence};
use super::registry::Shared;
use super::run::Run;
use crate::registry::TaskOwner;
use crate::said::cut;
use crate::task::{Place, TaskHandle};

/// Most bytes of an error that are told.
const LONGEST_ERROR: usize = 256;

/// A session that is there for as long as this lives, and its tasks do. See the [module](super) for an example.
///
/// Dropped without a word, it ends as [`SessionEnd::Dropped`], or as [`SessionEnd::Panicked`] while a panic unwinds; where
/// several tasks serve it, put it into an [`Arc`]. It ends by the first reason that there is, so that one that was told to end
/// and is then completed has ended for what it was told.
#[must_use = "a session ends when it is dropped"]
pub struct Session {
    presence: Arc<Presence>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, life: Arc<Life>) -> Self {
        Self { presence: Arc::new(Presence::new(shared, life)) }
    }

    fn life(&self) -> &Life {
        &self.presence.life
    }

    fn shared(&self) -> &Shared {
        &self.presence.shared
    }

    /// As its tasks know it.
    fn owner(&self) -> TaskOwner {
        TaskOwner::new(&self.shared().name, self.id(), &self.life().key)
    }

    /// Its number, which no other session of the registry has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.life().id
    }

    /// What it is called.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.life().key
    }

    /// It is carried by this connection of a [server](crate::server), which is of no use any more when the other end does not
    /// respond, and is reset then. The session of a WebSocket of axum that begins while the request is served by which its
    /// connection leaves HTTP need not say so, and one that said so stays with what it said first.
    #[cfg(feature = "server")]
    pub fn carried_by(&self, connection: &crate::server::Connection) {
        self.life().carried_by(connection);
    }

    /// The request in which it began was that of its other end.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_served(&self) {
        #[cfg(feature = "server")]
        self.life().carried_by_opener();
    }

    /// The other end takes nothing of what is sent to it: what carries the session is of no use any more.
    #[cfg(feature = "websocket")]
    pub(crate) fn is_stuck(&self) {
        #[cfg(feature = "server")]
        self.life().give_up(ServerCloseReason::WriteTimeout);
    }

    /// Something happened in it: its idle time begins again. Reads the clock and stores one number.
    #[inline]
    pub fn touch(&self) {
        self.life().touch(self.shared().now());
    }

    /// Counts a message of so many bytes that was sent to the other end.
    #[inline]
    pub fn sent(&self, bytes: usize) {
        self.life().traffic.sent(bytes as u64);
    }

    /// Counts a message of so many bytes that came from the other end. Its idle time begins again, and the other end is there:
    /// the message answers a ping, if there is one.
    #[inline]
    pub fn received(&self, bytes: usize) {
        let now = self.shared().now();
        let life = self.life();
        life.touch(now);
        life.traffic.received(bytes as u64);
        self.shared().heard(life, now, false);
    }

    /// Counts an error of the transport. It goes on; [`fail`](Self::fail) gives it up.
    pub fn errored(&self) {
        self.life().traffic.errored();
    }

    /// Waits until the other end is to be asked whether it is there, which is when nothing was heard of it for the interval of
    /// [`liveness`](super::SessionsBuilder::liveness), or when it did not answer the last ping. Send one then: the time for the
    /// answer begins when this returns. Without a liveness test, it never does.
    ///
    /// Can be dropped and asked again at any time. One task at a time should wait for it.
    pub async fn ping_due(&self) {
        let (shared, life) = (self.shared(), self.life());
        while !life.pulse.send(shared.now()) {
            life.pulse.may_be_due().await;
        }
    }

    /// Something came from the other end that is no message, such as a ping of its own: it is there. The idle time goes on.
    pub fn heard(&self) {
        self.shared().heard(self.life(), self.shared().now(), false);
    }

    /// The other end has answered a ping. Other than a message, that is no activity: the idle time goes on.
    pub fn pong(&self) {
        self.shared().heard(self.life(), self.shared().now(), true);
    }

    /// Asks the other end by a closure whenever a ping is due, in a task of the session: it has the time of a ping to answer,
    /// and an error is no answer.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn ping_by<F, Fut, E>(&self, mut ping: F) -> TaskHandle<()>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Send,
    {
        let (shared, life) = (Arc::clone(&self.presence.shared), Arc::clone(&self.presence.life));
        self.spawn("ping", async move {
            let Some(rule) = shared.liveness() else { return };
            loop {
                while !life.pulse.send(shared.now()) {
                    life.pulse.may_be_due().await;
                }
                match timeout(rule.timeout, ping()).await {
                    Ok(Ok(())) => shared.heard(&life, shared.now(), true),
                    Ok(Err(_)) => life.traffic.errored(),
                    Err(_) => {}
                }
            }
        })
    }

    /// Runs a future as a task of the session, in the group that has the name of the registry. It is dropped where it waits when
    /// the session is told to end, and aborted if that takes longer than
    /// [`overdue_after`](super::SessionsBuilder::overdue_after). The session is there until all of its tasks are gone.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let place = Place::here(name).of(self.owner());
        self.shared().tasks.spawn(place, self.token(), OfTask::new(&self.presence), future)
    }

    /// The same for a task that ends by itself when it is told to, by the token that it is given.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn spawn_with<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> TaskHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let place = Place::here(name).of(self.owner());
        self.shared().tasks.spawn_with(place, self.token(), OfTask::new(&self.presence), task)
    }

    /// Runs the handler of the session, which is given the session: as it is, and not as a task of its own. A handler that does not
    /// end when the session is told to, since it waits for something else, is dropped where it waits when the session is
    /// overdue, or at the deadline of a shutdown; that is counted. So what somebody else has spawned, such as axum the handler of
    /// an upgrade, can't keep a session for ever. The session is there until the handler is gone.
    ///
    /// ```
    /// # use std::{future::pending, time::Duration};
    /// # use poolscope::{Scope, session::SessionEnd};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chats = Scope::new().sessions("chat").idle_timeout(Duration::from_secs(60)).build()?;
    /// let handler = chats.begin("room 7")?.run(|session| async move {
    ///     session.touch();
    ///     pending::<()>().await
    /// });
    /// assert_eq!(handler.await.unwrap_err().reason, SessionEnd::IdleTimeout);
    /// assert_eq!((chats.active(), chats.snapshot().handlers_cut), (0, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A handler can be cut only where it waits: one that blocks its thread goes on.
    pub fn run<F: Future>(self, handler: impl FnOnce(Self) -> F) -> Run<F> {
        let presence = Arc::clone(&self.presence);
        Run::new(handler(self), presence)
    }

    /// Keeps a text with the session, by a name. It never leaves the process.
    ///
    /// # Errors
    ///
    /// There would be more than [`max_data`](super::SessionsBuilder::max_data) then; what was there stays.
    pub fn set(&self, key: &str, value: &str) -> Result<(), DataFull> {
        self.life().data().set(key, value, self.shared().max_data())
    }

    /// What is kept by a name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.life().data().get(key)
    }

    /// Keeps it no longer; gives what it was.
    pub fn unset(&self, key: &str) -> Option<String> {
        self.life().data().remove(key)
    }

    /// Whether it was told to end, and why.
    #[must_use]
    pub fn told(&self) -> Option<SessionEnd> {
        self.life().told().map(|told| told.reason)
    }

    /// Waits until it is told to end, and tells why. Can be dropped and asked again at any time.
    pub async fn ended(&self) -> SessionEnd {
        self.life().token().cancelled().await;
        // Whoever wakes has told before.
        self.told().unwrap_or(SessionEnd::Dropped)
    }

    /// A token that is cancelled when the session is told to end, and when it is dropped: for tasks that belong to it. To cancel
    /// it ends only what depends on that very token.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.life().token().child_token()
    }

    /// Ends it, as it should be. Tells the reason that holds: another one, if it was told to end before.
    pub fn complete(self) -> SessionEnd {
        self.end(SessionEnd::Completed)
    }

    /// Ends it because of an error, of which the first 256 bytes are told in its event. Tells the reason that holds.
    pub fn fail(self, error: impl fmt::Display) -> SessionEnd {
        self.life().failed(cut(&error.to_string(), LONGEST_ERROR));
        self.end(SessionEnd::Error)
    }

    pub(crate) fn end(&self, reason: SessionEnd) -> SessionEnd {
        self.life().tell(reason, self.shared().now());
        self.told().unwrap_or(reason)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let reason = if thread::panicking() { SessionEnd::Panicked } else { SessionEnd::Dropped };
        self.end(reason);
        // Its tasks end with it.
        self.life().wake();
        if self.life().tasks.load(Relaxed) > 0 {
            // Who sweeps did not know that it could become overdue.
            self.shared().sweep_now.notify_one();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("of", &self.shared().name)
            .field("life", &self.life())
            .finish_non_exhaustive()
    }
}
