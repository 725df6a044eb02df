//! TLS, as the `<ssl>` sections of ZEO's configurations have it: each end shows a certificate and says whom it believes.
//!
//! TLS 1.2 and 1.3. Files are read once, at the start. No session is resumed: whoever comes back shows a certificate again, so
//! that one whose time is over ends there.

mod files;
mod handshake;
mod key;
pub(crate) mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trust;

pub use files::TlsError;
pub use trust::Unusable;

pub(crate) use handshake::{Door, connect};

use crate::address::Address;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use std::path::PathBuf;
use std::sync::Arc;
use trust::{Clients, Servers, Trust};

/// The `<ssl>` section of a server: every client has to show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The server's certificate in PEM, before those between it and its authority, if any.
    pub certificate: PathBuf,
    /// Its key; `None`: in the file of the certificate.
    pub key: Option<PathBuf>,
    /// A file whose first line is the password of an encrypted key.
    pub key_password: Option<PathBuf>,
    /// Which clients are believed: a file, or a folder of files, with their certificates or those of their authorities.
    pub authenticate: PathBuf,
}

impl ServerTls {
    /// Reads the files.
    pub(crate) fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let (chain, key) =
            files::identity(&self.certificate, self.key.as_deref(), self.key_password.as_deref())?;
        let provider = provider();
        let mut trust = Trust::new(provider.signature_verification_algorithms);
        files::trust(&self.authenticate, &mut trust)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for both versions")
            .with_client_cert_verifier(Arc::new(Clients(trust)))
            .with_single_cert(chain, key)
            .map_err(|error| files::mismatch(&self.certificate, self.key.as_deref(), error))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// How a client uses TLS: the options of ZEO's `<ssl>` sections, with their names and defaults.
///
/// ```
/// use zeolith_net::ClientOptions;
/// use zeolith_net::tls::ClientTls;
///
/// let tls = ClientTls::new()
///     .certificate("/etc/shop/client.pem")
///     .key("/etc/shop/client_key.pem")
///     .authenticate("/etc/shop/server.pem");
/// let options = ClientOptions::new("db1.example:8100")?.tls(tls);
/// # Ok::<(), zeolith_net::OptionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authenticate: Option<PathBuf>,
    server_hostname: Option<String>,
    check_hostname: bool,
}

impl Default for ClientTls {
    fn default() -> ClientTls {
        ClientTls {
            certificate: None,
            key: None,
            authenticate: None,
            server_hostname: None,
            check_hostname: true,
        }
    }
}

impl ClientTls {
    /// TLS with servers that this system's authorities vouch for, and without a certificate of the client's, which ZEO's
    /// servers demand.
    pub fn new() -> ClientTls {
        ClientTls::default()
    }

    /// The client's certificate in PEM, before those between it and its authority, if any.
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> ClientTls {
        self.certificate = Some(path.into());
        self
    }

    /// The key of the client's certificate, not encrypted; unless told it is in the same file.
    pub fn key(mut self, path: impl Into<PathBuf>) -> ClientTls {
        self.key = Some(path.into());
        self
    }

    /// Which servers are believed: a file, or a folder of files, with their certificates or those of their authorities.
    /// Unless told those that this system trusts.
    pub fn authenticate(mut self, path: impl Into<PathBuf>) -> ClientTls {
        self.authenticate = Some(path.into());
        self
    }

    /// The name that the server's certificate has to be in; unless told the host in the server's address.
    pub fn server_hostname(mut self, name: impl Into<String>) -> ClientTls {
        self.server_hostname = Some(name.into());
        self
    }

    /// Whether the server's certificate has to be in the server's name; it has unless told otherwise.
    pub fn check_hostname(mut self, check: bool) -> ClientTls {
        self.check_hostname = check;
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn load(&self) -> Result<ClientSide, TlsError> {
        let provider = provider();
        let mut trust = Trust::new(provider.signature_verification_algorithms);
        match &self.authenticate {
            Some(place) => files::trust(place, &mut trust)?,
            None => files::trust_system(&mut trust)?,
        }
        let name = self.server_hostname.as_deref().map(server_name).transpose()?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Servers { trust, check_name: self.check_hostname }));
        let mut config = match (&self.certificate, &self.key) {
            (Some(certificate), key) => {
                let (chain, secret) = files::identity(certificate, key.as_deref(), None)?;
                let mismatch = |error| files::mismatch(certificate, key.as_deref(), error);
                builder.with_client_auth_cert(chain, secret).map_err(mismatch)?
            }
            (None, Some(key)) => return Err(TlsError::KeyAlone(key.clone())),
            (None, None) => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(ClientSide { config: Arc::new(config), name, check_name: self.check_hostname })
    }
}

/// A client's part of TLS, its files read.
#[derive(Clone, Debug)]
pub struct ClientSide {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    check_name: bool,
}

impl ClientSide {
    /// A connection to the server at an address, before its handshake.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when the server's certificate could be in no such name.
    pub fn connection(&self, address: &Address) -> Result<rustls::ClientConnection, TlsError> {
        let name = match (&self.name, address) {
            (Some(name), _) => Ok(name.clone()),
            (None, Address::Tcp { host, .. }) => server_name(host),
            (None, Address::Unix(path)) => Err(TlsError::ServerName(path.display().to_string())),
        };
        let name = match name {
            // Nobody looks at it.
            Err(_) if !self.check_name => server_name("localhost")?,
            name => name?,
        };
        Ok(rustls::ClientConnection::new(self.config.clone(), name).expect("a configuration of our own"))
    }
}

fn server_name(text: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsError::ServerName(text.to_owned()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
