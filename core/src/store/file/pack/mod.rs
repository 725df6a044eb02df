//! Packing: a new log of what is to stay, written beside the old one while that is read and appended to.
//!
//! [`Packing`] is a machine of its own and shares nothing with the store. It goes through the log up to where it ended when
//! the pack began (`scan`), marks what the root reaches (`mark`), copies what stays up to the time of the pack (`copy`) and
//! everything behind it (`rest`), and catches up with what was committed meanwhile. The result is what ZODB's FileStorage
//! makes of the same log, record by record, except that the newest transaction always stays, if need be without records,
//! so that the last tid never falls; and that transactions of the nineties with the status `u` lose the records that
//! nobody reads.

mod copy;
mod job;
mod mark;
mod objects;
mod pen;
mod rest;
mod scan;
#[cfg(test)]
mod tests;

pub use job::{Begin, News, Nothing, Order, PackError, Packed, Progress, Stage};

use crate::ids::Oid;
#[cfg(feature = "planted-bugs")]
use crate::ids::Tid;
#[cfg(feature = "planted-bugs")]
use crate::planted::Bug;
use crate::store::blob::BlobId;
use crate::store::disk::{DiskDone, DiskOp, FileId, Naming, Span};
use crate::store::file::format::{Broken, Damaged, FIRST};
use crate::store::file::index_file;
use crate::store::file::read::{Pending, Purpose};
use crate::store::file::view::{self, Need, Spans, Walk};
use copy::Copy;
use mark::{Mark, Targets};
use objects::Objects;
use pen::Pen;
use rest::Rest;
pub(super) use scan::PACKED;
use scan::{Scan, Scanned};
use std::collections::VecDeque;
use std::mem;

/// Bytes read at a time where the log is read forwards.
const READ: usize = 512 << 10;
/// Bytes of the index written between two syncs.
const INDEX_PIECE: usize = 1 << 20;
/// What a pack writes.
const FILES: [FileId; 3] = [FileId::Packed, FileId::PackedSums, FileId::PackedIndex];

/// A pack, as a machine.
///
/// Drain [`poll`](Packing::poll), hand outcomes to [`handle`](Packing::handle), and ask for [`news`](Packing::news) after
/// each. Its operations are carried out in order; they touch none of the storage's files but the log, which is read.
#[derive(Debug)]
pub struct Packing<C> {
    begin: Begin,
    phase: Phase,
    spans: Spans,
    /// Where the log ends for now.
    upto: u64,
    /// The read that is on its way.
    reading: Option<Span>,
    /// Syncs that are.
    syncs: usize,
    out: VecDeque<DiskOp<C>>,
    news: VecDeque<News>,
    told: Option<Progress>,
    gone: Vec<BlobId>,
    #[cfg(feature = "planted-bugs")]
    bug: Option<Bug>,
}

#[derive(Debug)]
enum Phase {
    /// The disk is asked for room.
    Room,
    Scan(Scan),
    Mark(Box<Mark>),
    Copy(Box<Copy>),
    Rest(Box<Rest>, Goal),
    /// The index is written, from this object on, to this place of its file.
    Index(Box<Rest>, Option<Oid>, u64),
    /// Everything is written and not yet synced.
    Sync(Box<Rest>, Goal),
    /// For an order.
    Wait(Box<Rest>),
    /// What was written is being removed: so many files are left.
    Remove(usize, News),
    /// In the middle of a step.
    Between,
    Over,
}

/// What follows when everything is copied that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The index is saved, and the pack waits.
    First,
    /// It waits.
    CatchUp,
    /// The new log is ready.
    Finish,
}

