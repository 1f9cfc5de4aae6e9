//! [`Rules`] of a server, and what they say of a connection at a moment: [`due`]. Knows no clock.

use std::time::Duration;

use poolscope_semconv::value::ServerCloseReason;

/// How long things may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) max_connections: Option<usize>,
    pub(super) at_limit: AtLimit,
    pub(super) max_age: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) headers_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) keepalive: Option<Duration>,
    pub(super) drain_timeout: Duration,
    pub(super) ends_upgraded: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) max_handshakes: usize,
    pub(super) sweep_interval: Duration,
}

/// How many write timeouts a client may take to read so much that the kernel takes more, where the kernel is asked whether it
/// reads anything at all: a third of the send buffer, which is 4 MB at most by default, in 5 minutes.
const SLOWEST: u32 = 10;

/// What happens to a connection for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AtLimit {
    /// It is accepted and answered by `503` with `Retry-After`, or by a GOAWAY over HTTP/2, and closed in order: at most 64 at a
    /// time, each for a second at most. More are closed without an answer, and so are all where TLS is ours, for an answer
    /// would cost a handshake.
    #[default]
    Refuse,
    /// It is not accepted until there is room: it waits in the kernel's backlog, where nobody can count it.
    Wait,
}

/// What a connection does at a moment. Times are since the begin of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// Somebody serves it: its handshake is over, and it was handed out.
    pub(super) is_served: bool,
    pub(super) is_upgraded: bool,
    /// If it is upgraded, it is one of its streams that is.
    pub(super) is_http2: bool,
    /// Requests whose answer is not over.
    pub(super) in_flight: u64,
    /// When the last request ended and its answer was sent, or when it was handed out.
    pub(super) idle_since: Duration,
    /// When the head of a request began to come that is not there yet.
    pub(super) head_since: Option<Duration>,
    /// Since when a write does not go on.
    pub(super) write_since: Option<Duration>,
    /// The kernel is asked whether its client takes anything.
    pub(super) is_watched: bool,
    /// Over HTTP/2, when something of an answer's body was last handed out or sent, of which no more was asked for.
    pub(super) owed_since: Option<Duration>,
    /// When bytes last went either way; known of one that is upgraded.
    pub(super) moved_at: Duration,
    /// When it is as old as it may be.
    pub(super) old_at: Option<Duration>,
    /// When it was told to end.
    pub(super) told_at: Option<Duration>,
    /// It was told so for a shutdown, whose deadline is not the server's.
    pub(super) is_shut: bool,
}

/// What is to be done with a connection, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Duration,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// It is to end, when its requests have ended.
    End(ServerCloseReason),
    /// It is to end now, for this reason if it has none yet.
    Cut(ServerCloseReason),
}

/// The first thing that is due of a connection; `None` if nothing ever is, as it is now.
pub(super) fn due(facts: &Facts, rules: &Rules) -> Option<Due> {
    use ServerCloseReason::{HeadersTimeout, IdleTimeout, MaxAge, Shutdown, WriteTimeout};
    if !facts.is_served {
        return None;
    }
    let after = |since: Option<Duration>, timeout: Option<Duration>| Some(since?.saturating_add(timeout?));
    // What was answered may still be on its way.
    let is_idle = facts.in_flight == 0 && facts.write_since.is_none();
    let mut all = [None; 6];
    let cut = |at: Option<Duration>, reason| at.map(|at| Due { at, what: What::Cut(reason) });
    let end = |at: Option<Duration>, reason| at.map(|at| Due { at, what: What::End(reason) });
    let is_let_be = facts.is_upgraded && !rules.ends_upgraded;
    // One stream that left HTTP does not free the others.
    if !is_let_be || facts.is_http2 {
        // While its transport does not go on, that says whether the client reads.
        let owed = facts.owed_since.filter(|_| facts.in_flight > 0 && facts.write_since.is_none());
        let slowest = if facts.is_watched { SLOWEST } else { 1 };
        let stuck = rules.write_timeout.map(|timeout| timeout.saturating_mul(slowest));
        all[0] = cut(after(facts.write_since, stuck), WriteTimeout);
        all[1] = cut(after(owed, rules.write_timeout), WriteTimeout);
    }
    if !is_let_be {
        let idle_since = if facts.is_upgraded { facts.moved_at } else { facts.idle_since };
        let is_waiting = is_idle && (facts.head_since.is_none() || facts.is_upgraded);
        let head = facts.head_since.filter(|_| facts.in_flight == 0 && !facts.is_upgraded);
        all[2] = cut(after(head, rules.headers_timeout), HeadersTimeout);
        if facts.told_at.is_none() {
            all[3] = end(after(Some(idle_since).filter(|_| is_waiting), rules.idle_timeout), IdleTimeout);
            all[4] = end(facts.old_at, MaxAge);
        }
    }
    // The reason that it was told holds; this one is for nobody.
    let drained = after(facts.told_at.filter(|_| !facts.is_shut), Some(rules.drain_timeout));
    all[5] = drained.map(|at| Due { at, what: What::Cut(Shutdown) });
    all.into_iter().flatten().min_by_key(|due| (due.at, due.what))
}

