//! What the page has of the connections, moved on by answers that tell only what is new. Pure.

use std::collections::HashMap;

use poolscope_wire::{ConnectionLane, ConnectionLanes, LaneSegment};

use crate::time::range::Span;

/// What is told again with each answer: a sender may learn late what a connection did.
const AGAIN_MS: u64 = 10_000;

/// An answer that is older than this is late: what is drawn goes on without it.
const LATE_MS: u64 = 5_000;

/// What the server is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Begin of the time in view.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
    /// The order, as its word in the address.
    pub sort: String,
    /// The filter, as its word in the address.
    pub only: String,
    /// Most rows.
    pub max_rows: usize,
}

impl Question {
    /// True if an answer to this one goes on where one to `before` ended.
    fn goes_on(&self, before: &Self) -> bool {
        let is_same =
            (&self.sort, &self.only, self.max_rows) == (&before.sort, &before.only, before.max_rows);
        let same_width = self.to_ms.wrapping_sub(self.from_ms) == before.to_ms.wrapping_sub(before.from_ms);
        is_same
            && same_width
            && (before.from_ms..=before.to_ms).contains(&self.from_ms)
            && self.to_ms >= before.to_ms
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// What was told last, with all stretches in view.
    pub lanes: ConnectionLanes,
    /// What was asked for then; `None` before the first answer.
    asked: Option<Question>,
    /// A row came of which the begin is missing.
    has_holes: bool,
}

impl Known {
    /// From which moment on an answer need tell what connections did; `None` for everything.
    #[must_use]
    pub fn after_ms(&self, wanted: &Question) -> Option<u64> {
        let before = self.asked.as_ref().filter(|before| wanted.goes_on(before))?;
        (!self.has_holes).then(|| before.to_ms.saturating_sub(AGAIN_MS))
    }

    /// The time to draw while the page is at a time: that of the answer, unless the page went elsewhere or no answer comes.
    #[must_use]
    pub fn span_beside(&self, span: Span) -> Span {
        let asked = self.asked.as_ref().map(|asked| Span { from_ms: asked.from_ms, to_ms: asked.to_ms });
        let is_near = |asked: &Span| {
            asked.width_ms() == span.width_ms() && (asked.to_ms..asked.to_ms + LATE_MS).contains(&span.to_ms)
        };
        asked.filter(is_near).unwrap_or(span)
    }

    /// True once there was an answer.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.asked.is_some()
    }

    /// Takes an answer, which tells what was after a moment.
    pub fn take(&mut self, wanted: Question, after_ms: Option<u64>, mut lanes: ConnectionLanes) {
        self.has_holes = false;
        if let Some(after_ms) = after_ms {
            let rows = std::mem::take(&mut self.lanes.rows).into_iter();
            let mut known: HashMap<_, _> = rows.map(|row| ((row.id, row.opened_ms), row)).collect();
            for row in &mut lanes.rows {
                match known.remove(&(row.id, row.opened_ms)) {
                    Some(before) => go_on(row, before, wanted.from_ms),
                    None => self.has_holes |= row.opened_ms < after_ms,
                }
            }
        }
        self.asked = Some(wanted);
        self.lanes = lanes;
    }

    /// The row of a connection.
    #[must_use]
    pub fn row(&self, id: u64) -> Option<&ConnectionLane> {
        self.lanes.rows.iter().find(|row| row.id == id)
    }
}

/// Puts what was known before in front of what is new.
fn go_on(row: &mut ConnectionLane, before: ConnectionLane, from_ms: u64) {
    let new_from_ms = row.start_ms;
    let mut start_ms = before.start_ms;
    let mut end_ms = before.start_ms;
    let mut segments: Vec<LaneSegment> = Vec::with_capacity(before.segments.len() + row.segments.len());
    for segment in before.segments {
        end_ms += segment.length_ms;
        if end_ms <= from_ms {
            start_ms = end_ms;
        } else if end_ms <= new_from_ms {
            segments.push(segment);
        } else {
            end_ms -= segment.length_ms;
            break;
        }
    }
    if segments.is_empty() {
        return;
    }
    // A stretch that the new ones cut in two, which happens only where the server knows it less exactly by now.
    if end_ms < new_from_ms {
        segments.push(LaneSegment { length_ms: new_from_ms - end_ms, ..LaneSegment::default() });
    }
    segments.append(&mut row.segments);
    (row.start_ms, row.segments) = (start_ms, segments);
}

