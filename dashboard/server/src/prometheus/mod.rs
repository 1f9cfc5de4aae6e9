//! The other source: Prometheus and what speaks like it is asked for the figures that elsewhere are sent.
//!
//! A range selector over all names of the contract gives the samples as they were scraped, with their own times. So what is
//! asked every few seconds, what is asked at the start for the history, and what is asked after Prometheus was away are the
//! same question about a shorter or longer stretch of time. `picture` sorts the series, `replay` tells them moment by
//! moment as the OTLP requests that they once were, and everything from there on is the same for both sources.
//!
//! The address is a setting. Nothing that a browser sends has a part in any URL or query.

mod answer;
mod askers;
mod client;
mod config;
mod names;
mod older;
mod picture;
mod poller;
mod problem;
mod replay;
mod state;
pub(crate) mod tls;

#[cfg(test)]
mod tests;

pub use config::{
    Credential, DEFAULT_INTERVAL_S, DEFAULT_MAX_BYTES, DEFAULT_MAX_SERIES, DEFAULT_TIMEOUT_S, DataSource,
    Header, LabelIs, Prometheus, PrometheusUrl, SettingError,
};
pub(crate) use older::{complete, complete_breaker};
pub(crate) use poller::Poller;
pub(crate) use problem::Problem;
pub(crate) use state::State;
