//! Keeps one long-lived connection of a client alive: a WebSocket, a stream of events, any connection that a function makes.
//!
//! A supervisor connects, hands what comes to a handler, and when the connection is gone connects again: after waits that grow
//! and differ by chance, for as many attempts as it may make, and not while a breaker is open. It notices a connection that is
//! dead without a word: by its heartbeat, by silence, by a message that can't be sent. What it did last, and why, is in the
//! snapshots of the scope and in its telemetry.
//!
//! What it keeps alive is a [`Link`]. The one below is a pair of channels; `websocket::Socket` (feature `websocket`) is one too.
//!
//! ```
//! use std::time::Duration;
//!
//! use poolscope::Scope;
//! use poolscope::supervisor::{Link, Received, SupervisorState};
//! use tokio::sync::mpsc;
//!
//! struct Channels {
//!     comes: mpsc::Receiver<String>,
//!     goes: mpsc::Sender<String>,
//! }
//!
//! impl Link for Channels {
//!     type Incoming = String;
//!     type Outgoing = String;
//!     type Error = &'static str;
//!
//!     async fn recv(&mut self) -> Option<Result<Received<String>, Self::Error>> {
//!         self.comes.recv().await.map(|message| Ok(Received::Message(message)))
//!     }
//!
//!     async fn send(&mut self, message: String) -> Result<(), Self::Error> {
//!         self.goes.send(message).await.map_err(|_| "the other end is gone")
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let (there, mut seen) = mpsc::channel(8);
//! let prices = scope
//!     .supervisor("prices")
//!     .backoff(Duration::from_millis(100), Duration::from_secs(30))
//!     .connect_timeout(Duration::from_secs(5))
//!     .silence_timeout(Duration::from_secs(60))
//!     .start(
//!         move || {
//!             let there = there.clone();
//!             async move {
//!                 let ((goes, theirs), (ours, comes)) = (mpsc::channel(8), mpsc::channel(8));
//!                 there.send((theirs, ours)).await.map_err(|_| "nobody is there")?;
//!                 Ok::<_, &str>(Channels { comes, goes })
//!             }
//!         },
//!         async |message: String| {
//!             println!("{message}");
//!             Ok::<_, std::convert::Infallible>(())
//!         },
//!     )?;
//!
//! let (mut theirs, _ours) = seen.recv().await.ok_or("no connect")?;
//! prices.send("subscribe".to_owned()).await?;
//! assert_eq!(theirs.recv().await.as_deref(), Some("subscribe"));
//! assert_eq!(prices.state(), SupervisorState::Connected);
//! prices.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # A WebSocket
//!
//! Each connection is a session of its own, which has the pings, and ends as sessions do.
//!
//! ```no_run
//! # #[cfg(feature = "tungstenite")]
//! # async fn keep(scope: poolscope::Scope) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! use std::time::Duration;
//!
//! use poolscope::websocket::Socket;
//! use tokio_tungstenite::{connect_async, tungstenite::Message};
//!
//! let feeds = scope
//!     .sessions("feeds")
//!     .liveness(Duration::from_secs(30), Duration::from_secs(10), 3)
//!     .build()?;
//! let connect = move || {
//!     let feeds = feeds.clone();
//!     async move {
//!         let (stream, _) = connect_async("ws://prices.example/feed").await?;
//!         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Socket::new(stream, feeds.begin("prices")?))
//!     }
//! };
//! let prices = scope.supervisor("prices").start(connect, async |price: Message| println!("{price}"))?;
//! prices.send(Message::text("subscribe")).await?;
//! prices.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! What a server wants to be told on each connection belongs into `connect`: what is sent here is sent once.
//!
//! # The end
//!
//! [`Supervised::stop`] closes the connection in order and waits for that, no longer than the close timeout. Dropping the
//! [`Supervised`] does the same without waiting, and so does `Scope::shutdown` (feature `shutdown`), which waits until its
//! deadline. A supervisor that has made all of its attempts stops by itself: [`Supervised::ended`] tells.

mod builder;
mod course;
mod drive;
mod handle;
mod link;
mod run;
mod shared;
#[cfg(feature = "websocket")]
mod socket;

pub use builder::{
    DEFAULT_CLOSE_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_WAIT, DEFAULT_MIN_WAIT, DEFAULT_OUTBOX,
    DEFAULT_STABLE_AFTER, Handled, SupervisorBuilder,
};
pub use handle::{SendError, Supervised};
pub use link::{Link, Received};
pub use poolscope_semconv::value::{SupervisorReason, SupervisorState};
pub(crate) use shared::Shared;
#[cfg(feature = "websocket")]
pub use socket::SocketError;
