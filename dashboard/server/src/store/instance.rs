//! An instance of a service that sends.

use super::capped::Seen;
use crate::model::Sender;
use crate::words::cut_name;

/// How exactly the live stream tells when an instance was heard.
const TELL_EVERY_MS: u64 = 5_000;

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) service: Box<str>,
    pub(super) id: Box<str>,
    pub(super) language: Box<str>,
    pub(super) version: Box<str>,
    pub(super) last_seen_ms: u64,
    /// When the live stream last told that it was heard.
    told_ms: u64,
}

impl Instance {
    pub(super) fn new(sender: Sender<'_>, max_text: usize, now_ms: u64) -> Self {
        let text = |text| cut_name(text, max_text);
        Self {
            service: text(sender.service),
            id: text(sender.instance),
            language: text(sender.language),
            version: text(sender.version),
            last_seen_ms: now_ms,
            told_ms: now_ms,
        }
    }

    /// It was heard; true if that is to be told, which is not worth it with every report.
    pub(super) fn hear(&mut self, now_ms: u64) -> bool {
        self.last_seen_ms = now_ms;
        let is_due = now_ms.saturating_sub(self.told_ms) >= TELL_EVERY_MS;
        if is_due {
            self.told_ms = now_ms;
        }
        is_due
    }
}

impl Seen for Instance {
    fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms
    }
}
