//! Where a storage is, and reading it there: a server, or a Data.fs on this machine.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::store::file::pack::PackError;
use zeolith_core::store::{CopiedTransaction, Revision, StoreError};
use zeolith_net::boot::BootError;
use zeolith_net::client::blocking::{Client, Iteration};
use zeolith_net::offline::{CopyError, Cursor, Offline};
use zeolith_net::{Address, ClientOptions, ConnectError, Error as ClientError, OptionsError};

use crate::ids::shown;
use crate::serve::EXIT_FAILURE;

/// How long a command looks for a server that is not there.
const PATIENCE: Duration = Duration::from_secs(10);

/// The name of a storage, as the help of a command explains it.
pub const PLACES: &str = "\
A storage is one of
  zeo://HOST:PORT[/STORAGE]                a server's; STORAGE is 1 unless named
  zeo+unix:///PATH/OF/SOCKET[?storage=S]   the same, on a Unix socket
  HOST:PORT, PORT, /PATH/OF/SOCKET         storage 1 of that server
  PATH                                     a Data.fs";

/// Where a storage is.
#[derive(Clone, Debug)]
pub struct Place {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Server(Box<ClientOptions>),
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Place {
    type Err = OptionsError;

    /// Reads what [`PLACES`] explains. What exists as a file is one; what does not, and has the form of a server's address,
    /// is that; the rest are files that do not exist yet.
    fn from_str(text: &str) -> Result<Place, OptionsError> {
        let there = std::fs::metadata(text).ok();
        let server = if text.contains("://") {
            true
        } else if let Some(there) = there {
            there.file_type().is_socket()
        } else {
            matches!(Address::of_server(text), Ok(Address::Tcp { .. }))
        };
        let kind = match server {
            true => Kind::Server(Box::new(ClientOptions::new(text)?)),
            false => Kind::File(text.into()),
        };
        Ok(Place { text: text.to_owned(), kind })
    }
}

impl Place {
    /// The path, where it is one of a Data.fs.
    pub fn file(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File(path) => Some(path),
            Kind::Server(_) => None,
        }
    }

    /// How to connect there, for the command of this name, where it is a server.
    pub fn server(&self, command: &str) -> Option<ClientOptions> {
        match &self.kind {
            Kind::Server(options) => {
                let options = ClientOptions::clone(options).wait_timeout(PATIENCE);
                Some(options.client_label(format!("zeolith {command}")))
            }
            Kind::File(_) => None,
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The Data.fs cannot be opened.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// There is no client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server could not answer.
    #[error("{place}: {error}")]
    Client {
        /// The server.
        place: String,
        /// What it said.
        error: ClientError,
    },
    /// The Data.fs could not be read.
    #[error("{place}: {error}")]
    Store {
        /// The file.
        place: String,
        /// What is wrong.
        error: StoreError,
    },
    /// The copy could not be written.
    #[error("{place}: {error}")]
    Copy {
        /// The file.
        place: String,
        /// What is wrong.
        error: CopyError,
    },
    /// The Data.fs could not be packed.
    #[error("{place}: {error}")]
    Pack {
        /// The file.
        place: String,
        /// Why.
        error: PackError,
    },
    /// The server's configuration decides.
    #[error("{0} is served: whether its objects are collected is pack-gc in the server's configuration")]
    NeedsFile(String),
    /// A storage is no copy of itself.
    #[error("the source and the destination are the same file, {}", .0.display())]
    SameFile(PathBuf),
    /// The object does not exist.
    #[error("{place} has no object {}", shown(*.oid))]
    NoObject {
        /// The storage.
        place: String,
        /// The object.
        oid: Oid,
    },
    /// The object did not exist then.
    #[error("{place} had no object {} at transaction {at}", shown(*.oid))]
    NotThen {
        /// The storage.
        place: String,
        /// The object.
        oid: Oid,
        /// The transaction.
        at: Tid,
    },
    /// There is nobody who would tell.
    #[error("{0} is a file: to be told of its transactions give the address of the server that serves it")]
    NeedsServer(String),
    /// What the destination ends with is none of the source's transactions.
    #[error(
        "{destination} ends with transaction {last}, which {source_} does not have: it is no copy that was begun from \
         there. Nothing was changed"
    )]
    NoPrefix {
        /// The source.
        source_: String,
        /// The destination.
        destination: String,
        /// Its last transaction.
        last: Tid,
    },
    /// The source has a blob, whose bytes a copy would not have.
    #[error(
        "{} is a blob in transaction {tid}, and blobs are not copied yet. The destination has the transactions before",
        shown(*.oid)
    )]
    Blob {
        /// The object.
        oid: Oid,
        /// The transaction.
        tid: Tid,
    },
    /// A name or description is not text, which servers take alone.
    #[error("user or description of transaction {0} are not UTF-8, and a server takes nothing else")]
    Text(Tid),
    /// Nobody takes the result.
    #[error("the result cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// The exit code of a command, after its error was told. Somebody who reads no further, as `head` does, is no error.
