//! `zeolith serve`: from the command line, the configuration file and the environment to a running server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::banner::{Banner, Served};
use crate::config::{self, ConfigError, FileConfig};
use crate::logging::{self, LogFiles, LogThreads};
use crate::options::{
    Address, DEFAULT_PORT, LogTarget, Notice, PackOptions, ServeOptions, StorageKind, StorageSpec,
};
use crate::pidfile::PidFile;
use crate::zconfig::{Host, ThisHost};
use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write as _;
use zeolith_core::commit::merged::Merged;
use zeolith_core::server::config::Config;
use zeolith_core::store::reach::Reach;
use zeolith_core::wire::Codec;
use zeolith_net::serve::{Ended, Ready, ServeConfig, ServeError};

/// The storage served when none is named.
const DEFAULT_FILE: &str = "./Data.fs";
/// Transactions in the invalidation queue unless configured.
const DEFAULT_QUEUE: usize = zeolith_core::limits::INVALIDATION_QUEUE;

/// Bad usage, a bad configuration, an address in use. zdaemon does not restart a server that says so.
pub const EXIT_USAGE: u8 = 2;
/// A storage or the server failed.
pub const EXIT_FAILURE: u8 = 1;

/// The options of `zeolith serve`, named as runzeo's.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// A zeo.conf as runzeo reads it; the options below override it
    #[arg(short = 'C', long, value_name = "FILE")]
    pub configure: Option<PathBuf>,

    /// Listen on HOST:PORT, on PORT of every interface, or on a Unix socket (a path with a '/')
    #[arg(short, long, value_name = "ADDRESS")]
    pub address: Option<Address>,

    /// Serve this file, created if missing; several become the storages 1, 2, ...
    #[arg(short, long, value_name = "DATA.FS")]
    pub filename: Vec<PathBuf>,

    /// Limit the time in which a transaction holds its locks [default: no limit]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,

    /// Write the process id there [default: $INSTANCE_HOME/var/ZEO.pid if that is set]
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,

    /// Serve a file although bytes of it are not those that were written, and refuse reads of these
    #[arg(long)]
    pub serve_damaged: bool,
}

