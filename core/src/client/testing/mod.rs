//! Clients in front of servers: real ones, or a script.

mod names;
mod scripted;
mod world;

pub(super) use scripted::{Scripted, info, none, python_info, revision};
pub(super) use world::{World, changes, client_config, store};
