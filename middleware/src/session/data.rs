//! [`Data`]: what a program keeps with a session, within bounds.

use std::collections::BTreeMap;

/// What an entry costs besides its bytes, about.
const ENTRY: usize = 64;

/// There is no room for what was to be kept with a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data of a session may have {max} bytes, and would have {needed}")]
#[non_exhaustive]
pub struct DataFull {
    /// Most bytes.
    pub max: usize,
    /// Bytes that there would be.
    pub needed: usize,
}

/// Texts by their names.
#[derive(Debug, Default)]
pub(super) struct Data {
    values: BTreeMap<Box<str>, Box<str>>,
    bytes: usize,
}

impl Data {
    /// Keeps a value instead of the one before, which stays if there is no room.
    pub(super) fn set(&mut self, key: &str, value: &str, max: usize) -> Result<(), DataFull> {
        let before = self.values.get(key).map_or(0, |before| cost(key, before));
        let needed = self.bytes - before + cost(key, value);
        if needed > max {
            return Err(DataFull { max, needed });
        }
        self.bytes = needed;
        self.values.insert(key.into(), value.into());
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).map(ToString::to_string)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<String> {
        let value = self.values.remove(key)?;
        self.bytes -= cost(key, &value);
        Some(value.into())
    }

    /// What is kept, as it counts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(key: &str, value: &str) -> usize {
    ENTRY + key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_leaves_what_was_there() {
        let mut data = Data::default();
        data.set("user", "ann", 150).unwrap();
        assert_eq!(data.bytes(), 71);
        let error = data.set("room", &"r".repeat(100), 150).unwrap_err();
        assert_eq!(error, DataFull { max: 150, needed: 71 + 168 });
        assert_eq!(error.to_string(), "the data of a session may have 150 bytes, and would have 239");
        assert!(data.set("user", &"u".repeat(100), 150).is_err());
        assert_eq!((data.get("user").as_deref(), data.get("room")), (Some("ann"), None));
        data.set("user", "bob", 71).unwrap();
        assert_eq!(
            (data.remove("user").as_deref(), data.remove("user"), data.bytes()),
            (Some("bob"), None, 0)
        );
        // Many small ones are bounded as well.
        let kept = (0..1_000).take_while(|n| data.set(&n.to_string(), "", 1_000).is_ok()).count();
        assert_eq!(kept, 15);
    }
}
