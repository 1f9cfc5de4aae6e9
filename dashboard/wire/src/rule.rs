//! The rules by which something is found wrong: their names, their limits, and what to do.

use serde::{Deserialize, Serialize};

/// What a rule's limits are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many of something.
    #[default]
    Count,
    /// 0 to 1.
    Share,
    /// Time.
    Seconds,
    /// It is so or it is not: the rule has no limit, and can only be turned off.
    Fact,
}

/// Where a rule begins to warn, and where it is bad.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Level {
    /// Worth a look from here on.
    pub warn: f64,
    /// Requests suffer from here on; `None` if the rule never says so by its figure alone.
    pub bad: Option<f64>,
}

/// Defines the rules and the list of all of them in one place, so that none can be left out.
macro_rules! rules {
    ($( $(#[$meta:meta])* $rule:ident $key:literal $unit:ident ($warn:expr, $bad:expr) $title:literal, $advice:literal; )*) => {
        /// A rule, those first that are closest to what callers feel.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub enum Rule {
            $( $(#[$meta])* #[serde(rename = $key)] $rule, )*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Its name in settings, in the API and in addresses.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$rule => $key,)* }
            }

            /// What it finds, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$rule => $title,)* }
            }

            /// What it means and what to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$rule => $advice,)* }
            }

            /// What its limits are measured in.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self { $(Self::$rule => Unit::$unit,)* }
            }

            /// Its limits if nobody sets others.
            #[must_use]
            pub const fn default_level(self) -> Level {
                match self { $(Self::$rule => Level { warn: $warn, bad: $bad },)* }
            }
        }
    };
}

