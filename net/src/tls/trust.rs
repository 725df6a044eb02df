//! Whom to believe: certificates that were put among the trusted, and those that a trusted authority signed.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use std::sync::Arc;
use thiserror::Error as ThisError;
use webpki::{EndEntityCert, InvalidNameContext, anchor_from_trusted_cert};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode, Tagged};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::name::Name;

/// `id-kp-serverAuth` and `id-kp-clientAuth`, RFC 5280 section 4.2.1.12.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// `id-at-commonName`, RFC 5280 appendix A.1.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Why a certificate cannot be put among the trusted.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Unusable {
    /// It is no certificate.
    #[error("no certificate can be read: {0}")]
    Unreadable(String),
    /// X.509 before version 3 does not tell authorities from others.
    #[error("the certificate of {0} is of X.509 version 1 or 2; version 3 is needed")]
    Old(String),
}

/// A certificate that is believed without another one.
#[derive(Debug)]
struct Trusted {
    der: CertificateDer<'static>,
    /// Seconds since 1970, both included.
    valid: (u64, u64),
    /// It may sign others.
    authority: bool,
    /// What it may be used for; `None`: anything.
    purposes: Option<Vec<ObjectIdentifier>>,
}

/// The certificates that are believed: each one itself, which may be signed by whomever, and those that the authorities among
/// them signed. As OpenSSL has it, with which Python decides.
#[derive(Debug)]
pub(super) struct Trust {
    certificates: Vec<Trusted>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Which end a certificate speaks for.
#[derive(Clone, Copy, Debug)]
enum Role {
    Server,
    Client,
}

impl Trust {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms) -> Trust {
        Trust { certificates: Vec::new(), algorithms }
    }

    /// Puts a certificate among the trusted.
    pub(super) fn add(&mut self, der: CertificateDer<'static>) -> Result<(), Unusable> {
        let unreadable = |error: x509_cert::der::Error| Unusable::Unreadable(error.to_string());
        let parsed = x509_cert::Certificate::from_der(&der).map_err(unreadable)?;
        let about = &parsed.tbs_certificate;
        if about.version != Version::V3 {
            return Err(Unusable::Old(about.subject.to_string()));
        }
        let constraints = about.get::<BasicConstraints>().map_err(unreadable)?;
        let usage = about.get::<KeyUsage>().map_err(unreadable)?;
        let purposes = about.get::<ExtendedKeyUsage>().map_err(unreadable)?;
        let signs = usage.is_none_or(|(_, usage)| usage.key_cert_sign());
        let (from, to) = (about.validity.not_before, about.validity.not_after);
        self.certificates.push(Trusted {
            valid: (from.to_unix_duration().as_secs(), to.to_unix_duration().as_secs()),
            authority: signs && constraints.is_some_and(|(_, constraints)| constraints.ca),
            purposes: purposes.map(|(_, purposes)| purposes.0),
            der,
        });
        Ok(())
    }

    /// How many are trusted.
    pub(super) fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether a certificate may be believed now.
    fn judge(
        &self,
        presented: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        role: Role,
    ) -> Result<(), Error> {
        if let Some(trusted) = self.certificates.iter().find(|trusted| trusted.der == *presented) {
            return trusted.judge(now, role);
        }
        let authorities =
            self.certificates.iter().filter(|trusted| trusted.authority && trusted.is_valid(now));
        let anchors: Vec<TrustAnchor<'_>> =
            authorities.filter_map(|trusted| anchor_from_trusted_cert(&trusted.der).ok()).collect();
        let usage = match role {
            Role::Server => webpki::KeyUsage::server_auth(),
            Role::Client => webpki::KeyUsage::client_auth(),
        };
        let leaf = EndEntityCert::try_from(presented).map_err(refusal)?;
        leaf.verify_for_usage(self.algorithms.all, &anchors, between, now, usage, None, None)
            .map_err(refusal)?;
        Ok(())
    }
}