impl<C> Packing<C> {
    /// A pack of a log that is durable up to `begin.upto`.
    pub fn new(begin: Begin) -> Packing<C> {
        Packing {
            upto: begin.upto,
            begin,
            phase: Phase::Room,
            spans: Spans::default(),
            reading: None,
            syncs: 0,
            out: VecDeque::from([DiskOp::Free]),
            news: VecDeque::new(),
            told: None,
            gone: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// Switches a deliberate fault on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, bug: Bug) {
        self.bug = Some(bug);
        if bug == Bug::PackedBeyondItsTime {
            self.begin.stop = Tid::MAX;
        }
    }

    /// The next operation for the disk.
    pub fn poll(&mut self) -> Option<DiskOp<C>> {
        self.out.pop_front()
    }

    /// Whether there is an operation for the disk.
    pub fn has_work(&self) -> bool {
        !self.out.is_empty()
    }

    /// What there is to tell.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Whether nothing follows any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Takes an order.
    ///
    /// # Panics
    /// When it is to catch up before it said that it has, or with less than before.
    pub fn order(&mut self, order: Order) {
        let (upto, goal) = match order {
            Order::Stop => return self.stop(),
            Order::CatchUp { upto } => (upto, Goal::CatchUp),
            Order::Finish { upto } => (upto, Goal::Finish),
        };
        match mem::replace(&mut self.phase, Phase::Between) {
            Phase::Wait(rest) => {
                assert!(upto >= self.upto, "a log grows");
                self.upto = upto;
                self.phase = Phase::Rest(rest, goal);
                self.go();
            }
            // It failed or was stopped when the order was given.
            over @ (Phase::Over | Phase::Remove(..)) => self.phase = over,
            phase => unreachable!("nobody was told to wait for orders at {phase:?}"),
        }
    }

    /// Takes the outcome of an operation.
    pub fn handle(&mut self, done: DiskDone<C>) {
        let failed = match done {
            DiskDone::Free { result } => result.map(|free| self.on_room(free)).err(),
            DiskDone::Read { result, .. } => result.map(|bytes| self.on_read(bytes)).err(),
            DiskDone::Synced { result, .. } => result.map(|()| self.on_synced()).err(),
            DiskDone::WriteFailed { error, .. } => Some(error),
            // A file that stays costs room until the next start, which removes it.
            DiskDone::Named { .. } => {
                self.on_removed();
                None
            }
            DiskDone::Reserved { .. } | DiskDone::Kept { .. } | DiskDone::Of { .. } | DiskDone::Blob(_) => {
                unreachable!("a pack does not ask for that")
            }
        };
        if let Some(error) = failed {
            self.fail(error.into());
        }
    }

    fn stop(&mut self) {
        if !matches!(self.phase, Phase::Remove(..) | Phase::Over) {
            self.remove(News::Stopped);
        }
    }

    fn fail(&mut self, error: PackError) {
        if !matches!(self.phase, Phase::Remove(..) | Phase::Over) {
            self.remove(News::Failed(error));
        }
    }

    /// Removes what was written, then says why.
    fn remove(&mut self, news: News) {
        self.out.clear();
        self.out.extend(FILES.map(|file| DiskOp::Name(Naming::Remove(file))));
        self.phase = Phase::Remove(FILES.len(), news);
    }

    fn on_removed(&mut self) {
        let Phase::Remove(left, _) = &mut self.phase else { return };
        *left -= 1;
        if *left == 0
            && let Phase::Remove(_, news) = mem::replace(&mut self.phase, Phase::Over)
        {
            self.news.push_back(news);
        }
    }

    fn on_room(&mut self, free: u64) {
        let needed = self.upto;
        if free < needed {
            return self.fail(PackError::NoRoom { needed, free });
        }
        if let Phase::Room = self.phase {
            self.phase = Phase::Scan(Scan::new(self.begin.stop));
            self.go();
        }
    }

    fn on_read(&mut self, bytes: bytes::Bytes) {
        let Some(span) = self.reading.take() else { return };
        if bytes.len() < span.len {
            let at = span.at + bytes.len() as u64;
            return self.fail(PackError::Damaged(Damaged { at, what: Broken::Ends }));
        }
        self.spans.add(span.at, bytes);
        self.go();
    }

    fn on_synced(&mut self) {
        self.syncs -= 1;
        if self.syncs == 0 && matches!(self.phase, Phase::Index(..) | Phase::Sync(..)) {
            self.go();
        }
    }

    fn sync(&mut self, file: FileId) {
        self.out.push_back(DiskOp::Sync { file });
        self.syncs += 1;
    }

    /// Goes on as far as the bytes at hand reach.
    fn go(&mut self) {
        while self.step() {}
        self.tell();
    }

    /// One phase; false when there is nothing to do before the disk answers.
    fn step(&mut self) -> bool {
        #[cfg(feature = "planted-bugs")]
        match &mut self.phase {
            Phase::Mark(mark) => mark.bug = self.bug,
            Phase::Copy(copy) => copy.bug = self.bug,
            Phase::Rest(rest, _) => rest.bug = self.bug,
            _ => {}
        }
        match mem::replace(&mut self.phase, Phase::Between) {
            Phase::Scan(walk) => self.drive(walk, Phase::Scan, Self::on_scanned),
            Phase::Mark(walk) => self.drive(walk, Phase::Mark, Self::on_marked),
            Phase::Copy(walk) => self.drive(walk, Phase::Copy, Self::on_copied),
            Phase::Rest(walk, goal) => self.drive(
                walk,
                |walk| Phase::Rest(walk, goal),
                |this, walk, answer| this.on_rest(walk, answer, goal),
            ),
            Phase::Index(rest, from, at) => self.save_index(rest, from, at),
            Phase::Sync(rest, goal) if self.syncs == 0 => self.on_synced_all(rest, goal),
            still => {
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
        match view::run(&mut walk, &mut self.spans, self.upto, &[]) {
            Ok(answer) => then(self, walk, answer),
            Err(Need::Damaged(damaged)) => self.fail(PackError::Damaged(damaged)),
            Err(Need::Bytes(miss)) => {
                self.phase = phase(walk);
                self.flush();
                let span = self.widen(miss);
                self.reading = Some(span);
                let pending = Pending(Purpose::Packing);
                self.out.push_back(DiskOp::Read { file: FileId::Log, span, pending });
                return false;
            }
        }
        true
    }

    /// Writes what has gathered, if it is enough to.
    fn flush(&mut self) {
        let synced = match &mut self.phase {
            Phase::Copy(copy) => copy.pen.flush(&mut self.out),
            Phase::Rest(rest, _) => rest.pen.flush(&mut self.out),
            _ => false,
        };
        self.syncs += usize::from(synced);
    }

    /// How much to read where something is missing.
    fn widen(&self, miss: Span) -> Span {
        let wanted = match &self.phase {
            Phase::Mark(mark) => mark.widen(miss).len,
            _ => READ,
        };
        let left = usize::try_from(self.upto - miss.at).unwrap_or(usize::MAX);
        Span { at: miss.at, len: miss.len.max(wanted).min(left) }
    }

    fn on_scanned(&mut self, _: Scan, scanned: Scanned) {
        let Scanned { split, mut objects, back, redundant } = scanned;
        if redundant {
            self.phase = Phase::Over;
            return self.news.push_back(News::Nothing(Nothing::Redundant));
        }
        if self.begin.gc {
            match Mark::new(objects, split, back) {
                Ok(mark) => self.phase = Phase::Mark(Box::new(mark)),
                Err(error) => self.fail(error),
            }
        } else {
            objects.reach_all();
            self.copy(objects, Targets::watch(&back, split), split);
        }
    }

    fn on_marked(&mut self, mut mark: Box<Mark>, answer: Result<(), PackError>) {
        if let Err(error) = answer {
            return self.fail(error);
        }
        if mark.look_behind() {
            self.phase = Phase::Mark(mark);
        } else {
            let Mark { objects, targets, split, .. } = *mark;
            self.copy(objects, targets, split);
        }
    }

    fn copy(&mut self, objects: Objects, targets: Targets, split: u64) {
        let pen = Pen::new(self.begin.nonce, &mut self.out);
        let copy = Copy::new(pen, objects, targets, (split, self.begin.upto), self.begin.blobs);
        self.phase = Phase::Copy(Box::new(copy));
    }

    fn on_copied(&mut self, copy: Box<Copy>, (): ()) {
        let Copy { pen, objects, targets, gone, .. } = *copy;
        let split = copy.at;
        if pen.at() == split {
            return self.remove(News::Nothing(Nothing::Needed));
        }
        self.gone = gone;
        let rest = Rest::new(pen, objects.into_index(), targets, self.begin.gc, split);
        self.phase = Phase::Rest(Box::new(rest), Goal::First);
    }

    /// Everything is copied that is there.
    fn on_rest(&mut self, mut rest: Box<Rest>, answer: Result<(), PackError>, goal: Goal) {
        if let Err(error) = answer {
            return self.fail(error);
        }
        rest.pen.flush_all(&mut self.out);
        if goal == Goal::First {
            let head = index_file::head(rest.pen.at());
            let len = head.len() as u64;
            self.out.push_back(DiskOp::SetLen { file: FileId::PackedIndex, len: 0 });
            self.out.push_back(DiskOp::Write { file: FileId::PackedIndex, at: 0, chunks: vec![head] });
            let first = rest.index.first_from(Oid::ZERO);
            self.phase = Phase::Index(rest, first, len);
        } else {
            self.settle(rest, goal);
        }
    }

    /// Writes some more of the index, which covers what is copied by now; what follows is found at the next start.
    fn save_index(&mut self, rest: Box<Rest>, mut from: Option<Oid>, at: u64) -> bool {
        if self.syncs > 0 {
            self.phase = Phase::Index(rest, from, at);
            return false;
        }
        let (mut chunks, mut len) = (Vec::new(), 0);
        while let Some(oid) = from.filter(|_| len < INDEX_PIECE) {
            let chunk;
            (chunk, from) = index_file::bucket(&rest.index, oid);
            len += chunk.len();
            chunks.push(chunk);
        }
        if from.is_none() {
            chunks.push(index_file::tail());
        }
        self.out.push_back(DiskOp::Write { file: FileId::PackedIndex, at, chunks });
        if from.is_some() {
            self.sync(FileId::PackedIndex);
            self.phase = Phase::Index(rest, from, at + len as u64);
        } else {
            self.settle(rest, Goal::First);
        }
        true
    }

    /// Syncs what is written.
    fn settle(&mut self, rest: Box<Rest>, goal: Goal) {
        self.sync(FileId::Packed);
        self.sync(FileId::PackedSums);
        if goal == Goal::First {
            self.sync(FileId::PackedIndex);
        }
        self.phase = Phase::Sync(rest, goal);
    }

    fn on_synced_all(&mut self, rest: Box<Rest>, goal: Goal) -> bool {
        if goal != Goal::Finish {
            self.phase = Phase::Wait(rest);
            self.news.push_back(News::CaughtUp { upto: self.upto });
        } else if let Err(error) = rest.check() {
            self.fail(error);
        } else {
            self.phase = Phase::Over;
            let Rest { pen, index, .. } = *rest;
            self.news.push_back(News::Ready(Box::new(Packed {
                index,
                gc: self.begin.gc,
                before: self.upto,
                end: pen.at(),
                nonce: self.begin.nonce,
                sums_len: pen.sums_len(),
                gone: mem::take(&mut self.gone),
            })));
        }
        false
    }

    /// Tells how far it has come, when that is another percent.
    fn tell(&mut self) {
        let (stage, done, of) = match &self.phase {
            Phase::Scan(scan) => (Stage::Scanning, scan.at(), self.upto),
            Phase::Mark(mark) => (Stage::Marking, mark.seen(), mark.objects.len()),
            Phase::Copy(copy) => (Stage::Copying, copy.at, self.upto),
            Phase::Rest(rest, _) => (Stage::Copying, rest.at(), self.upto),
            _ => return,
        };
        let percent = (u128::from(done) * 100 / u128::from(of.max(FIRST))).min(100) as u8;
        let progress = Progress { stage, percent };
        if self.told != Some(progress) {
            self.told = Some(progress);
            self.news.push_back(News::Progress(progress));
        }
    }
}
