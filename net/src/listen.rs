//! Listening sockets.

use crate::address::Address;
use crate::socket::Socket;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    /// Listens. A unix socket nobody listens on any more is replaced.
    pub(crate) async fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp { host, port } => {
                let host = if host.is_empty() { "0.0.0.0" } else { host };
                Ok(Listener::Tcp(TcpListener::bind((host, *port)).await?))
            }
            Address::Unix(path) => {
                let bound = match UnixListener::bind(path) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        if !is_stale(path).await? {
                            return Err(error);
                        }
                        std::fs::remove_file(path)?;
                        UnixListener::bind(path)?
                    }
                    bound => bound?,
                };
                Ok(Listener::Unix(bound, SocketFile::of(path)?))
            }
        }
    }

    /// The address, with the port the system chose where 0 was asked for.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => {
                let bound = listener.local_addr()?;
                Ok(Address::Tcp { host: bound.ip().to_string(), port: bound.port() })
            }
            Listener::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("{from}: replies may be delayed: {error}");
                }
                Ok((Socket::Tcp(stream), from.to_string()))
            }
            Listener::Unix(listener, file) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), file.path.display().to_string()))
            }
        }
    }
}

/// Whether a socket's path is taken by one that nobody listens on any more.
async fn is_stale(path: &Path) -> io::Result<bool> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        // A slip in the address must not cost somebody a file.
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file stands there that is no socket"));
    }
    // Any other error comes from a server that is there: one that is busy, or one of somebody else.
    let connected = UnixStream::connect(path).await;
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// The path of a unix socket that is listened on, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it, and a successor may listen there by now.
        if identity(&self.path).is_ok_and(|now| now == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
