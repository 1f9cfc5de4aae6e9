//! Charts: pure geometry, and the components that draw it as SVG.

pub mod labels;
pub mod panel;
pub mod path;
pub mod scale;
pub mod series;
pub mod spark;
pub mod ticks;
