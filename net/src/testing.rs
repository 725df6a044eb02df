//! A server for the examples in this crate's documentation: in this process, in memory, gone with it.

use crate::address::Address;
use crate::boot::{StorageKind, StorageSpec};
use crate::serve::{ServeConfig, serve};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use zeolith_core::server::config::Config;

/// Whatever an example may fail with.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Starts a server on a unix socket, and returns its address and the folder of the socket, to be removed afterwards.
///
/// # Panics
/// When it cannot be started.
pub fn server() -> (String, Folder) {
    let folder = Folder::new();
    let path = folder.0.join("zeo.sock");
    let config = ServeConfig {
        address: Address::Unix(path.clone()),
        tls: None,
        server: Config::default(),
        storages: vec![StorageSpec { name: "1".into(), kind: StorageKind::Memory, blobs: None }],
        serve_damaged: false,
    };
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        serve(config, |_| ready.send(()).expect("somebody waits"), || ()).expect("a server")
    });
    is_ready.recv().expect("a server that starts");
    (path.display().to_string(), folder)
}

/// Runs an asynchronous example with the address of a server.
///
/// # Panics
/// When the example fails.
pub fn run(example: impl AsyncFnOnce(String) -> Outcome) {
    let (address, _folder) = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(example(address)).expect("an example that works");
}

/// Runs a blocking example with the address of a server.
///
/// # Panics
/// When the example fails.
pub fn run_blocking(example: impl FnOnce(String) -> Outcome) {
    let (address, _folder) = server();
    example(address).expect("an example that works");
}

/// A folder of our own, removed when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("zeolith-example-{:016x}", crate::clock::seed()));
        std::fs::create_dir(&path).expect("a place for temporary files");
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // An example that failed says why itself.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
