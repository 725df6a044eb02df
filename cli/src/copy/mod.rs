//! `zeolith copy`: every transaction of one storage into another, with its tid.
//!
//! What is written is what FileStorage's `copyTransactionsFrom` writes. The destination is at every moment a copy of the
//! source's beginning, so a copy that was interrupted goes on where it ended.

mod destination;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use destination::Destination;
use progress::Progress;
use tracing::level_filters::LevelFilter;
use zeolith_core::ids::Tid;
use zeolith_core::record;
use zeolith_core::store::CopiedTransaction;

use crate::calendar::moment;
use crate::logging;
use crate::options::{LogOptions, LogSink, LogTarget};
use crate::source::{Place, Source, SourceError, Transactions, exit};

/// Transactions are written together up to so many of them,
const BATCH: usize = 1_000;
/// or so many bytes: what is in memory at a time, together with one more transaction.
const BATCH_BYTES: u64 = 8 << 20;

/// The options of `zeolith copy`.
#[derive(Clone, Debug, clap::Args)]
pub struct CopyArgs {
    /// The storage to copy: a server's address, or the path of a Data.fs
    #[arg(value_name = "SOURCE")]
    pub source: Place,

    /// Where to: a Data.fs, made if it is missing, or a server
    #[arg(value_name = "DESTINATION")]
    pub destination: Place,

    /// Without the progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Copied {
    transactions: u64,
    records: u64,
    bytes: u64,
}

/// Copies a storage, and says what was copied.
pub fn copy(arguments: &CopyArgs) -> ExitCode {
    let sink = LogSink { target: LogTarget::Stderr, level: LevelFilter::WARN };
    if let Err(error) = logging::start(&LogOptions { sinks: vec![sink] }) {
        eprintln!("Error: {error}");
        return ExitCode::FAILURE;
    }
    exit(run(arguments, &mut io::stdout().lock()))
}

fn run(arguments: &CopyArgs, out: &mut dyn Write) -> Result<(), SourceError> {
    if let (Some(source), Some(destination)) = (arguments.source.file(), arguments.destination.file())
        && let (Ok(source), Ok(destination)) = (source.canonicalize(), destination.canonicalize())
        && source == destination
    {
        return Err(SourceError::SameFile(source));
    }
    let mut source = Source::open(&arguments.source, "copy")?;
    // A source that cannot be copied leaves no destination behind.
    drop(source.transactions(source.last_tid())?);
    let mut destination = Destination::open(&arguments.destination)?;
    let begun = destination.last_tid();
    let mut transactions = resume(&mut source, arguments, begun)?;
    let progress = Progress::start(arguments.quiet, source.size()?, destination.size()?);
    let copied = transfer(&mut source, &mut transactions, &mut destination, &progress);
    progress.end();
    let last = destination.last_tid();
    // Also after an error: what was copied is kept, and the next attempt goes on behind it.
    let closed = destination.close();
    let copied = copied?;
    closed?;
    if begun > Tid::ZERO {
        writeln!(out, "Went on behind transaction {begun} ({} UTC).", moment(begun))?;
    }
    let Copied { transactions, records, bytes } = copied;
    writeln!(out, "Copied {transactions} transactions with {records} records, {bytes} bytes.")?;
    writeln!(out, "The last transaction is {last} ({} UTC).", moment(last))?;
    Ok(out.flush()?)
}

/// The transactions behind the last one of the destination, which must be one of the source.
fn resume(source: &mut Source, arguments: &CopyArgs, last: Tid) -> Result<Transactions, SourceError> {
    let mut transactions = source.transactions(last)?;
    if last > Tid::ZERO && source.next(&mut transactions)?.is_none_or(|found| found.tid != last) {
        return Err(SourceError::NoPrefix {
            source_: arguments.source.to_string(),
            destination: arguments.destination.to_string(),
            last,
        });
    }
    Ok(transactions)
}

fn transfer(
    source: &mut Source,
    transactions: &mut Transactions,
    destination: &mut Destination,
    progress: &Progress,
) -> Result<Copied, SourceError> {
    let mut copied = Copied::default();
    let mut batch = Batch::default();
    loop {
        let next = source.next(transactions);
        let (transaction, error) = match next.and_then(|next| next.map(without_blobs).transpose()) {
            Ok(transaction) => (transaction, None),
            Err(error) => (None, Some(error)),
        };
        let over = transaction.is_none();
        if let Some(transaction) = transaction {
            batch.push(transaction);
        }
        if over || batch.is_full() {
            let Batch { transactions, sum } = std::mem::take(&mut batch);
            destination.put(transactions)?;
            progress.advance(sum.bytes);
            copied.transactions += sum.transactions;
            copied.records += sum.records;
            copied.bytes += sum.bytes;
        }
        if let Some(error) = error {
            return Err(error);
        }
        if over {
            return Ok(copied);
        }
    }
}

/// Transactions to be written together.
#[derive(Debug, Default)]
struct Batch {
    transactions: Vec<CopiedTransaction>,
    sum: Copied,
}

impl Batch {
    fn push(&mut self, transaction: CopiedTransaction) {
        let CopiedTransaction { user, description, extension, records, .. } = &transaction;
        let lens = records.iter().map(|record| match record.same_as {
            None => record.data.as_ref().map(Bytes::len),
            Some(_) => None,
        });
        let strings = user.len() + description.len() + extension.len();
        self.sum.transactions += 1;
        self.sum.records += records.len() as u64;
        self.sum.bytes += zeolith_core::store::file::format::footprint(strings, lens);
        self.transactions.push(transaction);
    }

    fn is_full(&self) -> bool {
        self.transactions.len() >= BATCH || self.sum.bytes >= BATCH_BYTES
    }
}

/// What a record of a blob has in its first bytes: the module of its class.
const BLOB_MODULE: &[u8] = b"ZODB.blob";

fn without_blobs(transaction: CopiedTransaction) -> Result<CopiedTransaction, SourceError> {
    let is_blob = |data: &Bytes| {
        let head = &data[..data.len().min(64)];
        head.windows(BLOB_MODULE.len()).any(|part| part == BLOB_MODULE)
            && record::class(data).is_ok_and(|class| class.module == "ZODB.blob" && class.name == "Blob")
    };
    match transaction.records.iter().find(|record| record.data.as_ref().is_some_and(is_blob)) {
        Some(record) => Err(SourceError::Blob { oid: record.oid, tid: transaction.tid }),
        None => Ok(transaction),
    }
}
