//! End to end, on real sockets.

mod demo;
mod hyper_pool;
mod reqwest_pool;
