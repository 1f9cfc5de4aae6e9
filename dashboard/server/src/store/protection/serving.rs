//! The figures of what serves: servers, groups of tasks, queues and supervised connections.

use poolscope_semconv::value::{
    ConnectionState, DisconnectPhase, QueueDropReason, SupervisorReason, SupervisorState, TaskOutcome,
};
use poolscope_wire as wire;
use wire::{Count, ProtectionFigures};

use super::super::labelled::sum;
use super::super::minute::Minute;
use super::Protection;
use super::figures::by_frequency;
use crate::model::ProtectionFigure as Figure;

/// Where the history of a server has its failed requests: see [`layout_of`](super::super::course::layout_of).
pub(super) const FAILED: usize = 1;

/// Where the history of a supervised connection has that it was established.
pub(super) const ESTABLISHED: usize = 1;

/// The requests of a server, and those that failed, which a histogram counts.
#[derive(Debug, Default)]
pub(super) struct Served {
    minute: Minute<(u64, u64)>,
    total: (u64, u64),
}

impl Served {
    pub(super) fn add(&mut self, requests: u64, have_failed: bool, at_ms: u64) {
        let failed = if have_failed { requests } else { 0 };
        for sum in [self.minute.at(at_ms), &mut self.total] {
            *sum = (sum.0.saturating_add(requests), sum.1.saturating_add(failed));
        }
    }

    pub(super) fn rewind(&mut self, to_ms: u64) {
        self.minute.rewind(to_ms);
    }

    fn counts(&mut self, at_ms: u64) -> (Count, Count) {
        let minute = self
            .minute
            .until(at_ms)
            .fold((0_u64, 0_u64), |sum, part| (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1)));
        let count = |minute, total| Count { minute, total };
        (count(minute.0, self.total.0), count(minute.1, self.total.1))
    }
}

impl Protection {
    pub(super) fn server(&mut self) -> wire::ServerFigures {
        let open = |state: ConnectionState| {
            let of = self.gauges(Figure::ServerOpen).filter(|(label, _)| *label == state.as_str());
            of.fold(0_u32, |sum, (_, value)| sum.saturating_add(value as u32))
        };
        let figures = wire::ServerFigures {
            idle: open(ConnectionState::Idle),
            active: open(ConnectionState::Active),
            upgraded: open(ConnectionState::Upgraded),
            queued: self.whole(Figure::ServerQueued).unwrap_or(0) as u32,
            limit: self.whole(Figure::ServerMax).map(|limit| limit as u32),
            has_connections: self.gauges(Figure::ServerOpen).next().is_some(),
            in_flight: self.whole(Figure::ServerInFlight).unwrap_or(0) as u32,
            ..wire::ServerFigures::default()
        };
        let (requests, failed) = self.served.counts(self.reports.newest_ms());
        let left = self.counts(Figure::ServerDisconnected).remove(DisconnectPhase::Waiting.as_str());
        wire::ServerFigures {
            accepted: self.all(Figure::ServerAccepted),
            rejected: self.all(Figure::ServerRejected),
            accept_errors: self.all(Figure::ServerAcceptErrors),
            closes: by_frequency(self.counts(Figure::ServerClosed)),
            disconnected: self.all(Figure::ServerDisconnected),
            left: left.unwrap_or_default(),
            duration_s: self.percentiles(),
            requests,
            failed,
            ..figures
        }
    }

    pub(super) fn tasks(&mut self) -> wire::TaskFigures {
        let ends = self.counts(Figure::TaskEnded);
        wire::TaskFigures {
            active: self.whole(Figure::TaskActive).unwrap_or(0) as u32,
            started: self.all(Figure::TaskStarted),
            panicked: ends.get(TaskOutcome::Panicked.as_str()).copied().unwrap_or_default(),
            ends: by_frequency(ends),
            life_s: self.percentiles(),
        }
    }

    pub(super) fn queue(&mut self) -> wire::QueueFigures {
        let drops = self.counts(Figure::QueueDropped);
        let refused = |(reason, _): &(&String, &Count)| **reason != *QueueDropReason::Oldest.as_str();
        wire::QueueFigures {
            length: self.whole(Figure::QueueLength).unwrap_or(0),
            limit: self.whole(Figure::QueueLimit).unwrap_or(0),
            high_water: self.whole(Figure::QueueHighWater).unwrap_or(0),
            pushed: self.all(Figure::QueuePushed),
            dropped: sum(drops.values().copied()),
            refused: sum(drops.iter().filter(refused).map(|(_, count)| *count)),
        }
    }

