//! What the `zeolith` binary is made of: the command line, the configuration file that Python's `runzeo` reads, the
//! log, the pid file, and the lines printed at start; and the tools: the load generator, what happens in a storage, what
//! is in a record and was before, copies, what a cache did. The server itself lives in `zeolith-net`.

pub mod banner;
pub mod bench;
pub mod cache;
mod calendar;
pub mod config;
pub mod copy;
pub mod heal;
pub mod history;
pub mod ids;
pub mod logging;
pub mod options;
pub mod pidfile;
pub mod serve;
pub mod show;
pub mod source;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod zconfig;
