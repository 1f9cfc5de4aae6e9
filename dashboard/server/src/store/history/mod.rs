//! History.

mod wanted;

pub(crate) use wanted::{Since, Wanted};
