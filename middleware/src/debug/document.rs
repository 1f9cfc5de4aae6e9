//! The document that is served.

use serde::Serialize;

use crate::ScopeSnapshot;

/// Version of the document's shape.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole document.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    schema_version: u32,
    #[serde(flatten)]
    snapshot: ScopeSnapshot,
}

impl Document {
    pub(super) fn new(snapshot: ScopeSnapshot) -> Self {
        Self { schema_version: SCHEMA_VERSION, snapshot }
    }

    pub(super) fn to_json(&self, pretty: bool) -> serde_json::Result<Vec<u8>> {
        if pretty { serde_json::to_vec_pretty(self) } else { serde_json::to_vec(self) }
    }
}