/// Serves until told to stop.
pub fn serve(arguments: ServeArgs) -> ExitCode {
    let options = match resolve(arguments, &ThisHost) {
        Ok(options) => options,
        Err(error) => {
            complain(format_args!("{error}\nFor help, use zeolith serve --help"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let (files, threads) = match logging::start_behind(&options.log) {
        Ok(started) => started,
        Err(error) => {
            complain(&error);
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    end_at_a_panic(threads.clone());
    for notice in &options.notices {
        match notice {
            Notice::Info(text) => tracing::info!("{text}"),
            Notice::Warning(text) => tracing::warn!("{text}"),
        }
    }
    let code = run(options, &files, &threads);
    threads.drain();
    code
}

/// From now on a panic of any thread ends the process: it says that an invariant is broken, and a server that goes on
/// with what it knows to be wrong could acknowledge what is not there. The event loop alone would catch it.
fn end_at_a_panic(threads: LogThreads) {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        threads.drain();
        print(panic);
        std::process::abort();
    }));
}

/// Serves until a signal says stop.
fn run(options: ServeOptions, files: &LogFiles, threads: &LogThreads) -> ExitCode {
    let codec = if options.msgpack { Codec::Msgpack } else { Codec::Pickle };
    let (read_only, tls) = (options.read_only, options.tls.is_some());
    let logs_to_terminal = options.log.sinks.iter().any(|sink| sink.target == LogTarget::Stderr);
    let config = ServeConfig {
        address: options.address,
        tls: options.tls,
        server: Config {
            codec,
            read_only,
            transaction_timeout: options.transaction_timeout,
            invalidation_queue: options.invalidation_queue,
            merged: Merged::with(options.merged),
            ..Config::default()
        },
        storages: options.storages,
        serve_damaged: options.serve_damaged,
    };
    // Only a server that listens writes its id: another one that cannot must not replace it.
    let pid_file = RefCell::new(None);
    let ready = |ready: &Ready| {
        *pid_file.borrow_mut() = options.pid_file.as_deref().and_then(PidFile::write);
        // What was found comes before what is served.
        threads.drain();
        announce(ready, codec, tls, read_only);
    };
    let reopen = || match files.reopen() {
        Ok(()) => tracing::info!("the log files were reopened"),
        Err(error) => tracing::error!("{error}"),
    };
    match zeolith_net::serve::serve(config, ready, reopen) {
        Ok(Ended::Terminated | Ended::Interrupted) => ExitCode::SUCCESS,
        // Whoever watches over the process starts it again.
        Ok(Ended::HungUp) => ExitCode::from(EXIT_FAILURE),
        Err(error) => {
            // Once: where the log is the terminal's, the line that everybody sees is enough.
            if !logs_to_terminal {
                tracing::error!("{error}");
            }
            threads.drain();
            complain(&error);
            let usage =
                matches!(error, ServeError::AddressInUse(_) | ServeError::Listen { .. } | ServeError::Tls(_));
            ExitCode::from(if usage { EXIT_USAGE } else { EXIT_FAILURE })
        }
    }
}

/// Tells the operator at the terminal, if there is one: the exit code says the rest.
fn complain(error: impl Display) {
    let _ = writeln!(std::io::stderr(), "Error: {error}");
}

/// Prints what is served, where, and how to connect.
fn announce(ready: &Ready, codec: Codec, tls: bool, read_only: bool) {
    let storages = ready.storages.iter().map(|storage| Served {
        name: storage.name.clone(),
        place: storage.place.clone(),
        objects: storage.objects,
        bytes: storage.size,
        last_changed: storage.last.wall(),
    });
    let protocol = match codec {
        Codec::Pickle => "Z5",
        Codec::Msgpack => "M5",
    };
    let (address, storages) = (ready.address.clone(), storages.collect());
    let about = Banner { address, protocol, tls, read_only, storages };
    let mut out = std::io::stdout().lock();
    // A server whose output nobody reads serves all the same.
    if let Err(error) = write!(out, "{about}").and_then(|()| out.flush()) {
        tracing::warn!("cannot print what is served: {error}");
    }
}

/// What to serve: the command line first, then the file, then the environment, then the defaults. Without a file
/// every option has a default; a file has to be complete, as for runzeo.
pub fn resolve(arguments: ServeArgs, host: &dyn Host) -> Result<ServeOptions, ConfigError> {
    let file = match &arguments.configure {
        Some(path) => config::load(path, host)?,
        None => without_file(),
    };
    let storages = match arguments.filename {
        named if named.is_empty() => file.storages,
        named => (1..).zip(named).map(|(number, path)| data_fs(number, path)).collect(),
    };
    let read_only = file.read_only;
    let instance_pid = || {
        let home = host.variable("INSTANCE_HOME").filter(|home| !home.is_empty())?;
        Some(Path::new(&home).join("var").join("ZEO.pid"))
    };
    Ok(ServeOptions {
        address: arguments.address.unwrap_or(file.address),
        tls: file.tls,
        storages,
        read_only,
        serve_damaged: arguments.serve_damaged,
        msgpack: file
            .msgpack
            .unwrap_or_else(|| host.variable("ZEO_MSGPACK").is_some_and(|it| !it.is_empty())),
        invalidation_queue: Reach {
            transactions: file.invalidation_queue.unwrap_or(DEFAULT_QUEUE),
            age: file.invalidation_age,
        },
        transaction_timeout: arguments.timeout.or(file.transaction_timeout),
        // A read-only server leaves no pid file, runzeo's neither: it may run beside the one that writes.
        pid_file: arguments.pid_file.or(file.pid_file).or_else(instance_pid).filter(|_| !read_only),
        merged: file.merged,
        log: file.log.unwrap_or_default(),
        notices: file.notices,
    })
}

/// What is served when no file says otherwise: for a first try, so reachable from this machine only.
fn without_file() -> FileConfig {
    FileConfig {
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT },
        tls: None,
        read_only: false,
        msgpack: None,
        invalidation_queue: None,
        invalidation_age: Duration::ZERO,
        transaction_timeout: None,
        pid_file: None,
        merged: Vec::new(),
        storages: vec![data_fs(1, PathBuf::from(DEFAULT_FILE))],
        log: None,
        notices: Vec::new(),
    }
}

fn data_fs(number: u32, path: PathBuf) -> StorageSpec {
    let kind = StorageKind::File { path, create: true, read_only: false, pack: PackOptions::default() };
    StorageSpec { name: number.to_string(), kind, blobs: None }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or("expected a positive number of seconds")
}

#[cfg(test)]
mod tests;
