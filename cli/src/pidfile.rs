//! The file that holds the server's process id, written and removed as `runzeo` does.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// A pid file on disk, removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes this process's id and a newline to `path`, in place of what was there. A failure is logged and no more:
    /// a server without its pid file still serves.
    pub fn write(path: &Path) -> Option<PidFile> {
        match replace(path) {
            Ok(()) => {
                tracing::info!("created PID file '{}'", path.display());
                Some(PidFile { path: path.to_owned() })
            }
            Err(error) => {
                tracing::error!("PID file '{}' cannot be written: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let shown = self.path.display();
        match remove_own(&self.path) {
            Ok(true) => tracing::info!("removed PID file '{shown}'"),
            Ok(false) => {}
            Err(error) => tracing::error!("PID file '{shown}' could not be removed: {error}"),
        }
    }
}

fn replace(path: &Path) -> io::Result<()> {
    remove(path)?;
    // Never through a link that someone put there in between.
    let mut file = fs::File::create_new(path)?;
    writeln!(file, "{}", process::id())
}

/// Removes the file if it is still ours: a successor may have written its own by now. Tells whether it did.
fn remove_own(path: &Path) -> io::Result<bool> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim() == process::id().to_string() => remove(path).map(|()| true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
