//! What a client is told: ZEO's options, with ZEO's names and defaults.

use crate::address::{Address, AddressError};
use crate::tls::ClientTls;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;
use zeolith_core::client::config::{Access, Config, WhenBehind};

/// Bytes of a cache unless told otherwise, as in ZEO.
const CACHE_SIZE: u64 = 20 << 20;

/// What to connect to, and how.
///
/// ```
/// use std::time::Duration;
/// use zeolith_net::ClientOptions;
///
/// let options = ClientOptions::new("db1.example:8100")?
///     .server("db2.example:8100")?
///     .storage("main")
///     .cache_file("/var/cache/shop.zeolith")
///     .cache_size(200 << 20)
///     .wait_timeout(Duration::from_secs(5));
/// # Ok::<(), zeolith_net::OptionsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    pub(super) servers: Vec<Address>,
    pub(super) config: Config,
    pub(super) cache: CachePlace,
    pub(super) cache_size: u64,
    pub(super) wait: bool,
    pub(super) server_sync: bool,
    pub(super) tls: Option<ClientTls>,
}

/// Where a cache is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CachePlace {
    Memory,
    File(PathBuf),
    Named { client: String, var: PathBuf },
}

/// Text that does not say where a storage is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// No address.
    #[error("'{text}': {error}")]
    Address {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// A URL that is not about ZEO.
    #[error("'{0}' begins with neither zeo:// nor zeo+unix://")]
    Scheme(String),
    /// An option in a URL that does not exist there.
    #[error(
        "'{0}' is no option of a URL, or a second one; there are storage, certificate, key, authenticate, server-hostname and \
         check-hostname"
    )]
    UnknownOption(String),
    /// An option in a URL with a value that it cannot have.
    #[error("'{0}': expected true or false")]
    NotBoolean(String),
    /// A percent sign without two hexadecimal digits behind it, or that does not spell UTF-8.
    #[error("'{0}' is not encoded as URLs are")]
    Encoding(String),
    /// Two servers of one client with storages of different names.
    #[error("all servers of a client serve one storage, not both '{0}' and '{1}'")]
    TwoStorages(String, String),
    /// Two servers of one client that are spoken to in different ways.
    #[error("all servers of a client take the same options of TLS")]
    TwoTls,
}

impl ClientOptions {
    /// Everything as by default, with one server: `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT` on this machine, the
    /// path of a unix socket with a `/` in it, or one of the URLs
    ///
    /// - `zeo://HOST:PORT[,HOST:PORT...][/STORAGE]`
    /// - `zeo+unix:///PATH/OF/SOCKET[?storage=STORAGE]`
    ///
    /// A URL's options are `storage`, and those of [TLS](ClientTls) with ZEO's names: `certificate`, `key`, `authenticate`,
    /// `server-hostname` and `check-hostname`. Any of the latter stands for speaking TLS.
    pub fn new(server: &str) -> Result<ClientOptions, OptionsError> {
        ClientOptions::of(Vec::new()).server(server)
    }

    /// Everything as by default, with these servers.
    pub fn of(servers: Vec<Address>) -> ClientOptions {
        ClientOptions {
            servers,
            config: Config::default(),
            cache: CachePlace::Memory,
            cache_size: CACHE_SIZE,
            wait: true,
            server_sync: false,
            tls: None,
        }
    }

    /// One more server of the same storage, written as in [`new`](Self::new). They are tried in this order.
    pub fn server(mut self, server: &str) -> Result<ClientOptions, OptionsError> {
        let place = Place::parse(server)?;
        if let Some(storage) = place.storage {
            // What was chosen before, by another URL or by name, cannot be meant as well.
            let known = &self.config.storage;
            if *known != storage && *known != Config::default().storage {
                return Err(OptionsError::TwoStorages(known.clone(), storage));
            }
            self.config.storage = storage;
        }
        if let Some(tls) = place.tls {
            if self.tls.as_ref().is_some_and(|known| *known != tls) {
                return Err(OptionsError::TwoTls);
            }
            self.tls = Some(tls);
        }
        self.servers.extend(place.servers);
        Ok(self)
    }

