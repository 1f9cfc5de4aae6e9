//! Identities that stay the same over restarts of the server, so that a link to a pool keeps working.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Destination, PoolKind, ProtectionKind, Sender};

/// Separates the parts, so that moving a letter from one to the next makes another identity.
const SEPARATOR: &[u8] = &[0xff];

/// Identity of a pool, a breaker or an instance; in a URL, 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Id(u64);

impl Id {
    pub(crate) fn pool(sender: Sender<'_>, destination: Destination<'_>) -> Self {
        let port = destination.port.to_be_bytes();
        let parts = [
            sender.service.as_bytes(),
            sender.instance.as_bytes(),
            destination.client.as_bytes(),
            destination.scheme.as_bytes(),
            destination.address.as_bytes(),
            &port,
            b"database",
        ];
        match destination.kind {
            PoolKind::Http => Self::of(&parts[..6]),
            PoolKind::Database => Self::of(&parts),
        }
    }

    pub(crate) fn breaker(sender: Sender<'_>, name: &str) -> Self {
        Self::of(&[sender.service.as_bytes(), sender.instance.as_bytes(), name.as_bytes()])
    }

    pub(crate) fn instance(sender: Sender<'_>) -> Self {
        Self::of(&[sender.service.as_bytes(), sender.instance.as_bytes()])
    }

    /// Of what protects calls beside breakers. The kind is a part of it: a timeout may have the name of a client.
    pub(crate) fn protection(sender: Sender<'_>, kind: ProtectionKind, (name, guard): (&str, &str)) -> Self {
        let kind: &[u8] = match kind {
            ProtectionKind::Retry => b"retry",
            ProtectionKind::Timeout => b"timeout",
            ProtectionKind::Limit => b"limit",
            ProtectionKind::Probe => b"probe",
            ProtectionKind::Resource => b"resource",
            ProtectionKind::Server => b"server",
            ProtectionKind::Tasks => b"tasks",
            ProtectionKind::Queue => b"queue",
            ProtectionKind::Supervisor => b"supervisor",
        };
        let (service, instance) = (sender.service.as_bytes(), sender.instance.as_bytes());
        Self::of(&[service, instance, kind, guard.as_bytes(), name.as_bytes()])
    }

    /// Of a registry of sessions.
    pub(crate) fn session(sender: Sender<'_>, name: &str) -> Self {
        Self::of(&[sender.service.as_bytes(), sender.instance.as_bytes(), b"session", name.as_bytes()])
    }

    /// FNV-1a: a hash of the standard library may change with the compiler.
    fn of(parts: &[&[u8]]) -> Self {
        let bytes = parts.iter().flat_map(|part| part.iter().chain(SEPARATOR));
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Reads the text of an identity.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_same_in_every_build() {
        let sender = Sender { service: "shop", instance: "a", ..Sender::default() };
        let id = Id::pool(sender, Destination::new("", "https", "pay.example", None));
        assert_eq!(id.to_string(), "b7b1cc85cb3bd907");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse("xyz"), None);
        assert_eq!(Id::parse("+000000000000001"), None);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Sender { service: "ab", instance: "c", ..Sender::default() };
        let two = Sender { service: "a", instance: "bc", ..Sender::default() };
        assert_ne!(Id::instance(one), Id::instance(two));
    }
}
