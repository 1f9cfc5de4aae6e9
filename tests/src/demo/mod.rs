//! The demo service: hyper and reqwest clients that call upstreams which are well, slow, failing and resetting.

mod clients;
mod service;
mod upstreams;

pub use service::{Demo, Options};
pub use upstreams::{Pace, Upstreams};
