//! What a server serves: storages of its own, and those of other servers.

use super::config::{Boot, Config};
use super::held::Held;
use super::names::{ConnId, Context, StorageId};
use super::output::Outputs;
use super::relay::Relay;
use super::storage::Storage;
use crate::ids::Tid;
use crate::store::disk::DiskDone;
use crate::store::file::pack::News;
use crate::time::{Instant, WallTime};
use crate::wire::Codec;
use crate::wire::remote::RemoteError;
use crate::wire::reply::Status;

/// A served storage of one of the two kinds.
#[derive(Debug)]
pub enum Served {
    /// Its store is here.
    Own(Box<Storage>),
    /// Another server has it.
    Relayed(Box<Relay>),
}

/// Calls a method that both kinds have.
macro_rules! either {
    ($served:expr, $storage:ident => $call:expr) => {
        match $served {
            Served::Own($storage) => $call,
            Served::Relayed($storage) => $call,
        }
    };
}

impl Served {
    pub(super) fn new(
        id: StorageId,
        boot: Boot,
        config: &Config,
        wall: WallTime,
        out: &mut Outputs,
    ) -> Served {
        match boot {
            Boot::Own(boot) => Served::Own(Box::new(Storage::new(id, boot, config, wall))),
            Boot::Relay(boot) => Served::Relayed(Box::new(Relay::new(id, boot, config, wall, out))),
        }
    }

    /// Its name in `register`.
    pub fn name(&self) -> &str {
        either!(self, storage => storage.name())
    }

    /// Whether nobody may write.
    pub fn read_only(&self) -> bool {
        either!(self, storage => storage.read_only())
    }

    /// The last transaction.
    pub fn last_tid(&self) -> Tid {
        either!(self, storage => storage.last_tid())
    }

    /// Whether no finished transaction is on its way to the disk, or above.
    pub fn is_idle(&self) -> bool {
        either!(self, storage => storage.is_idle())
    }

    /// Whether clients are let in.
    pub(super) fn door(&self) -> Result<(), RemoteError> {
        match self {
            Served::Own(_) => Ok(()),
            Served::Relayed(relay) => relay.door(),
        }
    }

    pub(super) fn set_time(&mut self, now: Instant, wall: WallTime) {
        match self {
            Served::Own(storage) => storage.set_time(now, wall),
            Served::Relayed(relay) => relay.set_time(now),
        }
    }

    pub(super) fn status(&self) -> Status {
        either!(self, storage => storage.status())
    }

    pub(super) fn join(&mut self, conn: ConnId, codec: Codec) -> Tid {
        either!(self, storage => storage.join(conn, codec))
    }

    pub(super) fn leave(&mut self, conn: ConnId, out: &mut Outputs) -> bool {
        either!(self, storage => storage.leave(conn, out))
    }

    pub(super) fn on_room(&mut self, conn: ConnId, out: &mut Outputs) {
        either!(self, storage => storage.on_room(conn, out))
    }

    pub(super) fn on_disk(&mut self, done: DiskDone<Context>, out: &mut Outputs) {
        either!(self, storage => storage.on_disk(done, out))
    }

    /// Takes what a pack tells; a storage of another server is packed there.
    pub(super) fn on_packed(&mut self, news: News, out: &mut Outputs) {
        match self {
            Served::Own(storage) => storage.on_packed(news, out),
            Served::Relayed(_) => unreachable!("no pack begins here"),
        }
    }

    /// The server is to stop.
    pub(super) fn stop(&mut self, out: &mut Outputs) {
        if let Served::Own(storage) = self {
            storage.stop(out);
        }
    }

    pub(super) fn on_tick(&mut self, out: &mut Outputs) {
        match self {
            Served::Own(storage) => storage.commit(out, |commits, scene| commits.expire(scene)),
            Served::Relayed(relay) => relay.on_tick(out),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        either!(self, storage => storage.deadline())
    }

    pub(super) fn close(&mut self, out: &mut Outputs) {
        either!(self, storage => storage.close(out))
    }

    pub(super) fn is_closed(&self) -> bool {
        either!(self, storage => storage.is_closed())
    }

    pub(super) fn hold(&self, held: &mut Held) {
        either!(self, storage => storage.hold(held))
    }

    pub(super) fn check_invariants(&self, is_there: impl Fn(ConnId) -> bool) {
        either!(self, storage => storage.check_invariants(is_there))
    }

    /// Switches a deliberate fault on; a storage of another server has none.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn plant(&mut self, bug: crate::planted::Bug) {
        if let Served::Own(storage) = self {
            storage.plant(bug);
        }
    }
}
