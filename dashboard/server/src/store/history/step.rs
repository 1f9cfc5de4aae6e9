//! One step of time.

use super::codec::{Reader, Writer};

/// What a step holds beside its times.
pub(in crate::store) trait Figures: Clone {
    /// Adds what came right after.
    fn merge(&mut self, later: &Self);
    fn write(&self, out: &mut Writer<'_>);
    /// `None` if the bytes are not what [`Figures::write`] wrote.
    fn read(input: &mut Reader<'_>) -> Option<Self>;
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Step<F> {
    /// The first report in it.
    pub(in crate::store) first_ms: u64,
    /// The last report in it.
    pub(in crate::store) at_ms: u64,
    /// The time that its counts are over: since the report before the first.
    pub(in crate::store) elapsed_ms: u64,
    /// Before it nothing was reported for a while, although it should have been.
    pub(in crate::store) after_silence: bool,
    pub(in crate::store) figures: F,
}

impl<F: Figures> Step<F> {
    /// Whether the next step belongs into this one, in slots of so many milliseconds.
    pub(super) fn joins(&self, next: &Self, slot_ms: u64) -> bool {
        !next.after_silence && next.at_ms / slot_ms.max(1) == self.at_ms / slot_ms.max(1)
    }

    /// Adds the step that came right after.
    pub(in crate::store) fn merge(&mut self, later: &Self) {
        self.at_ms = later.at_ms;
        self.elapsed_ms = self.elapsed_ms.saturating_add(later.elapsed_ms);
        self.figures.merge(&later.figures);
    }

    /// A count per second; 0 while nothing is known about time.
    pub(super) fn rate(&self, count: u64) -> f32 {
        if self.elapsed_ms == 0 { 0.0 } else { (count as f64 * 1e3 / self.elapsed_ms as f64) as f32 }
    }

    /// Writes the step, its times counted from `base_ms`, which is not after it.
    pub(in crate::store) fn write(&self, base_ms: u64, out: &mut Writer<'_>) {
        let span_ms = self.at_ms.saturating_sub(self.first_ms);
        out.number(self.first_ms.saturating_sub(base_ms));
        out.number(span_ms << 1 | u64::from(self.after_silence));
        out.number(self.elapsed_ms);
        self.figures.write(out);
    }

    pub(in crate::store) fn read(base_ms: u64, input: &mut Reader<'_>) -> Option<Self> {
        let first_ms = base_ms.checked_add(input.number()?)?;
        let span = input.number()?;
        Some(Self {
            first_ms,
            at_ms: first_ms.checked_add(span >> 1)?,
            after_silence: span & 1 == 1,
            elapsed_ms: input.number()?,
            figures: F::read(input)?,
        })
    }
}