    pub(super) fn supervisor(&mut self) -> wire::SupervisorFigures {
        let told = self.gauges(Figure::SupervisorState).find(|(_, value)| *value >= 0.5);
        let state = told.and_then(|(label, _)| SupervisorState::parse(label));
        let changes = self.counts(Figure::SupervisorChanges);
        let changed = sum(changes.values().copied()).total;
        let established = changes.get(SupervisorReason::Established.as_str()).map_or(0, |count| count.total);
        let within = self
            .established
            .until(self.reports.newest_ms())
            .fold(0, |sum: u64, part| sum.saturating_add(*part));
        if let Some(state) = state {
            // Between two reports it may have been lost and found again.
            let told = Some((state, changed));
            if self.supervised != told {
                self.since_ms = self.supervised.is_some().then_some(self.reports.newest_ms());
                self.supervised = told;
            }
        }
        wire::SupervisorFigures {
            state: self.supervised.map_or("", |(state, _)| state.as_str()).to_owned(),
            since_ms: self.since_ms,
            connects: self.all(Figure::SupervisorConnects),
            // The first time is not one time again.
            again: within.min(established.saturating_sub(1)),
            lost: self.all(Figure::SupervisorLost),
            changes: by_frequency(changes),
            life_s: self.percentiles(),
        }
    }

    /// What was counted of a figure, whatever its label.
    fn all(&mut self, figure: Figure) -> Count {
        sum(self.counts(figure).into_values())
    }

    /// What holds of a figure, all of its series together.
    fn whole(&self, figure: Figure) -> Option<u64> {
        self.gauges(figure).map(|(_, value)| value as u64).reduce(u64::saturating_add)
    }
}

/// What holds at a moment, as its history has it: see [`layout_of`](super::super::course::layout_of).
pub(super) fn gauges(figures: &ProtectionFigures) -> [Option<u64>; 4] {
    let whole = |count: u32| Some(u64::from(count));
    match figures {
        ProtectionFigures::Server(server) if server.has_connections => {
            [whole(server.active), whole(server.queued), whole(server.idle), whole(server.upgraded)]
        }
        ProtectionFigures::Tasks(tasks) => [whole(tasks.active), None, None, None],
        ProtectionFigures::Queue(queue) => {
            [Some(queue.length), Some(queue.high_water), Some(queue.limit), None]
        }
        ProtectionFigures::Supervisor(one) => {
            let is_there = one.state == SupervisorState::Connected.as_str();
            [Some(u64::from(is_there)), None, None, None]
        }
        _ => [None; 4],
    }
}

/// Where its history has what was counted of a figure.
pub(super) fn place(figure: Figure, label: &str) -> Option<&'static [usize]> {
    match figure {
        Figure::ServerRequests if has_failed(label) => Some(&[0, FAILED]),
        Figure::ServerRequests => Some(&[0]),
        Figure::ServerDisconnected => Some(&[2]),
        Figure::ServerAccepted => Some(&[3]),
        Figure::ServerRejected => Some(&[4]),
        Figure::ServerClosed => Some(&[5]),
        Figure::TaskStarted | Figure::QueuePushed | Figure::SupervisorConnects => Some(&[0]),
        Figure::TaskEnded => Some(match TaskOutcome::parse(label)? {
            TaskOutcome::Completed => &[1],
            TaskOutcome::Cancelled => &[2],
            TaskOutcome::Aborted => &[3],
            TaskOutcome::Panicked => &[4],
        }),
        Figure::QueueDropped => Some(&[1]),
        Figure::SupervisorChanges => lost(SupervisorReason::parse(label)?),
        _ => None,
    }
}

/// True of a status code or an `error.type` that is the server's own doing. A client that left is not.
fn has_failed(result: &str) -> bool {
    use poolscope_semconv::value::ErrorType;
    match result.parse::<u16>() {
        Ok(status) => status >= 500,
        Err(_) => result != "no status" && result != ErrorType::ClientDisconnected.as_str(),
    }
}

/// Where the history of a supervised connection has that it was established, or lost.
fn lost(reason: SupervisorReason) -> Option<&'static [usize]> {
    use SupervisorReason::{
        Established, Failed, HandlerFailed, HandlerPanicked, HandlerTimeout, MessageTimeout, PeerClosed,
        Silent, Unresponsive,
    };
    match reason {
        Established => Some(&[ESTABLISHED]),
        PeerClosed | Failed | Silent | MessageTimeout | HandlerFailed | HandlerTimeout | HandlerPanicked
        | Unresponsive => Some(&[2]),
        _ => None,
    }
}
