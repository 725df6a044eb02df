//! What the `zeolith` binary is made of: the command line, the configuration file that Python's `runzeo` reads, the
//! log, the pid file, and the lines printed at start; and the tools: for a database, for what is in a record, for what a
//! cache did; the load generator, and the simulator's commands. The server itself lives in `zeolith-net`.

pub mod banner;
pub mod bench;
pub mod cache;
mod calendar;
pub mod check;
pub mod config;
pub mod heal;
pub mod logging;
pub mod options;
pub mod pidfile;
pub mod serve;
pub mod show;
pub mod sim;
#[cfg(test)]
mod testing;
pub mod zconfig;
