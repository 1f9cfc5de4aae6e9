//! What a step holds of a breaker.

use poolscope_wire::{BreakerPoint, BreakerState};

use super::codec::{Reader, Writer};
use super::step::{Figures, Step};
use crate::store::sample::add;

const STATES: [BreakerState; 6] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
    BreakerState::ForcedOpen,
    BreakerState::ForcedClosed,
    BreakerState::MetricsOnly,
];

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::store) struct BreakerFigures {
    pub(in crate::store) state: BreakerState,
    /// By [`crate::model::Judged`].
    pub(in crate::store) shares: [Option<f32>; 3],
    pub(in crate::store) window_calls: u64,
    pub(in crate::store) succeeded: u64,
    pub(in crate::store) failed: u64,
    pub(in crate::store) rejected: u64,
}

impl Figures for BreakerFigures {
    fn merge(&mut self, later: &Self) {
        self.state = later.state;
        for (share, later) in self.shares.iter_mut().zip(later.shares) {
            *share = match (*share, later) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
        self.window_calls = self.window_calls.max(later.window_calls);
        add(&mut self.succeeded, later.succeeded);
        add(&mut self.failed, later.failed);
        add(&mut self.rejected, later.rejected);
    }

    fn write(&self, out: &mut Writer<'_>) {
        let state = STATES.iter().position(|state| *state == self.state).unwrap_or_default() as u64;
        let told = self.shares.iter().rev().fold(0, |told, share| told << 1 | u64::from(share.is_some()));
        out.number(state << 3 | told);
        self.shares.into_iter().flatten().for_each(|share| out.float(share));
        for number in [self.window_calls, self.succeeded, self.failed, self.rejected] {
            out.number(number);
        }
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        let head = input.number()?;
        let mut figures = Self { state: *STATES.get(usize::try_from(head >> 3).ok()?)?, ..Self::default() };
        for (bit, share) in figures.shares.iter_mut().enumerate() {
            *share = if head >> bit & 1 == 1 { Some(input.float()?) } else { None };
        }
        figures.window_calls = input.number()?;
        figures.succeeded = input.number()?;
        figures.failed = input.number()?;
        figures.rejected = input.number()?;
        Some(figures)
    }
}

impl Step<BreakerFigures> {
    /// The step as the browser gets it.
    pub(in crate::store) fn point(&self) -> BreakerPoint {
        let of = &self.figures;
        let [failure_ratio, slow_call_ratio, connect_failure_ratio] = of.shares;
        BreakerPoint {
            at_ms: self.at_ms,
            state: of.state,
            failure_ratio,
            slow_call_ratio,
            connect_failure_ratio,
            window_calls: of.window_calls,
            succeeded_per_s: self.rate(of.succeeded),
            failed_per_s: self.rate(of.failed),
            rejected_per_s: self.rate(of.rejected),
        }
    }
}
