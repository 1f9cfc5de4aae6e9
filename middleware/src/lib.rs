//! See and protect the connection pools of hyper and reqwest clients.
//!
//! A [`Scope`] counts, layers made from it observe: every connection acquire, release, retry and timeout, every open and
//! close with its reason, every change of a circuit breaker. [`Scope::snapshot`] tells it inside the program; the `otlp`
//! feature exports it as OTLP metrics, spans and events.
//!
//! # Order of the layers, from the outside in
//!
//! ```text
//! shutdown > guard > timeout of the call > retry > breaker > limit > timeout of the attempt > request layer > client
//!                                                                                             connect layer > connector
//! ```
//!
//! The timeouts of parts of an attempt, of the acquire, of the headers and of reads, have the place of the timeout of the
//! attempt, where `Stack` puts them too. There, that of the acquire is about the wait for the pool, and the limit has one of
//! its own for its queue; in a stack of your own, it may go around the limit instead, and is about both. A timeout of the
//! connect goes around the connector.
//!
//! Each layer works alone. What is not wanted is left out, not switched off. `Stack` (feature `stack`) puts them in this
//! order by itself and builds the client inside; [`Stopped`] tells which of them a request ended at.
//!
//! # Resources and health
//!
//! A `guard` refuses requests before the process runs out of open files, memory or connections; only the shutdown belongs
//! outside of it. A `health` probe asks a destination on an interval how it is, and may feed its breaker.
//!
//! # Sessions, tasks and queues
//!
//! What lives longer than a request, a WebSocket or an SSE stream, has a guard in a registry of `session`: it ends when nothing
//! happens in it, when it lasts too long or when its other end does not answer, is bounded in number, and one that does not go
//! when it should is reported. `websocket` makes sessions of the WebSockets of axum and `tokio-tungstenite`, and `session-store`
//! keeps those of HTTP. What a session has running is a group of tasks, of which `task` has more; `queue` bounds what is between
//! a program and a client that takes it slowly.
//!
//! # Long-lived connections of a client
//!
//! A `supervisor` keeps one alive, such as a WebSocket: it connects again when the connection is gone, notices one that is dead
//! without a word, and tells what it does.
//!
//! # Servers
//!
//! The other end of a connection is a `server`: one listener and all that it accepts, for axum and for plain hyper. It counts
//! connections and requests, tells why each connection was closed, bounds how many there are and how long they last, and ends
//! them in order when the program does.
//!
//! # Hygiene of connections
//!
//! [`hygiene`] replaces connections: by age, after errors, after timeouts, after answers of a server that fails, and on
//! demand; requests don't fail for it. It is a part of `hyper` and of `reqwest`, off until a client gets it by
//! [`ClientScope::hygiene`].
//!
//! # Breakers of other crates
//!
//! A breaker that a program has already is shown beside ours: one of the crate `failsafe` by its feature, any other by a
//! [`BreakerSource`] of a few lines.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "full"),
    allow(
        dead_code,
        unused_imports,
        reason = "the features share one registry; dead code is judged in the full build"
    )
)]

#[cfg(any(feature = "retry", feature = "supervisor"))]
mod backoff;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod body;
#[cfg(feature = "breaker")]
pub mod breaker;
#[cfg(any(feature = "health", feature = "supervisor", feature = "task"))]
mod caught;
mod classify;
mod clock;
mod config_error;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod connector;
mod current;
#[cfg(feature = "http")]
pub mod debug;
pub mod event;
#[cfg(any(feature = "otlp", feature = "otlp-sdk"))]
mod export;
#[cfg(feature = "failsafe")]
pub mod failsafe;
#[cfg(any(feature = "hyper", feature = "server"))]
mod frames;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(feature = "health")]
pub mod health;
mod http_message;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub mod hygiene;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(all(any(feature = "reqwest", feature = "server"), target_os = "linux"))]
mod kernel;
mod lease;
#[cfg(feature = "limit")]
pub mod limit;
#[cfg(feature = "meter")]
pub mod meter;
mod origin;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "otlp-sdk")]
pub mod otlp_sdk;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod phase;
#[cfg(feature = "queue")]
pub mod queue;
mod registry;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "retry")]
pub mod retry;
mod said;
mod scope;
mod series;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "shutdown")]
pub mod shutdown;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(any(
    feature = "breaker",
    feature = "guard",
    feature = "limit",
    feature = "shutdown",
    feature = "timeout"
))]
mod stopped;
#[cfg(feature = "supervisor")]
pub mod supervisor;
mod sync;
#[cfg(feature = "task")]
pub mod task;
mod template;
#[cfg(feature = "timeout")]
pub mod timeout;
#[cfg(feature = "rustls")]
mod tls;
mod trace;
#[cfg(feature = "tracing")]
pub mod tracing;
mod watch;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use config_error::ConfigError;
pub use event::{Event, Listener};
#[cfg(any(feature = "breaker", feature = "limit", feature = "retry"))]
pub use http_message::Answered;
pub use http_message::Destined;
#[cfg(any(feature = "breaker", feature = "limit"))]
pub use http_message::{Bodied, WatchedBody};
pub use origin::{Origin, OriginScope};
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub use phase::{PhaseFuture, PhaseLayer, PhaseService};
pub use poolscope_semconv::value::{BreakerOutcome, BreakerReason, BreakerState, LimitOutcome};
pub use poolscope_semconv::value::{DisconnectPhase, RejectReason, ServerCloseReason};
pub use poolscope_semconv::value::{HealthState, ProbeOutcome, ResourceState};
pub use poolscope_semconv::value::{PingOutcome, SessionEnd};
pub use poolscope_semconv::value::{QueueDropReason, TaskOutcome};
pub use registry::{
    BreakerSnapshot, BreakerSource, BreakerTransitions, ClientScope, ConnectFailures, ConnectionCounts,
    ConnectionSnapshot, ExemplarSnapshot, HistogramSnapshot, HolderSnapshot, LimitSnapshot, LookupSnapshot,
    PoolSnapshot, PoolState, Protocol, ResultSnapshot, RetryResultSnapshot, RetrySnapshot, ScopeSnapshot,
    TimeoutDestination, TimeoutSnapshot, TotalLimitSnapshot, WaitingSnapshot,
};
pub use registry::{HandshakeSnapshot, ServedResultSnapshot, ServerConnectionSnapshot, ServerSnapshot};
pub use registry::{HealthSnapshot, ResourceSnapshot};
pub use registry::{QueueSnapshot, TaskOwner, TaskSnapshot, TasksSnapshot};
pub use registry::{SessionSnapshot, SessionTraffic, SessionsSnapshot};
pub use registry::{SupervisorChange, SupervisorSnapshot};
pub use scope::{
    DEFAULT_LEAK_THRESHOLD, DEFAULT_MAX_LISTED_CONNECTIONS, DEFAULT_MAX_POOLS, Scope, ScopeBuilder,
};
#[cfg(feature = "stack")]
pub use stack::Stack;
#[cfg(any(
    feature = "breaker",
    feature = "guard",
    feature = "limit",
    feature = "shutdown",
    feature = "timeout"
))]
pub use stopped::Stopped;
pub use template::UrlTemplate;
#[cfg(feature = "rustls")]
pub use tls::observe_tls;
