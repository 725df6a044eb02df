//! `zeolith bench-echo`: the limit that a server on this kind of loop can reach.
//!
//! For every request it makes the system calls that Zeolith's server makes, from the same kind of loop (tokio, one
//! thread, one task and one shared read buffer as in `zeolith-net`), and nothing else: what the server needs beyond it
//! is the price of understanding requests and of keeping what it promises.
//!
//! What it does: it finds where messages end, where in them the id, the method and, of a store, the oid stand
//! (`message`), by the bytes that `zeolith bench` is known to send. A load is one `preadv2` of as many bytes as an
//! object and its header take, at a place that depends on the oid. A transaction's messages are kept as they came; its
//! finish is one `pwritev` of them to a log, a `pwrite` of one byte to the log and one of 48 bytes a transaction to a
//! sidecar, and `fdatasync` of both on helper threads (`files`); finishes that arrive meanwhile are in the next batch.
//! Then every other connection gets an invalidation in a write of its own, and the committer `info` and its reply.
//!
//! What it does not do: it does not read the objects' serials at a vote, a `preadv2` for each object in the server; it
//! decodes and checks nothing, knows no objects, serials, locks or conflicts, keeps no
//! timeouts and no bounds, computes no checksums and no tids beyond a counter, and recovers nothing. It speaks
//! pickle (`Z5`) only, and to `zeolith bench` only.

mod files;
mod message;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use super::options::size;
use crate::options::Address;
use crate::serve::EXIT_FAILURE;

/// The options of `zeolith bench-echo`.
#[derive(Clone, Debug, clap::Args)]
pub struct EchoArgs {
    /// Where to listen
    #[arg(value_name = "ADDR")]
    pub address: Address,

    /// The log, overwritten; on the file system that the other server's database is on
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,

    /// Bytes of an object, as told to zeolith bench
    #[arg(long, value_name = "BYTES", default_value = "300", value_parser = size)]
    pub size: usize,
}

/// Serves until it is killed.
pub fn echo(arguments: EchoArgs) -> ExitCode {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, server::run(&arguments)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}
