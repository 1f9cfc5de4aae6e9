//! The accept side.

mod answer;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod builder;
mod connection;
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
    DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_HANDSHAKES, DEFAULT_READ_TIMEOUT, DEFAULT_WRITE_TIMEOUT,
    ServerBuilder,
};
pub use connection::Connection;
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
