//! What holds now, from the gauges of the newest report.

use poolscope_semconv::value::ConnectionState;

use super::super::sample::{Gauges, Open};
use super::{Pool, State};
use crate::model::PoolFigure;

impl Pool {
    /// Sums the series of this report. A figure that the report does not mention stays; a state that it does not
    /// mention although it mentions others is 0, if there ever was such a connection or the sender is one of ours.
    pub(super) fn gauges(&self) -> Gauges {
        let mut gauges = self.window.newest().map(|sample| sample.gauges).unwrap_or_default();
        let mut seen = [false; 12];
        for series in self.series.values() {
            let State::Gauge { value, kept } = series.state else { continue };
            if series.sample != self.reports.count() && !kept {
                continue;
            }
            let value = value.max(0.0);
            // The first series of a figure begins its sum anew.
            let mut add_to = |sum: &mut f64, place: usize| {
                *sum = value + if std::mem::replace(&mut seen[place], true) { *sum } else { 0.0 };
            };
            match series.figure {
                PoolFigure::Open => {
                    // Connections of no known state tell neither what is idle nor what is in use.
                    let Some(state) = ConnectionState::parse(&series.label) else { continue };
                    if !std::mem::replace(&mut seen[0], true) {
                        let none = |told: Option<f64>| told.or(self.told.ours.then_some(0.0)).map(|_| 0.0);
                        let Open { idle, active, upgraded } = gauges.open;
                        gauges.open =
                            Open { idle: none(idle), active: none(active), upgraded: none(upgraded) };
                    }
                    let sum = match state {
                        ConnectionState::Idle => &mut gauges.open.idle,
                        ConnectionState::Active => &mut gauges.open.active,
                        ConnectionState::Upgraded => &mut gauges.open.upgraded,
                    };
                    *sum.get_or_insert(0.0) += value;
                }
                PoolFigure::InFlight => add_to(gauges.in_flight.get_or_insert(0.0), 1),
                PoolFigure::Pending => add_to(gauges.pending.get_or_insert(0.0), 2),
                PoolFigure::Connecting => add_to(gauges.connecting.get_or_insert(0.0), 3),
                PoolFigure::Leaked => add_to(gauges.leaked.get_or_insert(0.0), 4),
                PoolFigure::Limit => add_to(gauges.limit.get_or_insert(0.0), 5),
                PoolFigure::Limited => add_to(&mut gauges.limited, 6),
                PoolFigure::Queued => add_to(&mut gauges.queued, 7),
                PoolFigure::OldestWait => add_to(&mut gauges.oldest_wait_s, 8),
                PoolFigure::Max => add_to(gauges.max.get_or_insert(0.0), 9),
                PoolFigure::IdleMax => add_to(gauges.idle_max.get_or_insert(0.0), 10),
                PoolFigure::IdleMin => add_to(gauges.idle_min.get_or_insert(0.0), 11),
                _ => {}
            }
        }
        gauges
    }
}
