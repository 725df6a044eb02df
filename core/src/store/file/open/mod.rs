//! Opening a Data.fs, and recovery after a crash, which is the same thing.
//!
//! First everything is read: the index and whether it belongs to the log; what the checksums say of the log behind
//! the index's position; the structure of the same part; the last transactions. Then, unless read-only, everything is
//! written: a bad tail is kept elsewhere and cut, the sidecar and the lock file are made to agree, a rebuilt index is
//! saved. Damage that no crash explains ends the opening before anything was written.

mod phase;
mod recent;
mod report;
mod sanity;
mod scan;
mod sums;
mod verify;
mod writes;

pub use report::{Cut, Found, IndexUse, OpenError, OpenOptions, Opened, Report, SumsUse};
pub use scan::Tail;

use crate::ids::Tid;
use crate::rng::{Rng, Seed};
use crate::store::disk::{DiskDone, DiskOp, FileId, Span};
use crate::store::file::FileStore;
use crate::store::file::append::Appender;
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, Damaged, FIRST};
use crate::store::file::index::Index;
use crate::store::file::index_file::{self, IndexWalk};
use crate::store::file::lockfile::{self, Nonce};
use crate::store::file::read::{Pending, Purpose};
use crate::store::file::sidecar::{ENTRY, Entry, Header};
use crate::store::file::view::{self, Need, Spans, Walk};
use phase::{Phase, ReadMagic, Start};
use recent::{History, Recent};
use sanity::{Sane, Sanity};
use scan::{Scan, Scanned, Zeros};
use std::collections::VecDeque;
use std::mem;
use sums::{Locate, Located, ReadEntries};
use verify::{Verdict, Verify};
use writes::{Progress, Step, Writes};

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

/// Transactions scanned from which on the index is saved, so that the next opening need not scan them again.
const SAVE_INDEX_AFTER: u64 = 5_000;
/// Entries of the sidecar read at a time.
const ENTRIES: u64 = 1_024;

/// The opening of a storage, as a machine.
///
/// Drain [`poll`](Opening::poll), hand outcomes to [`handle`](Opening::handle), and ask
/// [`finished`](Opening::finished) after each.
#[derive(Debug)]
pub struct Opening<C> {
    found: Found,
    options: OpenOptions,
    rng: Rng,
    phase: Phase,
    /// What was read of the file the phase is about.
    spans: Spans,
    /// That file, and how much of it the phase looks at.
    subject: FileId,
    subject_len: u64,
    /// The read that is on its way.
    reading: Option<Span>,
    out: VecDeque<DiskOp<C>>,
    log: LogSoFar,
    report: Report,
    result: Option<Result<Opened<C>, OpenError>>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

/// What is known of the log.
#[derive(Debug)]
struct LogSoFar {
    /// Of everything up to `end`.
    index: Index,
    end: u64,
    last: Tid,
    /// The log is to be created.
    create: bool,
    /// The checksums are in order up to `end`; `None`: there are none of use.
    sums: Option<SumsInPlace>,
    history: History,
}

#[derive(Clone, Copy, Debug)]
struct SumsInPlace {
    nonce: Nonce,
    /// Bytes of the sidecar that are of use.
    len: u64,
}

impl Default for LogSoFar {
    fn default() -> LogSoFar {
        LogSoFar {
            index: Index::new(),
            end: FIRST,
            last: Tid::ZERO,
            create: false,
            sums: None,
            history: History::default(),
        }
    }
}

impl<C> Opening<C> {
    /// An opening of what was found. The seed is for the nonce of a new sidecar: another one every time.
    pub fn new(found: Found, options: OpenOptions, seed: Seed) -> Opening<C> {
        let mut opening = Opening {
            phase: Phase::Magic(ReadMagic),
            spans: Spans::default(),
            subject: FileId::Log,
            subject_len: found.log_len.unwrap_or(0),
            reading: None,
            out: VecDeque::new(),
            log: LogSoFar::default(),
            report: Report::default(),
            result: None,
            rng: Rng::new(seed),
            found,
            options,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        };
        if opening.log_len() == 0 {
            opening.create();
        }
        opening.go();
        opening
    }

    /// The next operation for the disk.
    pub fn poll(&mut self) -> Option<DiskOp<C>> {
        self.out.pop_front()
    }

