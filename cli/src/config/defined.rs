//! What `%define` says to Zeolith alone: Python's server reads such a file without a word.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{ConfigError, Hint, Problem};
use crate::zconfig::datatypes::existing_dirpath;
use crate::zconfig::{Host, Located};

/// Dotted names of classes, apart by blanks: conflicts of undos in their objects are left to the client to merge.
const MERGED: &str = "zeolith_merged";

/// A file whose first line is the password of the server's key: what Python's server asks a function for.
const KEY_PASSWORD: &str = "zeolith_key_password_file";

/// What names of ours begin with: none of them is passed over.
const OURS: &str = "zeolith_";

/// What the names of ours say.
#[derive(Debug)]
pub(super) struct Defined {
    /// Classes by dotted name.
    pub(super) merged: Vec<String>,
    /// The file with the password, and where it is named.
    pub(super) key_password: Option<Located<PathBuf>>,
}

/// Reads the names of ours.
///
/// # Errors
/// For another name of ours, for what is no name of a class, and for a file in a directory that is not there.
pub(super) fn read(
    defines: &BTreeMap<String, Located<String>>,
    host: &dyn Host,
) -> Result<Defined, ConfigError> {
    let known = [MERGED, KEY_PASSWORD];
    let unknown = defines.iter().find(|(name, _)| name.starts_with(OURS) && !known.contains(&name.as_str()));
    if let Some((name, value)) = unknown {
        let hint = Hint::among(name, known);
        return Err(value.at.says(Problem::UnknownDefine { name: name.clone(), hint }).into());
    }
    let key_password = defines.get(KEY_PASSWORD).map(|file| {
        existing_dirpath(&file.what, host).map(|path| file.at.says(path)).map_err(|why| {
            let (key, value) = (KEY_PASSWORD.to_owned(), file.what.clone());
            ConfigError::from(file.at.says(Problem::Value { key, value, why }))
        })
    });
    Ok(Defined { merged: merged(defines)?, key_password: key_password.transpose()? })
}

fn merged(defines: &BTreeMap<String, Located<String>>) -> Result<Vec<String>, ConfigError> {
    let Some(classes) = defines.get(MERGED) else { return Ok(Vec::new()) };
    let names = classes.what.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match names.iter().find(|name| !is_class(name)) {
        Some(wrong) => Err(classes.at.says(Problem::NoClass(wrong.clone())).into()),
        None => Ok(names),
    }
}

/// Whether it is `module.Class`, the module dotted if need be.
fn is_class(name: &str) -> bool {
    let part = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.contains('.') && name.split('.').all(part)
}

#[cfg(test)]
#[path = "defined_tests.rs"]
mod tests;
