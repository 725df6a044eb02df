//! A deterministic world for the machines of `zeolith-core`: real bytes between real machines, and everything else made
//! of a seed.
//!
//! A run is a list of [events](event::Event) that chance picked; what happened is judged by [checkers], one a
//! promise. The same seed gives the same run; the events alone give it too, with what the world is like: that is a
//! [`schedule`]. One that breaks a promise is [shrunk](shrink) and [drawn](picture).

pub mod app;
pub mod bug;
pub mod campaign;
mod chance;
pub mod checkers;
pub mod coverage;
pub mod disk;
pub mod event;
pub mod folder;
pub mod history;
pub mod hunt;
pub mod ledger;
pub mod log;
pub mod medium;
pub mod network;
pub mod node;
pub mod options;
pub mod oracle;
mod panics;
pub mod picture;
pub mod program;
pub mod reader;
pub mod record;
pub mod run;
pub mod said;
pub mod schedule;
mod settle;
pub mod setup;
pub mod shrink;
pub mod state;
pub mod steady;
pub mod table;
pub mod tape;
pub mod trace;
mod waits;
pub mod world;