    /// The storage's name on the server; `1` unless told otherwise.
    pub fn storage(mut self, name: impl Into<String>) -> ClientOptions {
        self.config.storage = name.into();
        self
    }

    /// Speaks TLS with all servers; unless told everything is sent in the clear. ZEO's option `ssl`.
    pub fn tls(mut self, tls: ClientTls) -> ClientOptions {
        self.tls = Some(tls);
        self
    }

    /// Bytes of the cache, records with their headers; 20 MB unless told otherwise. What is below 112 bytes or above 8 GiB
    /// counts as these. A file takes as much of the disk as is in it.
    pub fn cache_size(mut self, bytes: u64) -> ClientOptions {
        self.cache_size = bytes;
        self
    }

    /// Keeps the cache in a file, which the next client finds again. One client at a time may use it; one
    /// that is being closed is waited for, a second at most. Without this the cache is in memory.
    pub fn cache_file(mut self, path: impl AsRef<Path>) -> ClientOptions {
        self.cache = CachePlace::File(path.as_ref().to_owned());
        self
    }

    /// Keeps the cache in the file `<var>/<client>-<storage>.zeolith`: ZEO's options `client` and `var`, with another
    /// ending, for the formats are different.
    pub fn client(mut self, client: impl Into<String>, var: impl AsRef<Path>) -> ClientOptions {
        self.cache = CachePlace::Named { client: client.into(), var: var.as_ref().to_owned() };
        self
    }

    /// How long a question waits for a connection before it ends with `Disconnected`; 30 seconds unless told otherwise.
    /// It is no bound on how long a server that is connected may take.
    pub fn wait_timeout(mut self, timeout: Duration) -> ClientOptions {
        self.config.wait_timeout = timeout;
        self
    }

    /// Whether [`Client::connect`](super::Client::connect) waits until the client is connected and its cache verified,
    /// for as long as the wait timeout; it does unless told otherwise.
    pub fn wait(mut self, wait: bool) -> ClientOptions {
        self.wait = wait;
        self
    }

    /// Nothing will be written: any server will do.
    pub fn read_only(mut self) -> ClientOptions {
        self.config.access = Access::Read;
        self
    }

    /// A server that can only be read will do while there is none that can be written to, which is looked for on.
    pub fn read_only_fallback(mut self) -> ClientOptions {
        self.config.access = Access::WriteOrRead;
        self
    }

    /// A word about this client for the server's log.
    pub fn client_label(mut self, label: impl Into<String>) -> ClientOptions {
        self.config.label = Some(label.into());
        self
    }

    /// Whether [`Client::snapshot`](super::Client::snapshot) asks the server first, so that it shows everything that
    /// was committed anywhere before the call; it does not unless told otherwise.
    pub fn server_sync(mut self, sync: bool) -> ClientOptions {
        self.server_sync = sync;
        self
    }

    /// Whether the cache is dropped when the server knows less than it, as after the restore of a backup. Unless told
    /// otherwise such a server is refused, as by ZEO's client.
    pub fn drop_cache_when_behind(mut self, drop: bool) -> ClientOptions {
        self.config.when_behind = if drop { WhenBehind::DropCache } else { WhenBehind::Refuse };
        self
    }

    /// Whether 16 random bytes are stored with each transaction, in its extension data, by which a commit whose answer
    /// was lost is found again; they are unless told otherwise.
    pub fn marks(mut self, marks: bool) -> ClientOptions {
        self.config.marks = marks;
        self
    }

    /// A sign of life is sent so often; every 60 seconds unless told otherwise.
    pub fn heartbeat(mut self, every: Duration) -> ClientOptions {
        self.config.heartbeat = every;
        self
    }

    /// A server that owes an answer and has been silent so long is given up. Unless told otherwise it is waited for
    /// for ever, as ZEO does: a pack may take hours. Commits wait likewise, though it be for the answer that says that nothing
    /// before them is under way any more.
    pub fn silence_timeout(mut self, timeout: Duration) -> ClientOptions {
        self.config.silence_timeout = Some(timeout);
        self
    }

