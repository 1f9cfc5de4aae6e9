//! [`ResourceSnapshot`]: one resource of the process, as its guard sees it.

use poolscope_semconv::value::ResourceState;

#[cfg(feature = "serde")]
use super::serial;

/// One resource that a guard watches. Its figures are of the last time that the guard looked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ResourceSnapshot {
    /// Name of the guard.
    pub guard: String,
    /// `open_files`, `memory`, `connections`, or the name that the program gave to what it counts itself.
    pub name: String,
    /// How much is used: bytes of memory, otherwise a count; `None` where it can't be read.
    pub current: Option<u64>,
    /// The most that was seen.
    pub peak: u64,
    /// From here on there is a warning; `None` without a limit.
    pub soft_limit: Option<u64>,
    /// From here on requests are refused; `None` without a limit.
    pub hard_limit: Option<u64>,
    /// What the system allows, if it sets a limit of its own.
    pub system_limit: Option<u64>,
    /// How that is.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serial::as_text"))]
    pub state: ResourceState,
    /// Requests that were refused because of it.
    pub refused: u64,
}
