//! ZConfig, the text format of `zeo.conf`: sections, keys, `%define`, `%include` and the substitutions `$NAME` and
//! `$(ENVIRONMENT)`. This part knows the grammar only; what the sections mean is for [`config`](crate::config).
//!
//! The grammar is the one of Python's ZConfig 4: a line is blank, a comment (`#` first), a directive (`%` first), the
//! start or end of a section, or a key with a value that runs to the end of the line. Names are folded to lower case,
//! section names too.

pub mod datatypes;
mod fault;
mod parse;
mod substitute;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use fault::Fault;
pub use parse::{load, parse};
pub use substitute::{Substitution, is_name, substitute};

/// Bytes of configuration text, included files and substituted values counted. A real `zeo.conf` has two kilobytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Sections inside one another. ZODB's deepest wrappers need four.
pub const MAX_DEPTH: usize = 16;
/// Files that include one another.
pub const MAX_INCLUDES: usize = 16;

/// What a configuration may look at outside its own text.
pub trait Host {
    /// The bytes of a file. An implementation may stop after [`MAX_BYTES`] + 1: more is refused anyway.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The value of an environment variable; `None` when it is unset or no Unicode.
    fn variable(&self, name: &str) -> Option<String>;
    /// Whether `path` names a directory.
    fn is_directory(&self, path: &Path) -> bool;
}

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost;

impl Host for ThisHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use std::io::Read;
        let mut bytes = Vec::new();
        // Bounded, so that `-C /dev/zero` ends.
        std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

/// A line of a file, counted from 1; line 0 is the file as a whole. Displayed as `FILE:LINE`, or `FILE` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file as it was named on the command line or by `%include`.
    pub file: Arc<Path>,
    /// The line.
    pub line: u32,
}

impl Position {
    /// The same file at another line.
    pub fn at(&self, line: u32) -> Position {
        Position { file: self.file.clone(), line }
    }

    /// Something said about this place.
    pub fn says<T>(&self, what: T) -> Located<T> {
        Located { at: self.clone(), what }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}

/// Something with the place it is about, displayed as `FILE:LINE: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The place.
    pub at: Position,
    /// What is said about it.
    pub what: T,
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl<T: std::error::Error> std::error::Error for Located<T> {}

/// A key with its value, every substitution made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name in lower case.
    pub name: String,
    /// The value without surrounding white space; empty when the line has the name alone.
    pub value: String,
    /// Where it stands.
    pub at: Position,
}

/// A section with all that stands in it, in the order of the text. The text itself is a section without a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The type in lower case: `filestorage` of `<filestorage main>`.
    pub kind: String,
    /// The name in lower case: `main` of `<filestorage main>`.
    pub name: Option<String>,
    /// Its keys. Duplicates are kept: only who knows the section knows whether they are allowed.
    pub keys: Vec<Key>,
    /// The sections inside it.
    pub sections: Vec<Section>,
    /// Where it starts.
    pub at: Position,
}

/// A configuration, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The whole text as a section; its type is empty.
    pub root: Section,
    /// Packages named by `%import`. Their sections are known anyway or not at all, so nothing was loaded.
    pub imports: Vec<Located<String>>,
    /// The values of `%define` by name in lower case, with the place of the first.
    pub defines: BTreeMap<String, Located<String>>,
}

#[cfg(test)]
mod tests;
