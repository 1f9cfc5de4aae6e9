//! The charts of sessions and of what protects calls. Their figures have the places that the server gives them: see the
//! names in a history. Pure.

use poolscope_wire::ProtectionFigures;

use super::{
    series::{Chart, Series, Shape},
    ticks::Unit,
};

/// A series of the figure at a place.
macro_rules! at {
    ($name:literal, $class:literal, $place:literal) => {
        Series { name: $name, class: $class, value: |p| p.figure($place) }
    };
}

/// A chart of such series.
macro_rules! chart {
    ($id:literal, $title:literal, $unit:ident, $shape:ident, $about:literal, [$($name:literal $class:literal $place:literal),*]) => {
        Chart {
            id: $id,
            title: $title,
            about: $about,
            unit: Unit::$unit,
            shape: Shape::$shape,
            series: &[$(at!($name, $class, $place)),*],
            estimable: false,
        }
    };
}

/// The charts of a kind of sessions.
pub const SESSIONS: [Chart; 5] = [
    chart!("sessions", "Sessions", Count, Steps,
        "Sessions that are there, the most that may be, and those that were told to end and are still there.",
        ["limit" "c-soft" 2, "there" "c-active" 0, "overdue" "c-bad" 1]),
    chart!("begun", "Begun and refused", Rate, Lines,
        "Sessions that began and that could not begin, per second.",
        ["began" "c-active" 3, "refused" "c-bad" 4]),
    chart!("ends", "How they ended", Rate, Stack,
        "Sessions that ended per second, by the reason.",
        ["done" "c-active" 5, "shutdown" "c-soft" 9, "too old" "c-idle" 8, "dropped" "c-upgraded" 10, "silent" "c-warn" 7,
            "error" "c-bad" 6, "panicked" "c-p99" 11, "no answer" "c-warn" 13, "no room" "c-bad" 14]),
    chart!("life", "Life", Seconds, Lines,
        "How long the sessions lasted that ended.",
        ["p50" "c-p50" 15, "p99" "c-p99" 16]),
    chart!("sweeps", "Late sweeps", Rate, Lines,
        "Sweeps per second that told a session to end more than 250 ms after its deadline: the runtime was busy.",
        ["late" "c-warn" 12]),
];

const RETRY: [Chart; 3] = [
    chart!("calls", "Calls and attempts", Rate, Lines,
        "Calls that ended under the policy, and attempts beyond the first, per second.",
        ["calls" "c-soft" 0, "retries" "c-warn" 5]),
    chart!("outcomes", "Calls that needed a retry", Rate, Stack,
        "What became of the calls for which a retry was due, per second.",
        ["saved" "c-active" 1, "gave up" "c-warn" 2, "no budget" "c-bad" 3, "no replay" "c-soft" 4]),
    chart!("before", "Wait before a retry", Seconds, Lines,
        "Time before an attempt beyond the first.",
        ["p50" "c-p50" 6, "p99" "c-p99" 7]),
];

const TIMEOUT: [Chart; 3] = [
    chart!("fired", "Calls and timeouts", Rate, Lines,
        "Calls that ended under the timeout, and those of them that it ended, per second.",
        ["calls" "c-soft" 2, "fired" "c-bad" 3]),
    chart!("limits", "Limit", Seconds, Steps,
        "Time after which it fires: the longest and the shortest of its limits.",
        ["longest" "c-p99" 0, "shortest" "c-p50" 1]),
    chart!("used", "Time used", Share, Lines,
        "Share of the limit that the calls used.",
        ["p50" "c-p50" 4, "p99" "c-p99" 5]),
];

const LIMIT: [Chart; 2] = [
    chart!("inflight", "Requests in flight", Count, Steps,
        "Requests in flight, and the most that may be.",
        ["limit" "c-soft" 2, "in flight" "c-active" 0]),
    chart!("queue", "Requests waiting", Count, Steps,
        "Requests that wait for their turn, and the most that may.",
        ["limit" "c-soft" 3, "waiting" "c-warn" 1]),
];

const PROBE: [Chart; 2] = [
    chart!("probes", "Probes", Rate, Stack,
        "Probes per second by how they went.",
        ["fine" "c-active" 0, "slow" "c-warn" 1, "failed" "c-bad" 2]),
    chart!("took", "Duration", Seconds, Lines,
        "How long a probe took.",
        ["p50" "c-p50" 3, "p99" "c-p99" 4]),
];

const RESOURCE: [Chart; 2] = [
    chart!("usage", "Used", Count, Steps,
        "How much is used, and from where on the guard warns and refuses.",
        ["hard" "c-bad" 3, "soft" "c-warn" 2, "used" "c-active" 0]),
    REFUSED,
];

const MEMORY: [Chart; 2] = [Chart { unit: Unit::Bytes, ..RESOURCE[0] }, REFUSED];

