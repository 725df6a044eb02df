//! The pack of one storage: what its machine is told, and when the packed log takes the place of the old one.
//!
//! The machine works beside loads and commits and is told to catch up until little is left. Then finishes wait until it has
//! the rest, and until every transaction that was to point to a place in the old log has the state instead; then the logs
//! change places. Loads and votes never wait.

use super::event::Event;
use super::names::{ReplyTo, StorageId};
use super::output::{Output, Outputs};
use crate::commit::packing::{self, Stated};
use crate::commit::scene::Scene;
use crate::commit::{Commits, txn};
use crate::ids::Tid;
use crate::limits;
use crate::store::StoreError;
use crate::store::blob::{BlobId, BlobOp};
use crate::store::disk::DiskError;
use crate::store::file::FileStore;
use crate::store::file::pack::{self, Begin, News, Order, Progress};
use crate::store::memory::{PackError, Packed};
use crate::wire::remote::RemoteError;
use crate::wire::reply::{Notice, Reply};
use std::mem;

/// How a storage is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackOptions {
    /// Whether objects go that the root does not reach.
    pub gc: bool,
    /// Whether the log as it was stays beside the packed one.
    pub keep_old: bool,
}

impl Default for PackOptions {
    /// As FileStorage has it.
    fn default() -> Self {
        PackOptions { gc: true, keep_old: true }
    }
}

/// What the shell is to do for a pack. One storage has one pack at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackJob {
    /// Start a [`Packing`](crate::store::file::pack::Packing), on a thread that may block, and tell its news.
    Begin(Begin),
    /// Pass this on to it.
    Order(Order),
}

/// The packs of one storage.
#[derive(Debug)]
pub(super) struct Packs {
    id: StorageId,
    options: PackOptions,
    running: Option<Running>,
    /// Blobs that the log does not name, and that could not be removed yet.
    unswept: Vec<BlobId>,
}

#[derive(Debug)]
struct Running {
    /// Who waits for the end.
    asker: Option<ReplyTo>,
    /// Blobs that go when the logs have changed places.
    gone: Vec<BlobId>,
    step: Step,
    /// Orders to catch up.
    rounds: u32,
    progress: Option<Progress>,
    logged: Option<Progress>,
}

#[derive(Debug)]
enum Step {
    /// The machine works, and commits go on.
    Working,
    /// Finishes wait; what is on its way to the disk gets there.
    Closing,
    /// The machine copies the rest.
    Finishing,
    /// The folder of the blobs notes which go; what follows it is for the log, if there is one.
    Condemning(Option<Box<pack::Packed>>),
    /// Transactions are given states for places: so many are still to come.
    Stating(Box<pack::Packed>, usize),
    /// The packed log, of so many bytes, is put in place of one of so many.
    Swapping(u64, u64),
    /// It is removed, for this reason.
    Discarding(RemoteError),
    /// Commits go on. The blobs go that were noted, once no transaction needs one of them; whether that was asked for.
    Sweeping(bool),
}

impl Running {
    fn at(step: Step) -> Running {
        Running { asker: None, gone: Vec::new(), step, rounds: 0, progress: None, logged: None }
    }
}

impl Packs {
    /// No pack yet.
    pub(super) fn new(id: StorageId, options: PackOptions) -> Packs {
        Packs { id, options, running: None, unswept: Vec::new() }
    }

    /// Whether none goes on.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// How far a pack is; `None` when none goes on.
    pub(super) fn progress(&self) -> Option<String> {
        let running = self.running.as_ref()?;
        Some(match (&running.step, running.progress) {
            (Step::Working, Some(progress)) => progress.to_string(),
            (Step::Working, None) => "beginning".to_owned(),
            (Step::Sweeping(_), _) => "removing blobs".to_owned(),
            _ => "finishing".to_owned(),
        })
    }

    /// `pack`: answered when it is done, or at once where nobody waits. What goes wrong later is then for the log alone, as
    /// in Python's server.
    pub(super) fn start(
        &mut self,
        to: ReplyTo,
        time: f64,
        wait: bool,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) -> Result<Option<Reply>, RemoteError> {
        let stop = Tid::of_time(time)
            .ok_or_else(|| RemoteError::Value("the time of a pack is before the year 10000".into()))?;
        let asker = wait.then_some(to);
        let began = match self.begin(stop, commits, scene) {
            Ok(began) => began,
            Err(error) if wait => return Err(error),
            Err(error) => {
                let (storage, why) = (scene.name.to_owned(), error.to_string());
                scene.out.log(Event::PackFailed { storage, why });
                return Ok(Some(Reply::None));
            }
        };
        let waits = began && asker.is_some();
        if let Some(running) = self.running.as_mut().filter(|_| waits) {
            running.asker = asker;
        }
        Ok((!waits).then_some(Reply::None))
    }

