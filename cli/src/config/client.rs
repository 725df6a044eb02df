//! `<clientstorage>` and `<zeoclient>`: a storage that another server has, as ZEO's client and ZODB spell it.

use std::path::PathBuf;
use std::time::Duration;

use zeolith_net::ClientOptions;
use zeolith_net::tls::ClientTls;
use zeolith_net::upstream::UpstreamSpec;

use super::error::{ConfigError, Problem};
use super::keys::{Keys, no_sections, unknown_section};
use crate::options::{Address, Layer, Notice, StorageKind};
use crate::zconfig::datatypes::{ValueError, boolean, byte_size, existing_dirpath, integer_in};
use crate::zconfig::{Host, Key, Section};

/// The key that may stand several times.
const SERVER: &str = "server";

/// The keys of both.
const KEYS: [&str; 10] = [
    "storage",
    "name",
    "cache-size",
    "blob-dir",
    "shared-blob-dir",
    "blob-cache-size",
    "blob-cache-size-check",
    "read-only",
    "read-only-fallback",
    "client-label",
];

/// Those of `<clientstorage>` alone.
const ZEO_KEYS: [&str; 3] = ["cache-path", "server-sync", "wait-timeout"];

/// Those of `<zeoclient>` alone.
const ZODB_KEYS: [&str; 9] = [
    "client",
    "var",
    "min-disconnect-poll",
    "max-disconnect-poll",
    "username",
    "password",
    "realm",
    "drop-cache-rather-verify",
    "wait",
];

/// Keys that change nothing, and why.
const IDLE: [(&str, &str); 6] = [
    ("blob-cache-size", "blobs that came from the other server stay in blob-dir until somebody removes them"),
    ("blob-cache-size-check", "the size of the blob cache is not bounded"),
    ("username", AUTHENTICATION),
    ("password", AUTHENTICATION),
    ("realm", AUTHENTICATION),
    ("drop-cache-rather-verify", "a cache is verified if that is cheap, and dropped if not"),
];
const AUTHENTICATION: &str = "ZEO has no password authentication since version 5";

const TLS_KEYS: [&str; 6] =
    ["certificate", "key", "password-function", "authenticate", "check-hostname", "server-hostname"];

