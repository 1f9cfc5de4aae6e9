//! What points say about pools.

use std::borrow::Cow;

use poolscope_semconv::value::{ConnectPhase, Observation};

use super::Reading;

/// What the connections of a pool lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PoolKind {
    #[default]
    Http,
    Database,
}

/// The part of a pool's identity that a point carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Destination<'a> {
    pub(crate) kind: PoolKind,
    /// Name of the client, or of the pool where it is one of a database.
    pub(crate) client: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
}

impl<'a> Destination<'a> {
    /// Senders leave the port out where it is the scheme's own.
    pub(crate) fn new(client: &'a str, scheme: &'a str, address: &'a str, port: Option<u16>) -> Self {
        let usual = match scheme {
            "https" => 443,
            "http" => 80,
            _ => 0,
        };
        Self { kind: PoolKind::Http, client, scheme, address, port: port.unwrap_or(usual) }
    }

    /// A database pool has a name, and what it leads to is a part of that; else it is told by where it leads.
    pub(crate) fn database(name: &'a str, namespace: &'a str, address: &'a str, port: Option<u16>) -> Self {
        let kind = PoolKind::Database;
        match name {
            "" => Self { kind, client: namespace, scheme: "", address, port: port.unwrap_or(0) },
            name => Self { kind, client: name, ..Self::default() },
        }
    }
}

/// What a point of a pool measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PoolFigure {
    /// Open connections; the label is the state.
    Open,
    /// Connections that are being established.
    Connecting,
    InFlight,
    Pending,
    /// Most connections that the pool opens.
    Max,
    /// Most idle connections that it keeps.
    IdleMax,
    /// Fewest idle connections that it keeps.
    IdleMin,
    /// Connections that are reported as leaked now.
    Leaked,
    /// Most requests that the limit lets be in flight.
    Limit,
    /// Requests in flight under the limit.
    Limited,
    /// Requests that wait for their turn under the limit.
    Queued,
    /// Time that the oldest of them has waited.
    OldestWait,
    /// Requests that asked the limit; marked if they were refused.
    Asked,
    /// The label is the outcome.
    Acquires,
    Opened,
    /// The label is the `error.type`; the part may be known.
    Failed,
    /// Connects that were given up.
    Abandoned,
    /// Closed without having served a request.
    Wasted,
    StaleReuse,
    /// Waits for a connection that were given up.
    Timeouts,
    /// All that were ever reported as leaked.
    Leaks,
    Retransmits,
    /// The label is the reason; marked if it was concluded.
    Closed,
    /// Time to establish a connection.
    Create,
    /// Time of the part of it.
    Phase,
    /// Time between two uses.
    Idle,
    /// Requests of closed connections.
    Requests,
    Rtt,
    /// Bytes; the label is the direction.
    Io,
    Wait,
    /// .NET's wait for a connection, which stands in for [`PoolFigure::Wait`].
    Queue,
    Use,
    /// The label is the status code or `error.type`; marked if it is a failure.
    Duration,
    /// Life of closed connections, whose count stands in for [`PoolFigure::Closed`].
    Lifetime,
}

impl PoolFigure {
    /// True if it holds at a moment, and is not counted.
    pub(crate) fn is_gauge(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Connecting
                | Self::InFlight
                | Self::Pending
                | Self::Max
                | Self::IdleMax
                | Self::IdleMin
                | Self::Leaked
                | Self::Limit
                | Self::Limited
                | Self::Queued
                | Self::OldestWait
        )
    }

    /// True if it tells how many there are at a moment; a limit does not.
    pub(crate) fn is_count(self) -> bool {
        let is_other =
            matches!(self, Self::Max | Self::IdleMax | Self::IdleMin | Self::Limit | Self::OldestWait);
        self.is_gauge() && !is_other
    }
}

/// One point of a pool.
#[derive(Debug)]
pub(crate) struct PoolReading<'a> {
    pub(crate) destination: Destination<'a>,
    pub(crate) figure: PoolFigure,
    pub(crate) label: Cow<'a, str>,
    pub(crate) marked: bool,
    /// Part of a connect.
    pub(crate) phase: Option<ConnectPhase>,
    pub(crate) observation: Observation,
    pub(crate) protocol: Option<&'a str>,
    pub(crate) reading: Reading<'a>,
}
