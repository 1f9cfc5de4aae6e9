//! The accept side: a server is one listener and all that it accepts, for axum and for plain hyper.
//!
//! A [`Server`] counts connections by state and says why each was closed ([`ServerCloseReason`]), bounds how many there are and
//! how long they last, sees each request from its head to the end of its answer, tells clients that left early apart from
//! answers that were finished, and ends in order when the program does.
//!
//! # With axum
//!
//! ```
//! use axum::{Router, routing::get};
//! use poolscope::{Scope, server::RouteLayer};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let server = scope.server("api").max_connections(1_000).max_age(Duration::from_secs(600)).build()?;
//! // The layer tells which route a request matched.
//! let router = Router::new().route("/orders/{id}", get(|| async { "an order" })).layer(RouteLayer);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let serve = axum::serve(server.listen(listener), server.make_service(router));
//! let serving = tokio::spawn(serve.with_graceful_shutdown(server.shutting_down()).into_future());
//!
//! // At the end: accepts no more, lets requests finish, cuts those that don't.
//! let report = scope.shutdown(Duration::from_secs(10)).await;
//! serving.await??;
//! assert!(report.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # With hyper
//!
//! [`Server::serve`] is a whole accept loop, and [`Server::serve_connection`] serves one connection, both over HTTP/1 and HTTP/2.
//! A loop of your own takes connections from [`ServerListener::accept`], and has their requests seen by
//! [`Connection::service`]:
//!
//! ```no_run
//! use http::{Request, Response};
//! use hyper::service::service_fn;
//! use hyper_util::rt::TokioIo;
//! use poolscope::{Scope, server::RequestBody};
//! use std::convert::Infallible;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Scope::new().server("api").build()?;
//! let mut listener = server.listen(tokio::net::TcpListener::bind("127.0.0.1:0").await?);
//! while let Some((io, _peer)) = listener.accept().await {
//!     let service = io.connection().service(service_fn(async |_: Request<RequestBody<hyper::body::Incoming>>| {
//!         Ok::<_, Infallible>(Response::new(String::from("hello")))
//!     }));
//!     let http = hyper::server::conn::http1::Builder::new();
//!     tokio::spawn(http.serve_connection(TokioIo::new(io), service).with_upgrades());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How connections end
//!
//! A sweep, one task for each server, looks for connections whose time is over, and sleeps until the next one's is. Requests cost
//! atomics only. What ends and how:
//!
//! | what | when | how |
//! |---|---|---|
//! | idle timeout | no request for so long | the end of the stream over HTTP/1, a GOAWAY over HTTP/2 |
//! | maximum age | so old, ten percent more or less | the same where it is idle; else, and where its last answer was less than 100 ms ago, `connection: close` on the next answer, or a GOAWAY to the client at once, and the end when its requests have ended |
//! | headers timeout | so long after the first byte of a head over HTTP/1 | cut |
//! | read timeout | the handler waits so long for the body of its request | the body fails, and over HTTP/1 the answer is the last |
//! | write timeout | the client reads nothing for so long, over HTTP/2 of no stream | cut; see [`ServerBuilder::write_timeout`] for how it is known |
//! | keepalive | the client's kernel answers nothing for so long | by the kernel; see [`ServerBuilder::keepalive`] |
//! | session | the client answers no ping of the session that the connection carries | cut; see [`Connection`] |
//! | shutdown | [`Server::close`], or the scope's | as for the maximum age; what left HTTP is let be until it is cut at the deadline |
//!
//! A connection that has not ended by the drain timeout after its idle timeout or its maximum age is cut. All of it works with
//! `axum::serve` too, which does not hand hyper's connection out: the transport says it to both ends. One that is cut is reset
//! (over TCP on Linux, and but for a slow head): nothing more is sent, and its client can't take a part of an answer for the whole.
//!
//! What can't be seen: an HTTP/2 stream that left HTTP, by a CONNECT that was granted, makes its connection `upgraded`, and nobody sees
//! that stream end; such a connection ends by its client or by a shutdown. That hyper closes a connection by itself for another
//! reason than those of the list is `dropped`.
//!
//! # Who left early
//!
//! Over HTTP/1, an answer is finished when its transport has sent the last of it, which is when the kernel has taken it. A client
//! that leaves before counts as one that left early, and the span of its request ends with that error; one that leaves while the
//! end of the answer is in the kernel's buffers can't be told from one that has read it. Over HTTP/2, an answer is finished when
//! hyper has taken the last part of its body: what was sent of one stream, the transport can't tell.
//!
//! # Beyond the limit
//!
//! [`AtLimit::Refuse`] answers a connection too many by `503` with `Retry-After` and a sentence, and waits a second for its client
//! to read that before it closes, at most for 64 of them at a time; more are closed at once. [`AtLimit::Wait`] leaves them to the
//! kernel's backlog. Where the process has no open files left, nothing can be accepted: that is counted, and waited out.

mod answer;
mod asks;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod builder;
mod connection;
#[cfg(feature = "session")]
mod current;
mod ending;
mod handle;
mod io;
mod life;
mod listener;
mod protocol;
mod refuse;
mod request;
mod route;
mod rules;
mod serve;
mod service;
mod shared;
mod sweep;
#[cfg(feature = "server-tls")]
mod tls;

pub use answer::AnswerFuture;
#[cfg(feature = "axum")]
pub use axum::{AxumFuture, AxumService, MakeService, RouteLayer, RouteService};
pub use body::{BodyError, RequestBody, ResponseBody};
pub use builder::{
    DEFAULT_DRAIN_TIMEOUT, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_HEADERS_TIMEOUT, DEFAULT_IDLE_TIMEOUT,
    DEFAULT_KEEPALIVE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_HANDSHAKES, DEFAULT_READ_TIMEOUT,
    DEFAULT_WRITE_TIMEOUT, ServerBuilder,
};
pub use connection::Connection;
#[cfg(feature = "session")]
pub(crate) use current::current;
pub use handle::Server;
pub use io::ServerIo;
pub use listener::{Accept, Listen, ServerListener};
pub use poolscope_semconv::value::{DisconnectPhase, RejectReason, ServerCloseReason};
pub use route::set_route;
pub use rules::AtLimit;
pub use service::Served;
pub(crate) use shared::Shared;
#[cfg(feature = "server-tls")]
pub use tls::TlsListener;
