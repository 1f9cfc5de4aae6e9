//! A bounded queue that drops what is too much, and counts it.
//!
//! Between who has something to say and a client that takes it slowly there must be a bound, and somebody must be told when it
//! is reached. [`Scope::queue`](crate::Scope::queue) makes a queue of many [senders](QueueSender) and one
//! [receiver](QueueReceiver). To put something in never waits: when the queue is full, an item is dropped, the oldest or the
//! newest by [`DropPolicy`]. What was dropped is counted by its reason, with the highest length that there was, in
//! [`ScopeSnapshot::queues`](crate::ScopeSnapshot::queues), and told as an
//! [`Event::QueueDropping`](crate::Event::QueueDropping) at most once a second.
//!
//! ```
//! use poolscope::{Scope, queue::{DropPolicy, QueueDropReason}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let (outbox, mut inbox) = scope.queue("chat outbox", 2, DropPolicy::Oldest);
//! for price in [101, 102, 103] {
//!     outbox.push(price)?;
//! }
//! drop(outbox);
//! assert_eq!((inbox.recv().await, inbox.recv().await, inbox.recv().await), (Some(102), Some(103), None));
//!
//! let seen = scope.snapshot().queues.remove(0);
//! assert_eq!((seen.pushed, seen.high_water, seen.dropped(QueueDropReason::Oldest)), (3, 2, 1));
//! # Ok(())
//! # }
//! ```
//!
//! Any number is a capacity. A queue whose items fit into 1 MiB is a ring of `crossbeam-queue` with a waker, and nothing is
//! allocated but the ring itself, when the queue is made. A larger one takes memory as items come, in blocks of 31, and gives it
//! back as they go, so that one of [`usize::MAX`] costs what is in it, and drops nothing. Neither side takes a lock that the other
//! waits for. It needs no runtime.

mod ends;
mod items;
#[cfg(all(test, poolscope_loom))]
mod races;
mod shared;
#[cfg(all(test, not(poolscope_loom)))]
mod tests;

pub(crate) use ends::new;
pub use ends::{Closed, QueueReceiver, QueueSender};
pub use poolscope_semconv::value::QueueDropReason;
pub use shared::DropPolicy;
