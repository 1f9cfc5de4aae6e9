//! The figures of charts as rows. Pure.

use super::{
    series::{Chart, Course},
    ticks::Unit,
};
use crate::{
    export::sheet::{Cell, Sheet},
    time::compare::Compare,
};

/// The figures of charts over the same time, oldest first, those of an earlier course beside them.
#[must_use]
pub fn sheet(charts: &[&Chart], course: Course<'_>, before: Option<(Course<'_>, Compare)>) -> Sheet {
    let names = charts.iter().flat_map(|chart| {
        chart.series.iter().map(|series| {
            let name = with_unit(series.name, chart.unit);
            if charts.len() == 1 { name } else { format!("{}: {name}", chart.title) }
        })
    });
    let mut columns = vec!["time".to_owned()];
    for name in names {
        columns.push(name.clone());
        columns.extend(before.map(|(_, compare)| format!("{name}, {}", compare.words())));
    }
    let rows = course.points.iter().map(|point| {
        let earlier = before.and_then(|(course, _)| course.grain.about(course.points, point.at_ms()));
        let mut row = vec![Cell::Moment(point.at_ms())];
        for series in charts.iter().flat_map(|chart| chart.series) {
            row.push((series.value)(point).into());
            row.extend(before.map(|_| earlier.and_then(|point| (series.value)(point)).into()));
        }
        row
    });
    Sheet { facts: Vec::new(), columns, rows: rows.collect() }
}

/// The head of a column: a name with its unit.
#[must_use]
pub fn with_unit(name: &str, unit: Unit) -> String {
    match unit {
        Unit::Count => name.to_owned(),
        Unit::Bytes => format!("{name} (bytes)"),
        Unit::Rate => format!("{name} (1/s)"),
        Unit::Seconds => format!("{name} (s)"),
        Unit::Share => format!("{name} (0 to 1)"),
    }
}

#[cfg(test)]
mod tests {
    use poolscope_wire::PoolPoint;

    use super::*;
    use crate::chart::{grain::Grain, point::Point, series::CHARTS};

    #[test]
    fn what_is_seen_is_what_is_written() {
        let point = |at_ms, wait_p99_s| Point::Pool(PoolPoint { at_ms, wait_p99_s, ..PoolPoint::default() });
        let points = [point(1_000, Some(0.25)), point(2_000, None)];
        let earlier = [point(1_100, Some(0.5))];
        let grain = Grain::new(1_000, &poolscope_wire::Range::default());
        let course = Course { points: &points, grain: &grain };
        let before = Course { points: &earlier, grain: &grain };
        let csv = sheet(&[&CHARTS[2]], course, Some((before, Compare::Hour))).csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[0], "time,p50 (s),\"p50 (s), an hour before\",p99 (s),\"p99 (s), an hour before\"");
        assert_eq!(lines[1], "1970-01-01T00:00:01.000Z,,,0.25,0.5");
        assert_eq!(lines[2], "1970-01-01T00:00:02.000Z,,,,0.5");
        let all = sheet(&CHARTS.iter().collect::<Vec<_>>(), course, None);
        assert!(all.columns.contains(&"Connections: active".to_owned()), "{:?}", all.columns);
        assert!(all.rows.iter().all(|row| row.len() == all.columns.len()));
    }
}
