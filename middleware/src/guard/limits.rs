//! [`Limits`]: how much of a resource may be used.

use crate::ConfigError;
use crate::config_error::require;

/// How much of a resource may be used: a soft limit, at which there is a warning, and a hard one, at which requests are
/// refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits(Kind);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Amounts { soft: u64, hard: u64 },
    Shares { soft: f64, hard: f64 },
}

impl Limits {
    /// Limits as numbers: bytes of memory, otherwise a count. Where the system allows less than that, its limit is the hard
    /// one.
    #[must_use]
    pub const fn amounts(soft: u64, hard: u64) -> Self {
        Self(Kind::Amounts { soft, hard })
    }

    /// Limits as shares, above 0 and up to 1, of what the system allows. Where it sets no limit, there is none.
    #[must_use]
    pub const fn shares(soft: f64, hard: f64) -> Self {
        Self(Kind::Shares { soft, hard })
    }

    /// Refuses what can't work. A resource to which the system sets no limit can't have a share of it.
    pub(super) fn check(&self, resource: &str, has_system_limit: bool) -> Result<(), ConfigError> {
        match self.0 {
            Kind::Amounts { soft, hard } => {
                require(soft > 0, || format!("the soft limit of {resource} must be above zero"))?;
                require(soft <= hard, || {
                    format!("the soft limit of {resource}, {soft}, must not be above its hard limit, {hard}")
                })
            }
            Kind::Shares { soft, hard } => {
                require(has_system_limit, || {
                    format!(
                        "the system sets no limit to {resource}, so its limits must be numbers, not shares"
                    )
                })?;
                for (name, share) in [("soft", soft), ("hard", hard)] {
                    require(share > 0.0 && share <= 1.0, || {
                        format!(
                            "the {name} limit of {resource} must be a share above 0 and up to 1, not {share}"
                        )
                    })?;
                }
                require(soft <= hard, || {
                    format!("the soft limit of {resource}, {soft}, must not be above its hard limit, {hard}")
                })
            }
        }
    }

    /// Soft and hard limit where the system allows so much, at least 1 each.
    pub(super) fn resolve(&self, system: Option<u64>) -> Option<(u64, u64)> {
        let (soft, hard) = match self.0 {
            Kind::Amounts { soft, hard } => (soft, system.map_or(hard, |system| system.min(hard))),
            Kind::Shares { soft, hard } => {
                let system = system? as f64;
                ((system * soft) as u64, (system * hard) as u64)
            }
        };
        let hard = hard.max(1);
        Some((soft.clamp(1, hard), hard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_the_last_word() {
        assert_eq!(Limits::shares(0.8, 0.95).resolve(Some(1_000)), Some((800, 950)));
        assert_eq!(Limits::shares(0.8, 0.95).resolve(None), None);
        assert_eq!(Limits::amounts(10, 20).resolve(None), Some((10, 20)));
        assert_eq!(Limits::amounts(10, 20).resolve(Some(15)), Some((10, 15)));
        assert_eq!(Limits::amounts(10, 20).resolve(Some(5)), Some((5, 5)));
        assert_eq!(
            Limits::shares(0.1, 0.1).resolve(Some(3)),
            Some((1, 1)),
            "a limit of 0 would let nothing through"
        );
    }

    #[test]
    fn limits_that_cannot_work_are_refused_in_words() {
        let refused = [
            (Limits::amounts(0, 5), true, "above zero"),
            (Limits::amounts(6, 5), true, "must not be above"),
            (Limits::shares(0.9, 0.8), true, "must not be above"),
            (Limits::shares(0.9, 1.1), true, "up to 1"),
            (Limits::shares(0.0, 0.5), true, "above 0"),
            (Limits::shares(f64::NAN, 0.5), true, "above 0"),
            (Limits::shares(0.5, 0.6), false, "must be numbers"),
        ];
        for (limits, has_system_limit, words) in refused {
            let error = limits.check("open_files", has_system_limit).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("open_files"), "{error}");
        }
        Limits::amounts(5, 5).check("x", false).unwrap();
        Limits::shares(1.0, 1.0).check("x", true).unwrap();
    }
}
