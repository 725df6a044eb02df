//! Where a server listens, and where a client finds it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// A TCP or unix socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// A name or number in lower case, IPv6 without brackets; empty means every interface.
        host: String,
        /// The port; 0 lets the system choose one.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither a port nor a word.
    #[error("expected HOST:PORT, :PORT, PORT, or a path with a '/'")]
    NoAddress,
    /// Letters where the port stands.
    #[error("'{0}' is no port")]
    BadPort(String),
    /// A port above 65535 or below 0.
    #[error("port {0} is not between 0 and 65535")]
    PortRange(i64),
    /// A server's address without a port.
    #[error("a port is needed")]
    NoPort,
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads ZConfig's socket-binding-address: `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, `PORT`, `HOST`, or a path with
    /// a `/` in it. As with `runzeo`, a host without a port listens on a port that the system chooses.
    fn from_str(text: &str) -> Result<Address, AddressError> {
        if text.contains('/') {
            return Ok(Address::Unix(PathBuf::from(text)));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(host) => (host, port),
                // An IPv6 address without brackets: what follows the last colon is part of it.
                None if host.contains(':') => (text, ""),
                None => (host, port),
            },
            None if text.parse::<i64>().is_ok() => ("", text),
            None => (text, ""),
        };
        if host.contains(char::is_whitespace) || (host.is_empty() && port.is_empty()) {
            return Err(AddressError::NoAddress);
        }
        let port = match port.trim() {
            "" => 0,
            port => {
                let number = port.parse().map_err(|_| AddressError::BadPort(port.to_owned()))?;
                u16::try_from(number).map_err(|_| AddressError::PortRange(number))?
            }
        };
        Ok(Address::Tcp { host: host.to_lowercase(), port })
    }
}

impl Address {
    /// Reads the address of a server to connect to: written as one to listen on, but the port is needed, and without
    /// a host it is on this machine.
    pub fn of_server(text: &str) -> Result<Address, AddressError> {
        match text.parse()? {
            Address::Tcp { port: 0, .. } => Err(AddressError::NoPort),
            Address::Tcp { host, port } if host.is_empty() => {
                Ok(Address::Tcp { host: "127.0.0.1".to_owned(), port })
            }
            address => Ok(address),
        }
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
