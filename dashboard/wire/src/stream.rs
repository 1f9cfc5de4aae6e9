//! The live stream: the whole picture first, then only what changed.

use serde::{Deserialize, Serialize};

use crate::{
    Breaker, Event, PoolGroup, PoolNews, PoolSummary, Protection, Service, SessionPoint, Sessions, SparkLine,
    Status, Warning,
};

/// One message of the live stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The whole picture. Sent first, and again when the reader lagged; it replaces what the reader had.
    Full(Full),
    /// What changed since the message before.
    Update(Update),
}

/// The whole picture.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Full {
    /// The server about itself.
    pub status: Status,
    /// Who sends.
    pub services: Vec<Service>,
    /// Every pool.
    pub pools: Vec<PoolSummary>,
    /// Every group of pools of several instances.
    pub groups: Vec<PoolGroup>,
    /// The last two minutes of every pool, each with its id.
    pub history: Vec<(String, SparkLine)>,
    /// Every breaker.
    pub breakers: Vec<Breaker>,
    /// Everything else that protects calls.
    pub protection: Vec<Protection>,
    /// Every registry of sessions.
    pub sessions: Vec<Sessions>,
    /// The last two minutes of every registry of sessions, oldest first, each with its id.
    pub session_history: Vec<(String, Vec<SessionPoint>)>,
    /// Everything that is wrong, worst first.
    pub warnings: Vec<Warning>,
    /// The newest events, newest first.
    pub events: Vec<Event>,
    /// True if this replaces a picture because the reader was too slow for the updates.
    pub lagged: bool,
}

/// What changed; sent at least once a second, also when nothing did, so that silence means a lost connection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Update {
    /// The server's clock.
    pub now_ms: u64,
    /// The server about itself, every few seconds.
    pub status: Option<Status>,
    /// Who sends, if that changed; what moves with every report, every few seconds.
    pub services: Option<Vec<Service>>,
    /// Pools that are new, or changed by more than their figures.
    pub pools: Vec<PoolSummary>,
    /// What changed of pools and groups by figures alone. One whose `now.at_ms` rose has a new point, as those above.
    pub news: Vec<PoolNews>,
    /// Ids of pools that are gone.
    pub removed_pools: Vec<String>,
    /// Groups of pools that are new, or changed by more than their figures.
    pub groups: Vec<PoolGroup>,
    /// Ids of groups of pools that are none any more.
    pub removed_groups: Vec<String>,
    /// Breakers that are new or changed.
    pub breakers: Vec<Breaker>,
    /// Ids of breakers that are gone.
    pub removed_breakers: Vec<String>,
    /// What else protects calls, and is new or changed.
    pub protection: Vec<Protection>,
    /// Ids of what else protected calls and is gone.
    pub removed_protection: Vec<String>,
    /// Registries of sessions that are new or changed.
    pub sessions: Vec<Sessions>,
    /// Ids of registries of sessions that are gone.
    pub removed_sessions: Vec<String>,
    /// Warnings that are new or changed.
    pub warnings: Vec<Warning>,
    /// Ids of warnings that are over.
    pub removed_warnings: Vec<String>,
    /// New events, oldest first.
    pub events: Vec<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_json_and_carry_their_type() {
        let message = ServerMessage::Update(Update { now_ms: 7, ..Update::default() });
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.starts_with(r#"{"type":"update""#), "{text}");
        assert_eq!(serde_json::from_str::<ServerMessage>(&text).unwrap(), message);
    }
}
