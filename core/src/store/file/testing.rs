//! A disk for tests: files in memory that remember which writes a power loss may take back.

use crate::ids::{Oid, Tid};
use crate::limits;
use crate::rng::{Rng, Seed};
use crate::store::blob_folder::Folder;
use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId, Naming};
use crate::store::file::FileStore;
use crate::store::file::errand::{Errand, Step};
use crate::store::file::open::{Found, OpenError, OpenOptions, Opened, Opening};
use crate::store::file::view::Walk;
use crate::store::{
    Current, Outbox, Past, Place, Record, Revision, StoreDone, StoreError, StoreOp, Transaction,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a disk writes all of or nothing of.
pub(crate) const SECTOR: u64 = 512;

/// Something that happened to a file since its last sync.
#[derive(Clone, Debug)]
enum Change {
    /// Part of a write, within one sector.
    Bytes(u64, Vec<u8>),
    Len(u64),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Change::Bytes(at, bytes) => {
                let end = *at as usize + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at as usize..end].copy_from_slice(bytes);
            }
            Change::Len(len) => file.resize(*len as usize, 0),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct File {
    exists: bool,
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

impl File {
    fn change(&mut self, change: Change) {
        self.exists = true;
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }
}

/// The files of one storage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// Which file has which name, before and after the changes of names that a power loss may take back.
    durable_names: BTreeMap<FileId, usize>,
    names: BTreeMap<FileId, usize>,
    renamed: Vec<Naming>,
    /// What was cut off.
    pub(crate) kept: Vec<Vec<u8>>,
    /// Bytes the log may grow to.
    pub(crate) room: Option<u64>,
    /// Operations carried out.
    pub(crate) ops: usize,
    /// Operations after which the power goes.
    pub(crate) dies_after: Option<usize>,
    /// Syncs of this file fail.
    pub(crate) broken: Option<FileId>,
    /// Objects may have blobs, which are in this folder.
    pub(crate) has_blobs: bool,
    /// Whether packs of the storage here collect garbage.
    pub(crate) collects: bool,
    pub(crate) blobs: Folder,
    /// Operations after which the next fails, if it is a sync.
    pub(crate) fails_after: Option<usize>,
    /// Bytes written to the log.
    pub(crate) written: u64,
    /// Operations after which memory gets short.
    pub(crate) forgets_after: Option<usize>,
    pid: u32,
}

impl Disk {
    /// A disk with these files, all synced.
    pub(crate) fn with(files: &[(FileId, &[u8])]) -> Disk {
        let mut disk = Disk::default();
        for (file, bytes) in files {
            disk.put(*file, bytes.to_vec());
        }
        disk
    }

    /// An empty disk that dies after so many operations.
    pub(crate) fn dying(after: usize) -> Disk {
        Disk { dies_after: Some(after), ..Disk::default() }
    }

    /// Puts a file there, synced.
    pub(crate) fn put(&mut self, file: FileId, bytes: Vec<u8>) {
        *self.file(file) =
            File { exists: true, durable: bytes.clone(), current: bytes, unsynced: Vec::new() };
    }

    pub(crate) fn remove(&mut self, file: FileId) {
        self.names.remove(&file);
        self.durable_names.remove(&file);
    }

    /// The contents of a file; empty when it is missing.
    pub(crate) fn bytes(&self, file: FileId) -> &[u8] {
        self.names.get(&file).map_or(&[], |&file| &self.files[file].current)
    }

    /// The length of a file; `None` when it is missing.
    pub(crate) fn len(&self, file: FileId) -> Option<u64> {
        let file = &self.files[*self.names.get(&file)?];
        file.exists.then_some(file.current.len() as u64)
    }

    /// The file of this name; a new one when there is none.
    fn file(&mut self, name: FileId) -> &mut File {
        let fresh = self.files.len();
        let at = *self.names.entry(name).or_insert(fresh);
        if at == fresh {
            self.files.push(File::default());
            self.durable_names.insert(name, fresh);
        }
        &mut self.files[at]
    }

    /// Sectors and lengths a power loss may take back.
    pub(crate) fn unsynced(&self) -> usize {
        self.files.iter().map(|file| file.unsynced.len()).sum()
    }

    /// The power goes: of what was not synced, stays what `stays` says.
    pub(crate) fn crash(&mut self, mut stays: impl FnMut() -> bool) {
        for naming in std::mem::take(&mut self.renamed) {
            if stays() {
                rename(&mut self.durable_names, naming);
            }
        }
        self.names = self.durable_names.clone();
        for file in &mut self.files {
            let mut bytes = file.durable.clone();
            for change in file.unsynced.drain(..) {
                if stays() {
                    change.apply(&mut bytes);
                }
            }
            file.durable = bytes.clone();
            file.current = bytes;
        }
        self.dies_after = None;
    }

    /// Memory gets short: what is taken for written is read from the disk again.
    pub(crate) fn forget(&mut self) {
        for file in &mut self.files {
            file.current = file.durable.clone();
            file.unsynced.iter().for_each(|change| change.apply(&mut file.current));
        }
    }

    pub(crate) fn dead(&self) -> bool {
        self.dies_after.is_some_and(|after| self.ops >= after)
    }

    /// Carries an operation out; gives its answer if it has one. Nothing happens on a dead disk.
    pub(crate) fn carry_out<C>(&mut self, op: DiskOp<C>) -> Option<DiskDone<C>> {
        if self.dead() {
            return None;
        }
        if self.forgets_after == Some(self.ops) {
            self.forget();
        }
        let fails = self.fails_after == Some(self.ops);
        self.ops += 1;
        match op {
            DiskOp::Read { file, span, pending } => {
                let bytes = self.bytes(file);
                let from = (span.at as usize).min(bytes.len());
                let upto = (from + span.len).min(bytes.len());
                let bytes = Bytes::copy_from_slice(&bytes[from..upto]);
                return Some(DiskDone::Read { pending, result: Ok(bytes) });
            }
            DiskOp::Write { file, at, chunks } => {
                let bytes = chunks.concat();
                self.written += if file == FileId::Log { bytes.len() as u64 } else { 0 };
                self.write(file, at, &bytes);
            }
            DiskOp::SetLen { file, len } => self.file(file).change(Change::Len(len)),
            DiskOp::Sync { file } if fails || self.broken == Some(file) => {
                // As Linux has it: what could not be written is taken for written from then on.
                self.file(file).unsynced.clear();
                return Some(DiskDone::Synced { file, result: Err(DiskError::Io("a broken disk".into())) });
            }
            DiskOp::Sync { file } => {
                let entry = self.file(file);
                entry.unsynced.drain(..).for_each(|change| change.apply(&mut entry.durable));
                return Some(DiskDone::Synced { file, result: Ok(()) });
            }
            DiskOp::Replace { file, contents } => {
                self.put(file, contents.concat());
                return Some(DiskDone::Synced { file, result: Ok(()) });
            }
            DiskOp::Blob(op) => return Some(DiskDone::Blob(self.blobs.carry_out(op))),
            DiskOp::Reserve { upto } => {
                let fits = self.room.is_none_or(|room| upto <= room);
                return Some(DiskDone::Reserved {
                    upto,
                    result: if fits { Ok(()) } else { Err(DiskError::Full) },
                });
            }
            DiskOp::Of { .. } => unreachable!("a Data.fs has no parts"),
            DiskOp::KeepTail { from } => {
                self.kept.push(self.bytes(FileId::Log)[from as usize..].to_vec());
                return Some(DiskDone::Kept { result: Ok(format!("Data.fs.tr{}", self.kept.len() - 1)) });
            }
            DiskOp::Free => {
                let free = self.room.unwrap_or(u64::MAX / 2);
                return Some(DiskDone::Free { result: Ok(free) });
            }
            DiskOp::Name(naming) => {
                match naming {
                    Naming::Sync => {
                        self.durable_names = self.names.clone();
                        self.renamed.clear();
                    }
                    naming => {
                        rename(&mut self.names, naming);
                        self.renamed.push(naming);
                    }
                }
                return Some(DiskDone::Named { result: Ok(()) });
            }
        }
        None
    }

    fn write(&mut self, file: FileId, mut at: u64, mut bytes: &[u8]) {
        let file = self.file(file);
        while !bytes.is_empty() {
            let len = bytes.len().min((SECTOR - at % SECTOR) as usize);
            file.change(Change::Bytes(at, bytes[..len].to_vec()));
            at += len as u64;
            bytes = &bytes[len..];
        }
    }

    /// What a shell finds before it opens the storage.
    pub(crate) fn found(&mut self) -> Found {
        self.pid += 1;
        Found {
            log_len: self.len(FileId::Log),
            sidecar_len: self.len(FileId::Sidecar),
            index_len: self.len(FileId::Index),
            lock: self.bytes(FileId::Lock).to_vec(),
            leftovers: Vec::new(),
            pid: self.pid,
        }
    }

    /// Opens the storage; `None` when the disk died on the way.
    pub(crate) fn try_open(&mut self, options: OpenOptions) -> Option<Result<Opened<u32>, OpenError>> {
        self.try_open_for(options)
    }

    /// Opens the storage for operations with another context.
    pub(crate) fn try_open_for<C>(&mut self, options: OpenOptions) -> Option<Result<Opened<C>, OpenError>> {
        let seed = Seed(u64::from(self.pid) + 7);
        let mut opening = Opening::new(self.found(), options, seed);
        loop {
            if let Some(result) = opening.finished() {
                assert!(opening.poll().is_none(), "nothing is left to do for the disk");
                return Some(result);
            }
            let Some(op) = opening.poll() else {
                assert!(self.dead(), "an opening waits for something");
                return None;
            };
            if let Some(done) = self.carry_out(op) {
                opening.handle(done);
            }
        }
    }

    /// Opens the storage on a disk that lives, with a queue of three transactions.
    pub(crate) fn open(&mut self) -> Opened<u32> {
        self.try_open(options()).expect("a disk that lives").expect("a storage that opens")
    }
}

/// Changes names; of a file that is not there, nothing.
fn rename(names: &mut BTreeMap<FileId, usize>, naming: Naming) {
    match naming {
        Naming::Remove(file) => drop(names.remove(&file)),
        Naming::Rename { from, to } => {
            if let Some(file) = names.remove(&from) {
                names.insert(to, file);
            }
        }
        Naming::Link { from, to } => {
            if let Some(&file) = names.get(&from) {
                names.insert(to, file);
            }
        }
        Naming::Sync => {}
    }
}

/// What tests open with.
pub(crate) fn options() -> OpenOptions {
    OpenOptions {
        path: "Data.fs".into(),
        create: true,
        read_only: false,
        queue: 3.into(),
        check_upto: limits::CHECKED_AT_OPEN,
        serve_damaged: false,
    }
}

/// A store with its disk.
pub(crate) struct Session<'a> {
    pub(crate) store: FileStore<u32>,
    pub(crate) disk: &'a mut Disk,
}

