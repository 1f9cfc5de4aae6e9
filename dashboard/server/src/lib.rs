//! The Poolscope dashboard: takes OTLP, keeps what it says about connection pools, and shows it live in the browser.
//!
//! ```no_run
//! # async fn run() -> Result<(), poolscope_dashboard::Error> {
//! use poolscope_dashboard::{Config, Server};
//!
//! let server = Server::bind(Config::default()).await?;
//! println!("open http://{}", server.http_addr());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```
//!
//! An application that wants the dashboard in its own process runs this server in it and exports to it over loopback.

mod api;
mod app;
mod assets;
mod clock;
pub mod config;
mod error;
mod file;
mod host;
mod listener;
mod live;
mod model;
mod otlp;
mod rules;
mod self_metrics;
mod server;
mod store;
mod trace;
mod web;
mod words;

pub use config::{Config, Limits, TraceUrl};
pub use error::Error;
pub use server::Server;
