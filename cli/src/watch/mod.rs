//! `zeolith watch`: what is committed to a storage, while it is.

mod line;

use std::io::{self, Write};
use std::process::ExitCode;

use line::{Line, Seen};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::record;
use zeolith_net::client::Iteration;
use zeolith_net::{Change, Client, Error as ClientError};

use crate::ids;
use crate::logging;
use crate::options::{LogOptions, LogSink, LogTarget};
use crate::source::{Place, SourceError, exit};

/// Objects that are listed of a transaction unless all are wanted.
const LISTED: usize = 10;

/// The options of `zeolith watch`.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    /// The storage, on a server
    #[arg(value_name = "STORAGE")]
    pub place: Place,

    /// Tell the class of each object: one load each
    #[arg(long)]
    pub classes: bool,

    /// List all objects of a transaction, not ten at most
    #[arg(long)]
    pub all: bool,

    /// Begin with the transactions after this one, which takes a server that can iterate
    #[arg(long, value_name = "TID", value_parser = ids::tid)]
    pub from: Option<Tid>,

    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Prints what is committed until it is interrupted.
pub fn watch(arguments: &WatchArgs) -> ExitCode {
    // The client tells there of lost connections and of new ones.
    let sink = LogSink { target: LogTarget::Stderr, level: LevelFilter::INFO };
    if let Err(error) = logging::start(&LogOptions { sinks: vec![sink] }) {
        eprintln!("Error: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    exit(
        runtime
            .map_err(SourceError::Output)
            .and_then(|runtime| runtime.block_on(until_interrupted(arguments))),
    )
}

async fn until_interrupted(arguments: &WatchArgs) -> Result<(), SourceError> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
        result = follow(arguments) => result,
    }
}

async fn follow(arguments: &WatchArgs) -> Result<(), SourceError> {
    let place = arguments.place.to_string();
    let Some(options) = arguments.place.server("watch") else {
        return Err(SourceError::NeedsServer(place));
    };
    let client = Client::connect(options.read_only()).await?;
    let watch = Watch { arguments, client };
    let refused = |error| SourceError::Client { place: place.clone(), error };
    let (snapshot, mut changes) = watch.client.follow().await.map_err(refused)?;
    let begin = match arguments.from {
        Some(from) => {
            watch.replay(from, snapshot.tid()).await.map_err(|error| match error {
                Trouble::Client(error) => refused(error),
                Trouble::Output(error) => error.into(),
            })?;
            from
        }
        None => snapshot.tid(),
    };
    eprintln!("Watching {place} from transaction {begin}; Ctrl-C ends it.");
    while let Some(change) = changes.next().await {
        match change {
            Change::Objects { tid, oids } => {
                let shown = watch.shown(oids.len());
                let mut seen = Vec::with_capacity(shown);
                for &oid in &oids[..shown] {
                    let class = if arguments.classes { Some(watch.class(oid, tid).await) } else { None };
                    seen.push(Seen { oid, class });
                }
                watch.put(&Line { tid, objects: Some(oids.len()), seen })?;
            }
            Change::Everything { tid } => watch.put(&Line { tid, objects: None, seen: Vec::new() })?,
        }
    }
    Ok(())
}

/// What can go wrong while the past is told.
enum Trouble {
    Client(ClientError),
    Output(io::Error),
}

struct Watch<'a> {
    arguments: &'a WatchArgs,
    client: Client,
}

impl Watch<'_> {
    /// Tells the transactions behind `after`, up to and including `upto`.
    async fn replay(&self, after: Tid, upto: Tid) -> Result<(), Trouble> {
        if after >= upto {
            return Ok(());
        }
        let iteration = self.client.iterate(Some(after.next()), Some(upto)).await;
        let mut iteration: Iteration = iteration.map_err(Trouble::Client)?;
        while let Some(transaction) = iteration.next().await.map_err(Trouble::Client)? {
            let shown = self.shown(transaction.records.len());
            let seen = transaction.records[..shown].iter().map(|it| Seen {
                oid: it.oid,
                class: self.arguments.classes.then(|| class_of(it.data.as_deref())),
            });
            let objects = Some(transaction.records.len());
            let line = Line { tid: transaction.tid, objects, seen: seen.collect() };
            self.put(&line).map_err(Trouble::Output)?;
        }
        Ok(())
    }

    fn shown(&self, objects: usize) -> usize {
        if self.arguments.all { objects } else { objects.min(LISTED) }
    }

    /// The class of an object as of a transaction; what cannot be told is said in its place.
    async fn class(&self, oid: Oid, tid: Tid) -> String {
        match self.client.load_before(oid, tid.next()).await {
            Ok(revision) => class_of(revision.as_ref().map(|revision| &revision.data[..])),
            Err(ClientError::NoObject(_)) => class_of(None),
            Err(error) => format!("? ({error})"),
        }
    }

    fn put(&self, line: &Line) -> io::Result<()> {
        let text = if self.arguments.json { line.json().to_string() } else { line.to_string() };
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        // One who reads the other end of a pipe sees it now.
        out.flush()
    }
}

fn class_of(data: Option<&[u8]>) -> String {
    match data.map(record::class) {
        None => "deleted".to_owned(),
        Some(Ok(class)) => crate::show::plain(&class.to_string()),
        Some(Err(_)) => "?".to_owned(),
    }
}
