//! A host that exists in the tests only.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::zconfig::Host;

/// Files and variables as given; every directory exists but those below `/missing`.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeHost {
    files: HashMap<PathBuf, Vec<u8>>,
    variables: HashMap<String, String>,
}

impl FakeHost {
    pub(crate) fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> FakeHost {
        self.files.insert(PathBuf::from(path), text.as_ref().to_vec());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> FakeHost {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Host for FakeHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn is_directory(&self, path: &Path) -> bool {
        !path.starts_with("/missing")
    }
}
