//! Whom we trust, and who we are, when Prometheus is asked over TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::config::Prometheus;
use crate::certificates::certificates;

/// Settings of the client, from the files that the configuration names.
pub(super) fn client(config: &Prometheus) -> Result<ClientConfig, String> {
    let own = config.prometheus_cert.as_deref().zip(config.prometheus_key.as_deref());
    trusting(config.prometheus_ca.as_deref(), own)
}

/// A client that trusts the certificates of a file, or of the system, and shows its own certificate (with its key) if it
/// has one.
pub(crate) fn trusting(ca: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in certificates(file).map_err(|error| told(file, error))? {
                roots.add(certificate).map_err(|error| told(file, error))?;
            }
        }
        // What can't be read of the system's certificates is missed only where it is needed, and then it is told there.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    // Named, because rustls can't choose by itself where two providers are compiled in.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    match own {
        Some((cert, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| told(key, error))?;
            let own = certificates(cert).map_err(|error| told(cert, error))?;
            builder.with_client_auth_cert(own, private).map_err(|error| told(cert, error))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn told(file: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}
