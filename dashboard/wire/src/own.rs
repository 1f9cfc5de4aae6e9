//! The server about its own health.

use serde::{Deserialize, Serialize};

/// What the server tells about itself beside what it received.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Own {
    /// Memory that is resident, where the system tells.
    pub memory_bytes: Option<u64>,
    /// Browsers have to log in.
    pub asks_for_login: bool,
    /// Senders have to show a key.
    pub asks_for_key: bool,
    /// Breakers can be held from here.
    #[serde(default)]
    pub offers_control: bool,
    /// The listeners speak TLS.
    pub has_tls: bool,
    /// How often certificates and key files were read again.
    pub reloads: u64,
    /// How often they could not be used, so that the old ones stayed.
    pub failed_reloads: u64,
    /// What came in, by signal.
    pub signals: Vec<SignalFigures>,
    /// What was refused or cut off and why; only what has happened.
    pub losses: Vec<Loss>,
    /// Browsers that listen, those first that lag most, a bounded number.
    pub browsers: Vec<Browser>,
}

/// What came in of one signal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SignalFigures {
    /// `metrics`, `traces` or `logs`.
    pub signal: String,
    /// Requests that were taken.
    pub requests: u64,
    /// Points, spans or records that were taken.
    pub items: u64,
    /// Items that were rejected inside requests that were taken.
    pub rejected: u64,
    /// Requests that were refused as a whole.
    pub refused: u64,
}

/// Something that was not taken or not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Loss {
    /// What and why, in words.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// A browser that listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Browser {
    /// The network it is in, the rest hidden: `10.1.2.x`, `2001:db8:1::x`, `this machine`.
    pub network: String,
    /// Since when it listens.
    pub since_ms: u64,
    /// Messages that wait for it.
    pub queued: u64,
    /// How often it was too slow and got the whole picture again.
    pub resyncs: u64,
    /// It has missed something and not yet got the whole picture.
    pub lags: bool,
}
