//! Sessions: what lives longer than a request (a WebSocket, an SSE stream, the session of a user) and must not leak.
//!
//! A registry, [`Sessions`], knows who is there. Whoever serves a session holds a [`Session`] for as long as it lasts, and
//! calls [`Session::touch`] when something happens in it. The registry
//!
//! - tells a session to end when nothing happened in it for too long, or when it has been there for as long as it may be,
//!   within 250 ms of that moment,
//! - refuses new ones beyond their maximum number, so that their memory is bounded,
//! - counts how sessions end: [`SessionEnd`] has the reasons, and the first one holds,
//! - reports those as *overdue* who were told to end and did not. That is a leak, and it goes on to count as a session.
//!
//! Being told means that [`Session::ended`] and the tokens of [`Session::token`] are ready. Nothing is torn out of the hands
//! of its holder, who may still say goodbye to the client; the session is over when the [`Session`] is dropped. A handler that
//! [`Session::run`] runs has a time for that: it is cut when the session is overdue, or at the deadline of a shutdown. However that
//! happens, by [`Session::complete`], by a panic or because the task is cancelled or its runtime is gone, the session is
//! counted out.
//!
//! ```
//! use std::time::Duration;
//!
//! use poolscope::{Scope, session::SessionEnd};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let chats = scope
//!     .sessions("chat")
//!     .idle_timeout(Duration::from_secs(60))
//!     .max_duration(Duration::from_secs(8 * 60 * 60))
//!     .max_sessions(1_000)
//!     .build()?;
//!
//! let (messages, mut inbox) = tokio::sync::mpsc::channel::<String>(8);
//! let session = chats.begin("room 7")?;
//! let task = tokio::spawn(async move {
//!     loop {
//!         tokio::select! {
//!             reason = session.ended() => return reason,
//!             message = inbox.recv() => match message {
//!                 Some(_) => session.touch(),
//!                 None => return session.complete(),
//!             },
//!         }
//!     }
//! });
//! messages.send("hello".to_owned()).await?;
//! assert_eq!(chats.active(), 1);
//!
//! // The client has vanished without a word.
//! assert_eq!(task.await?, SessionEnd::IdleTimeout);
//! assert_eq!((chats.active(), chats.snapshot().ended(SessionEnd::IdleTimeout)), (0, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Traces
//!
//! With a tracer (feature `trace`) each session has a span of its own, `session` and the name of the registry, below the span that
//! was current when it began: begin a session in the handler that opens it, before the upgrade, and a trace shows the request and
//! beneath it the session for as long as it lasted, with the reason of its end, what went through it, and an error where it
//! failed. The span is made when the session is gone, so that nothing is held for hours; a session below a span that is not
//! sampled has none. The events that tell of its end belong to the request that opened it. Sessions of a store have no span, and
//! neither have any where spans are those of the crate `tracing`, which keep what is above them open.
//!
//! The features `websocket`, `axum-ws` and `tungstenite` make sessions of WebSockets, `session-store` keeps those of HTTP, which
//! nobody holds between two requests.
//!
//! # Tasks
//!
//! [`Session::spawn`] runs what belongs to a session, in a [group of tasks](crate::task) that has the name of the registry. When
//! the session is told to end or dropped, its tasks end, those that don't are aborted when it is overdue, and it counts as a
//! session until all of them are gone. So nothing of a session outlives it unseen. Where a task is told, in a snapshot, in the
//! report of a shutdown or in the event of its panic, its [owner](crate::TaskSnapshot::owner) says which session it is of.
//!
//! # Liveness
//!
//! A client can vanish without a word: its network is gone, and no packet tells. With [`SessionsBuilder::liveness`] it is asked
//! when nothing was heard of it for a while, and given up after some pings without an answer, as
//! [`SessionEnd::Unresponsive`]. Only a ping that its holder went to send counts: [`Session::ping_due`] says when,
//! [`Session::pong`], [`Session::received`] or [`Session::heard`] answers it, and a runtime or a holder that is busy does not
//! make a client unresponsive.
//!
//! ```
//! use std::time::Duration;
//!
//! use poolscope::{Scope, session::SessionEnd};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let feeds = Scope::new()
//!     .sessions("feeds")
//!     .liveness(Duration::from_secs(30), Duration::from_secs(5), 2)
//!     .build()?;
//! let session = feeds.begin("ticker")?;
//! // What asks the other end; this one never answers.
//! session.ping_by(std::future::pending::<Result<(), std::io::Error>>);
//! assert_eq!(session.ended().await, SessionEnd::Unresponsive);
//! # Ok(())
//! # }
//! ```
//!
//! # The sweep
//!
//! One task for each registry looks for sessions whose time is over. It runs in the runtime of the session that began it, and
//! ends with the registry and its last session; where its runtime ends before that, the next session that begins has it run
//! again in its own. It sleeps until the next deadline, so sessions that are alive cost nothing but their clock reading and
//! one store for each touch. A sweep that comes late, because the runtime was blocked, is counted.
//!
//! # Shutdown
//!
//! `Scope::shutdown` (feature `shutdown`) tells all sessions to end when it begins, waits for them until its deadline, cuts the
//! handlers that [`Session::run`] runs, and reports how many were cut and how many sessions are left. [`Sessions::close`] does the first part for one registry.

mod builder;
mod data;
mod guard;
mod life;
#[cfg(test)]
mod lively_tests;
#[cfg(test)]
mod model;
mod presence;
mod pulse;
mod refused;
mod registry;
mod run;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
#[cfg(feature = "trace")]
mod span_tests;
#[cfg(feature = "session-store")]
pub mod store;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod traffic;

pub use builder::{
    DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_DATA, DEFAULT_MAX_SESSIONS, DEFAULT_OVERDUE_AFTER,
    DEFAULT_SWEEP_INTERVAL, SessionsBuilder,
};
pub use data::DataFull;
pub use guard::Session;
pub use poolscope_semconv::value::SessionEnd;
pub use refused::Refused;
pub use registry::Sessions;
pub(crate) use registry::Shared;
pub use run::{Cut, Run};
