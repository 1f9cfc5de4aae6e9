//! What a chart tells in figures: at the cursor, or at its newest point.

use leptos::prelude::*;

use super::{
    panel::ChartData,
    point::Point,
    series::{Chart, value_text},
};
use crate::derived::Derived;

/// See the module. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    chart: &'static Chart,
    data: ChartData,
    /// The point that is read, and the earlier one beside it.
    points: Derived<[Option<Point>; 2]>,
}

impl Reading {
    /// What is read of a chart.
    pub fn new(chart: &'static Chart, data: ChartData) -> Self {
        Self { chart, data, points: Derived::new(move || read(data)) }
    }

    /// The moment that is read.
    pub fn at_ms(self) -> Option<u64> {
        self.points.with(|[now, _]| now.map(|point| point.at_ms()))
    }

    /// The mark of what is concluded and not seen.
    pub fn tilde(self) -> &'static str {
        if self.chart.estimable && self.data.estimated.get() { "~" } else { "" }
    }

    /// The value of a series.
    pub fn value(self, index: usize) -> String {
        self.value_of(0, index)
    }

    /// Its earlier value, and when that was.
    pub fn earlier(self, index: usize) -> Option<(String, &'static str)> {
        let compare = self.data.time.compare()?;
        let is_there = self.data.before.with(|before| !before.is_empty());
        is_there.then(|| (self.value_of(1, index), compare.words()))
    }

    /// All of it, in words.
    pub fn sentence(self, untold: &[String]) -> String {
        let Chart { title, about, series, .. } = self.chart;
        if !untold.is_empty() {
            return format!("{title}: {}. {about}", untold.join(" "));
        }
        let value = |index: usize| {
            let earlier =
                self.earlier(index).map(|(value, when)| format!(" ({value} {when})")).unwrap_or_default();
            format!("{} {}{earlier}", series[index].name, self.value(index))
        };
        format!("{title}: {}. {about}", (0..series.len()).map(value).collect::<Vec<_>>().join(", "))
    }

    fn value_of(self, place: usize, index: usize) -> String {
        let value =
            self.points.with(|points| points[place].as_ref().and_then(self.chart.series[index].value));
        format!("{}{}", self.tilde(), value_text(value, self.chart.unit))
    }
}

/// The point at the cursor, or the newest; and the earlier one beside it.
fn read(data: ChartData) -> [Option<Point>; 2] {
    let grain = data.grain.get();
    let now = data.points.with(|points| match data.cursor.get() {
        Some(at) => grain.about(points, at).copied(),
        None => points.last().copied(),
    });
    let at = data.cursor.get().or(now.map(|point| point.at_ms()));
    let before_grain = data.before_grain.get();
    let before = data.before.with(|before| at.and_then(|at| before_grain.about(before, at).copied()));
    [now, before]
}
