//! Real programs that take telemetry: Collector, Prometheus, Jaeger, each with the committed configuration.

mod collector;
mod jaeger;
mod program;
mod prometheus;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::{fs, io};

pub use collector::{Behind, Collector};
pub use jaeger::{Jaeger, Reference, Span, Trace};
pub use program::Program;
pub use prometheus::{Prometheus, Sample};

/// A file of the repository, by its path from the top.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a file of the repository.
///
/// # Errors
/// If it can't be read; the error names it.
pub fn text(path: &str) -> io::Result<String> {
    fs::read_to_string(file(path)).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}

/// Addresses on the loopback that were free a moment ago: these programs can't be asked for a free port of their own
/// choice in a way that they all tell.
///
/// # Errors
/// If there is no port left.
pub fn free_addrs<const N: usize>() -> io::Result<[SocketAddr; N]> {
    // All are held until all are known, so that no two are the same.
    let held: Vec<_> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    let mut addrs = [SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)); N];
    for (addr, listener) in addrs.iter_mut().zip(&held) {
        *addr = listener.local_addr()?;
    }
    Ok(addrs)
}
