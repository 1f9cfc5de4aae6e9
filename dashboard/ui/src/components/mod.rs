//! Parts that more than one page has.

pub mod bar;
pub mod cells;
pub mod choice;
pub mod chunks;
pub mod copy;
pub mod counts;
pub mod each;
pub mod empty;
pub mod figures;
pub mod gone;
pub mod header;
pub mod help;
pub mod loaded;
pub mod markbar;
pub mod menu;
pub mod notice;
pub mod over_time;
pub mod phases;
pub mod save;
pub mod shape;
pub mod source;
pub mod spreads;
pub mod stretch;
pub mod timebar;
pub mod told;
pub mod warnings;
