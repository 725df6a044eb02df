//! Certificates and keys in files.

use super::key::{self, Locked};
use super::trust::{Trust, Unusable};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a file of certificates or keys: some thousand certificates.
const LONGEST: u64 = 16 << 20;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is no PEM.
    #[error("{}: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PemError,
    },
    /// A file, or a whole folder, without a certificate.
    #[error("{}: no certificate is there", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate that cannot be trusted, because it cannot be checked.
    #[error("{}: {error}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Unusable,
    },
    /// A list of revoked certificates, which would be believed if the list were passed over.
    #[error("{}: lists of revoked certificates are not supported yet", .0.display())]
    RevocationList(PathBuf),
    /// A file without a key.
    #[error("{}: no private key is there", .0.display())]
    NoKey(PathBuf),
    /// A key that takes a password, and no file is named that has it.
    #[error(
        "{}: the key is encrypted, and no file with its password is named; openssl pkey -in {} -out FILE decrypts it",
        .0.display(),
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// A key that the password does not open.
    #[error("{}: the key is encrypted: {error}", path.display())]
    Locked {
        /// The file of the key.
        path: PathBuf,
        /// Why not.
        error: Locked,
    },
    /// A key that belongs to another certificate.
    #[error("the key {} does not fit the certificate {}", key.display(), certificate.display())]
    OtherKey {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// A certificate and a key that cannot be used.
    #[error("{}: {error}", path.display())]
    Pair {
        /// The file of the certificate.
        path: PathBuf,
        /// What is wrong with one of them.
        error: rustls::Error,
    },
    /// A name that no certificate can have.
    #[error("'{0}' is no name of a server")]
    ServerName(String),
    /// A key for a certificate that is not named.
    #[error("{}: a key without a certificate", .0.display())]
    KeyAlone(PathBuf),
    /// The system trusts nobody.
    #[error("this system has no trusted certificates{}", .0.as_ref().map_or(String::new(), |why| format!(": {why}")))]
    NoSystemTrust(Option<String>),
}

/// A certificate with those between it and its authority, and its key, which may be in the same file. The first line of
/// `password` opens the key if it has to be opened.
pub(super) fn identity(
    certificate: &Path,
    key: Option<&Path>,
    password: Option<&Path>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(certificate, &read(certificate)?)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let path = key.unwrap_or(certificate);
    let text = read(path)?;
    if key::is_locked(&text) {
        let password = read(password.ok_or_else(|| TlsError::EncryptedKey(path.to_owned()))?)?;
        let password = password.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let key = key::unlock(&text, password);
        return key
            .map(|key| (chain, key))
            .map_err(|error| TlsError::Locked { path: path.to_owned(), error });
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok((chain, key)),
        Err(PemError::NoItemsFound) => Err(TlsError::NoKey(path.to_owned())),
        Err(error) => Err(TlsError::Pem { path: path.to_owned(), error }),
    }
}

/// What a library says of a certificate and its key, said about their files.
pub(super) fn mismatch(certificate: &Path, key: Option<&Path>, error: rustls::Error) -> TlsError {
    let certificate = certificate.to_owned();
    match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::OtherKey { key: key.unwrap_or(&certificate).to_owned(), certificate }
        }
        error => TlsError::Pair { path: certificate, error },
    }
}

/// Trusts the certificates in a file, or in the files of a folder.
///
/// In a folder that `openssl rehash` prepared, those count that it gave names, as they do for Python; in any other one all.
pub(super) fn trust(place: &Path, trust: &mut Trust) -> Result<(), TlsError> {
    let wrong = |error| TlsError::Read { path: place.to_owned(), error };
    if !std::fs::metadata(place).map_err(wrong)?.is_dir() {
        return trust_file(place, trust);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        // A link counts as what it leads to.
        let about = std::fs::metadata(&path).map_err(|error| TlsError::Read { path: path.clone(), error })?;
        if about.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.iter().any(|path| is_hash(path)) {
        files.retain(|path| is_hash(path));
    }
    for file in files {
        match trust_file(&file, trust) {
            // Keys and notes may lie beside.
            Err(TlsError::NoCertificate(_)) => {}
            other => other?,
        }
    }
    if trust.len() == 0 { Err(TlsError::NoCertificate(place.to_owned())) } else { Ok(()) }
}

fn trust_file(path: &Path, trust: &mut Trust) -> Result<(), TlsError> {
    let text = read(path)?;
    if CertificateRevocationListDer::pem_slice_iter(&text).next().is_some_and(|list| list.is_ok()) {
        return Err(TlsError::RevocationList(path.to_owned()));
    }
    let certificates = certificates(path, &text)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    for certificate in certificates {
        trust.add(certificate).map_err(|error| TlsError::Unusable { path: path.to_owned(), error })?;
    }
    Ok(())
}

/// Trusts whom this system trusts. Certificates that cannot be checked are passed over: nobody here chose them.
pub(super) fn trust_system(trust: &mut Trust) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    for certificate in found.certs {
        if let Err(error) = trust.add(certificate) {
            tracing::debug!("a certificate of the system: {error}");
        }
    }
    if trust.len() == 0 {
        return Err(TlsError::NoSystemTrust(found.errors.first().map(ToString::to_string)));
    }
    Ok(())
}

/// Whether a file is named as `openssl rehash` does: eight digits of a hash, and a number.
fn is_hash(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<_, _> = CertificateDer::pem_slice_iter(text).collect();
    all.map_err(|error| TlsError::Pem { path: path.to_owned(), error })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let wrong = |error| TlsError::Read { path: path.to_owned(), error };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text)).map_err(wrong)?;
    if text.len() as u64 > LONGEST {
        return Err(wrong(io::Error::new(io::ErrorKind::FileTooLarge, "too long for certificates and keys")));
    }
    Ok(text)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