    /// Starts a pack; false when it is over, or there is nothing to pack.
    fn begin(
        &mut self,
        stop: Tid,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) -> Result<bool, RemoteError> {
        if self.running.is_some() {
            mark!("a second pack is refused");
            return Err(RemoteError::FileStorage("Already packing".into()));
        }
        let gc = self.options.gc && scene.desk.store.may_collect();
        let Some(log) = scene.desk.store.log() else { return self.pack_memory(stop, gc, commits, scene) };
        if log.is_empty() {
            return Ok(false);
        }
        let begin = log.begin_pack(stop, gc, scene.desk.has_blobs()).map_err(txn::remote)?;
        scene.out.log(Event::PackBegan { storage: scene.name.to_owned(), stop, gc });
        self.push(PackJob::Begin(begin), scene.out);
        self.running = Some(Running::at(Step::Working));
        Ok(true)
    }

    /// Packs what is in memory, which is done at once but for blobs; whether any are to be removed.
    fn pack_memory(
        &mut self,
        stop: Tid,
        gc: bool,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) -> Result<bool, RemoteError> {
        let storage = scene.name.to_owned();
        let packed = scene.desk.store.pack(stop, gc).map_err(|error| match error {
            PackError::Later => RemoteError::Value(error.to_string()),
            _ => RemoteError::Storage(error.to_string()),
        })?;
        let Some(Packed { before, after, gone }) = packed else { return Ok(false) };
        scene.out.log(Event::Packed { storage, before, after });
        self.running = Some(Running::at(Step::Condemning(None)));
        if scene.desk.has_blobs() && gone.len() + self.unswept.len() > 0 {
            self.condemn(gone, false, scene);
            return Ok(true);
        }
        self.end(Ok(()), commits, scene);
        Ok(false)
    }

    /// The server is to stop: so is a pack, unless it is nearly done.
    pub(super) fn stop(&mut self, out: &mut Outputs) {
        if self.running.is_some() {
            self.push(PackJob::Order(Order::Stop), out);
        }
    }

    /// Takes what the machine tells.
    pub(super) fn on_news(&mut self, news: News, commits: &mut Commits, scene: &mut Scene<'_>) {
        let Some(running) = &mut self.running else { return };
        match news {
            News::Progress(progress) => {
                running.progress = Some(progress);
                let told = running.logged.filter(|last| last.stage == progress.stage);
                if told.is_none_or(|last| progress.percent >= last.percent + 10) {
                    running.logged = Some(progress);
                    scene.out.log(Event::Packing { storage: scene.name.to_owned(), progress });
                }
            }
            News::CaughtUp { upto } => {
                let end = scene.desk.store.size();
                running.rounds += 1;
                if end - upto > limits::PACK_BEHIND && running.rounds <= limits::PACK_ROUNDS {
                    mark!("a pack catches up with commits");
                    self.push(PackJob::Order(Order::CatchUp { upto: end }), scene.out);
                } else {
                    running.step = Step::Closing;
                    packing::hold_finishes(commits);
                }
            }
            News::Ready(mut packed) if scene.desk.has_blobs() => {
                let gone = mem::take(&mut packed.gone);
                running.step = Step::Condemning(Some(packed));
                self.condemn(gone, self.options.keep_old, scene);
            }
            News::Ready(packed) => running.step = Step::Stating(packed, 0),
            News::Nothing(why) => {
                scene.out.log(Event::PackedNothing { storage: scene.name.to_owned(), why: why.to_string() });
                self.end(Ok(()), commits, scene);
            }
            News::Failed(error) => {
                let error = RemoteError::Storage(error.to_string());
                self.end(Err(error), commits, scene);
            }
            News::Stopped => {
                let error = RemoteError::Storage("the pack was stopped".into());
                self.end(Err(error), commits, scene);
            }
        }
    }

    /// Takes the next step if it waits for nothing but that no commit is on its way to the disk. Whether it did.
    pub(super) fn go_on(&mut self, commits: &mut Commits, scene: &mut Scene<'_>) -> bool {
        let Some(Running { step, .. }) = self.running.as_mut() else { return false };
        match step {
            Step::Sweeping(asked @ false) if !packing::copies_packed_blobs(commits) => {
                *asked = true;
                scene.desk.blob(BlobOp::Sweep);
            }
            _ if !commits.is_idle() => return false,
            Step::Closing => {
                *step = Step::Finishing;
                let order = match scene.desk.store.log().is_none_or(FileStore::has_failed) {
                    true => Order::Stop,
                    false => Order::Finish { upto: scene.desk.store.size() },
                };
                self.push(PackJob::Order(order), scene.out);
            }
            Step::Stating(_, 0) if packing::asks_for_blobs(commits) => return false,
            Step::Stating(packed, left @ 0) => {
                *left = packing::ask_states(commits, scene);
                if *left > 0 {
                    mark!("a transaction is given a state for a place before the logs change places");
                    return true;
                }
                if packed.gc
                    && let Err(error) = packing::check_states(commits, packed)
                {
                    self.discard(RemoteError::Storage(error.to_string()), scene);
                    return true;
                }
                let swapping = Step::Swapping(packed.before, packed.end);
                let Step::Stating(packed, _) = mem::replace(step, swapping) else { unreachable!("as seen") };
                scene.desk.swap(packed, self.options.keep_old);
            }
            Step::Working
            | Step::Finishing
            | Step::Condemning(_)
            | Step::Stating(..)
            | Step::Swapping(..)
            | Step::Discarding(_)
            | Step::Sweeping(_) => return false,
        }
        true
    }

