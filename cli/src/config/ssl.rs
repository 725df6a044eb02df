//! `<ssl>` inside `<zeo>`: TLS, and who may connect.

use std::path::PathBuf;

use zeolith_net::tls::ServerTls;

use super::error::{ConfigError, Problem};
use super::keys::{Keys, no_sections};
use crate::zconfig::datatypes::{ValueError, existing_dirpath};
use crate::zconfig::{Host, Section};

const KEYS: [&str; 4] = ["certificate", "key", "password-function", "authenticate"];

/// What `<ssl>` says. The files are read when the server starts.
pub(super) fn understand(section: &Section, host: &dyn Host) -> Result<ServerTls, ConfigError> {
    no_sections(section)?;
    let keys = Keys::of(section, &KEYS)?;
    no_password_function(&keys)?;
    let file = |text: &str| existing_dirpath(text, host);
    Ok(ServerTls {
        certificate: keys.need("certificate", file)?,
        key: keys.read("key", file)?,
        authenticate: keys.need("authenticate", |text| authenticate(text, host))?,
    })
}

/// Refuses a key that only a function of Python's can decrypt.
pub(super) fn no_password_function(keys: &Keys<'_>) -> Result<(), ConfigError> {
    let Some(key) = keys.find("password-function") else { return Ok(()) };
    let what = format!("'{}'", key.name);
    let why = "Zeolith runs no Python code; decrypt the key with openssl pkey, for the server's eyes only";
    Err(key.at.says(Problem::Unsupported { what, why }).into())
}

fn authenticate(text: &str, host: &dyn Host) -> Result<PathBuf, ValueError> {
    match text {
        // With this one Python's server waits for an application to fill in certificates, and refuses every client before.
        "DYNAMIC" => Err(ValueError::NoCertificates),
        text => existing_dirpath(text, host),
    }
}
