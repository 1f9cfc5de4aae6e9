//! WebSockets as [sessions](crate::session), of a server or of a client.
//!
//! A [`Socket`] is a WebSocket and its [`Session`](crate::session::Session) in one. It takes any socket that is a `Stream` and a
//! `Sink` of messages which are [`Frame`]s: those of axum (feature `axum-ws`) and of `tokio-tungstenite` (feature
//! `tungstenite`), of servers and clients. It
//!
//! - counts messages, bytes and errors into the session, and lets it know that something came,
//! - sends the pings of [`liveness`](crate::session::SessionsBuilder::liveness) and takes the pongs, so that a client which
//!   vanished without a word is found,
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
//! failed, or the session was told to end. Call [`finish`](Socket::finish) then; it tells which one it was.
//!
//! Pongs come where messages come: a program that only sends must receive as well, in a `select!` of both.

mod frame;
mod socket;

pub use frame::{Frame, FrameKind};
#[cfg(feature = "supervisor")]
pub(crate) use socket::Came;
pub use socket::{DEFAULT_CLOSE_TIMEOUT, DEFAULT_WRITE_TIMEOUT, SendError, Socket};
