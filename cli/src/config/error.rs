//! What can be wrong with the meaning of a configuration.

use std::fmt;

use crate::zconfig::datatypes::ValueError;
use crate::zconfig::{Fault, Located};

/// Why a configuration cannot be served. Displayed as `FILE:LINE: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is no ZConfig.
    #[error(transparent)]
    Syntax(#[from] Located<Fault>),
    /// The text says something that makes no server.
    #[error(transparent)]
    Meaning(#[from] Located<Problem>),
}

/// A configuration that is well-formed but not a server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that the section does not have.
    #[error("unknown key '{key}' in <{section}>{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The section's type.
        section: String,
        /// A key that looks alike.
        hint: Hint,
    },
    /// A key outside every section.
    #[error("the key '{0}' stands outside of any section")]
    TopLevelKey(String),
    /// A section that does not belong there.
    #[error("unknown section <{section}>{hint}")]
    UnknownSection {
        /// Its type.
        section: String,
        /// A type that looks alike.
        hint: Hint,
    },
    /// A key twice.
    #[error("the key '{key}' stands twice in this <{section}>, first in line {line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The section's type.
        section: String,
        /// Where it was first.
        line: u32,
    },
    /// A second section of a type that allows one.
    #[error("a second <{section}>; the first is in line {line}")]
    DuplicateSection {
        /// The type.
        section: String,
        /// Where the first is.
        line: u32,
    },
    /// One name for two sections.
    #[error("the name '{name}' is taken by the section in line {line}")]
    DuplicateName {
        /// The name.
        name: String,
        /// Where it was first.
        line: u32,
    },
    /// A name that ZConfig keeps for itself.
    #[error("a section cannot be named '{0}'")]
    ReservedName(String),
    /// A key that must be there.
    #[error("<{section}> needs the key '{key}'")]
    MissingKey {
        /// The section's type.
        section: String,
        /// The key.
        key: &'static str,
    },
    /// No `<zeo>`.
    #[error("there is no <zeo> section with the server's address")]
    NoZeo,
    /// No storage section.
    #[error("no storages specified; add a <filestorage> section")]
    NoStorage,
    /// Two storages without a name.
    #[error("no more than one storage may be unnamed; the first is in line {line}")]
    TwoUnnamed {
        /// Where the first is.
        line: u32,
    },
    /// An unnamed storage is named 1.
    #[error("an unnamed storage is named 1, and so is another one")]
    UnnamedBesideOne,
    /// A storage that is to lie over another one, and none is there.
    #[error("<{section}> needs a storage section inside it")]
    NoInner {
        /// The section's type.
        section: String,
    },
    /// A second storage inside one that takes one.
    #[error("a second storage inside this <{section}>; the first is in line {line}")]
    SecondInner {
        /// The type of the section around it.
        section: String,
        /// Where the first is.
        line: u32,
    },
    /// Two bases of a demo storage.
    #[error(
        "a second base of this <demostorage>, where the first is in line {line}; what takes the changes is named 'changes'"
    )]
    SecondBase {
        /// Where the first is.
        line: u32,
    },
    /// A value that does not fit its key.
    #[error("'{value}' is no value for '{key}': {why}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Why it does not fit.
        why: ValueError,
    },
    /// Keys that exclude each other.
    #[error("a read-only storage cannot be created anew: 'create' and 'read-only' exclude each other")]
    CreateReadOnly,
    /// A client that is to write never, and to write whenever it can.
    #[error("'read-only' and 'read-only-fallback' exclude each other")]
    ReadOnlyTwice,
    /// A `%define` of a name that is ours, and that nobody reads.
    #[error("'{name}' is nothing to define{hint}")]
    UnknownDefine {
        /// The name.
        name: String,
        /// A name that looks alike.
        hint: Hint,
    },
    /// A password that only Python code knows.
    #[error(
        "'password-function' is Python code, which Zeolith does not run: '%define zeolith_key_password_file FILE' before \
         the sections names a file with the password, and Python's server reads over it"
    )]
    PasswordFunction,
    /// What stands among names of classes and is none.
    #[error("'{0}' is no class: its module and its name are wanted, such as app.counters.Counter")]
    NoClass(String),
    /// Blobs in a `<blobstorage>` around a storage that has blobs.
    #[error("the storage in this <blobstorage> has blobs already")]
    BlobsTwice,
    /// Something of runzeo that Zeolith cannot do.
    #[error("{what} is not supported yet{}{why}", if why.is_empty() { "" } else { ": " })]
    Unsupported {
        /// The key or section.
        what: String,
        /// What would go wrong if it were ignored.
        why: &'static str,
    },
    /// Something that ZEO itself gave up.
    #[error("'{key}' is gone since ZEO 5: {why}")]
    Retired {
        /// The key.
        key: String,
        /// What to do instead.
        why: &'static str,
    },
}

/// The end of a message about an unknown word: what may have been meant, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint(pub Option<&'static str>);

impl Hint {
    /// The word among `known` that `word` is a slip of.
    pub fn among(word: &str, known: impl IntoIterator<Item = &'static str>) -> Hint {
        // One slip in three letters: `adress` is near `address`, `port` is near nothing.
        let near = known
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(word, known), known))
            .filter(|(slips, known)| slips * 3 <= known.len())
            .min();
        Hint(near.map(|(_, known)| known))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |word| write!(f, "; did you mean '{word}'?"))
    }
}
