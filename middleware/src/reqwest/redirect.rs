//! Redirects, which reqwest follows below every layer: each hop is counted at the pool that served it.
//!
//! A hop shows in the polls of its request: the client is cloned once in the one that brings the redirect, and goes on in
//! the next with a request that clones the connector some more. Which connection gave the answer, the books and the kernel tell;
//! the status and the next destination, only the policy is told ([`redirects`]).

use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::Url;
use reqwest::redirect::Policy;

use super::closes;
use super::request::{bind, destination};
use crate::clock::Instant;
use crate::current;
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

/// How often the connector is cloned at least where the client goes on after a redirect; a cookie store clones it once
/// more. No more than three times does it where it sends the same again.
const BY_HOP: u32 = 4;

/// How often it is cloned by the first poll of a request: by one that does not reach the client, by one of the client, and
/// by one of a middleware that calls the client.
const BY_FIRST_POLL: [u32; 3] = [0, 2, 6];

/// Where a request is on its way, as far as its polls show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hops {
    /// It was sent, and is not answered yet.
    Sent,
    /// The client was cloned, then: for a redirect, if the next poll goes on to where that leads; otherwise to try the same
    /// again.
    Answered(Instant),
    /// The policy was told of a redirect, and the client goes on in the next poll.
    Told,
}

/// What a poll shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) is_first: bool,
    pub(super) is_pending: bool,
    /// How often it has cloned the connector.
    pub(super) sends: u32,
    /// The policy was told of a redirect.
    pub(super) is_told: bool,
}

/// What that means, in the order in which it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// When the hop before was answered with a redirect, if that is known only now.
    pub(super) left: Option<Instant>,
    /// It was the first poll of the request or of a hop.
    pub(super) is_first: bool,
    /// It has brought a redirect that the client follows. One poll brings no more than one.
    pub(super) is_redirected: bool,
}

impl Shown {
    /// True if it says nothing that is not said by the polls of nearly every request: they cost no more than this.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        !self.is_told && if self.is_first { BY_FIRST_POLL.contains(&self.sends) } else { self.sends == 0 }
    }
}

impl Step {
    /// What a [plain](Shown::is_plain) poll means of a request that was sent.
    #[inline]
    pub(super) fn plain(shown: Shown) -> Self {
        Self { left: None, is_first: shown.is_first, is_redirected: false }
    }
}

impl Hops {
    /// A poll of the request ended `now`.
    #[cold]
    pub(super) fn step(&mut self, shown: Shown, now: impl FnOnce() -> Instant) -> Step {
        let Shown { is_pending, sends, is_told, .. } = shown;
        let is_hop = *self != Self::Sent && sends >= BY_HOP;
        let left = match *self {
            Self::Answered(at) if is_hop => Some(at),
            _ => None,
        };
        // To be redirected takes one clone. Also a first poll may bring an answer, where the server is quick and another
        // thread has read it.
        let may_be_redirected = if is_hop { sends > BY_HOP } else { !shown.is_plain() };
        // A policy that does not follow, or refuses to, has ended the request.
        let is_redirected = is_told && is_pending;
        *self = match *self {
            _ if is_redirected => Self::Told,
            // What is between us and the client has not polled it.
            Self::Told if !is_hop && is_pending => Self::Told,
            _ if may_be_redirected && is_pending => Self::Answered(now()),
            _ => Self::Sent,
        };
        Step { left, is_first: shown.is_first || is_hop, is_redirected }
    }
}

