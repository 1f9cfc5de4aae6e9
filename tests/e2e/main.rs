//! End to end, on real sockets.

mod hyper_pool;
mod reqwest_pool;