    /// Takes the outcome of an operation.
    pub fn handle(&mut self, done: DiskDone<C>) {
        if let Phase::Write(writes) = &mut self.phase {
            match writes.on_disk(done, &mut self.out) {
                Progress::Going => {}
                Progress::Finished => self.finish(),
                Progress::Failed(file, error) => self.fail(|path| OpenError::Disk { path, file, error }),
            }
            return;
        }
        // After an error there is nothing to wait for.
        let Some(span) = self.reading.take() else { return };
        let DiskDone::Read { result, .. } = done else { unreachable!("nothing but a read was asked for") };
        let damaged = match result {
            Ok(bytes) if bytes.len() == span.len => {
                self.spans.add(span.at, bytes);
                return self.go();
            }
            Ok(bytes) => Damaged { at: span.at + bytes.len() as u64, what: Broken::Ends },
            Err(error) if self.phase.file() == FileId::Log => {
                return self.fail(|path| OpenError::Disk { path, file: FileId::Log, error });
            }
            Err(_) => Damaged { at: span.at, what: Broken::Unreadable },
        };
        let phase = mem::replace(&mut self.phase, Phase::Over);
        self.on_damaged(phase, damaged);
        self.go();
    }

    /// The end of it, once; `None` before and after.
    pub fn finished(&mut self) -> Option<Result<Opened<C>, OpenError>> {
        self.result.take()
    }

    /// Switches a deliberate fault on, in the opening and in the store it yields. Before the first
    /// [`handle`](Opening::handle).
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
    }

    fn log_len(&self) -> u64 {
        self.found.log_len.unwrap_or(0)
    }

    fn fail(&mut self, error: impl FnOnce(String) -> OpenError) {
        self.phase = Phase::Over;
        self.out.clear();
        self.result = Some(Err(error(self.options.path.clone())));
    }

    /// Goes through the phases as far as the bytes at hand reach.
    fn go(&mut self) {
        while self.step() {}
    }

