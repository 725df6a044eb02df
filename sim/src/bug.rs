//! The deliberate faults a world can have: those of [`zeolith_core::planted`] with the feature `planted-bugs`, none
//! without it.

use zeolith_core::client::Client;
use zeolith_core::server::{Context, Server};
use zeolith_core::store::file::open::Opening;
use zeolith_core::store::file::pack::Packing;

#[cfg(feature = "planted-bugs")]
pub use zeolith_core::planted::Bug;

/// No fault: there are none in this build.
#[cfg(not(feature = "planted-bugs"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {}

#[cfg(not(feature = "planted-bugs"))]
impl Bug {
    /// Every one of them that breaks a promise.
    pub const ALL: &[Bug] = &[];
    /// The others.
    pub const OTHERS: &[Bug] = &[];

    /// What it is called in a schedule and on a command line.
    pub fn name(self) -> &'static str {
        match self {}
    }

    /// The promise it breaks.
    pub fn promise(self) -> u32 {
        match self {}
    }
}

/// The fault of a name; `None` when this build has no such fault.
pub fn named(name: &str) -> Option<Bug> {
    Bug::ALL.iter().chain(Bug::OTHERS).copied().find(|bug| bug.name() == name)
}

#[cfg(feature = "planted-bugs")]
pub(crate) fn plant_in_opening(bug: Bug, opening: &mut Opening<Context>) {
    opening.plant(bug);
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn plant_in_opening(bug: Bug, _: &mut Opening<Context>) {
    match bug {}
}

#[cfg(feature = "planted-bugs")]
pub(crate) fn plant_in_pack(bug: Bug, packing: &mut Packing<Context>) {
    packing.plant(bug);
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn plant_in_pack(bug: Bug, _: &mut Packing<Context>) {
    match bug {}
}

#[cfg(feature = "planted-bugs")]
pub(crate) fn plant_in_server(bug: Bug, server: &mut Server) {
    server.plant(bug);
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn plant_in_server(bug: Bug, _: &mut Server) {
    match bug {}
}

#[cfg(feature = "planted-bugs")]
pub(crate) fn plant_in_client(bug: Bug, client: &mut Client) {
    client.plant(bug);
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn plant_in_client(bug: Bug, _: &mut Client) {
    match bug {}
}
