//! Redirects, which reqwest follows below every layer: each hop is counted at the pool that served it.
//!
//! A hop shows in the polls of its request: the client is cloned once in the one that brings the redirect, and goes on in
//! the next with a request that clones the connector again. Which connection gave the answer, the books and the kernel tell;
//! the status and the next destination, only the policy is told ([`redirects`]).

use std::cell::RefCell;
use std::cmp::Reverse;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::Url;
use reqwest::redirect::Policy;

use super::closes;
use super::request::{bind, destination};
use crate::clock::Instant;
use crate::current::{self, Seen};
use crate::lease::Lease;
use crate::registry::{ClientScope, Connection, Protocol, Request};

/// The kernel counts the time since something came in ticks: at least a hundred a second.
const TICK: Duration = Duration::from_millis(10);

thread_local! {
    /// Status and target of the redirect that the request that is being polled has met.
    static TOLD: RefCell<Option<(StatusCode, Url)>> = const { RefCell::new(None) };
}

/// A policy that decides like another one, and tells the layers of this module which redirects the client meets; give it
/// to `ClientBuilder::redirect`. Needed only for what can't be seen otherwise: the status of a redirect that is followed,
/// and the pool of a hop that neither connects nor has answered yet.
///
/// ```
/// use poolscope::{Scope, reqwest::{ConnectLayer, redirects}};
/// use reqwest::redirect::Policy;
///
/// # fn run() -> Result<(), reqwest::Error> {
/// let client = reqwest::Client::builder()
///     .redirect(redirects(Policy::default()))
///     .connector_layer(ConnectLayer::new(&Scope::new().client("search")))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn redirects(policy: Policy) -> Policy {
    Policy::custom(move |attempt| {
        if current::is_in_request() {
            TOLD.set(Some((attempt.status(), attempt.url().clone())));
            current::redirected();
        }
        policy.redirect(attempt)
    })
}

/// Where a request is on its way, as far as its polls show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hops {
    /// It was sent, and is not answered yet.
    Sent,
    /// The client was cloned, then: for a redirect, if the next poll sends again; otherwise to try the same again.
    Answered(Instant),
    /// It was redirected, and the next poll sends it on.
    Told,
}

impl Hops {
    /// A poll of the request is over, one in which it [may have been redirected](may_redirect) or was sent again, or that
    /// came after such a one. True if it was the first poll of a hop.
    #[cold]
    pub(super) fn polled(
        &mut self,
        lease: &mut Lease,
        client: &ClientScope,
        seen: Seen,
        is_pending: bool,
    ) -> bool {
        let sends = match mem::replace(self, Self::Sent) {
            Self::Answered(at) if seen.sends() > 1 => {
                leave(lease, client, None, at);
                true
            }
            Self::Told => true,
            // A policy that does not follow, or refuses to, has ended the request.
            Self::Sent | Self::Answered(_) if seen.redirected() && is_pending => {
                let (status, url) = TOLD.take().unzip();
                leave(lease, client, status, Instant::now());
                if let Some(url) = url {
                    lease.goes_on(&client.pool(&destination(&url)));
                }
                *self = Self::Told;
                false
            }
            Self::Sent | Self::Answered(_) => false,
        };
        // To send takes two clones of the connector or four, to be redirected takes one: also a first poll may bring an
        // answer, where the server is quick and another thread has read it.
        if may_redirect(seen) && is_pending && *self == Self::Sent {
            *self = Self::Answered(Instant::now());
        }
        if let Some(pool) = seen.connects_to() {
            lease.goes_on(&pool);
        }
        sends
    }
}

/// True if a redirect is what the client may have met in a poll.
pub(super) fn may_redirect(seen: Seen) -> bool {
    seen.sends() % 2 == 1 && !seen.connect_started()
}

/// The request was answered at a time, with a redirect.
pub(super) fn leave(lease: &mut Lease, client: &ClientScope, status: Option<StatusCode>, at: Instant) {
    let heard = lease.between().and_then(|since| heard_since(client, since));
    match &heard {
        // The hop before has led to a pool that had a connection for it.
        Some(connection) => lease.goes_on(connection.pool()),
        None => lease.stay(),
    }
    if let Some(connection) = heard.or_else(|| served(lease.request(), at)) {
        bind(lease, &connection, at);
    }
    lease.redirected(status, at);
}

/// The connection that has answered a request until now, if the answer names none.
pub(super) fn served(request: &Request, now: Instant) -> Option<Arc<Connection>> {
    let mut free = request.pool().open_connections();
    free.retain(|connection| may_have_served(connection) && connection.free_since() <= now);
    // One that was made for the request and served nobody since must be it.
    let made_for_it = |connection: &&Arc<Connection>| {
        connection.requests() == 0 && connection.opened() >= request.started()
    };
    if let Some(made) = free.iter().find(made_for_it) {
        return Some(Arc::clone(made));
    }
    // The client takes the one that came back last, unless it came back in another order than the books say.
    free.sort_by_key(|connection| Reverse(connection.free_since()));
    let heard = || unexplained(&free).filter(|heard| heard.after > TICK).map(|heard| heard.connection);
    (free.len() > 1).then(heard).flatten().or(free.first()).cloned()
}

/// The connection, of any pool, over which something has come since then that no known request explains.
fn heard_since(client: &ClientScope, since: Instant) -> Option<Arc<Connection>> {
    let mut free: Vec<_> = client.pools().iter().flat_map(|pool| pool.open_connections()).collect();
    free.retain(|connection| may_have_served(connection) && connection.free_since() < since);
    free.sort_by_key(|connection| Reverse(connection.free_since()));
    let heard = unexplained(&free)?;
    (heard.at + TICK >= since).then(|| Arc::clone(heard.connection))
}

fn may_have_served(connection: &Connection) -> bool {
    connection.is_idle() || connection.protocol() == Protocol::Http2
}

/// When something came over a connection.
struct Heard<'a> {
    connection: &'a Arc<Connection>,
    at: Instant,
    /// So long after its last request.
    after: Duration,
}

/// The connection over which something has come the longest after the last request that is known of it.
fn unexplained(connections: &[Arc<Connection>]) -> Option<Heard<'_>> {
    let now = Instant::now().as_nanos();
    let heard = closes::quiet_for(connections).into_iter().map(|(connection, quiet)| {
        let quiet = u64::try_from(quiet.as_nanos()).unwrap_or(u64::MAX);
        let at = Instant::from_nanos(now.saturating_sub(quiet));
        Heard { connection, at, after: at.saturating_duration_since(connection.free_since()) }
    });
    heard.max_by_key(|heard| heard.after)
}
