//! Certificates and keys from files in PEM. What is wrong with one is told with the flag that named it and what to do.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Longest file that is read: all authorities of a system are less than a tenth of it.
const MAX_BYTES: u64 = 4 << 20;

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
    /// A file can't be used.
    #[error("{flag} {} can't be used: {problem}", file.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The files don't fit each other.
    #[error("{key} is not the key of the certificate in {cert}; name the two that were made together")]
    Pair {
        /// Flag and file of the certificate.
        cert: String,
        /// Flag and file of the key.
        key: String,
    },
    /// The provider of TLS refuses what it is asked for.
    #[error("TLS can't be used: {0}")]
    Provider(#[from] rustls::Error),
}

/// A file, and the flag that names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PemFile<'a> {
    pub(crate) flag: &'static str,
    pub(crate) path: &'a Path,
}

impl fmt::Display for PemFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flag, self.path.display())
    }
}

impl PemFile<'_> {
    fn unusable(self, problem: impl fmt::Display) -> TlsError {
        TlsError::File { flag: self.flag, file: self.path.to_owned(), problem: problem.to_string() }
    }

    fn read(self) -> Result<Vec<u8>, TlsError> {
        let mut text = Vec::new();
        let read = File::open(self.path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text));
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.unusable("there is no such file"),
            ErrorKind::PermissionDenied => {
                self.unusable("this program may not read it; give it the right, or name another file")
            }
            ErrorKind::IsADirectory => self.unusable("it is a directory; name a file in it"),
            _ => self.unusable(error),
        })?;
        if text.len() as u64 > MAX_BYTES {
            return Err(
                self.unusable(format_args!("it is longer than {} MiB; name a file in PEM", MAX_BYTES >> 20))
            );
        }
        if text.trim_ascii().is_empty() { Err(self.unusable("it is empty")) } else { Ok(text) }
    }

    /// Its certificates, of which there is one at least.
    pub(crate) fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read()?;
        let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
        match all {
            Ok(none) if none.is_empty() => Err(self.unusable(
                "it holds no certificate; one in PEM is wanted, which begins with -----BEGIN CERTIFICATE-----",
            )),
            all => all.map_err(|error| self.unusable(format_args!("it is no PEM ({error})"))),
        }
    }

    /// Its certificates, as those to trust.
    pub(crate) fn roots(self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.broken(&error))?;
        }
        Ok(roots)
    }

    /// A certificate of it that is none.
    pub(crate) fn broken(self, error: &dyn std::error::Error) -> TlsError {
        self.unusable(format_args!("a certificate in it is broken ({error}); name a file with whole ones"))
    }

    /// Its key.
    pub(crate) fn key(self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.read()?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound if is_encrypted(&text) => {
                self.unusable("its key has a password; name a file with the key without one (openssl pkey)")
            }
            pem::Error::NoItemsFound => self.unusable(
                "it holds no key; one in PEM is wanted, which begins with -----BEGIN PRIVATE KEY-----",
            ),
            error => self.unusable(format_args!("it is no PEM ({error})")),
        })?;
        // Found out alone, what is wrong with the key is not taken for its certificate's fault.
        default_provider().key_provider.load_private_key(key.clone_key()).map_err(|error| {
            self.unusable(format_args!("its key can't be used ({error}); RSA, ECDSA and Ed25519 are known"))
        })?;
        Ok(key)
    }

    /// What a certificate and a key are refused for together.
    pub(crate) fn refused_with(self, key: Self, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Pair { cert: self.to_string(), key: key.to_string() }
            }
            error => self.broken(error),
        }
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    let mark = b"ENCRYPTED PRIVATE KEY";
    text.windows(mark.len()).any(|window| window == mark)
}
