//! What the dashboard is loaded with: a fleet that reports by OTLP, a browser that looks, and what both cost.

pub mod browser;
pub mod fleet;
pub mod ingest;
pub mod receiver;
pub mod send;
pub mod ui;
