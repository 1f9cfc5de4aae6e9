//! What charts are drawn from: the figures of one moment. Pure.

use poolscope_wire::{FigurePoint, PoolPoint};

use crate::time::range::Span;

/// The most figures that a moment has which is not one of a pool.
const FIGURES: usize = 17;

/// The figures of one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    /// Of a pool.
    Pool(PoolPoint),
    /// Of something else, each at the place that its history gives it.
    Figures {
        /// The moment.
        at_ms: u64,
        /// The figures.
        values: [Option<f32>; FIGURES],
    },
}

impl Point {
    /// The moment.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        match self {
            Self::Pool(point) => point.at_ms,
            Self::Figures { at_ms, .. } => *at_ms,
        }
    }

    /// The same, so much later.
    #[must_use]
    pub fn later(mut self, by_ms: u64) -> Self {
        let (Self::Pool(PoolPoint { at_ms, .. }) | Self::Figures { at_ms, .. }) = &mut self;
        *at_ms += by_ms;
        self
    }

    /// The figures of a pool.
    #[must_use]
    pub fn pool(&self) -> Option<&PoolPoint> {
        match self {
            Self::Pool(point) => Some(point),
            Self::Figures { .. } => None,
        }
    }

    /// The figure at a place.
    #[must_use]
    pub fn figure(&self, place: usize) -> Option<f64> {
        match self {
            Self::Pool(_) => None,
            Self::Figures { values, .. } => values.get(place).copied().flatten().map(f64::from),
        }
    }
}

impl From<&PoolPoint> for Point {
    fn from(point: &PoolPoint) -> Self {
        Self::Pool(*point)
    }
}

impl From<&FigurePoint> for Point {
    fn from(point: &FigurePoint) -> Self {
        let mut values = [None; FIGURES];
        values.iter_mut().zip(&point.values).for_each(|(value, told)| *value = *told);
        Self::Figures { at_ms: point.at_ms, values }
    }
}

/// The points of a time, each moved to be so much later.
#[must_use]
pub fn within<'a, P>(points: &'a [P], at_ms: fn(&P) -> u64, span: Span, later_ms: u64) -> Vec<Point>
where
    Point: From<&'a P>,
{
    let first = points.partition_point(|point| at_ms(point) + later_ms < span.from_ms);
    let last = points.partition_point(|point| at_ms(point) + later_ms <= span.to_ms);
    points[first..last.max(first)].iter().map(|point| Point::from(point).later(later_ms)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_read_by_its_place() {
        let point = Point::from(&FigurePoint { at_ms: 5, values: vec![Some(0.5), None] });
        assert_eq!(
            (point.at_ms(), point.figure(0), point.figure(1), point.figure(99)),
            (5, Some(0.5), None, None)
        );
        assert_eq!(point.later(7).at_ms(), 12);
        let pool = Point::from(&PoolPoint { at_ms: 3, ..PoolPoint::default() });
        assert_eq!((pool.later(1).at_ms(), pool.figure(0)), (4, None));
        assert!(pool.pool().is_some() && point.pool().is_none());
    }

    #[test]
    fn points_are_cut_to_the_time_and_moved() {
        let points = [10, 20, 30, 40].map(|at_ms| PoolPoint { at_ms, ..PoolPoint::default() });
        let moments = |from_ms, to_ms, later| {
            let points = within(&points, |point| point.at_ms, Span { from_ms, to_ms }, later);
            points.iter().map(Point::at_ms).collect::<Vec<_>>()
        };
        assert_eq!(moments(15, 30, 0), [20, 30]);
        assert_eq!(moments(115, 130, 100), [120, 130]);
        assert!(moments(50, 60, 0).is_empty());
    }
}