/// No deadline that comes into being from now on is sooner after it did than this.
pub(super) fn shortest(rules: &Rules) -> Option<Duration> {
    let limits = [rules.max_age.map(|age| age * 9 / 10), rules.idle_timeout, rules.headers_timeout];
    let limits = limits.into_iter().chain([rules.write_timeout, Some(rules.drain_timeout)]);
    limits.flatten().min()
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = Duration> {
        (1_u64..1_000).prop_map(Duration::from_millis)
    }

    prop_compose! {
        fn rules()(
            max_age in option::of(time()),
            idle_timeout in option::of(time()),
            headers_timeout in option::of(time()),
            write_timeout in option::of(time()),
            drain_timeout in time(),
            ends_upgraded: bool,
        ) -> Rules {
            Rules {
                max_connections: None,
                at_limit: AtLimit::Refuse,
                max_age,
                idle_timeout,
                headers_timeout,
                read_timeout: None,
                write_timeout,
                keepalive: None,
                drain_timeout,
                ends_upgraded,
                handshake_timeout: Duration::from_secs(1),
                max_handshakes: 1,
                sweep_interval: Duration::from_millis(1),
            }
        }
    }

    prop_compose! {
        fn facts()(
            is_served in prop::bool::weighted(0.9),
            is_upgraded in prop::bool::weighted(0.2),
            is_http2: bool,
            in_flight in 0_u64..3,
            idle_since in time(),
            head_since in option::of(time()),
            write_since in option::of(time()),
            is_watched: bool,
            owed_since in option::of(time()),
            moved_at in time(),
            old_at in option::of(time()),
            told_at in option::of(time()),
            is_shut: bool,
        ) -> Facts {
            Facts {
                is_served, is_upgraded, is_http2, in_flight, idle_since, head_since, write_since, is_watched, owed_since, moved_at, old_at,
                told_at, is_shut,
            }
        }
    }

    /// What is due at a moment, by one rule after the other as the builder's documentation has them.
    fn model(facts: &Facts, rules: &Rules, now: Duration) -> Vec<What> {
        use ServerCloseReason::*;
        let mut what = Vec::new();
        let has_passed =
            |since: Duration, limit: Option<Duration>| limit.is_some_and(|limit| since + limit <= now);
        if !facts.is_served {
            return what;
        }
        if facts.told_at.is_some_and(|at| !facts.is_shut && has_passed(at, Some(rules.drain_timeout))) {
            what.push(What::Cut(Shutdown));
        }
        let is_let_be = facts.is_upgraded && !rules.ends_upgraded;
        if is_let_be && !facts.is_http2 {
            return what;
        }
        let stuck = rules.write_timeout.map(|limit| if facts.is_watched { limit * 10 } else { limit });
        let is_stuck = facts.write_since.is_some_and(|at| has_passed(at, stuck));
        let is_unread = facts.in_flight > 0
            && facts.write_since.is_none()
            && facts.owed_since.is_some_and(|at| has_passed(at, rules.write_timeout));
        if is_stuck || is_unread {
            what.push(What::Cut(WriteTimeout));
        }
        if is_let_be {
            return what;
        }
        if facts.in_flight == 0
            && !facts.is_upgraded
            && facts.head_since.is_some_and(|at| has_passed(at, rules.headers_timeout))
        {
            what.push(What::Cut(HeadersTimeout));
        }
        if facts.told_at.is_none() {
            let idle = match (facts.in_flight, facts.is_upgraded, facts.head_since) {
                _ if facts.write_since.is_some() => None,
                (0, true, _) => Some(facts.moved_at),
                (0, false, None) => Some(facts.idle_since),
                _ => None,
            };
            if idle.is_some_and(|at| has_passed(at, rules.idle_timeout)) {
                what.push(What::End(IdleTimeout));
            }
            if facts.old_at.is_some_and(|at| at <= now) {
                what.push(What::End(MaxAge));
            }
        }
        what
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_the_rules_say(facts in facts(), rules in rules(), now in time().prop_map(|now| now * 4)) {
            let due = due(&facts, &rules);
            let all = model(&facts, &rules, now);
            match due.filter(|due| due.at <= now) {
                Some(due) => {
                    prop_assert!(all.contains(&due.what), "{due:?} of {all:?}");
                    // The first of them: a moment before, none was due.
                    let before = due.at.saturating_sub(Duration::from_nanos(1));
                    prop_assert!(model(&facts, &rules, before).is_empty());
                }
                None => prop_assert!(all.is_empty(), "{all:?}"),
            }
        }
    }
}
