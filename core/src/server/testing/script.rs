//! A conversation as readable lines: `1 > 3 vote(7)`, `1 < reply 3 = []`, `disk: sync log`.

use crate::ids::{Oid, Tid};
use crate::store::blob::BlobOp;
use crate::store::disk::{DiskOp, FileId};
use crate::wire::call::MessageId;
use crate::wire::remote::RemoteError;
use crate::wire::tree::Owned;

/// What was said so far. Tids are named in the order they come up, so that no line depends on the clock.
#[derive(Debug, Default)]
pub(crate) struct Script {
    lines: Vec<String>,
    tids: Vec<Tid>,
}

impl Script {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Everything since the last time.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.lines).join("\n")
    }

    /// A call or notice.
    pub(crate) fn call(&mut self, method: &str, args: &Owned) -> String {
        match args {
            Owned::Tuple(items) => format!("{method}({})", self.row(items)),
            other => format!("{method}{other}"),
        }
    }

    /// A reply.
    pub(crate) fn reply(&mut self, id: &MessageId, result: &Result<Owned, RemoteError>) -> String {
        let id = self.id(id);
        match result {
            Ok(value) => format!("reply {id} = {}", self.value(value)),
            Err(RemoteError::Conflict(error) | RemoteError::ReadConflict(error)) => {
                let class = result.as_ref().map_or_else(RemoteError::class, |_| "");
                let [oid, committed, read] =
                    [error.oid.0, error.committed.0, error.read.0].map(|id| self.number(id));
                format!("error {id} = {class}({oid}: {committed} is current, {read} was read)")
            }
            Err(RemoteError::PosKey(oid)) => format!("error {id} = POSKeyError({})", oid.0),
            Err(error) => format!("error {id} = {}({error})", error.class()),
        }
    }

    /// A message id.
    pub(crate) fn id(&mut self, id: &MessageId) -> String {
        match id {
            MessageId::Int(number) => number.to_string(),
            MessageId::Load(Oid(oid), Tid(tid)) => format!("({}, {})", self.number(*oid), self.number(*tid)),
            MessageId::Other(value) => value.to_string(),
        }
    }

    /// An operation that is asked of the disk. How a batch is written is the store's affair.
    pub(crate) fn disk<C>(&mut self, op: &DiskOp<C>) {
        let line = match op {
            DiskOp::Sync { file } | DiskOp::Replace { file, .. } => format!("disk: sync {}", name(*file)),
            DiskOp::Reserve { .. } => "disk: reserve".into(),
            DiskOp::Write { file: FileId::Log, chunks, .. } if chunks.concat().len() > 1 => {
                "disk: write log".into()
            }
            DiskOp::Blob(op) => format!("blobs: {}", self.blob(op)),
            _ => return,
        };
        self.line(line);
    }

    fn blob(&mut self, op: &BlobOp) -> String {
        match op {
            BlobOp::Write { draft, .. } => format!("write {}", draft.0),
            BlobOp::Place { draft, .. } => format!("place {}", draft.0),
            BlobOp::Publish { draft, tid, .. } => format!("publish {} as of {}", draft.0, self.number(tid.0)),
            BlobOp::Settle { draft, .. } => format!("settle {}", draft.0),
            BlobOp::Discard { draft, .. } => format!("discard {}", draft.0),
            BlobOp::Condemn { gone, .. } => format!("condemn {}", gone.len()),
            BlobOp::Sweep => "sweep".to_owned(),
            BlobOp::ReadBack { draft, .. } => format!("read back {}", draft.0),
            BlobOp::Read { oid, tid, .. } => format!("read {} as of {}", oid.0, self.number(tid.0)),
        }
    }

    /// An operation that was held back has its outcome.
    pub(crate) fn done<C>(&mut self, op: &DiskOp<C>, well: bool) {
        let what = match op {
            DiskOp::Read { .. } => "read".into(),
            DiskOp::Sync { file } | DiskOp::Replace { file, .. } => format!("sync {}", name(*file)),
            DiskOp::Reserve { .. } => "reserve".into(),
            DiskOp::Blob(op) => self.blob(op),
            DiskOp::Write { .. } | DiskOp::SetLen { .. } | DiskOp::KeepTail { .. } => "write".into(),
            DiskOp::Of { .. } => unreachable!("a storage of one file"),
            DiskOp::Free | DiskOp::Name(_) => "names".into(),
        };
        self.line(format!("disk: {what} {}", if well { "done" } else { "failed" }));
    }

    fn row(&mut self, items: &[Owned]) -> String {
        items.iter().map(|item| self.value(item)).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn value(&mut self, value: &Owned) -> String {
        match value {
            Owned::Bytes(bytes) => match <[u8; 8]>::try_from(&bytes[..]) {
                Ok(id) => self.number(u64::from_be_bytes(id)),
                Err(_) if bytes.len() > 40 => format!("<{} bytes>", bytes.len()),
                Err(_) => value.to_string(),
            },
            Owned::Tuple(items) | Owned::List(items) | Owned::Set(items) => format!("[{}]", self.row(items)),
            Owned::Dict(pairs) => {
                let pairs =
                    pairs.iter().map(|(key, value)| format!("{}: {}", self.value(key), self.value(value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }

    /// An oid, or a tid by its name.
    pub(crate) fn number(&mut self, number: u64) -> String {
        if number < 1 << 40 {
            return number.to_string();
        }
        if number == Tid::MAX.0 {
            return "max".into();
        }
        let known = self.tids.iter().position(|tid| tid.0 == number);
        let at = known.unwrap_or_else(|| {
            self.tids.push(Tid(number));
            self.tids.len() - 1
        });
        format!("T{}", at + 1)
    }
}

fn name(file: FileId) -> &'static str {
    match file {
        FileId::Log => "log",
        FileId::Sidecar => "sums",
        FileId::Index => "index",
        FileId::Lock => "lock",
        FileId::Old => "old",
        FileId::Packed | FileId::PackedSums | FileId::PackedIndex => "packed",
    }
}
