//! Resource guard: refuses requests before the process runs out of open files, memory, connections or sessions.
//!
//! A process without a descriptor left can't accept, connect, open a log or look up a name, and one without memory is ended.
//! A [`ResourceGuard`] looks at what is used; at a soft limit it warns by an event, at a hard one its layers refuse requests
//! with [`ResourcesExhausted`], which is cheap, until less than the soft limit is used. Its state is shown as a breaker of its
//! own, beside those of destinations.
//!
//! What it promises:
//!
//! - Open files are counted with no descriptor left too. They are those of the whole process, whoever has opened them.
//! - Between two looks, calls are counted: each takes one of the descriptors that are left, and calls that have just begun and
//!   have no connection yet count as if they opened one. So a burst is stopped before the limit, not after it. A request that
//!   the scope's own layers see to have a connection opens none; of others that is not known until a look. What else the
//!   process opens at the same moment, such as connections that it accepts, is what the room between hard limit and system
//!   limit is for.
//! - Memory, and what the program counts itself, are known from looks alone: a burst may pass their limits until the next one.
//! - The breaker tells of what is used. A call may be refused for those that have just begun while it is still closed.
//! - While there is room for 10,000 more calls, a call costs one atomic load; below that, five atomic operations. It takes no
//!   lock and allocates nothing. Only with nothing left does a call look itself.
//! - A call is decided in `call`, never in `poll_ready`.
//! - What can't be read refuses nothing. Open files and memory are read on Linux. A guard that is made when no descriptor is
//!   left reads them once one is.
//!
//! One guard is for a whole process: two would each give out the same room.
//!
//! ```
//! use http::{Request, Response};
//! use poolscope::{Scope, guard::{Error, Limits, ResourceGuard}};
//! use tower::{Layer, Service, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let guard = ResourceGuard::builder(&scope).build()?;
//! guard.watch("sessions", Limits::amounts(8, 10), || 12)?;
//! let mut client = guard.layer().layer(service_fn(|_: Request<()>| async {
//!     Ok::<_, std::io::Error>(Response::new("here it is"))
//! }));
//!
//! let refused = client.ready().await?.call(Request::new(())).await;
//! let Err(Error::Exhausted(refused)) = refused else { panic!("sessions are above their limit") };
//! assert_eq!((&*refused.resource, refused.current, refused.limit), ("sessions", 12, 10));
//! assert_eq!(scope.snapshot().resources[3].refused, 1);
//! # Ok(())
//! # }
//! ```

mod builder;
#[cfg(target_os = "linux")]
mod cgroup;
mod error;
mod future;
mod handle;
mod layer;
mod limits;
mod pending;
#[cfg(target_os = "linux")]
mod reader;
#[cfg(not(target_os = "linux"))]
#[path = "reader_elsewhere.rs"]
mod reader;
mod resource;
mod service;
mod shared;
mod watched;

pub use builder::{
    DEFAULT_INTERVAL, DEFAULT_MEMORY, DEFAULT_NAME, DEFAULT_OPEN_FILES, DEFAULT_RECOVER_AT, GuardBuilder,
};
pub use error::{Error, ResourcesExhausted};
pub use future::ResponseFuture;
pub use handle::ResourceGuard;
pub use layer::GuardLayer;
pub use limits::Limits;
pub use service::Guarded;
