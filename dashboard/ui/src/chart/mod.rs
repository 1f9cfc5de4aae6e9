//! Charts: pure geometry, and the components that draw it as SVG.

pub mod export;
pub mod grain;
pub mod labels;
pub mod panel;
pub mod path;
pub mod picture;
pub mod save;
pub mod scale;
pub mod series;
pub mod spark;
pub mod ticks;
