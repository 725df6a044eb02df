//! The keys of one section, checked against those it may have.

use super::error::{ConfigError, Hint, Problem};
use crate::zconfig::datatypes::ValueError;
use crate::zconfig::{Key, Section};

/// A section all of whose keys are known and single.
#[derive(Clone, Copy)]
pub(super) struct Keys<'s> {
    section: &'s Section,
}

impl<'s> Keys<'s> {
    /// Checks the names; values are checked when they are read, so every known key is to be read once.
    pub(super) fn of(section: &'s Section, known: &[&'static str]) -> Result<Keys<'s>, ConfigError> {
        for (index, key) in section.keys.iter().enumerate() {
            if !known.contains(&key.name.as_str()) {
                let hint = Hint::among(&key.name, known.iter().copied());
                let problem =
                    Problem::UnknownKey { key: key.name.clone(), section: section.kind.clone(), hint };
                return Err(key.at.says(problem).into());
            }
            if let Some(first) = section.keys[..index].iter().find(|first| first.name == key.name) {
                let (key_name, section) = (key.name.clone(), section.kind.clone());
                let problem = Problem::DuplicateKey { key: key_name, section, line: first.at.line };
                return Err(key.at.says(problem).into());
            }
        }
        Ok(Keys { section })
    }

    /// The key as it stands in the text.
    pub(super) fn find(&self, name: &str) -> Option<&'s Key> {
        self.section.keys.iter().find(|key| key.name == name)
    }

    /// The value of `name` as `datatype` reads it, `None` when the key is absent.
    pub(super) fn read<T>(
        &self,
        name: &str,
        datatype: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(key) = self.find(name) else { return Ok(None) };
        match datatype(&key.value) {
            Ok(value) => Ok(Some(value)),
            Err(why) => {
                let problem = Problem::Value { key: key.name.clone(), value: key.value.clone(), why };
                Err(key.at.says(problem).into())
            }
        }
    }

    /// As [`read`](Self::read), for a key that must be there.
    pub(super) fn need<T>(
        &self,
        name: &'static str,
        datatype: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<T, ConfigError> {
        let missing = || {
            let problem = Problem::MissingKey { section: self.section.kind.clone(), key: name };
            self.section.at.says(problem).into()
        };
        self.read(name, datatype)?.ok_or_else(missing)
    }
}

/// Refuses sections inside `section`, which has keys only.
pub(super) fn no_sections(section: &Section) -> Result<(), ConfigError> {
    section.sections.first().map_or(Ok(()), |inner| Err(unknown_section(inner, &[])))
}

/// The error for a section that has no place where it stands.
pub(super) fn unknown_section(section: &Section, known: &[&'static str]) -> ConfigError {
    let hint = Hint::among(&section.kind, known.iter().copied());
    section.at.says(Problem::UnknownSection { section: section.kind.clone(), hint }).into()
}
