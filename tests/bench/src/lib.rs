//! What the layers cost a request, measured beside published middlewares on the same work.
//!
//! The work is a `GET` over a connection that is kept, answered with 13 bytes that are read to their end. One process
//! serves, one process per [`Case`] asks: a `tracing` subscriber is global, so two cases can't share a process. The
//! client runs on one thread. Where it is the server that is measured ([`Stack::Server`]), it runs on the thread of its client,
//! and their connections are in memory: the client's cost is then in every case. Layers that protect requests cost less than what a socket's figures differ by, so they stand
//! around a service that answers at once ([`Stack::Service`]), which two threads can share too. `cargo xtask bench
//! overhead` drives the programs of this crate and says what they cost.

mod accept;
mod case;
mod client;
mod clock;
mod failsafe;
mod hyper;
mod load;
mod metrics;
mod reqwest;
#[cfg(feature = "scale")]
mod scale;
mod server;
mod service;
mod telemetry;

pub use case::{Case, Stack};
pub use client::{Client, Cost, Options, Seen};
#[cfg(feature = "scale")]
pub use scale::{ScaleClient, ScaleOptions, scale, serve_scale};
pub use server::{BODY, Server, serve};
