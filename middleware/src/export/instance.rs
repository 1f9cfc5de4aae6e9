//! A name for this run of the program, where nobody gave it one.

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

/// A random UUID (version 4). The SDK's generator of trace ids has the 128 random bits that it takes.
pub(crate) fn random_uuid() -> String {
    uuid(RandomIdGenerator::default().new_trace_id())
}

fn uuid(random: TraceId) -> String {
    let mut bytes = random.to_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = TraceId::from_bytes(bytes).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_names_its_version() {
        assert_eq!(uuid(TraceId::from_bytes([0xff; 16])), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(TraceId::from_bytes([0; 16])), "00000000-0000-4000-8000-000000000000");
    }
}
