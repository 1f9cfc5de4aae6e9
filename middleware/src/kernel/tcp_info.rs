//! [`TcpInfo`]: what the kernel knows of a connection, out of its `struct tcp_info`.

use std::time::Duration;

use super::diag::{u32_at, u64_at};

// Offsets in `struct tcp_info` of <linux/tcp.h>. The kernel only ever appends to it.
const LAST_DATA_RECV: usize = 52;
const RTT: usize = 68;
const TOTAL_RETRANS: usize = 100;
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;
const MIN_RTT: usize = 148;
const DATA_SEGS_IN: usize = 152;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;

/// What the kernel counted on a connection that this process opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// Smoothed round trip time. The last one of a connection includes how long the other side sat on the
    /// acknowledgement of the FIN, so that `min_rtt` tells more about the way there.
    pub(crate) rtt: Duration,
    /// Shortest round trip of the last five minutes; `None` before the first.
    pub(crate) min_rtt: Option<Duration>,
    /// Time since anything came, in steps of some milliseconds; meaningless before anything did.
    pub(crate) quiet: Duration,
    /// Segments sent again.
    pub(crate) retransmits: u32,
    /// Bytes of payload that were sent at least once, acknowledged or not. Payload is what TCP carries: with TLS, its
    /// records.
    pub(crate) bytes_sent: u64,
    /// Bytes that the other side has acknowledged, the SYN and the FIN among them.
    pub(crate) bytes_acked: u64,
    /// Bytes of payload that came, in order. The kernel counts the other side's FIN as a byte; it is taken out where it is
    /// known to have come. Of a connection that this process closed first that is a guess, and this may be one off.
    /// Without any data it is 0.
    pub(crate) bytes_received: u64,
    may_count_fin: bool,
}

impl TcpInfo {
    /// Reads a `struct tcp_info` of any kernel since 4.9; `None` if it is shorter.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let min_rtt = u32_at(bytes, MIN_RTT)?;
        let has_data = u32_at(bytes, DATA_SEGS_IN)? > 0;
        let received = u64_at(bytes, BYTES_RECEIVED)?;
        Some(Self {
            rtt: micros(u32_at(bytes, RTT)?),
            min_rtt: (min_rtt != 0 && min_rtt != u32::MAX).then(|| micros(min_rtt)),
            quiet: Duration::from_millis(u32_at(bytes, LAST_DATA_RECV)?.into()),
            retransmits: u32_at(bytes, TOTAL_RETRANS)?,
            bytes_acked: u64_at(bytes, BYTES_ACKED)?,
            bytes_sent: match payload_sent(bytes) {
                Some(sent) => sent,
                // Before Linux 4.19: what was acknowledged, without the SYN, but with the FIN.
                None => u64_at(bytes, BYTES_ACKED)?.saturating_sub(1),
            },
            bytes_received: if has_data { received } else { 0 },
            may_count_fin: has_data,
        })
    }

    /// The same, knowing that the other side's FIN came and was counted.
    pub(super) fn with_fin(mut self) -> Self {
        self.bytes_received = self.bytes_received.saturating_sub(self.may_count_fin.into());
        self.may_count_fin = false;
        self
    }
}

/// True if our FIN was sent and acknowledged, which nothing says after a reset: more was acknowledged than the payload
/// and the SYN. `None` if the kernel is too old to tell (before 4.19).
pub(super) fn fin_acknowledged(bytes: &[u8]) -> Option<bool> {
    Some(u64_at(bytes, BYTES_ACKED)? > payload_sent(bytes)?.saturating_add(1))
}

fn payload_sent(bytes: &[u8]) -> Option<u64> {
    Some(u64_at(bytes, BYTES_SENT)?.saturating_sub(u64_at(bytes, BYTES_RETRANS)?))
}

fn micros(micros: u32) -> Duration {
    Duration::from_micros(micros.into())
}
