//! Maps values to places on the screen.

/// A linear map of a domain to a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    from: f64,
    factor: f64,
    to: f64,
}

impl Scale {
    /// Maps `domain` to `range`; an empty domain maps to the start of the range.
    #[must_use]
    pub fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        let width = domain.1 - domain.0;
        let factor = if width == 0.0 { 0.0 } else { (range.1 - range.0) / width };
        Self { from: domain.0, factor, to: range.0 }
    }

    /// The place of a value.
    #[must_use]
    pub fn map(&self, value: f64) -> f64 {
        self.to + (value - self.from) * self.factor
    }

    /// The value at a place.
    #[must_use]
    pub fn invert(&self, place: f64) -> f64 {
        if self.factor == 0.0 { self.from } else { self.from + (place - self.to) / self.factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_there_and_back() {
        let scale = Scale::new((0.0, 10.0), (100.0, 0.0));
        assert_eq!(scale.map(0.0), 100.0);
        assert_eq!(scale.map(2.5), 75.0);
        assert_eq!(scale.invert(75.0), 2.5);
    }

    #[test]
    fn an_empty_domain_is_no_division_by_zero() {
        let scale = Scale::new((5.0, 5.0), (0.0, 100.0));
        assert_eq!(scale.map(5.0), 0.0);
        assert_eq!(scale.invert(50.0), 5.0);
    }
}