    /// The pauses between two attempts to connect: from `shortest` they double up to `longest`, and up to as much again is
    /// added at random. From 0.1 to 10 seconds unless told otherwise.
    pub fn reconnect(mut self, shortest: Duration, longest: Duration) -> ClientOptions {
        self.config.reconnect_min = shortest;
        self.config.reconnect_max = longest.max(shortest);
        self
    }

    /// Whether whoever makes a client waits for it.
    pub(crate) fn waits(&self) -> bool {
        self.wait
    }

    /// Whether the server is asked before a snapshot is taken.
    pub(crate) fn syncs(&self) -> bool {
        self.server_sync
    }

    /// The storage's name on the server.
    pub(crate) fn storage_name(&self) -> &str {
        &self.config.storage
    }

    /// Where the cache is; `None`: in memory.
    pub(super) fn cache_path(&self) -> Option<PathBuf> {
        match &self.cache {
            CachePlace::Memory => None,
            CachePlace::File(path) => Some(path.clone()),
            CachePlace::Named { client, var } => {
                Some(var.join(format!("{client}-{}.zeolith", self.config.storage)))
            }
        }
    }
}

impl FromStr for ClientOptions {
    type Err = OptionsError;

    /// As [`ClientOptions::new`].
    fn from_str(server: &str) -> Result<ClientOptions, OptionsError> {
        ClientOptions::new(server)
    }
}

/// What one address or URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    servers: Vec<Address>,
    storage: Option<String>,
    tls: Option<ClientTls>,
}

impl Place {
    fn parse(text: &str) -> Result<Place, OptionsError> {
        let server = |text: &str| {
            Address::of_server(text).map_err(|error| OptionsError::Address { text: text.to_owned(), error })
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Place { servers: vec![server(text)?], storage: None, tls: None });
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let Query { mut storage, tls } = query.map(Query::parse).transpose()?.unwrap_or_default();
        let servers = match scheme.to_ascii_lowercase().as_str() {
            "zeo+unix" if rest.starts_with('/') => vec![Address::Unix(decoded(rest)?.into())],
            "zeo+unix" => {
                let error = AddressError::NoAddress;
                return Err(OptionsError::Address { text: text.to_owned(), error });
            }
            "zeo" => {
                let (hosts, path) = rest.split_once('/').map_or((rest, ""), |(hosts, path)| (hosts, path));
                let named = Some(decoded(path)?).filter(|path| !path.is_empty());
                if let (Some(one), Some(other)) = (&named, &storage)
                    && one != other
                {
                    return Err(OptionsError::TwoStorages(one.clone(), other.clone()));
                }
                storage = named.or(storage);
                hosts.split(',').map(server).collect::<Result<_, _>>()?
            }
            _ => return Err(OptionsError::Scheme(text.to_owned())),
        };
        Ok(Place { servers, storage, tls })
    }
}

/// What a URL says behind its question mark.
#[derive(Debug, Default)]
struct Query {
    storage: Option<String>,
    tls: Option<ClientTls>,
}

impl Query {
    fn parse(text: &str) -> Result<Query, OptionsError> {
        let mut query = Query::default();
        let mut seen = Vec::new();
        for option in text.split('&') {
            let unknown = || OptionsError::UnknownOption(option.to_owned());
            let (name, value) = option.split_once('=').ok_or_else(unknown)?;
            if seen.contains(&name) {
                return Err(unknown());
            }
            seen.push(name);
            let value = decoded(value)?;
            if name == "storage" {
                query.storage = Some(value);
                continue;
            }
            let tls = query.tls.take().unwrap_or_default();
            query.tls = Some(match (name, &*value) {
                ("certificate", _) => tls.certificate(value),
                ("key", _) => tls.key(value),
                ("authenticate", _) => tls.authenticate(value),
                ("server-hostname", _) => tls.server_hostname(value),
                ("check-hostname", "true") => tls.check_hostname(true),
                ("check-hostname", "false") => tls.check_hostname(false),
                ("check-hostname", _) => return Err(OptionsError::NotBoolean(option.to_owned())),
                _ => return Err(unknown()),
            });
        }
        Ok(query)
    }
}

/// Replaces `%XX` by what it stands for.
fn decoded(text: &str) -> Result<String, OptionsError> {
    let bad = || OptionsError::Encoding(text.to_owned());
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(bad)?;
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