/// The policy was told of a redirect in the poll that is just over, and the client follows it.
#[cold]
pub(super) fn follow(lease: &mut Lease, client: &ClientScope) {
    let (status, url) = TOLD.take().unzip();
    leave(lease, client, status, Instant::now());
    if let Some(url) = url {
        lease.goes_on(&client.pool(&destination(&url)));
    }
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
    let mut open = request.pool().open_connections();
    // A new one that nothing has gone over was made for a request that has taken one that came back meanwhile.
    open.retain(|connection| connection.opened() <= now);
    closes::leave_answering(&mut open);
    // Over HTTP/2 others may have used it since.
    let free =
        last_free_first(&open, |connection, since| since <= now || connection.protocol() == Protocol::Http2);
    // One that was made for the request and served nobody since is most likely it.
    let made_for_it = |connection: &&Arc<Connection>| {
        connection.protocol() == Protocol::Http1
            && connection.requests() == 0
            && connection.opened() >= request.started()
    };
    if let Some(made) = free.iter().find(made_for_it) {
        return Some(Arc::clone(made));
    }
    // The client takes the one that came back last, unless it came back in another order than the books say.
    let heard = || unexplained(&free).filter(|heard| heard.after > TICK).map(|heard| heard.connection);
    if let Some(served) = (free.len() > 1).then(heard).flatten().or(free.first()) {
        return Some(Arc::clone(served));
    }
    // The client has a connection back before the poll ends that brings its answer: another thread has used it since, or
    // uses it now.
    let is_used = |connection: &Arc<Connection>| connection.is_active() || connection.is_idle();
    open.into_iter().filter(is_used).min_by_key(|connection| connection.free_since())
}

/// The connection, of any pool, over which something has come since then that no known request explains.
fn heard_since(client: &ClientScope, since: Instant) -> Option<Arc<Connection>> {
    let open: Vec<_> = client.pools().iter().flat_map(|pool| pool.open_connections()).collect();
    let free = last_free_first(&open, |_, free_since| free_since < since);
    let heard = unexplained(&free)?;
    (heard.at + TICK >= since).then(|| Arc::clone(heard.connection))
}