rules! {
    /// Requests wait for a connection, were refused one, or gave up waiting.
    #[default]
    Exhausted "exhausted" Count (1.0, None)
        "Out of connections",
        "Requests come faster than connections get free. Find out first whether the destination became slow (time in use) or \
         somebody keeps connections (leaks); only if neither is so, raise the limit.";
    /// The breaker of a destination does not let calls through.
    BreakerOpen "breaker_open" Fact (1.0, None)
        "Breaker open",
        "The breaker protects the destination and your callers from waiting for it. Its reason tells what failed: mend that; \
         it closes by itself once trial calls succeed.";
    /// A share of requests fails.
    RequestsFail "requests_fail" Share (0.05, Some(0.25))
        "Requests fail",
        "The destination answers with errors, or connections break. The results table of the pool tells which; a breaker \
         would keep callers from waiting for it.";
    /// Connections can't be established.
    FailedConnects "failed_connects" Share (0.0, Some(0.5))
        "Connects fail",
        "The sentence tells at which part: a name that can't be resolved is DNS, a refusal is the destination or a firewall, \
         TLS is a certificate, time is the network.";
    /// Responses are held and not read.
    Leak "leak" Count (1.0, None)
        "Leaked responses",
        "Somebody holds a response and neither reads its body nor drops it, so that its connection serves nobody. The place \
         that took it is named: read the body to its end, or drop the response.";
    /// Requests got their connection late.
    LongWaits "long_waits" Seconds (0.1, Some(1.0))
        "Long waits for a connection",
        "Callers pay this time before anything is sent. Either connections are set up too often (low reuse, slow DNS or TLS) \
         or there are too few for the load.";
    /// An idle connection was used just as the peer closed it.
    StaleRace "stale_race" Count (3.0, None)
        "Stale keep-alive race",
        "The peer keeps idle connections for a shorter time than this pool, which then hands out dead ones. Set the idle \
         timeout of the pool below the keep-alive of the server, by some seconds.";
    /// The peer closes connections that are idle.
    PeerClosesIdle "peer_closes_idle" Share (0.5, None)
        "Peer closes idle connections",
        "The server or a load balancer gives up idle connections before the pool does. Nothing has to fail by it, but each is \
         set up again, and some request will lose the race: set the idle timeout of the pool below that of the peer.";
    /// Connections were set up and never used.
    WastedConnects "wasted_connects" Share (0.2, None)
        "Wasted connects",
        "Bursts make the pool connect for requests that another connection then serves. Let HTTP/2 be negotiated, warm the \
         pool up, or limit how many requests are in flight at once.";
    /// Connections are hardly ever used again.
    LowReuse "low_reuse" Share (0.5, None)
        "Low reuse",
        "Nearly each request pays for a new connection. Usual causes: a new client for each request, bodies that are dropped \
         unread, too few idle connections kept, or a server that answers `connection: close`.";
    /// Names are resolved slowly.
    SlowDns "slow_dns" Seconds (0.1, Some(1.0))
        "Slow DNS",
        "New connections wait for the name. A caching resolver on the machine, fewer search domains (a name that ends with a \
         dot) or connections that live longer help.";
    /// TLS handshakes are slow.
    SlowTls "slow_tls" Seconds (0.3, Some(2.0))
        "Slow TLS",
        "Handshakes take long: the destination is far away or busy, or sessions are not resumed. Keep connections for longer, \
         and share one client, so that its session cache is shared too.";
    /// A breaker opens again and again.
    BreakerFlapping "breaker_flapping" Count (3.0, Some(6.0))
        "Breaker flapping",
        "It opens again and again: trial calls succeed and the load that follows does not. Let it stay open for longer, \
         ask for more trial calls, or let the load return slowly.";
    /// Many calls need retries.
    RetryStorm "retry_storm" Share (0.2, Some(0.5))
        "Retry storm",
        "So many calls are sent again that retries are a good part of the load, and keep the destination down. A retry budget \
         bounds that; a breaker in front of it ends it.";
    /// Retries did not save calls.
    RetriesLost "retries_lost" Share (0.01, Some(0.1))
        "Retries don't help",
        "Calls failed although they were tried again, or could not be tried again. More attempts only add load: look at the \
         results of the policy for what they fail with.";
    /// Timeouts end calls.
    TimeoutsFire "timeouts_fire" Share (0.01, Some(0.1))
        "Timeouts fire",
        "Calls are ended by a timeout. If 99 of 100 used nearly all of their time already, the destination is slow; if they \
         used little of it, single calls hang.";
    /// The limit of all requests of a client is reached.
    ClientLimit "client_limit" Fact (1.0, None)
        "Client limit reached",
        "All requests that this client may have in flight are in flight. One slow destination can take all of them: give it a \
         limit of its own.";
    /// A health probe does not succeed.
    Probe "probe" Fact (1.0, None)
        "Probe fails",
        "The destination does not answer its health probe as it should. If its pool is fine all the same, look at the path and \
         the time that the probe has.";
    /// A resource of the process is used up.
    Resource "resource" Fact (1.0, None)
        "Resource used up",
        "The process is near a limit of its own, and refuses requests to stay alive. Files are often leaked connections; \
         memory is often bodies that are collected whole.";
    /// Sessions can't begin.
    SessionsRefused "sessions_refused" Count (1.0, Some(10.0))
        "Sessions refused",
        "There are as many as there may be, or the program shuts down. Look first whether sessions pile up that nobody needs any \
         more (their ages, and those that don't end); only then raise the limit.";
    /// A share of sessions ends badly.
    SessionsFail "sessions_fail" Share (0.05, None)
        "Sessions end badly",
        "They end by an error, or because their other end answers no ping. Clients that vanish look like that, and so does a \
         proxy between that cuts connections: the events have the errors, and the ages tell whether it is always the same time.";
    /// Sessions don't end although they were told to.
    SessionOverdue "session_overdue" Count (1.0, None)
        "Sessions don't end",
        "They were told to end, and their holder has not let go: a task that does not listen to `ended()`, or waits for \
         something for ever. Each one keeps its memory, and perhaps a connection.";
    /// A session lasts for very long.
    SessionsOld "sessions_old" Seconds (86_400.0, None)
        "Old session",
        "One has been there for longer than a day. If such sessions are to end sooner, give them a maximum duration and a \
         liveness test; otherwise set this rule to what is usual.";
    /// A server turns connections away, can't accept any, or has room for none.
    ServerRejects "server_rejects" Count (1.0, None)
        "Server turns connections away",
        "It has as many connections as it may have, or the process has no file left for another. Look at what is idle or \
         upgraded before you raise the limit: clients that vanished hold connections until a timeout of the server ends them.";
    /// A server's requests fail.
    ServerErrors "server_errors" Share (0.05, Some(0.25))
        "Server's requests fail",
        "It answers with errors of its own (5xx), or its handlers panic or are dropped. The traces tell which route, and the \
         pools of the same service whether something behind it fails.";
    /// Clients leave before a server answers.
    ClientsLeave "clients_leave" Share (0.05, None)
        "Clients leave",
        "They close the connection before there is any answer: their own timeout is shorter than the server takes, or people \
         give up. Look at what the requests wait for.";
    /// Tasks or sessions panic.
    TasksPanic "tasks_panic" Count (1.0, None)
        "Tasks panic",
        "A panic ends its task and nothing else, so that what the task did is not done any more. The event has what the panic \
         said.";
    /// A queue drops items.
    QueueDrops "queue_drops" Share (0.01, None)
        "Queue drops items",
        "Items come faster than they are taken, so that the queue drops some of them, as it was made to. If that is not what you \
         want: take them faster, hold back who puts them in, or give the queue more room.";
    /// A supervised connection is not there.
    SupervisorDown "supervisor_down" Fact (1.0, None)
        "Supervised connection down",
        "It is not there, and is tried again after waits that grow, until its attempts are used up. The event of the last change \
         has the error.";
    /// A supervised connection is lost again and again.
    SupervisorFlaps "supervisor_flaps" Count (5.0, None)
        "Supervised connection flaps",
        "It is established again and again. The reasons of its changes tell who ends it: a server or a load balancer with a \
         bound of its own, a heartbeat that gets no answer, or a handler that fails.";
    /// A supervised connection loses messages.
    MessagesLost "messages_lost" Count (1.0, None)
        "Messages lost",
        "They were taken and not sent: the connection went while they were on their way, or the supervisor stopped. What \
         must arrive needs an answer from the other end, and has to be sent again without one.";
    /// Telemetry was lost before it came here.
    TelemetryDropped "telemetry_dropped" Count (1.0, None)
        "Telemetry dropped",
        "The sender had to throw telemetry away, so that figures here are too low. Raise the queue of its exporter, or find out \
         why what it sends to is slow.";
    /// Closes are concluded, not seen.
    TelemetryEstimated "telemetry_estimated" Fact (1.0, None)
        "Closes estimated",
        "This client can't tell when its connections close, so that what is open and idle is concluded. Nothing is wrong with \
         the pool; hyper's connector layer or Linux's kernel tells closes exactly.";
    /// An instance is not heard any more.
    InstanceVanished "instance_vanished" Fact (1.0, None)
        "Instance vanished",
        "It should have reported by now and did not: it ended, or its network did. Its last figures are kept and not counted \
         as current.";
}

impl Rule {
    /// The rule of a name.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.key() == key)
    }

    /// True if less is worse.
    #[must_use]
    pub const fn is_below(self) -> bool {
        matches!(self, Self::LowReuse)
    }
}

/// A rule as it is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RuleSetting {
    /// Which.
    pub rule: Rule,
    /// What it finds, in a few words.
    pub title: String,
    /// What it means and what to do about it.
    pub advice: String,
    /// What its limits are measured in.
    pub unit: Unit,
    /// Its limits; `None` if it is off.
    pub level: Option<Level>,
    /// True if somebody has set it.
    pub is_set: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.key()), Some(*rule), "{}", rule.key());
            assert_eq!(serde_json::to_string(rule).unwrap(), format!("\"{}\"", rule.key()));
            assert!(!rule.advice().contains("  "), "{}", rule.advice());
        }
        assert_eq!(Rule::parse("no_such_rule"), None);
    }

    #[test]
    fn what_is_bad_is_worse_than_what_warns() {
        for rule in Rule::ALL {
            let Level { warn, bad } = rule.default_level();
            assert!(bad.is_none_or(|bad| if rule.is_below() { bad < warn } else { bad > warn }), "{rule:?}");
        }
    }
}
