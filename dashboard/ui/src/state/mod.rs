//! What the browser knows: pure data that the stream's messages are applied to, and the signals over it.

pub mod connection;
pub mod filter;
pub mod fleet;
pub mod guards;
pub mod live;
pub mod message;
pub mod order;
pub mod ring;
pub mod store;
pub mod table;
