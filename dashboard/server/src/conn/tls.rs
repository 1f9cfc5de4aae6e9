//! Certificates of the listeners, and of who may send.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::certificates::{PemFile, TlsError};
use crate::config::Tls;

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
    let cert_file = PemFile { flag: "--tls-cert", path: cert };
    let key_file = PemFile { flag: "--tls-key", path: key };
    let chain = cert_file.certificates()?;
    let key = key_file.key()?;
    let clients = files.otlp_client_ca.as_deref().map(|path| {
        let file = PemFile { flag: "--otlp-client-ca", path };
        let roots = file.roots()?.into();
        WebPkiClientVerifier::builder_with_provider(roots, default_provider().into())
            .build()
            .map_err(|error| file.broken(&error))
    });
    let clients = clients.transpose()?;
    let make = |clients| -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| cert_file.refused_with(key_file, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config.into())
    };
    Ok(InForce { browsers: make(None)?, senders: make(clients)? })
}
