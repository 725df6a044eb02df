//! Opening a Data.fs, and recovery after a crash, which is the same thing.
//!
//! First everything is read: the index and whether it belongs to the log; the whole log, compared with its checksums and
//! itself, or of a very long one what the index does not cover; the last transactions. Then, unless read-only, everything is
//! written: a bad tail is kept elsewhere and cut, the sidecar and the lock file are made to agree, a rebuilt index is
//! saved. Damage that no crash explains ends the opening before anything was written.

mod behind;
mod check;
mod phase;
mod plan;
mod recent;
mod report;
mod rewrite;
mod sanity;
mod sums;
mod tail;
mod txn;
mod vouch;
mod writes;

pub use report::{Cut, Found, IndexUse, OpenError, OpenOptions, Opened, Report, SumsUse};
pub use tail::Tail;

use crate::ids::Tid;
use crate::limits;
use crate::rng::{Rng, Seed};
use crate::store::disk::{DiskDone, DiskOp, FileId, Span};
use crate::store::file::FileStore;
use crate::store::file::append::Appender;
use crate::store::file::book::Book;
use crate::store::file::format::{Broken, Damaged, FIRST};
use crate::store::file::index::Index;
use crate::store::file::index_file::IndexWalk;
use crate::store::file::lockfile;
use crate::store::file::read::{Pending, Purpose};
use crate::store::file::sidecar::{ENTRY, Entry};
use crate::store::file::view::{self, Need, Spans, Walk};
use behind::{Behind, Rest};
use check::{Check, Verdict};
use phase::{Phase, ReadMagic, Start};
use plan::{LogSoFar, SumsInPlace};
use recent::{History, Recent};
use rewrite::Doubt;
use sanity::{Sane, Sanity};
use std::collections::VecDeque;
use std::mem;
use sums::{Locate, Located, ReadEntries};
use vouch::Vouch;
use writes::{Progress, Writes};

