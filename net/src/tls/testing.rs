//! Certificates made for a test.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, UnixTime};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Somebody with a certificate, valid from 2020 on unless made otherwise.
#[derive(Debug)]
pub(super) struct Person {
    params: CertificateParams,
    key: KeyPair,
    pub(super) der: CertificateDer<'static>,
    pub(super) certificate: String,
    pub(super) secret: String,
}

impl Person {
    /// A certificate signed by its own key, of a name that is an alternative name as well.
    pub(super) fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Person {
        Person::made(params(name, change), None)
    }

    /// An authority, signed by itself.
    pub(super) fn authority(name: &str) -> Person {
        Person::new(name, ca)
    }

    /// A certificate that this one signed.
    pub(super) fn signs(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Person {
        Person::made(params(name, change), Some(self))
    }

    fn made(params: CertificateParams, by: Option<&Person>) -> Person {
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            None => params.self_signed(&key),
            Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)),
        }
        .unwrap();
        let der = certificate.der().clone();
        Person { der, certificate: certificate.pem(), secret: key.serialize_pem(), params, key }
    }
}

/// Makes an authority of somebody.
pub(super) fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2999, 1, 1));
    change(&mut params);
    params
}

/// The first moment of a year, or nearly so.
pub(super) fn year(year: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600 + 86_400))
}

/// Files in a folder that goes with this.
#[derive(Debug)]
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}
