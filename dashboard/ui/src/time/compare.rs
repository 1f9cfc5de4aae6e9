//! An earlier time that is drawn beside the one that is looked at. Pure.

/// How much earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
}

impl Compare {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// How it stands in an address.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "1w",
        }
    }

    /// What an address asks for.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compare| compare.key() == key)
    }

    /// Its words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Hour => "an hour before",
            Self::Day => "a day before",
            Self::Week => "a week before",
        }
    }

    /// How much earlier, in milliseconds.
    #[must_use]
    pub fn shift_ms(self) -> u64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 604_800_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_survive_the_way_there_and_back() {
        for compare in Compare::ALL {
            assert_eq!(Compare::of_key(compare.key()), Some(compare));
        }
        assert_eq!(Compare::of_key(""), None);
        assert_eq!(Compare::of_key("2h"), None);
    }
}