/// Those of some connections that may have served a request, the likeliest first: the one that came back last. Each of them
/// tells that once, since other threads use them meanwhile.
fn last_free_first(
    connections: &[Arc<Connection>],
    is_free: impl Fn(&Connection, Instant) -> bool,
) -> Vec<Arc<Connection>> {
    let mut free: Vec<_> = connections
        .iter()
        .map(|connection| (connection.free_since(), connection))
        .filter(|(since, connection)| may_have_served(connection) && is_free(connection, *since))
        .collect();
    // Of HTTP/2 the client has one for all requests, and drops what it has made beside it.
    let is_needless = |known: &Connection| known.protocol() == Protocol::Http2 && known.requests() == 0;
    free.sort_by_key(|(since, known)| (is_needless(known), Reverse(*since)));
    free.into_iter().map(|(_, connection)| Arc::clone(connection)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A poll by its clones: one that is not over, one that has the answer, one whose policy is told.
    #[derive(Clone, Copy)]
    enum Poll {
        Pending(u32),
        Ready(u32),
        Told(u32),
        /// Told, and it does not follow.
        Refused(u32),
    }
    use Poll::{Pending, Ready, Refused, Told};

    /// Polls that begin a request or a hop, and polls in which one ends that has gone on to elsewhere: by their number. The
    /// time at which it ended is that of the poll that brought the redirect.
    fn steps(polls: &[Poll]) -> (Vec<usize>, Vec<usize>) {
        let (mut hops, mut firsts, mut left) = (Hops::Sent, Vec::new(), Vec::new());
        for (number, poll) in polls.iter().enumerate() {
            let (sends, is_told, is_pending) = match *poll {
                Pending(sends) => (sends, false, true),
                Ready(sends) => (sends, false, false),
                Told(sends) => (sends, true, true),
                Refused(sends) => (sends, true, false),
            };
            let shown = Shown { is_first: number == 0, is_pending, sends, is_told };
            let step = if hops == Hops::Sent && shown.is_plain() {
                Step::plain(shown)
            } else {
                hops.step(shown, || Instant::from_nanos(number as u64))
            };
            firsts.extend(step.is_first.then_some(number));
            left.extend(step.left.map(|at| at.as_nanos() as usize));
            left.extend(step.is_redirected.then_some(number));
        }
        (firsts, left)
    }

    /// A name, the polls, and the [`steps`] that they make.
    type Case<'a> = (&'a str, &'a [Poll], &'a [usize], &'a [usize]);

    #[test]
    fn polls_tell_of_redirects() {
        let cases: &[Case<'_>] = &[
            ("no redirect", &[Pending(2), Pending(0), Ready(0)], &[0], &[]),
            ("none by a middleware", &[Pending(6), Pending(0), Ready(0)], &[0], &[]),
            ("sent by a later poll", &[Pending(0), Pending(6), Pending(0), Ready(0)], &[0], &[]),
            ("a redirect after that", &[Pending(0), Pending(6), Pending(1), Ready(4)], &[0, 3], &[2]),
            ("an answer at once", &[Ready(2)], &[0], &[]),
            ("a try on another connection", &[Pending(2), Pending(1), Pending(0), Ready(0)], &[0], &[]),
            ("two of them", &[Pending(2), Pending(1), Pending(1), Ready(0)], &[0], &[]),
            ("one within the first poll", &[Pending(3), Pending(0), Ready(0)], &[0], &[]),
            ("a stream that was refused", &[Pending(2), Pending(3), Pending(3), Ready(0)], &[0], &[]),
            ("a redirect", &[Pending(2), Pending(1), Pending(4), Ready(0)], &[0, 2], &[1]),
            ("one after another try", &[Pending(2), Pending(1), Pending(1), Ready(4)], &[0, 3], &[2]),
            (
                "one and a try later",
                &[Pending(2), Pending(1), Pending(4), Pending(1), Ready(0)],
                &[0, 2],
                &[1],
            ),
            ("one in the first poll", &[Pending(3), Pending(4), Ready(0)], &[0, 1], &[0]),
            ("by a middleware", &[Pending(7), Pending(4), Ready(0)], &[0, 1], &[0]),
            ("with cookies", &[Pending(2), Pending(1), Pending(5), Ready(0)], &[0, 2], &[1]),
            ("in each poll, with cookies", &[Pending(3), Pending(6), Ready(5)], &[0, 1, 2], &[0, 1]),
            ("by a middleware, with cookies", &[Pending(8), Pending(6), Ready(5)], &[0, 1, 2], &[0, 1]),
            ("in each poll", &[Pending(3), Pending(5), Pending(5), Ready(4)], &[0, 1, 2, 3], &[0, 1, 2]),
            ("in the poll after it", &[Pending(2), Pending(1), Pending(5), Ready(4)], &[0, 2, 3], &[1, 2]),
            ("later", &[Pending(2), Pending(1), Pending(4), Pending(1), Ready(4)], &[0, 2, 4], &[1, 3]),
            ("told", &[Pending(2), Told(1), Pending(4), Ready(0)], &[0, 2], &[1]),
            ("told in the first poll", &[Told(3), Ready(4)], &[0, 1], &[0]),
            ("told in each poll", &[Told(3), Told(5), Told(5), Ready(4)], &[0, 1, 2, 3], &[0, 1, 2]),
            ("told with cookies", &[Told(3), Told(6), Ready(5)], &[0, 1, 2], &[0, 1]),
            (
                "told, and nobody goes on",
                &[Pending(2), Told(1), Pending(0), Pending(4), Ready(0)],
                &[0, 3],
                &[1],
            ),
            ("told, and it ends before", &[Pending(2), Told(1), Ready(0)], &[0], &[1]),
            ("told after another try", &[Pending(2), Pending(1), Told(1), Ready(4)], &[0, 3], &[2]),
            ("told, then not", &[Told(3), Pending(5), Ready(4)], &[0, 1, 2], &[0, 1]),
            ("not told, then told", &[Pending(3), Told(5), Ready(4)], &[0, 1, 2], &[0, 1]),
            ("refused", &[Pending(2), Refused(0)], &[0], &[]),
            ("refused after a hop", &[Told(3), Refused(4)], &[0, 1], &[0]),
            ("refused after an untold hop", &[Pending(3), Refused(4)], &[0, 1], &[0]),
        ];
        for (name, polls, firsts, left) in cases {
            assert_eq!(steps(polls), (firsts.to_vec(), left.to_vec()), "{name}");
        }
    }
}
