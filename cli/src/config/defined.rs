//! What `%define` says to Zeolith alone: Python's server reads such a file without a word.

use std::collections::BTreeMap;

use super::error::{ConfigError, Hint, Problem};
use crate::zconfig::Located;

/// Dotted names of classes, apart by blanks: conflicts of undos in their objects are left to the client to merge.
const MERGED: &str = "zeolith_merged";

/// What names of ours begin with: none of them is passed over.
const OURS: &str = "zeolith_";

/// The classes that `%define zeolith_merged` names.
///
/// # Errors
/// For another name of ours, and for what is no name of a class.
pub(super) fn merged(defines: &BTreeMap<String, Located<String>>) -> Result<Vec<String>, ConfigError> {
    let unknown = defines.iter().find(|(name, _)| name.starts_with(OURS) && *name != MERGED);
    if let Some((name, value)) = unknown {
        let hint = Hint::among(name, [MERGED]);
        return Err(value.at.says(Problem::UnknownDefine { name: name.clone(), hint }).into());
    }
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
