//! What the `zeolith` binary is made of: the command line, the configuration file that Python's `runzeo` reads, the
//! log, the pid file, and the lines printed at start; and the tools: for a database, for what happens and happened in it
//! and what is in its records, for copies, for what a cache did; the load generator, and the simulator's commands. The
//! server itself lives in `zeolith-net`.

pub mod banner;
pub mod bench;
pub mod cache;
mod calendar;
pub mod check;
pub mod config;
pub mod copy;
mod figures;
pub mod heal;
pub mod history;
pub mod ids;
pub mod logging;
pub mod options;
pub mod pack;
pub mod pidfile;
pub mod serve;
pub mod show;
pub mod sim;
pub mod source;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod zconfig;
