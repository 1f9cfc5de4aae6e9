//! WebSockets as [sessions](crate::session), of a server or of a client.
//!
//! A [`Socket`] is a WebSocket and its [`Session`](crate::session::Session) in one. It takes any socket that is a `Stream` and a
//! `Sink` of messages which are [`Frame`]s: those of axum (feature `axum-ws`) and of `tokio-tungstenite` (feature
//! `tungstenite`), of servers and clients. It
//!
//! - counts messages, bytes and errors into the session, and lets it know that something came,
//! - sends the pings of [`liveness`](crate::session::SessionsBuilder::liveness) and takes the pongs, so that a client which
//!   vanished without a word is found, and one that is slow stays ([more](#slow-ends)),
//! - waits for a client that does not read no longer than [`write_timeout`](Socket::write_timeout),
//! - stops at once when the session is told to end, also in the middle of a write, and says goodbye by a Close frame with the
//!   reason, for which it waits no longer than [`close_timeout`](Socket::close_timeout); then the transport is dropped.
//!
//! ```
//! # #[cfg(feature = "axum-ws")]
//! # fn routes() -> Result<axum::Router, Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use axum::{Router, extract::ws::WebSocketUpgrade, http::StatusCode, response::IntoResponse, routing::get};
//! use poolscope::{Scope, websocket::Socket};
//!
//! let scope = Scope::new();
//! let chats = scope
//!     .sessions("chat")
//!     .liveness(Duration::from_secs(30), Duration::from_secs(10), 3)
//!     .build()?;
//! let echo = move |upgrade: WebSocketUpgrade| async move {
//!     // Refused before the upgrade, with a status that says so.
//!     let Ok(session) = chats.begin("room 7") else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
//!     upgrade.on_upgrade(async move |socket| {
//!         let mut socket = Socket::new(socket, session);
//!         while let Some(message) = socket.recv().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!         socket.finish().await;
//!     })
//! };
//! # Ok(
//! Router::new().route("/chat", get(echo))
//! # )
//! # }
//! ```
//!
//! # What ends a socket
//!
//! [`recv`](Socket::recv) gives `None`, and [`send`](Socket::send) an error, when the other end has closed, the transport has
//! failed, or the session was told to end. Call [`finish`](Socket::finish) then; it tells which one it was. An end whose
//! transport is gone without a Close frame, as that of a browser that was killed (1006 in RFC 6455), is
//! [`SessionEnd::Error`](crate::session::SessionEnd::Error).
//!
//! A WebSocket over a connection of a [server](crate::server) has that connection reset when its client does not respond, so that
//! the kernel sends nothing more either: where it is one of axum whose session begins while the request is served, as above,
//! or where the session is told by `Session::carried_by`. The same for one that does not take a message in time. Over a socket of another kind, the kernel tries for as long as it does by itself.
//!
//! Pongs come where messages come: a program that only sends must receive as well, in a `select!` of both.
//!
//! # Slow ends
//!
//! A long message keeps pings and pongs behind it for as long as it is under way. So every piece of it that the transport moves
//! is a sign of the other end too, as a pong is. Only who neither sends nor takes anything is unresponsive, however large a
//! message is. Other limits go on: the idle time, as with pongs, until the message is there, and
//! [`write_timeout`](Socket::write_timeout), which a message as a whole has. How large one may be that comes is set where the
//! socket is made (`max_message_size`).
//!
//! - A piece is what the kernel says it has: of what is sent, about a third of the send buffer. And a ping waits behind all
//!   that is in the buffers of both kernels. For ends so slow that they need longer for either than liveness allows, make the
//!   send buffer small (`SO_SNDBUF`).
//! - A transport of your own that wakes its task without a reason, by a timer say, hides that the other end has vanished.

mod frame;
mod signs;
mod socket;

pub use frame::{Frame, FrameKind};
#[cfg(feature = "supervisor")]
pub(crate) use socket::{Came, Lost};
pub use socket::{DEFAULT_CLOSE_TIMEOUT, DEFAULT_WRITE_TIMEOUT, SendError, Socket};
