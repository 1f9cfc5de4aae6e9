//! Parts that more than one page has.

pub mod bar;
pub mod copy;
pub mod counts;
pub mod each;
pub mod empty;
pub mod header;
pub mod help;
pub mod loaded;
pub mod markbar;
pub mod menu;
pub mod notice;
pub mod phases;
pub mod shape;
pub mod source;
pub mod spreads;
pub mod timebar;
pub mod warnings;
