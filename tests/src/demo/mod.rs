//! The demo service: hyper and reqwest clients that call upstreams which are well, slow, failing and resetting,
//! feeds that clients watch for some time, and a chat whose guests vanish.

mod chats;
mod clients;
mod feeds;
mod service;
mod upstreams;

pub use chats::BOT;
pub use clients::Breakers;
pub use feeds::FEEDS;
pub use service::{Demo, Options};
pub use upstreams::{Pace, Upstreams};
