//! End to end, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod composable_pool;
mod dashboard;
mod demo;
mod hyper_pool;
mod reqwest_pool;
mod stale;
mod trace;