#[cfg(test)]
mod tests {
    use poolscope_wire::LaneState;

    use super::*;

    fn wanted(from_ms: u64, to_ms: u64) -> Question {
        Question { from_ms, to_ms, max_rows: 10, ..Question::default() }
    }

    fn row(id: u64, start_ms: u64, lengths: &[u64]) -> ConnectionLane {
        let segments = lengths.iter().map(|length_ms| LaneSegment {
            length_ms: *length_ms,
            state: LaneState::Active,
            active_ms: length_ms / 2,
            requests: 1,
        });
        ConnectionLane { id, start_ms, segments: segments.collect(), ..ConnectionLane::default() }
    }

    fn lanes(rows: Vec<ConnectionLane>) -> ConnectionLanes {
        ConnectionLanes { rows, ..ConnectionLanes::default() }
    }

    fn lengths(known: &Known, id: u64) -> (u64, Vec<u64>) {
        let row = known.row(id).unwrap();
        (row.start_ms, row.segments.iter().map(|segment| segment.length_ms).collect())
    }

    #[test]
    fn what_is_drawn_is_the_time_of_the_answer_while_that_is_near() {
        let mut known = Known::default();
        let at = |from_ms, to_ms| Span { from_ms, to_ms };
        assert_eq!(known.span_beside(at(0, 60_000)), at(0, 60_000), "there was none yet");
        known.take(wanted(0, 60_000), None, ConnectionLanes::default());
        assert_eq!(known.span_beside(at(1_000, 61_000)), at(0, 60_000));
        assert_eq!(known.span_beside(at(5_000, 65_000)), at(5_000, 65_000), "it is late");
        assert_eq!(known.span_beside(at(0, 50_000)), at(0, 50_000), "another width");
        assert_eq!(known.span_beside(at(900_000, 960_000)), at(900_000, 960_000), "another time");
    }

    #[test]
    fn an_answer_goes_on_where_the_one_before_ended() {
        let mut known = Known::default();
        let first = wanted(0, 60_000);
        assert_eq!(known.after_ms(&first), None);
        known.take(first, None, lanes(vec![row(1, 10_000, &[1_000; 50])]));
        let next = wanted(15_000, 75_000);
        assert_eq!(known.after_ms(&next), Some(50_000));
        // The last stretch of before has become longer since.
        known.take(next, Some(50_000), lanes(vec![row(1, 59_000, &[5_000, 11_000])]));
        let (start, told) = lengths(&known, 1);
        assert_eq!(start, 15_000, "what is out of view is forgotten");
        assert_eq!(start + told.iter().sum::<u64>(), 75_000);
        assert_eq!(told[43..], [1_000, 5_000, 11_000]);
    }

    #[test]
    fn another_question_and_a_row_without_its_begin_are_asked_for_anew() {
        let mut known = Known::default();
        known.take(wanted(0, 60_000), None, lanes(vec![row(1, 0, &[60_000])]));
        assert_eq!(known.after_ms(&Question { only: "leaked".to_owned(), ..wanted(1_000, 61_000) }), None);
        assert_eq!(known.after_ms(&wanted(0, 120_000)), None, "another width has other steps");
        assert_eq!(known.after_ms(&wanted(300_000, 360_000)), None);
        known.take(
            wanted(1_000, 61_000),
            Some(50_000),
            lanes(vec![row(1, 60_000, &[1_000]), row(2, 50_500, &[10_500])]),
        );
        assert_eq!(known.after_ms(&wanted(2_000, 62_000)), None, "the begin of the second one is missing");
        assert_eq!(lengths(&known, 1), (0, vec![60_000, 1_000]));
        // One that was opened since is whole.
        let opened = ConnectionLane { opened_ms: 62_000, ..row(3, 62_000, &[1_000]) };
        known.take(wanted(2_000, 62_000), None, lanes(vec![row(1, 0, &[62_000])]));
        known.take(wanted(3_000, 63_000), Some(52_000), lanes(vec![opened]));
        assert_eq!(known.after_ms(&wanted(4_000, 64_000)), Some(53_000));
        assert!(known.row(1).is_none(), "one that is no longer told is gone");
    }
}
