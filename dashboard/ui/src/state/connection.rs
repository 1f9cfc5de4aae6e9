//! How fresh the picture is.

/// A stream that has been silent for longer than this shows a picture that is old: the server sends every second.
pub const STALE_AFTER_MS: u64 = 3_000;

/// State of the live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connection {
    /// No message has come yet.
    #[default]
    Connecting,
    /// Messages come as they should.
    Live,
    /// The stream is open, and nothing has come for too long.
    Stale,
    /// The stream is broken; the last picture stays, and the browser tries again by itself.
    Lost,
}

impl Connection {
    /// The word that is shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Lost => "lost",
        }
    }
}

/// What is known about the stream, from which its state follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamFacts {
    /// True from an error on until the next message.
    pub broken: bool,
    /// When the last message came, by the browser's clock.
    pub last_message_ms: Option<u64>,
}

impl StreamFacts {
    /// State of the stream at a moment of the browser's clock.
    #[must_use]
    pub fn state(self, now_ms: u64) -> Connection {
        match (self.broken, self.last_message_ms) {
            (true, _) => Connection::Lost,
            (false, None) => Connection::Connecting,
            (false, Some(at)) if now_ms.saturating_sub(at) > STALE_AFTER_MS => Connection::Stale,
            (false, Some(_)) => Connection::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_makes_a_picture_stale_and_an_error_loses_it() {
        let mut facts = StreamFacts::default();
        assert_eq!(facts.state(0), Connection::Connecting);
        facts.last_message_ms = Some(1_000);
        assert_eq!(facts.state(1_000 + STALE_AFTER_MS), Connection::Live);
        assert_eq!(facts.state(1_001 + STALE_AFTER_MS), Connection::Stale);
        facts.broken = true;
        assert_eq!(facts.state(1_001), Connection::Lost);
    }
}