impl Session<'_> {
    /// Carries out what the store asks for, until it is quiet; gives its answers.
    pub(crate) fn settle(&mut self, out: &mut Outbox<u32>) -> Vec<StoreDone<u32>> {
        while let Some(op) = out.disk.pop_front() {
            if let Some(done) = self.disk.carry_out(op) {
                self.store.on_disk(done, out);
            }
        }
        out.done.drain(..).collect()
    }

    pub(crate) fn ask(&mut self, op: StoreOp<u32>) -> StoreDone<u32> {
        let mut out = Outbox::default();
        self.store.ask(op, &mut out);
        self.settle(&mut out).pop().expect("an answer")
    }

    /// The answers to an append; none when the disk died.
    pub(crate) fn append(&mut self, batch: Vec<Transaction>) -> Vec<StoreDone<u32>> {
        let mut out = Outbox::default();
        self.store.append(batch, &mut out);
        self.settle(&mut out)
    }

    pub(crate) fn close(&mut self) {
        let mut out = Outbox::default();
        self.store.close(&mut out);
        self.settle(&mut out);
    }

    pub(crate) fn before(&mut self, oid: Oid, before: Tid) -> Result<Option<Revision>, StoreError> {
        match self.ask(StoreOp::LoadBefore { context: 0, oid, before }) {
            StoreDone::Loaded { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn serial(&mut self, oid: Oid, serial: Tid) -> Result<Bytes, StoreError> {
        match self.ask(StoreOp::LoadSerial { context: 0, oid, serial }) {
            StoreDone::Data { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn history(&mut self, oid: Oid, count: usize) -> Result<Vec<Past>, StoreError> {
        match self.ask(StoreOp::History { context: 0, oid, count }) {
            StoreDone::History { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Takes an errand to its next answer.
    pub(crate) fn pursue<W: Walk>(&self, errand: &mut Errand<W>) -> Result<W::Answer, StoreError> {
        loop {
            match self.store.pursue(errand)? {
                Step::Answer(answer) => return Ok(answer),
                Step::Read(span) => {
                    let bytes = &self.disk.bytes(FileId::Log)[span.at as usize..][..span.len];
                    errand.take(Ok(Bytes::copy_from_slice(bytes)))?;
                }
            }
        }
    }

    /// Where transaction `serial` gave an object this state.
    pub(crate) fn place(&self, oid: u64, serial: u64, data: &[u8]) -> Option<Place> {
        let data = Some(Bytes::copy_from_slice(data));
        let mut errand = self.store.find(Oid(oid), Tid(serial), data)?;
        self.pursue(&mut errand).unwrap()
    }

    pub(crate) fn current(&mut self, oid: Oid) -> Result<Current, StoreError> {
        match self.ask(StoreOp::CurrentSerial { context: 0, oid }) {
            StoreDone::Serial { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }
}

/// A transaction of these records.
pub(crate) fn transaction(tid: u64, records: &[(u64, Option<&[u8]>)]) -> Transaction {
    let record = |(oid, data): &(u64, Option<&[u8]>)| Record {
        oid: Oid(*oid),
        data: data.map(Bytes::copy_from_slice),
        same_as: None,
    };
    Transaction {
        tid: Tid(tid),
        status: b' ',
        user: Bytes::from_static(b"user"),
        description: Bytes::from_static(b"a description"),
        extension: Bytes::new(),
        records: records.iter().map(record).collect(),
        copied: false,
    }
}

/// A transaction of one object with `len` bytes that tell tid and oid.
pub(crate) fn store_one(tid: u64, oid: u64, len: usize) -> Transaction {
    let data: Vec<u8> = format!("<{oid}@{tid}>").bytes().cycle().take(len).collect();
    transaction(tid, &[(oid, Some(&data))])
}

/// Coins from a seed.
pub(crate) fn coins(seed: u64) -> impl FnMut() -> bool {
    let mut rng = Rng::new(Seed(seed));
    move || rng.chance(1, 2)
}
