//! What can go wrong before the server runs, and while it does.

use std::io;
use std::net::SocketAddr;

use crate::access::AccessError;
use crate::certificates::TlsError;

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address could not be bound.
    #[error(
        "cannot listen on {address} for {purpose}: {}; choose another address with {flag}",
        reason(source)
    )]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What it was wanted for.
        purpose: &'static str,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The rules of access can't be put in force.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The files of TLS can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Prometheus is the source, and nobody told where it is.
    #[error("--source prometheus needs to know where: --prometheus-url http://127.0.0.1:9090")]
    NoPrometheus,
    /// It is said how Prometheus is to be asked, and it is not the source.
    #[error("{0} says how Prometheus is asked, and it is not: add --source prometheus, or leave {0} out")]
    PrometheusUnasked(&'static str),
    /// It is said how large the file of the history gets, and there is none.
    #[error(
        "--store-max-mb bounds the file of the history, and there is none: add --store FILE, or leave --store-max-mb out"
    )]
    NoStore,
    /// Prometheus is the source, and history is to be kept in a file as well.
    #[error(
        "--store keeps what is sent here; with --source prometheus, Prometheus keeps it: leave one of the two out"
    )]
    StoreAndPrometheus,
    /// A file by which Prometheus is asked can't be used.
    #[error("Prometheus can't be asked: {0}")]
    PrometheusFile(TlsError),
    /// A listener failed while the server ran.
    #[error("the listener for {purpose} failed: {source}")]
    Serve {
        /// What the listener was for.
        purpose: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The usual causes in words instead of an error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses it".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "that needs more rights than this program has".to_owned(),
        _ => error.to_string(),
    }
}
