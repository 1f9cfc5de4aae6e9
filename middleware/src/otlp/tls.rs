//! What TLS needs beyond the roots of the system: files with certificates and a key.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::env::Env;
use super::error::OtlpError;

/// Certificates and key of one target, as PEM that was looked at.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Tls {
    /// The only roots that are trusted, where they were told.
    pub(super) roots: Option<Vec<u8>>,
    /// Certificate chain and private key of ours.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Files that the builder was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) roots: Option<String>,
    pub(super) identity: Option<(String, String)>,
}

impl std::fmt::Debug for Tls {
    /// The key is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("has_roots", &self.roots.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish()
    }
}

impl Tls {
    /// Reads the files that the builder or the environment names. `names` gives the variables of a setting, the signal's
    /// own first.
    pub(super) fn read(
        files: &Files,
        env: Env<'_>,
        names: impl Fn(&str) -> [String; 2],
    ) -> Result<Self, OtlpError> {
        let told = |setting: &str, builder: Option<&String>, variable: &str| match builder {
            Some(path) => Some((setting.to_owned(), path.clone())),
            None => env.either(&names(variable)),
        };
        let certificates = |(name, path): (String, String)| {
            let pem = file(&name, &path)?;
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            match found {
                Ok(found) if !found.is_empty() => Ok(pem),
                _ => Err(OtlpError::file(name, path, "it has no certificate in PEM format")),
            }
        };
        let key = |(name, path): (String, String)| {
            let pem = file(&name, &path)?;
            match PrivateKeyDer::from_pem_slice(&pem) {
                Ok(_) => Ok(pem),
                Err(_) => Err(OtlpError::file(name, path, "it has no private key in PEM format")),
            }
        };
        let roots = told("certificate", files.roots.as_ref(), "CERTIFICATE").map(certificates).transpose()?;
        let (chain_file, key_file) = match &files.identity {
            Some((chain, key)) => (Some(chain), Some(key)),
            None => (None, None),
        };
        let chain = told("client_certificate", chain_file, "CLIENT_CERTIFICATE");
        let private = told("client_certificate", key_file, "CLIENT_KEY");
        let identity = match (chain, private) {
            (Some(chain), Some(private)) => Some((certificates(chain)?, key(private)?)),
            (None, None) => None,
            (Some((name, path)), None) => {
                return Err(OtlpError::file(
                    name,
                    path,
                    "its private key is not told: set OTEL_EXPORTER_OTLP_CLIENT_KEY",
                ));
            }
            (None, Some((name, path))) => {
                let reason = "its certificate is not told: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
                return Err(OtlpError::file(name, path, reason));
            }
        };
        Ok(Self { roots, identity })
    }
}

fn file(name: &str, path: &str) -> Result<Vec<u8>, OtlpError> {
    std::fs::read(path).map_err(|error| OtlpError::file(name.to_owned(), path.to_owned(), &error.to_string()))
}
