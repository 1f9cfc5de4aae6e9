//! Certificates of the listeners, and of who may send.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_rustls::TlsAcceptor;

use crate::certificates::certificates;
use crate::config::Tls;

/// What is wrong with the files of TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One of the two is missing.
    #[error("--tls-cert and --tls-key are given together or not at all")]
    Half,
    /// There is nothing that could ask senders for a certificate.
    #[error("--otlp-client-ca needs TLS: give --tls-cert and --tls-key as well")]
    ClientsWithoutTls,
    /// A file can't be read.
    #[error("{} can't be used: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The files don't fit each other.
    #[error("the certificate and key of TLS can't be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// Who is on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Browsers,
    Senders,
}

/// The certificates in force.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Tls,
    now: RwLock<InForce>,
}

#[derive(Debug, Clone)]
struct InForce {
    browsers: Arc<ServerConfig>,
    senders: Arc<ServerConfig>,
}

impl Certificates {
    /// Reads the files; `None` if there are none.
    pub(crate) fn new(files: &Tls) -> Result<Option<Self>, TlsError> {
        if files.tls_cert.is_none() && files.tls_key.is_none() {
            return if files.otlp_client_ca.is_some() { Err(TlsError::ClientsWithoutTls) } else { Ok(None) };
        }
        Ok(Some(Self { now: RwLock::new(read(files)?), files: files.clone() }))
    }

    /// Reads the files again. If something is wrong with them, the certificates in force stay.
    pub(crate) fn read_again(&self) -> Result<(), TlsError> {
        let read = read(&self.files)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    pub(super) fn acceptor(&self, audience: Audience) -> TlsAcceptor {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(match audience {
            Audience::Browsers => now.browsers.clone(),
            Audience::Senders => now.senders.clone(),
        })
    }
}

fn read(files: &Tls) -> Result<InForce, TlsError> {
    let (Some(cert), Some(key)) = (&files.tls_cert, &files.tls_key) else { return Err(TlsError::Half) };
    let chain = certificates(cert).map_err(|error| bad(cert, error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?;
    let clients = match &files.otlp_client_ca {
        None => None,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file).map_err(|error| bad(file, error))? {
                roots.add(certificate).map_err(|error| bad(file, error))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into());
            Some(verifier.build().map_err(|error| bad(file, error))?)
        }
    };
    let make = |clients| -> Result<Arc<ServerConfig>, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain.clone(), key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config.into())
    };
    Ok(InForce { browsers: make(None)?, senders: make(clients)? })
}

fn bad(file: &Path, problem: impl std::fmt::Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}
