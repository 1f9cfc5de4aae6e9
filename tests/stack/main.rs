//! What Poolscope sends, through the real programs that people send it to.
//!
//! They are ignored where these programs need not be; `cargo xtask test --suite stack` gets the programs and runs them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deploy;
mod filled;
mod grafana;
mod peers;
mod prometheus;
mod prometheus_source;
mod whole_way;