const REFUSED: Chart = chart!("refused", "Requests refused", Rate, Lines,
    "Requests that the guard refused, per second.",
    ["refused" "c-bad" 4]);

const SERVER: [Chart; 4] = [
    chart!("connections", "Connections", Count, Stack,
        "Connections that are open, by what they do, and those that wait to be served.",
        ["active" "c-active" 0, "upgraded" "c-upgraded" 3, "idle" "c-idle" 2, "not served yet" "c-warn" 1]),
    chart!("requests", "Requests", Rate, Lines,
        "Requests that were answered, those that failed, and those that their client left early, per second.",
        ["requests" "c-soft" 4, "failed" "c-bad" 5, "client left" "c-warn" 6]),
    chart!("churn", "Connections accepted and closed", Rate, Lines,
        "Connections that were accepted, turned away and closed, per second.",
        ["accepted" "c-active" 7, "turned away" "c-bad" 8, "closed" "c-soft" 9]),
    chart!("took", "Duration of requests", Seconds, Lines,
        "Time until the head of the answer.",
        ["p50" "c-p50" 10, "p99" "c-p99" 11]),
];

const TASKS: [Chart; 3] = [
    chart!("running", "Tasks", Count, Steps,
        "Tasks that run.",
        ["running" "c-active" 0]),
    chart!("ends", "Begun and ended", Rate, Lines,
        "Tasks that began, and those that ended by how, per second.",
        ["began" "c-soft" 1, "completed" "c-active" 2, "cancelled" "c-idle" 3, "cut" "c-warn" 4, "panicked" "c-bad" 5]),
    chart!("life", "Life", Seconds, Lines,
        "How long the tasks ran that ended.",
        ["p50" "c-p50" 6, "p99" "c-p99" 7]),
];

const QUEUE: [Chart; 2] = [
    chart!("held", "Items", Count, Steps,
        "Items in the queue, the most that were ever, and the most that may be.",
        ["limit" "c-soft" 2, "most" "c-warn" 1, "now" "c-active" 0]),
    chart!("flow", "Put in and dropped", Rate, Lines,
        "Items that were put in, and those that the queue dropped, per second.",
        ["put in" "c-active" 3, "dropped" "c-bad" 4]),
];

const SUPERVISOR: [Chart; 3] = [
    chart!("connected", "Connected", Count, Steps,
        "1 while the connection is there.",
        ["connected" "c-active" 0]),
    chart!("attempts", "Attempts and losses", Rate, Lines,
        "Attempts to connect, those that succeeded, and connections that were lost, per second.",
        ["attempts" "c-soft" 1, "connected" "c-active" 2, "lost" "c-bad" 3]),
    chart!("life", "Life", Seconds, Lines,
        "How long the connections were there that are gone.",
        ["p50" "c-p50" 4, "p99" "c-p99" 5]),
];

/// The charts of something that protects or serves, by what it is and its name.
#[must_use]
pub fn protection(figures: &ProtectionFigures, name: &str) -> &'static [Chart] {
    match figures {
        ProtectionFigures::Retry(_) => &RETRY,
        ProtectionFigures::Timeout(_) => &TIMEOUT,
        ProtectionFigures::Limit(_) => &LIMIT,
        ProtectionFigures::Probe(_) => &PROBE,
        ProtectionFigures::Resource(_) if name == "memory" => &MEMORY,
        ProtectionFigures::Resource(_) => &RESOURCE,
        ProtectionFigures::Server(_) => &SERVER,
        ProtectionFigures::Tasks(_) => &TASKS,
        ProtectionFigures::Queue(_) => &QUEUE,
        ProtectionFigures::Supervisor(_) => &SUPERVISOR,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use poolscope_wire::FigurePoint;

    use super::*;
    use crate::chart::point::Point;

    #[test]
    fn every_figure_is_drawn_once() {
        for (charts, figures, left_out) in [
            (&SESSIONS[..], 17, 0),
            (&SERVER, 12, 0),
            (&TASKS, 8, 0),
            (&QUEUE, 5, 0),
            (&SUPERVISOR, 6, 0),
            (&RETRY, 8, 0),
            (&TIMEOUT, 6, 0),
            (&LIMIT, 4, 0),
            (&PROBE, 5, 0),
            (&RESOURCE, 5, 1),
        ] {
            let place = |series: &Series| {
                (0..20).find(|place| {
                    let values = (0..20).map(|index| (index == *place).then_some(1.0)).collect();
                    (series.value)(&Point::from(&FigurePoint { at_ms: 0, values })).is_some()
                })
            };
            let drawn = charts.iter().flat_map(|chart| chart.series).filter_map(place);
            let drawn: BTreeSet<usize> = drawn.collect();
            let series: usize = charts.iter().map(|chart| chart.series.len()).sum();
            assert_eq!((drawn.len(), series), (figures - left_out, figures - left_out), "{}", charts[0].id);
            assert!(drawn.last().is_some_and(|last| *last < figures));
        }
    }
}
