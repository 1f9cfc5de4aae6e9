//! End to end, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod composable_pool;
mod contract;
mod control;
mod dashboard;
mod debug;
mod demo;
mod guard;
mod health;
mod hygiene;
mod lanes;
mod leaks;
mod phases;
mod pool;
mod protection;
mod races;
mod refused_netlink;
mod said;
mod stale;
mod timeouts;
mod trace;
