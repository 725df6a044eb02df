//! Results of calls as the client wants them: typed, and believed only as far as they can be true.

use super::fault::Fault;
use crate::ids::{Oid, Tid};
use crate::store::Revision;
use crate::wire::frame::Frame;
use crate::wire::reply::Conflict;
use crate::wire::tree::Value;

/// What a server said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) name: String,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) supports_undo: bool,
    pub(super) supports_blobs: bool,
    pub(super) supports_deletion: bool,
    pub(super) supports_restoring: bool,
    pub(super) supports_record_iternext: bool,
    /// Of `ZODB.interfaces`.
    pub(super) interfaces: Vec<String>,
    /// No reply overtakes an invalidation.
    pub(super) in_order: bool,
}

/// The server's last transaction; `None` where old servers do not say.
pub(super) fn last_tid(value: Value<'_>, method: &'static str) -> Result<Option<Tid>, Fault> {
    if value.is_none() {
        return Ok(None);
    }
    tid(value, method).map(Some)
}

/// A transaction id.
pub(super) fn tid(value: Value<'_>, method: &'static str) -> Result<Tid, Fault> {
    let tid = value.as_tid().filter(|tid| *tid <= Tid::MAX);
    tid.ok_or_else(|| Fault::result(method, "transaction id"))
}

/// What changed since `since`; `None`: the server does not know.
pub(super) fn invalidations(value: Value<'_>, since: Tid) -> Result<Option<(Tid, Vec<Oid>)>, Fault> {
    if value.is_none() {
        return Ok(None);
    }
    let told = value.invalidations().filter(|(upto, _)| since <= *upto && *upto <= Tid::MAX);
    told.ok_or_else(|| Fault::result("getInvalidations", "later transaction with oids")).map(Some)
}

/// The revision that was current just before `before`.
pub(super) fn revision(value: Value<'_>, frame: &Frame<'_>, before: Tid) -> Result<Option<Revision>, Fault> {
    if value.is_none() {
        return Ok(None);
    }
    let (data, serial, until) = value.revision().ok_or_else(|| Fault::result("loadBefore", "revision"))?;
    if serial >= before || until.is_some_and(|until| until < before || until > Tid::MAX) {
        return Err(Fault::result("loadBefore", "revision current at that time"));
    }
    Ok(Some(Revision { data: frame.share(data), serial, until }))
}

/// What a vote found: objects whose state the server changed by itself, or conflicts.
pub(super) fn vote(value: Value<'_>) -> Result<(Vec<Oid>, Vec<Conflict>), Fault> {
    if value.is_none() {
        return Ok((Vec::new(), Vec::new()));
    }
    if let Some(oids) = value.oids() {
        return Ok((oids, Vec::new()));
    }
    let conflicts = value.conflicts();
    conflicts
        .ok_or_else(|| Fault::result("vote", "list of oids or conflicts"))
        .map(|conflicts| (Vec::new(), conflicts))
}

/// What a server can do.
pub(super) fn abilities(value: Value<'_>) -> Result<Abilities, Fault> {
    let info = value.info().ok_or_else(|| Fault::result("get_info", "description of a storage"))?;
    Ok(Abilities {
        name: info.name.to_owned(),
        objects: info.size.length,
        bytes: info.size.size,
        supports_undo: info.supports_undo,
        supports_blobs: info.provides("IBlobStorage"),
        supports_deletion: info.provides("IExternalGC"),
        supports_restoring: info.provides("IStorageRestoreable"),
        supports_record_iternext: info.supports_record_iternext,
        interfaces: info.of_zodb().map(str::to_owned).collect(),
        in_order: info.in_order,
    })
}
