//! The incident view without a dashboard: the snapshot of a scope as JSON, for a browser, `curl` or a script.
//!
//! [`SnapshotService`] is a tower service. With axum it is a route, with hyper alone hyper-util's
//! `TowerToHyperService` fits it, and a tonic server takes it through its axum router:
//!
//! ```
//! use poolscope::{Scope, debug::SnapshotService};
//!
//! let scope = Scope::new();
//! let operators: axum::Router =
//!     axum::Router::new().route_service("/debug/pools", SnapshotService::new(&scope));
//! # let _ = operators;
//! ```
//!
//! **Bind it where only operators come.** It shows no header, no body, no path or query of a request, but it shows names
//! of hosts, addresses of peers, trace identities and places in the code, and it asks nobody for a password.
//!
//! # Requests
//!
//! `GET` and `HEAD`; every other method is answered with 405. What is shown can be narrowed:
//!
//! | query | effect |
//! |---|---|
//! | `client=NAME` | only pools of this client; may be given several times |
//! | `host=HOST` | only pools to this host, whatever the port; may be given several times |
//! | `pretty` | over several lines |
//!
//! Only `pools` are narrowed. Any other key is answered with 400 and a sentence that names it. A name that fits no pool is
//! no error; `pools` is empty then. Errors are JSON too: `{"error": "..."}`.
//!
//! # The document
//!
//! It has the fields of [`ScopeSnapshot`](crate::ScopeSnapshot), under the same names, and these rules:
//!
//! - What ends in `_secs` is in seconds, as a number. `at` and `since` are RFC 3339 in UTC.
//! - `null` is what is not known, or does not apply.
//! - A histogram is `{count, sum, p50, p90, p99, buckets}`. A quantile is interpolated within its bucket, so it is as good
//!   as the buckets are fine. `buckets` has those with something in them, each with what is in it alone; `up_to` is the
//!   largest value that belongs to it, `null` for what is above all bounds.
//! - `held` and `open` have at most as many rows as
//!   [`max_listed_connections`](crate::ScopeBuilder::max_listed_connections) says; counts are never cut.
//! - `schema_version` is [`SCHEMA_VERSION`]. It rises when a field goes or changes its meaning; fields may be added without.
//!
//! Each pool begins with its name and with `glance`, what one looks at first:
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "at": "2026-09-01T12:00:00.250Z",
//!   "since": "2026-09-01T08:13:41.002Z",
//!   "pools": [
//!     {
//!       "pool": "http://search.example:80 of client web",
//!       "glance": {
//!         "waiting": 3,
//!         "oldest_wait_secs": 1.204511,
//!         "blocked_by": "leaked",
//!         "total": 1,
//!         "idle": 0,
//!         "active": 1,
//!         "upgraded": 0,
//!         "connecting": 0,
//!         "in_flight": 1,
//!         "leaked": 1
//!       },
//!       "client": "web",
//!       "scheme": "http",
//!       "host": "search.example",
//!       "port": 80,
//!       "observation": "exact",
//!       "connections": { "http1": { "open": 1, "idle": 0, "active": 1, "upgraded": 0 } },
//!       "closed": [{ "reason": "idle_timeout", "certainty": "known", "count": 2 }],
//!       "wait_secs": {
//!         "count": 41, "sum": 0.0021, "p50": 0.0005, "p90": 0.0009, "p99": 0.00099,
//!         "buckets": [{ "up_to": 0.001, "count": 41 }]
//!       },
//!       "waiting": { "requests": 3, "oldest_secs": 1.204511, "blocked_by": "leaked" },
//!       "held": [
//!         {
//!           "connection": 7, "method": "GET", "held_secs": 61.5, "is_answered": true, "is_leaked": true,
//!           "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "origin": "src/report.rs:88"
//!         }
//!       ],
//!       "open": [
//!         {
//!           "id": 7, "protocol": "http1", "state": "active", "local": "10.0.0.5:50112", "peer": "10.0.0.9:80",
//!           "age_secs": 61.5, "idle_for_secs": 0.0, "active_for_secs": 61.2, "active_time_secs": 61.2, "requests": 1,
//!           "in_flight": 1, "draining": null,
//!           "bytes_sent": 120, "bytes_received": 8192, "rtt_secs": null, "retransmits": null
//!         }
//!       ]
//!     }
//!   ],
//!   "breakers": [], "retries": [], "timeouts": [], "overflowed": {}, "kernel_refused": null
//! }
//! ```
//!
//! (Some fields of the pool are left out here.)

mod document;
mod query;
mod service;

pub use document::SCHEMA_VERSION;
pub use service::SnapshotService;