/// What such a section says.
pub(super) fn understand(
    section: &Section,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<Layer, ConfigError> {
    let zodb = section.kind == "zeoclient";
    let own: &[&'static str] = if zodb { &ZODB_KEYS } else { &ZEO_KEYS };
    let (servers, rest) = servers(section)?;
    let keys = Keys::of(&rest, &[&KEYS, own].concat())?;
    for (name, why) in IDLE {
        notices.extend(
            keys.find(name).map(|key| Notice::Warning(format!("{}: {name} has no effect: {why}", key.at))),
        );
    }
    if let Some(key) = keys.find("shared-blob-dir")
        && keys.read("shared-blob-dir", boolean)? == Some(true)
    {
        let what = "'shared-blob-dir'".to_owned();
        let why = "two servers would write into one folder; give this one a blob-dir of its own";
        return Err(key.at.says(Problem::Unsupported { what, why }).into());
    }
    if servers.is_empty() {
        let problem = Problem::MissingKey { section: section.kind.clone(), key: SERVER };
        return Err(section.at.says(problem).into());
    }
    let mut options = ClientOptions::of(servers);
    if let Some(storage) = keys.read("storage", text)? {
        options = options.storage(storage);
    }
    if let Some(bytes) = keys.read("cache-size", size)? {
        options = options.cache_size(bytes);
    }
    if let Some(path) = keys.read("cache-path", |text| existing_dirpath(text, host))? {
        options = options.cache_file(path);
    }
    if let Some(client) = keys.read("client", text)? {
        options = options.client(client, keys.read("var", text)?.unwrap_or_else(|| ".".to_owned()));
    }
    let poll = |name| keys.read(name, integer_in(1, 86_400));
    if let (shortest @ Some(_), longest) | (shortest, longest @ Some(_)) =
        (poll("min-disconnect-poll")?, poll("max-disconnect-poll")?)
    {
        let seconds =
            |seconds: Option<i64>, usual| Duration::from_secs(seconds.map_or(usual, |it| it as u64));
        options = options.reconnect(seconds(shortest, 5), seconds(longest, 300));
    }
    if let Some(label) = keys.read("client-label", text)? {
        options = options.client_label(label);
    }
    if let Some(seconds) = keys.read("wait-timeout", integer_in(0, i64::from(i32::MAX)))? {
        options = options.wait_timeout(Duration::from_secs(seconds as u64));
    }
    options = options.wait(keys.read("wait", boolean)?.unwrap_or(true));
    options = options.server_sync(keys.read("server-sync", boolean)?.unwrap_or(false));
    let (only, fallback) = (keys.read("read-only", boolean)?, keys.read("read-only-fallback", boolean)?);
    options = match (only, fallback) {
        (Some(true), Some(true)) => {
            let at = &keys.find("read-only-fallback").expect("just read").at;
            return Err(at.says(Problem::ReadOnlyTwice).into());
        }
        (Some(true), _) => options.read_only(),
        (_, Some(true)) => options.read_only_fallback(),
        _ => options,
    };
    if let Some(tls) = tls(section, zodb, host)? {
        options = options.tls(tls);
    }
    let name = keys.read("name", text)?.filter(|name| !name.is_empty());
    let blobs = keys.read("blob-dir", |text| match text {
        // An empty blob-dir is none, in ZEO too.
        "" => Ok(None),
        text => Ok(Some(PathBuf::from(text))),
    })?;
    let kind = StorageKind::Upstream(Box::new(UpstreamSpec { options, name }));
    Ok(Layer { kind, blobs: blobs.flatten() })
}

/// The servers, and the section without them: they alone may be several.
fn servers(section: &Section) -> Result<(Vec<Address>, Section), ConfigError> {
    let (servers, keys): (Vec<Key>, Vec<Key>) =
        section.keys.iter().cloned().partition(|key| key.name == SERVER);
    let address = |key: Key| {
        Address::of_server(&key.value).map_err(|error| {
            let why = ValueError::Address(error);
            key.at.says(Problem::Value { key: key.name, value: key.value, why }).into()
        })
    };
    let servers = servers.into_iter().map(address).collect::<Result<_, ConfigError>>()?;
    Ok((servers, Section { keys, ..section.clone() }))
}

/// `<ssl>`, which ZODB's spelling does not have.
fn tls(section: &Section, zodb: bool, host: &dyn Host) -> Result<Option<ClientTls>, ConfigError> {
    if zodb {
        no_sections(section)?;
    }
    if let Some(other) = section.sections.iter().find(|inner| inner.kind != "ssl") {
        return Err(unknown_section(other, &["ssl"]));
    }
    let Some(ssl) = super::only(section, "ssl")? else { return Ok(None) };
    no_sections(ssl)?;
    let keys = Keys::of(ssl, &TLS_KEYS)?;
    if let Some(key) = keys.find("password-function") {
        let what = "'password-function'".to_owned();
        let why =
            "Zeolith runs no Python code; decrypt the key with openssl pkey, for the server's eyes only";
        return Err(key.at.says(Problem::Unsupported { what, why }).into());
    }
    let file = |text: &str| existing_dirpath(text, host);
    let mut tls = ClientTls::new().certificate(keys.need("certificate", file)?);
    if let Some(key) = keys.read("key", file)? {
        tls = tls.key(key);
    }
    if let Some(place) = keys.read("authenticate", file)? {
        tls = tls.authenticate(place);
    }
    if let Some(name) = keys.read("server-hostname", text)? {
        tls = tls.server_hostname(name);
    }
    Ok(Some(tls.check_hostname(keys.read("check-hostname", boolean)?.unwrap_or(true))))
}

fn text(text: &str) -> Result<String, ValueError> {
    Ok(text.to_owned())
}

fn size(text: &str) -> Result<u64, ValueError> {
    u64::try_from(byte_size(text)?).map_err(|_| ValueError::NotSize)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
