//! The states of a breaker one after the other: from its changes, which are exact, and from its reports.

use poolscope_wire::{BreakerState, StateSpan, Transition};

use super::BreakerFigures;
use super::select::Selection;

/// The states in a part of the history. Reports tell when something is known at all, changes when it changed; of the
/// time before the first change that is kept, if older ones went, the reports tell both.
pub(in crate::store) fn states<'a>(
    part: &Selection<BreakerFigures>,
    changes: impl Iterator<Item = &'a Transition>,
    older_are_gone: bool,
) -> Vec<StateSpan> {
    let changes: Vec<(u64, BreakerState, BreakerState)> =
        changes.map(|change| (change.at_ms, change.from, change.to)).collect();
    let reliable_ms = if older_are_gone { changes.first().map_or(0, |first| first.0) } else { 0 };
    let mut spans: Vec<StateSpan> = Vec::new();
    let mut before_ms: Option<u64> = None;
    for step in &part.steps {
        // A span of reports goes on from the one before, unless nothing was reported between them; that of the first step
        // may lie before the range.
        let before = before_ms.unwrap_or(step.at_ms.saturating_sub(step.elapsed_ms)).min(step.first_ms);
        let begin_ms = if step.after_silence { step.first_ms } else { before }.max(part.from_ms);
        before_ms = Some(step.at_ms);
        let mut from_ms = begin_ms;
        let passed = changes.partition_point(|(at_ms, ..)| *at_ms <= begin_ms);
        let mut state =
            match (passed.checked_sub(1).map(|last| changes[last].2), changes.get(passed).copied()) {
                _ if begin_ms < reliable_ms => step.figures.state,
                (Some(state), _) | (None, Some((_, state, _))) => state,
                (None, None) => step.figures.state,
            };
        for (at_ms, _, to) in changes.iter().skip(passed).take_while(|(at_ms, ..)| *at_ms <= step.at_ms) {
            push(&mut spans, StateSpan { state, from_ms, to_ms: *at_ms });
            (state, from_ms) = (*to, *at_ms);
        }
        push(&mut spans, StateSpan { state, from_ms, to_ms: step.at_ms });
    }
    // Changes are told at once, and reports now and then.
    if let Some(told_ms) = before_ms {
        let mut from_ms = told_ms;
        for (at_ms, from, to) in changes {
            if at_ms > told_ms && at_ms <= part.to_ms {
                push(&mut spans, StateSpan { state: from, from_ms, to_ms: at_ms });
                push(&mut spans, StateSpan { state: to, from_ms: at_ms, to_ms: at_ms });
                from_ms = at_ms;
            }
        }
    }
    spans
}

/// Adds a span, or lengthens the last one if it goes on in the same state.
fn push(spans: &mut Vec<StateSpan>, span: StateSpan) {
    match spans.last_mut() {
        Some(last) if last.state == span.state && last.to_ms == span.from_ms => last.to_ms = span.to_ms,
        _ => spans.push(span),
    }
}
