//! TLS on loopback: one self-signed certificate, servers that show it and clients that trust it.

use std::io;
use std::sync::{Arc, OnceLock};

use rcgen::CertifiedKey;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What a client or a server offers when TLS is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// Only HTTP/1.1.
    Http1,
    /// Only HTTP/2.
    Http2,
    /// HTTP/2 and, for those who do not know it, HTTP/1.1.
    Both,
}

impl Alpn {
    /// Names of the protocols, best first.
    #[must_use]
    pub fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Both => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// The certificate of this process, for `localhost` and 127.0.0.1.
fn identity() -> &'static CertifiedKey<rcgen::KeyPair> {
    static IDENTITY: OnceLock<CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a self-signed certificate needs no input that could be wrong")
    })
}

/// Certificate and private key as PEM, for servers that read files.
#[must_use]
pub fn pem() -> (String, String) {
    (identity().cert.pem(), identity().signing_key.serialize_pem())
}

/// Settings of a server.
///
/// # Errors
/// If rustls refuses the certificate.
pub fn server(alpn: Alpn) -> io::Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::try_from(identity().signing_key.serialize_der()).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![identity().cert.der().clone()], key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = alpn.protocols();
    Ok(Arc::new(config))
}

/// Settings of a client that trusts the certificate and nothing else.
///
/// # Errors
/// If rustls refuses the certificate.
pub fn client(alpn: Alpn) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity().cert.der().clone()).map_err(io::Error::other)?;
    client_of(alpn, roots)
}

/// Settings of a client that trusts nobody.
///
/// # Errors
/// If rustls has no protocol for it.
pub fn distrustful(alpn: Alpn) -> io::Result<ClientConfig> {
    client_of(alpn, RootCertStore::empty())
}

fn client_of(alpn: Alpn, roots: RootCertStore) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.protocols();
    Ok(config)
}

/// Named, because rustls can't choose by itself where two providers are compiled in.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