pub fn exit(result: Result<(), SourceError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(SourceError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// A storage open for reading.
#[derive(Debug)]
pub struct Source {
    place: String,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Server(Client),
    File(Box<Offline>),
}

/// What an object's history tells of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The transaction that wrote it.
    pub tid: Tid,
    /// Bytes of its state; zero where it has none of its own, as after an undo.
    pub size: u64,
    /// Who made it.
    pub user: Vec<u8>,
    /// Why.
    pub description: Vec<u8>,
}

/// A way through a source's transactions.
#[derive(Debug)]
pub enum Transactions {
    /// Of a server; it ends with the connection.
    Server(Iteration),
    /// Of a file.
    File(Box<Cursor>),
}

impl Source {
    /// Connects to a server, to read alone, or opens a Data.fs, which a server may be serving.
    ///
    /// # Errors
    /// [`SourceError::Boot`], or [`SourceError::Connect`] when nobody answers within ten seconds.
    pub fn open(place: &Place, command: &str) -> Result<Source, SourceError> {
        let storage = match (&place.kind, place.server(command)) {
            (_, Some(options)) => Storage::Server(Client::connect(options.read_only())?),
            (Kind::File(path), _) => Storage::File(Box::new(Offline::open_read_only(path)?)),
            (Kind::Server(_), None) => unreachable!("a server has options"),
        };
        Ok(Source { place: place.text.clone(), storage })
    }

    /// The last transaction; zero when there is none.
    pub fn last_tid(&self) -> Tid {
        match &self.storage {
            Storage::Server(client) => client.last_tid().unwrap_or(Tid::ZERO),
            Storage::File(file) => file.last_tid(),
        }
    }

    /// Bytes of the storage, as far as it knows.
    ///
    /// # Errors
    /// [`SourceError::Client`].
    pub fn size(&self) -> Result<u64, SourceError> {
        match &self.storage {
            Storage::Server(client) => Ok(client.info().map_err(|error| self.refused(error))?.bytes),
            Storage::File(file) => Ok(file.size()),
        }
    }

    /// The state of an object after transaction `at`, or the current one.
    ///
    /// # Errors
    /// [`SourceError::NoObject`], [`SourceError::NotThen`], and what the storage has to say.
    pub fn revision(&mut self, oid: Oid, at: Option<Tid>) -> Result<Revision, SourceError> {
        let before = at.map_or(Tid::MAX, |at| Tid(at.0.saturating_add(1)).min(Tid::MAX));
        let place = self.place.clone();
        let found = match &mut self.storage {
            Storage::Server(client) => match client.load_before(oid, before) {
                Err(ClientError::NoObject(_)) => None,
                found => found.map_err(|error| SourceError::Client { place: place.clone(), error })?,
            },
            Storage::File(file) => match file.load_before(oid, before) {
                Err(StoreError::NoObject(_)) => None,
                found => found.map_err(|error| SourceError::Store { place: place.clone(), error })?,
            },
        };
        found.ok_or(match at {
            Some(at) => SourceError::NotThen { place, oid, at },
            None => SourceError::NoObject { place, oid },
        })
    }

    /// The newest revisions of an object, at most `count`, the newest first.
    ///
    /// # Errors
    /// [`SourceError::NoObject`], and what the storage has to say.
    pub fn history(&mut self, oid: Oid, count: u32) -> Result<Vec<Past>, SourceError> {
        let place = self.place.clone();
        match &mut self.storage {
            Storage::Server(client) => match client.history(oid, count) {
                Err(ClientError::NoObject(_)) => Err(SourceError::NoObject { place, oid }),
                Err(error) => Err(SourceError::Client { place, error }),
                Ok(found) => Ok(found
                    .into_iter()
                    .map(|it| Past { tid: it.tid, size: it.size, user: it.user, description: it.description })
                    .collect()),
            },
            Storage::File(file) => match file.history(oid, count as usize) {
                Err(StoreError::NoObject(_)) => Err(SourceError::NoObject { place, oid }),
                Err(error) => Err(SourceError::Store { place, error }),
                Ok(found) => Ok(found
                    .into_iter()
                    .map(|it| Past {
                        tid: it.tid,
                        size: it.size,
                        user: it.user.into(),
                        description: it.description.into(),
                    })
                    .collect()),
            },
        }
    }

    /// All transactions from `from` on with their records, the oldest first.
    ///
    /// # Errors
    /// [`SourceError::Client`] when the server cannot do it.
    pub fn transactions(&self, from: Tid) -> Result<Transactions, SourceError> {
        match &self.storage {
            Storage::Server(client) => {
                let from = Some(from).filter(|&from| from > Tid::ZERO);
                Ok(Transactions::Server(client.iterate(from, None).map_err(|error| self.refused(error))?))
            }
            Storage::File(file) => Ok(Transactions::File(Box::new(file.transactions(from)))),
        }
    }

    /// The next of these transactions of this source; `None` at the end.
    ///
    /// # Errors
    /// [`SourceError::Client`], also when the connection was lost, and [`SourceError::Store`].
    ///
    /// # Panics
    /// When they are another source's.
    pub fn next(&mut self, of: &mut Transactions) -> Result<Option<CopiedTransaction>, SourceError> {
        match (of, &mut self.storage) {
            (Transactions::Server(iteration), _) => {
                iteration.next().transpose().map_err(|error| self.refused(error))
            }
            (Transactions::File(cursor), Storage::File(file)) => {
                let place = &self.place;
                file.next(cursor).map_err(|error| SourceError::Store { place: place.clone(), error })
            }
            (Transactions::File(_), Storage::Server(_)) => unreachable!("transactions of another source"),
        }
    }

    fn refused(&self, error: ClientError) -> SourceError {
        SourceError::Client { place: self.place.clone(), error }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
