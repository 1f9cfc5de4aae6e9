//! The pages.

pub mod about;
pub mod breakers;
pub mod events;
pub mod health;
pub mod not_found;
pub mod overview;
pub mod part;
pub mod pool;
pub mod protection;
pub mod services;
pub mod sessions;
pub mod trace;
pub mod traces;
