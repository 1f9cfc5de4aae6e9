//! The accept side on real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod counts;
mod ends;
mod http2;
mod limits;
mod requests;
mod shutdown;
mod support;
mod tls;
mod upgrades;
