//! Connections: who gets a place, for how long, and by TLS or not.
//!
//! A listener has a bounded number of places. A connection that waits for its peer can't keep one: when all are taken, the
//! one that has waited for longest makes room, those first that never got anything done. So hundreds of sockets that send
//! their requests byte by byte, or never, or take no answers, are in nobody's way. Connections that are busy stay.

mod body;
mod io;
mod places;
mod reload;
mod serve;
mod tls;

pub(crate) use places::{Cut, Patience, Places, share_of, subscriber_of};
pub(crate) use reload::Files;
pub use reload::Reload;
pub(crate) use serve::{Bound, Peer, Serving};
pub(crate) use tls::{Audience, Certificates};
