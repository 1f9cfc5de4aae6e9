//! Whom we trust, and who we are, when Prometheus is asked over TLS.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::config::Prometheus;
use crate::certificates::{PemFile, TlsError};

/// Settings of the client, from the files that the configuration names.
pub(super) fn client(config: &Prometheus) -> Result<ClientConfig, TlsError> {
    let file = |flag, path| PemFile { flag, path };
    let ca = config.prometheus_ca.as_deref().map(|path| file("--prometheus-ca", path));
    let cert = config.prometheus_cert.as_deref().map(|path| file("--prometheus-cert", path));
    let key = config.prometheus_key.as_deref().map(|path| file("--prometheus-key", path));
    trusting(ca, cert.zip(key))
}

/// A client that trusts the certificates of a file, or of the system, and shows its own certificate (with its key) if it
/// has one.
pub(crate) fn trusting(
    ca: Option<PemFile<'_>>,
    own: Option<(PemFile<'_>, PemFile<'_>)>,
) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(file) => file.roots()?,
        // What can't be read of the system's certificates is missed only where it is needed, and then it is told there.
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    // Named, because rustls can't choose by itself where two providers are compiled in.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match own {
        Some((cert, key)) => builder
            .with_client_auth_cert(cert.certificates()?, key.key()?)
            .map_err(|error| cert.refused_with(key, &error)),
        None => Ok(builder.with_no_client_auth()),
    }
}
