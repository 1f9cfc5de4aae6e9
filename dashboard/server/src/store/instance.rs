//! An instance of a service that sends.

use super::capped::Seen;
use crate::model::Sender;
use crate::words::cut;

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) service: Box<str>,
    pub(super) id: Box<str>,
    pub(super) language: Box<str>,
    pub(super) version: Box<str>,
    pub(super) last_seen_ms: u64,
}

impl Instance {
    pub(super) fn new(sender: Sender<'_>, max_text: usize, now_ms: u64) -> Self {
        let text = |text| Box::from(cut(text, max_text));
        Self {
            service: text(sender.service),
            id: text(sender.instance),
            language: text(sender.language),
            version: text(sender.version),
            last_seen_ms: now_ms,
        }
    }
}

impl Seen for Instance {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}