    /// A transaction has its state, and room for it unless that is still to come; when all have, the logs change places.
    pub(super) fn on_stated(&mut self, result: Result<Stated, StoreError>, scene: &mut Scene<'_>) {
        let Some(Running { step: Step::Stating(_, left), .. }) = &mut self.running else { return };
        match result {
            Ok(Stated::Done) => *left = left.saturating_sub(1),
            Ok(Stated::NeedsRoom) => {}
            // The old log cannot be read, or a vote that was granted has no room.
            Err(error) => self.discard(txn::remote(error), scene),
        }
    }

    /// Nothing takes the place of the old log.
    fn discard(&mut self, why: RemoteError, scene: &mut Scene<'_>) {
        let Some(running) = &mut self.running else { return };
        running.step = Step::Discarding(why);
        scene.desk.discard();
    }

    /// The logs have changed places, or could not, or were not to.
    pub(super) fn on_swapped(
        &mut self,
        result: Result<(), StoreError>,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) {
        let (before, after) = match &self.running {
            Some(Running { step: Step::Swapping(before, after), .. }) => (*before, *after),
            Some(Running { step: Step::Discarding(why), .. }) => {
                let why = why.clone();
                return self.end(Err(why), commits, scene);
            }
            _ => return,
        };
        match result {
            Ok(()) => {
                scene.out.log(Event::Packed { storage: scene.name.to_owned(), before, after });
                self.sweep(commits, scene);
            }
            Err(error) => self.end(Err(txn::remote(error)), commits, scene),
        }
    }

    /// Has the blobs noted that go, with those that should have gone before.
    fn condemn(&mut self, mut gone: Vec<BlobId>, keep_old: bool, scene: &mut Scene<'_>) {
        let Some(running) = &mut self.running else { return };
        gone.extend(&self.unswept);
        running.gone.clone_from(&gone);
        scene.desk.blob(BlobOp::Condemn { gone, keep_old });
    }

    /// The pack is done but for the blobs that were noted.
    fn sweep(&mut self, commits: &mut Commits, scene: &mut Scene<'_>) {
        let Some(running) = self.running.as_mut().filter(|_| scene.desk.has_blobs()) else {
            return self.end(Ok(()), commits, scene);
        };
        running.step = Step::Sweeping(false);
        self.unswept = mem::take(&mut running.gone);
        packing::let_finishes_go(commits, scene);
    }

    /// Which blobs go is noted, or cannot be.
    pub(super) fn on_condemned(
        &mut self,
        result: Result<(), DiskError>,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) {
        let Some(running) = &mut self.running else { return };
        let Step::Condemning(packed) = &mut running.step else { return };
        match (packed.take(), result) {
            (Some(packed), Ok(())) => running.step = Step::Stating(packed, 0),
            (None, Ok(())) => self.sweep(commits, scene),
            (None, Err(error)) => {
                self.unswept = mem::take(&mut running.gone);
                self.on_swept(Err(error), commits, scene);
            }
            (Some(_), Err(error)) => self.discard(txn::remote(error.into()), scene),
        }
    }

    /// The blobs are gone, or not all of them.
    pub(super) fn on_swept(
        &mut self,
        result: Result<(), DiskError>,
        commits: &mut Commits,
        scene: &mut Scene<'_>,
    ) {
        match result {
            Ok(()) => self.unswept.clear(),
            Err(error) => {
                mark!("blobs of a pack cannot be removed");
                let (storage, why) = (scene.name.to_owned(), error.to_string());
                scene.out.log(Event::BlobsLeft { storage, why });
            }
        }
        self.end(Ok(()), commits, scene);
    }

    /// Everybody goes on.
    fn end(&mut self, result: Result<(), RemoteError>, commits: &mut Commits, scene: &mut Scene<'_>) {
        let Some(running) = self.running.take() else { return };
        match &result {
            Ok(()) => scene.audience.tell_all(&Notice::Info(scene.desk.size()), scene.out),
            Err(error) => {
                let (storage, why) = (scene.name.to_owned(), error.to_string());
                scene.out.log(Event::PackFailed { storage, why });
                if let Some(log) = scene.desk.store.log() {
                    packing::point_again(commits, log);
                }
            }
        }
        if let Some(asker) = running.asker {
            match result {
                Ok(()) => drop(scene.out.reply(&asker, &Reply::None)),
                Err(error) => scene.out.error(&asker, &error),
            }
        }
        packing::let_finishes_go(commits, scene);
    }

    fn push(&self, job: PackJob, out: &mut Outputs) {
        out.push(Output::Pack { storage: self.id, job });
    }
}
