//! Reads the messages of the live stream. Pure.

use std::fmt;

use poolscope_wire::{Full, Update, WIRE_VERSION, json, objects};

/// A message of the live stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The whole picture.
    Full(Box<Full>),
    /// What changed.
    Update(Box<Update>),
}

/// Why a message can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// The server speaks another version of the contract: this page has to be loaded anew.
    OtherVersion(u32),
    /// It is not what the contract says.
    Malformed(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherVersion(version) => write!(
                f,
                "the server speaks version {version} of the browser contract and this page speaks {WIRE_VERSION}; \
                 reload the page"
            ),
            Self::Malformed(error) => {
                write!(f, "a message of the live stream can't be read ({error}); reload the page")
            }
        }
    }
}

/// What every version of a full picture must have.
#[derive(Default)]
struct Versioned {
    status: Version,
}

#[derive(Default)]
struct Version {
    wire_version: u32,
}

objects! {
    Versioned { status }
    Version { wire_version }
}

impl Message {
    /// Reads a message.
    ///
    /// The contract puts the type first (a test of the wire crate pins it).
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        if text.starts_with(r#"{"type":"update""#) {
            return read(text).map(|update| Self::Update(Box::new(update)));
        }
        if !text.starts_with(r#"{"type":"full""#) {
            return Err(Unreadable::Malformed("it is neither a full picture nor an update".to_owned()));
        }
        match read::<Versioned>(text)?.status.wire_version {
            WIRE_VERSION => read(text).map(|full| Self::Full(Box::new(full))),
            other => Err(Unreadable::OtherVersion(other)),
        }
    }
}

fn read<T: json::Read + Default>(text: &str) -> Result<T, Unreadable> {
    json::read(text).map_err(|error| Unreadable::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{ServerMessage, Status};

    use super::*;

    fn full(wire_version: u32) -> Full {
        Full { status: Status { wire_version, ..Status::default() }, ..Full::default() }
    }

    #[test]
    fn messages_of_the_contract_are_read() {
        let text = serde_json::to_string(&ServerMessage::Full(full(WIRE_VERSION))).unwrap();
        assert_eq!(Message::parse(&text), Ok(Message::Full(Box::new(full(WIRE_VERSION)))));
        let update = Update { now_ms: 7, ..Update::default() };
        let text = serde_json::to_string(&ServerMessage::Update(update.clone())).unwrap();
        assert_eq!(Message::parse(&text), Ok(Message::Update(Box::new(update))));
    }

    #[test]
    fn another_version_is_told_apart_from_nonsense() {
        let text = serde_json::to_string(&ServerMessage::Full(full(WIRE_VERSION + 1))).unwrap();
        assert_eq!(Message::parse(&text), Err(Unreadable::OtherVersion(WIRE_VERSION + 1)));
        let text = r#"{"type":"full","status":{"wire_version":99,"all":"new"}}"#;
        assert_eq!(Message::parse(text), Err(Unreadable::OtherVersion(99)));
        for text in ["", "{}", r#"{"type":"other"}"#, r#"{"type":"update"}"#] {
            assert!(matches!(Message::parse(text), Err(Unreadable::Malformed(_))), "{text}");
        }
    }
}