impl Trusted {
    fn is_valid(&self, now: UnixTime) -> bool {
        (self.valid.0..=self.valid.1).contains(&now.as_secs())
    }

    fn judge(&self, now: UnixTime, role: Role) -> Result<(), Error> {
        let since = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let (not_before, not_after) = (since(self.valid.0), since(self.valid.1));
        let needed = match role {
            Role::Server => SERVER_AUTH,
            Role::Client => CLIENT_AUTH,
        };
        if now < not_before {
            Err(CertificateError::NotValidYetContext { time: now, not_before }.into())
        } else if !self.is_valid(now) {
            Err(CertificateError::ExpiredContext { time: now, not_after }.into())
        } else if self.purposes.as_ref().is_some_and(|purposes| !purposes.contains(&needed)) {
            Err(CertificateError::InvalidPurpose.into())
        } else {
            Ok(())
        }
    }
}

/// What the library of paths found, in the words of the one of handshakes.
fn refusal(error: webpki::Error) -> Error {
    match error {
        webpki::Error::BadDer | webpki::Error::BadDerTime => CertificateError::BadEncoding,
        webpki::Error::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        webpki::Error::CertExpired { time, not_after } => {
            CertificateError::ExpiredContext { time, not_after }
        }
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::CertNotValidForName(InvalidNameContext { expected, presented }) => {
            CertificateError::NotValidForNameContext { expected, presented }
        }
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        // It is signed by itself, or as good as: a path to it would go through a trusted one.
        webpki::Error::CaUsedAsEndEntity => CertificateError::UnknownIssuer,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
    .into()
}

/// What a server asks of its clients' certificates: any that is trusted, but one there must be.
#[derive(Debug)]
pub(super) struct Clients(pub(super) Trust);

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Python's server names nobody either; a client has one certificate, or none.
        &[]
    }

    fn verify_client_cert(
        &self,
        presented: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.judge(presented, between, now, Role::Client)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, presented, signature, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, presented, signature, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

/// What a client asks of its server's certificate.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) trust: Trust,
    /// Whether it has to be in the server's name.
    pub(super) check_name: bool,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust.judge(presented, between, now, Role::Server)?;
        if self.check_name {
            check_name(presented, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, presented, signature, &self.trust.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        presented: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, presented, signature, &self.trust.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// Refuses a certificate that is not in this name: by its alternative names, or where it has none, as OpenSSL takes it, by the
/// common name of its subject.
fn check_name(presented: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let leaf = EndEntityCert::try_from(presented).map_err(refusal)?;
    let Err(error) = leaf.verify_is_valid_for_subject_name(name) else { return Ok(()) };
    let bad = |_| Error::from(CertificateError::BadEncoding);
    let about = x509_cert::Certificate::from_der(presented).map_err(bad)?.tbs_certificate;
    let others = about.get::<SubjectAltName>().map_err(bad)?;
    match name {
        ServerName::DnsName(name)
            if others.is_none()
                && common_names(&about.subject).any(|common| common.eq_ignore_ascii_case(name.as_ref())) =>
        {
            Ok(())
        }
        _ => Err(refusal(error)),
    }
}

/// The common names in a subject.
fn common_names(subject: &Name) -> impl Iterator<Item = &str> {
    let parts = subject.0.iter().flat_map(|part| part.0.iter()).filter(|part| part.oid == COMMON_NAME);
    parts.filter_map(|part| match part.value.tag() {
        x509_cert::der::Tag::Utf8String => {
            Utf8StringRef::try_from(&part.value).ok().map(|text| text.as_str())
        }
        x509_cert::der::Tag::Ia5String => Ia5StringRef::try_from(&part.value).ok().map(|text| text.as_str()),
        x509_cert::der::Tag::PrintableString => {
            PrintableStringRef::try_from(&part.value).ok().map(|text| text.as_str())
        }
        _ => None,
    })
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