#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;

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
            // Without checksums damage would be served, and have new ones ever after. An index is made anew from the log.
            Err(error) if self.phase.file() != FileId::Index => {
                let file = self.phase.file();
                return self.fail(|path| OpenError::Disk { path, file, error });
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
            Phase::Check(walk) => self.drive(walk, Phase::Check, Self::on_verdict),
            Phase::Behind(walk) => self.drive(walk, Phase::Behind, Self::on_rest),
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
        match view::run(&mut walk, &mut self.spans, self.subject_len, &self.report.damaged) {
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
            Phase::Locate(_) => self.without_sums(SumsUse::Ignored(damaged)),
            Phase::Entries(mut read) => {
                read.check.without_sums(damaged);
                self.begin(Phase::Check(read.check), self.log_len());
            }
            Phase::Check(check) => self.on_broken(check, damaged),
            Phase::Recent(mut recent) if !self.report.damaged.is_empty() => {
                let history = recent.unread(self.log.last);
                self.on_recent(recent, history);
            }
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
        if position <= self.log_len() {
            // An index is saved of what is durable. Should it contradict the log, it may be the log that is damaged.
            self.log.claimed = position;
        }
        self.begin(Phase::Sanity(Sanity::new(index, position)), self.log_len());
    }

    fn on_sane(&mut self, _: Sanity, sane: Sane) {
        mark!("an index is of use");
        self.report.index = IndexUse::Used;
        self.log.durable = sane.position;
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
                self.begin(Phase::Locate(Locate::new(nonce, self.checked_from())), len);
            }
            Some(_) | None => self.without_sums(SumsUse::Missing),
        }
    }

    /// Where in the log checking starts.
    fn checked_from(&self) -> u64 {
        if self.log_len() <= self.options.check_upto { FIRST } else { self.log.end }
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
        self.report.sums = SumsUse::Used;
        self.check(Some(Vouch::new(&located)));
    }

    fn without_sums(&mut self, why: SumsUse) {
        mark!("the tail is judged by its structure");
        self.report.sums = why;
        self.check(None);
    }

    fn check(&mut self, vouch: Option<Vouch>) {
        let from = self.checked_from();
        let last = if from == FIRST { Tid::ZERO } else { self.log.last };
        if let Some(closed) = lockfile::closed(&self.found.lock).filter(|left| left.len == self.log_len()) {
            self.log.durable = self.log.durable.max(closed.len);
            self.log.clean = true;
        }
        self.log.known = self.log.durable;
        if vouch.is_some() {
            // Nobody else wrote since, so that the index is this log's.
            self.log.durable = self.log.durable.max(self.log.claimed);
        }
        self.report.unchecked = from - FIRST;
        let LogSoFar { index, end, durable, claimed, .. } = &mut self.log;
        let check = Check::new(mem::take(index), *end, from, last, *durable, *claimed, vouch);
        self.begin(Phase::Check(Box::new(check)), self.log_len());
    }

    fn on_entries(&mut self, read: ReadEntries, entries: Vec<Option<Entry>>) {
        let mut check = read.check;
        check.feed(entries);
        self.begin(Phase::Check(check), self.log_len());
    }

    fn on_verdict(&mut self, check: Box<Check>, verdict: Verdict) {
        match verdict {
            Verdict::More { nonce, unread } => {
                let len = self.found.sidecar_len.unwrap_or(0);
                self.begin(Phase::Entries(ReadEntries::new(check, nonce, unread)), len);
            }
            Verdict::End => self.on_checked(*check, None),
            Verdict::Tail(tail) => self.on_checked(*check, Some(tail)),
            Verdict::Broken(tail) => self.begin(Phase::Behind(Behind::tail(check, tail)), self.log_len()),
        }
    }

    /// The structure is broken.
    fn on_broken(&mut self, check: Box<Check>, damaged: Damaged) {
        if check.is_durable() {
            self.fail(|path| OpenError::Damaged { path, damaged });
        } else if check.is_vouched() {
            self.on_checked(*check, Some(Tail::Unacknowledged));
        } else {
            self.begin(Phase::Behind(Behind::damage(check, damaged)), self.log_len());
        }
    }

    fn on_rest(&mut self, behind: Behind, rest: Rest) {
        match rest {
            Rest::Tail(tail) => self.on_checked(*behind.check, Some(tail)),
            Rest::Damaged(damaged) => self.fail(|path| OpenError::Damaged { path, damaged }),
            Rest::Foreign => self.fail(|path| OpenError::NoTransactions { path }),
        }
    }

    fn on_checked(&mut self, check: Check, tail: Option<Tail>) {
        let checked = check.finish();
        if let Some(last) = checked.damaged.last() {
            // What such bytes say of whose they are cannot be trusted: only an index of before can tell.
            if last.start >= self.log.end {
                return self.fail(|path| OpenError::DiffersUnindexed { path, ranges: checked.damaged });
            }
            if !self.options.serve_damaged {
                return self.fail(|path| OpenError::Differs { path, ranges: checked.damaged });
            }
        }
        if let Some(why) = checked.unvouched {
            mark!("the checksums are another log's");
            self.report.sums = SumsUse::Ignored(why);
        }
        if checked.sums.is_some() {
            mark!("the checksums vouch for the tail");
        }
        if tail.is_some() {
            mark!("a tail is cut off");
        }
        self.report.cut =
            tail.map(|why| Cut { at: checked.end, bytes: self.log_len() - checked.end, why, kept: None });
        self.report.transactions = checked.counts.transactions;
        self.report.scanned = checked.counts.scanned;
        self.report.compared = checked.counts.compared;
        self.report.structure = checked.counts.structure;
        self.report.warnings = checked.warnings;
        self.report.damaged = checked.damaged;
        self.log.sums = checked.sums.map(|(nonce, entries)| SumsInPlace { nonce, entries });
        let end = checked.end;
        self.log.doubt = match self.log.sums {
            Some(_) => Doubt { from: checked.durable.min(end), upto: end, entries: checked.doubted },
            // Python's server has one transaction under way at a time, and ends when a sync of it fails.
            None => {
                let from = self.log.known.max(end.saturating_sub(limits::DOUBTED)).min(end);
                Doubt { from, upto: end, entries: Vec::new() }
            }
        };
        self.log.index = checked.index;
        self.log.end = checked.end;
        self.log.last = checked.last;
        self.begin(Phase::Recent(Recent::new(checked.end, self.options.queue)), checked.end);
    }

    fn on_recent(&mut self, _: Recent, history: History) {
        self.log.history = history;
        self.write();
    }

    /// Everything is known: begins to write.
    fn write(&mut self) {
        self.report.objects = self.log.index.len();
        #[cfg(feature = "planted-bugs")]
        if self.bug == Some(Bug::DoubtNotWritten) && self.log.doubt.from >= FIRST {
            self.log.doubt = Doubt::default();
        }
        let steps = if self.options.read_only {
            Vec::new()
        } else {
            self.log.steps(&self.report, self.found.pid, &mut self.rng)
        };
        let mut writes = Writes::new(steps);
        let progress = writes.go(&mut self.out);
        self.phase = Phase::Write(writes);
        if progress == Progress::Finished {
            self.finish();
        }
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
            Some(sums) if !self.options.read_only => {
                Some(Appender::new(sums.nonce, sums::offset_of(sums.entries)))
            }
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
