//! A store of server-side sessions: what a server knows of a user between two requests, by an id that the user's cookie carries.
//!
//! [`Scope::session_store`](crate::Scope::session_store) makes a [`SessionStore`]. What is in it ends when nobody asks for it for
//! too long, when it has been there for as long as it may be, and when room is needed: then the one goes that was not asked for
//! for the longest time. Each end is counted by its reason, and it shows as a [`SessionsSnapshot`](crate::SessionsSnapshot), as
//! the [sessions](super) of a registry do, in the same metrics.
//!
//! ```
//! use std::time::Duration;
//!
//! use poolscope::{Scope, SessionEnd};
//!
//! #[derive(Clone)]
//! struct Cart {
//!     user: String,
//!     items: u32,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let carts = scope
//!     .session_store::<Cart>("web")
//!     .idle_timeout(Duration::from_secs(30 * 60))
//!     .max_sessions(100_000)
//!     .build()?;
//!
//! // The id is for the cookie, and for nobody else.
//! let id = carts.create("cart", Cart { user: "ann".into(), items: 0 })?;
//! carts.update(id.as_str(), |cart| Cart { items: cart.items + 1, ..cart.clone() });
//! assert_eq!(carts.get(id.as_str()).map(|cart| cart.items), Some(1));
//!
//! carts.remove(id.as_str());
//! assert!(carts.get(id.as_str()).is_none());
//! assert_eq!(carts.snapshot().ended(SessionEnd::Completed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What it is made of
//!
//! A cache of `moka`, which knows who was asked for last and takes no lock to ask. It removes what is over only when somebody
//! uses it; a task of ours has it do so every 100 ms while something is in it, so that ends are told within 250 ms, and their
//! memory is given back without a request.

mod builder;
mod id;
mod kept;
mod tend;
#[cfg(test)]
mod tests;

pub use builder::{DEFAULT_STORE_IDLE_TIMEOUT, DEFAULT_STORE_MAX_SESSIONS, SessionStoreBuilder};
pub use id::SessionId;
pub use kept::SessionStore;
