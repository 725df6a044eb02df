//! `<ssl>` inside `<zeo>`: TLS, and who may connect.

use std::path::PathBuf;

use zeolith_net::tls::ServerTls;

use super::error::{ConfigError, Problem};
use super::keys::{Keys, no_sections};
use crate::options::Notice;
use crate::zconfig::datatypes::{ValueError, existing_dirpath};
use crate::zconfig::{Host, Located, Section};

const KEYS: [&str; 4] = ["certificate", "key", "password-function", "authenticate"];

/// What `<ssl>` says. The files are read when the server starts.
pub(super) fn understand(
    section: &Section,
    key_password: Option<Located<PathBuf>>,
    host: &dyn Host,
    notices: &mut Vec<Notice>,
) -> Result<ServerTls, ConfigError> {
    no_sections(section)?;
    let keys = Keys::of(section, &KEYS)?;
    if let Some(key) = keys.find("password-function") {
        if key_password.is_none() {
            return Err(key.at.says(Problem::PasswordFunction).into());
        }
        notices.push(Notice::Info(format!(
            "{}: password-function is not called: the password is in a file",
            key.at
        )));
    }
    let file = |text: &str| existing_dirpath(text, host);
    Ok(ServerTls {
        certificate: keys.need("certificate", file)?,
        key: keys.read("key", file)?,
        key_password: key_password.map(|file| file.what),
        authenticate: keys.need("authenticate", |text| authenticate(text, host))?,
    })
}

fn authenticate(text: &str, host: &dyn Host) -> Result<PathBuf, ValueError> {
    match text {
        // With this one Python's server waits for an application to fill in certificates, and refuses every client before.
        "DYNAMIC" => Err(ValueError::NoCertificates),
        text => existing_dirpath(text, host),
    }
}
