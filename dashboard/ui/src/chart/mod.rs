//! Charts: pure geometry, and the components that draw it as SVG.

pub mod axes;
pub mod export;
pub mod figures;
pub mod grain;
pub mod labels;
pub mod panel;
pub mod path;
pub mod picture;
pub mod point;
pub mod pointer;
pub mod reading;
pub mod save;
pub mod scale;
pub mod section;
pub mod series;
pub mod spark;
pub mod table;
pub mod ticks;
pub mod untold;
