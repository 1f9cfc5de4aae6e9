//! TLS on loopback: a server with a certificate that it has signed itself, and clients that trust it.

use std::sync::Arc;

use anyhow::Result;
use rcgen::CertifiedKey;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Settings of a server for 127.0.0.1, and the certificate that it shows.
pub(super) fn server() -> Result<(Arc<ServerConfig>, CertificateDer<'static>)> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok((Arc::new(config), cert.der().clone()))
}

/// Settings of clients that trust one certificate at most.
#[derive(Debug, Clone)]
pub(super) struct Trust(ClientConfig);

impl Trust {
    pub(super) fn new(certificate: CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        Self::of(roots)
    }

    /// Trusts nobody.
    pub(super) fn nobody() -> Result<Self> {
        Self::of(RootCertStore::empty())
    }

    fn of(roots: RootCertStore) -> Result<Self> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(config))
    }

    /// Those of a client that has met nobody yet: it knows no session that it could resume.
    pub(super) fn of_new_client(&self) -> ClientConfig {
        let mut config = self.0.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config
    }
}

/// What rustls keeps by default.
const SESSIONS: usize = 256;

/// Named, because rustls can't choose by itself where two providers are compiled in.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
