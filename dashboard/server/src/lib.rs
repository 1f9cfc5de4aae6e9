//! The Poolscope dashboard: takes OTLP, keeps what it says about connection pools, and shows it live in the browser.
//!
//! ```no_run
//! # async fn run() -> Result<(), poolscope_dashboard::Error> {
//! use poolscope_dashboard::{Config, Server};
//!
//! let server = Server::bind(Config::default()).await?;
//! println!("open {}", server.login_link().unwrap_or(server.http_url()));
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```
//!
//! An application that wants the dashboard in its own process runs this server in it and exports to it over loopback.

mod access;
mod api;
mod app;
mod asking;
mod assets;
mod certificates;
pub mod cli;
mod clock;
pub mod config;
mod conn;
mod control;
mod error;
mod file;
mod host;
mod live;
mod model;
mod otlp;
mod own;
mod pace;
pub mod prometheus;
mod rules;
mod server;
mod spread;
mod store;
mod trace;
mod web;
mod words;

pub use access::AccessError;
pub use certificates::TlsError;
pub use config::{Config, Limits, TraceUrl};
pub use conn::Reload;
pub use error::Error;
pub use prometheus::{DataSource, Prometheus};
pub use rules::RuleArg;
pub use server::Server;