    /// One phase; false when there is nothing to do before the disk answers.
    fn step(&mut self) -> bool {
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Magic(walk) => self.drive(walk, Phase::Magic, Self::on_magic),
            Phase::Index(walk) => self.drive(walk, Phase::Index, Self::on_index),
            Phase::Sanity(walk) => self.drive(walk, Phase::Sanity, Self::on_sane),
            Phase::Locate(walk) => self.drive(walk, Phase::Locate, Self::on_located),
            Phase::Entries(walk) => self.drive(walk, Phase::Entries, Self::on_entries),
            Phase::Verify(walk) => self.drive(walk, Phase::Verify, Self::on_verdict),
            Phase::Scan(walk) => self.drive(walk, Phase::Scan, Self::on_scanned),
            Phase::Zeros(walk) => self.drive(walk, Phase::Zeros, Self::on_zeros),
            Phase::Recent(walk) => self.drive(walk, Phase::Recent, Self::on_recent),
            still @ (Phase::Write(_) | Phase::Over) => {
                self.phase = still;
                false
            }
        }
    }

    /// Runs a walk, and hands its answer on or reads what it misses; false in the latter case.
    fn drive<W: Walk>(
        &mut self,
        mut walk: W,
        phase: impl FnOnce(W) -> Phase,
        then: impl FnOnce(&mut Self, W, W::Answer),
    ) -> bool {
        match view::run(&mut walk, &mut self.spans, self.subject_len, &[]) {
            Ok(answer) => then(self, walk, answer),
            Err(Need::Damaged(damaged)) => self.on_damaged(phase(walk), damaged),
            Err(Need::Bytes(miss)) => {
                self.phase = phase(walk);
                let (file, span) = (self.phase.file(), self.phase.widen(miss, self.subject_len));
                self.reading = Some(span);
                self.out.push_back(DiskOp::Read { file, span, pending: Pending(Purpose::Opening) });
                return false;
            }
        }
        true
    }

    /// Begins a phase, which looks at the first `len` bytes of its file.
    fn begin(&mut self, phase: Phase, len: u64) {
        if phase.file() != self.subject {
            self.spans = Spans::default();
            self.subject = phase.file();
        }
        self.subject_len = len;
        self.phase = phase;
    }

    /// The file of a phase is not what it should be: the loss of a convenience where it is not the log.
    fn on_damaged(&mut self, phase: Phase, damaged: Damaged) {
        match phase {
            // Whatever the index contradicts, it is the index that goes.
            Phase::Index(_) | Phase::Sanity(_) => self.without_index(IndexUse::Ignored(damaged)),
            Phase::Locate(_) | Phase::Entries(_) => self.without_sums(SumsUse::Ignored(damaged)),
            Phase::Scan(scan) if self.log.sums.is_none() => self.on_broken(scan, damaged),
            _ => self.fail(|path| OpenError::Damaged { path, damaged }),
        }
    }

    fn on_magic(&mut self, _: ReadMagic, start: Start) {
        match start {
            Start::Log if self.is_replaced() => {
                mark!("a log was put in place of ours");
                // The index may be of the other log as well.
                let at = self.log_len();
                self.without_index(IndexUse::Ignored(Damaged { at, what: Broken::OtherLog }));
            }
            Start::Log => match self.found.index_len {
                None | Some(0) => self.without_index(IndexUse::Missing),
                Some(len) => self.begin(Phase::Index(IndexWalk::default()), len),
            },
            Start::Unfinished => self.create(),
            Start::Python2 => self.fail(|path| OpenError::Python2 { path }),
            Start::Foreign => self.fail(|path| OpenError::Foreign { path }),
        }
    }

    /// Whether the log ends elsewhere than a clean end of ours left it, though nobody came through the lock file since.
    fn is_replaced(&self) -> bool {
        lockfile::closed(&self.found.lock).is_some_and(|left| left.len != self.log_len())
    }

    /// There is no log yet, or nothing in it.
    fn create(&mut self) {
        if let Some(beside) = self.found.leftovers.first().cloned() {
            return self.fail(|path| OpenError::Leftover { path, beside });
        }
        if !self.options.create || self.options.read_only {
            return self.fail(|path| OpenError::Missing { path });
        }
        self.log.create = true;
        self.write();
    }

    fn on_index(&mut self, _: IndexWalk, (index, position): (Index, u64)) {
        self.begin(Phase::Sanity(Sanity::new(index, position)), self.log_len());
    }

    fn on_sane(&mut self, _: Sanity, sane: Sane) {
        mark!("an index is of use");
        self.report.index = IndexUse::Used;
        self.log.index = sane.index;
        self.log.end = sane.position;
        self.log.last = sane.last;
        self.find_sums();
    }

    fn without_index(&mut self, why: IndexUse) {
        mark!("a log is opened without an index");
        self.report.index = why;
        self.find_sums();
    }

    fn find_sums(&mut self) {
        let len = self.found.sidecar_len.unwrap_or(0);
        match lockfile::nonce(&self.found.lock) {
            Some(_) if self.is_replaced() => {
                let at = self.log_len();
                self.without_sums(SumsUse::Ignored(Damaged { at, what: Broken::OtherLog }));
            }
            Some(nonce) if len >= ENTRY as u64 => {
                mark!("nobody else wrote since the checksums were started");
                self.begin(Phase::Locate(Locate::new(nonce, self.log.end)), len);
            }
            Some(_) | None => self.without_sums(SumsUse::Missing),
        }
    }

    fn on_located(&mut self, _: Locate, located: Result<Located, Damaged>) {
        let located = match located {
            Ok(located) if located.start <= self.log_len() => located,
            Ok(located) => {
                let beyond = Damaged { at: located.start, what: Broken::OtherLog };
                return self.without_sums(SumsUse::Ignored(beyond));
            }
            Err(foreign) => return self.without_sums(SumsUse::Ignored(foreign)),
        };
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::TornTailKept) {
            return self.without_sums(SumsUse::Missing);
        }
        self.read_entries(Box::new(Verify::new(&located)));
    }

    /// Goes on comparing with the next entries, if there are any.
    fn read_entries(&mut self, verify: Box<Verify>) {
        match ReadEntries::next(verify, ENTRIES) {
            Ok(read) => self.begin(Phase::Entries(read), self.found.sidecar_len.unwrap_or(0)),
            Err(verify) => self.on_verified(*verify),
        }
    }

    fn on_entries(&mut self, read: ReadEntries, entries: Vec<Option<Entry>>) {
        let mut verify = read.verify;
        verify.feed(entries);
        self.begin(Phase::Verify(verify), self.log_len());
    }

    fn on_verdict(&mut self, verify: Box<Verify>, verdict: Verdict) {
        match verdict {
            Verdict::More => self.read_entries(verify),
            Verdict::End => self.on_verified(*verify),
            Verdict::Foreign(damaged) => self.without_sums(SumsUse::Ignored(damaged)),
        }
    }

    /// The log ends where its checksums do.
    fn on_verified(&mut self, verify: Verify) {
        mark!("the checksums vouch for the tail");
        let verified = verify.finish();
        self.report.sums = SumsUse::Used;
        self.report.damaged = verified.damaged;
        self.log.sums = Some(SumsInPlace { nonce: verified.nonce, len: sums::offset_of(verified.entries) });
        self.scan(verified.end);
    }

    fn without_sums(&mut self, why: SumsUse) {
        mark!("the tail is judged by its structure");
        self.report.sums = why;
        self.scan(self.log_len());
    }

    /// Checks the structure from the index's position to `end`.
    fn scan(&mut self, end: u64) {
        let scan = Scan::new(mem::take(&mut self.log.index), self.log.end, self.log.last);
        self.begin(Phase::Scan(scan), end);
    }

    /// The structure is broken. Zeros from there to the end are what a crash leaves where a file had grown.
    fn on_broken(&mut self, scan: Scan, damaged: Damaged) {
        let from = damaged.what.last_number(damaged.at);
        if from >= self.log_len() {
            return self.fail(|path| OpenError::Damaged { path, damaged });
        }
        self.begin(Phase::Zeros(Zeros { at: from, scan, damaged }), self.log_len());
    }

    fn on_zeros(&mut self, mut zeros: Zeros, nothing_else: bool) {
        if nothing_else {
            mark!("a log ends in zeros");
            let scanned = zeros.scan.finish(Some(Tail::Zeros));
            self.on_scanned(zeros.scan, scanned);
        } else {
            let damaged = zeros.damaged;
            self.fail(|path| OpenError::Damaged { path, damaged });
        }
    }

    fn on_scanned(&mut self, _: Scan, scanned: Scanned) {
        let vouched = self.log.sums.is_some();
        if vouched && scanned.tail.is_some() {
            let damaged = Damaged { at: scanned.end, what: Broken::TxnHeader };
            return self.fail(|path| OpenError::Damaged { path, damaged });
        }
        let bytes = self.log_len() - scanned.end;
        if bytes > 0 {
            let why = scanned.tail.unwrap_or(Tail::Unacknowledged);
            mark!("a tail is cut off");
            self.report.cut = Some(Cut { at: scanned.end, bytes, why, kept: None });
        }
        self.report.scanned = scanned.scanned;
        self.report.warnings = scanned.warnings;
        self.log.index = scanned.index;
        self.log.end = scanned.end;
        self.log.last = scanned.last;
        self.begin(Phase::Recent(Recent::new(scanned.end, self.options.queue)), scanned.end);
    }

    fn on_recent(&mut self, _: Recent, history: History) {
        self.log.history = history;
        self.write();
    }

    /// Everything is known: begins to write.
    fn write(&mut self) {
        self.report.objects = self.log.index.len();
        let steps = if self.options.read_only { Vec::new() } else { self.steps() };
        let mut writes = Writes::new(steps);
        let progress = writes.go(&mut self.out);
        self.phase = Phase::Write(writes);
        if progress == Progress::Finished {
            self.finish();
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let end = self.log.end;
        if self.log.create {
            mark!("a log is created");
            steps.push(Step::CreateLog);
        } else if self.report.cut.is_some() {
            steps.extend([Step::KeepTail { from: end }, Step::CutLog { len: end }]);
        } else {
            mark!("a log is whole and served as it is");
            // A process that died may have written what it had no time to sync; it is served from now on.
            steps.push(Step::SyncLog);
        }
        let sums = match self.log.sums {
            Some(sums) => {
                steps.push(Step::CutSums { len: sums.len });
                sums
            }
            None => {
                let header = Header { nonce: Nonce(self.rng.next_u64()), base: end };
                steps.push(Step::StartSums { header: header.bytes() });
                SumsInPlace { nonce: header.nonce, len: sums::offset_of(0) }
            }
        };
        self.log.sums = Some(sums);
        steps.push(Step::WriteLock { contents: lockfile::format(self.found.pid, sums.nonce).into() });
        let rebuilt = self.report.index != IndexUse::Used && !self.log.create;
        // An index over damage would hide it from the next opening.
        let sound = self.report.damaged.is_empty();
        if sound && (rebuilt || self.report.scanned > SAVE_INDEX_AFTER) {
            steps.push(Step::SaveIndex { contents: index_file::encode(&self.log.index, end) });
        }
        steps
    }

    fn finish(&mut self) {
        let Phase::Write(writes) = mem::replace(&mut self.phase, Phase::Over) else {
            unreachable!("writing comes last")
        };
        let mut report = mem::take(&mut self.report);
        report.index_unsaved = writes.index_unsaved;
        if let Some(cut) = &mut report.cut {
            cut.kept = writes.kept;
        }
        let LogSoFar { index, end, last, sums, history, .. } = mem::take(&mut self.log);
        let book = Book::new(index, end, last, report.damaged.clone());
        let appender = match sums {
            Some(sums) if !self.options.read_only => Some(Appender::new(sums.nonce, sums.len)),
            Some(_) | None => None,
        };
        let owner = sums.filter(|_| appender.is_some()).map(|sums| (self.found.pid, sums.nonce));
        let store = FileStore::new(book, appender, owner);
        #[cfg(feature = "planted-bugs")]
        let store = {
            let mut store = store;
            self.bug.into_iter().for_each(|bug| store.plant(bug));
            store
        };
        self.result = Some(Ok(Opened { store, recent: history.recent, base: history.base, report }));
    }
}
