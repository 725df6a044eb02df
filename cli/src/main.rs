//! The command `zeolith`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zeolith_cli::bench::bench;
use zeolith_cli::bench::echo::{EchoArgs, echo};
use zeolith_cli::bench::options::BenchArgs;
use zeolith_cli::cache::{CacheCommand, cache};
use zeolith_cli::check::{CheckArgs, check};
use zeolith_cli::copy::{CopyArgs, copy};
use zeolith_cli::heal::{HealArgs, heal};
use zeolith_cli::history::{HistoryArgs, history};
use zeolith_cli::pack::{PackArgs, pack};
use zeolith_cli::serve::{ServeArgs, serve};
use zeolith_cli::show::{ShowArgs, show};
use zeolith_cli::sim::options::SimArgs;
use zeolith_cli::sim::sim;
use zeolith_cli::source::PLACES;
use zeolith_cli::watch::{WatchArgs, watch};

/// ZEO, rock solid: serves ZODB databases to the unmodified Python clients of ZEO 5 and 6.
#[derive(Parser)]
#[command(name = "zeolith", version, arg_required_else_help = true)]
struct Zeolith {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve one or more databases; takes the place of runzeo
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Bring back the clients of a database that was restored from a backup
    #[command(after_help = HEAL_HELP)]
    Heal(HealArgs),
    /// Remove old revisions and objects that nobody can reach; takes the place of zeopack
    #[command(after_help = help(PACK_HELP))]
    Pack(PackArgs),
    /// Read a whole database and tell whether it is sound; a server may be running
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Tell what is committed to a storage, while it is
    #[command(after_help = help(WATCH_HELP))]
    Watch(WatchArgs),
    /// Show an object: class, references, and its state as a tree
    #[command(after_help = help(SHOW_HELP))]
    Show(ShowArgs),
    /// List the revisions of an object
    #[command(after_help = help(HISTORY_HELP))]
    History(HistoryArgs),
    /// Copy every transaction of a storage into another one
    #[command(after_help = help(COPY_HELP))]
    Copy(CopyArgs),
    /// Measure a ZEO server, or two against each other
    #[command(after_help = BENCH_HELP)]
    Bench(BenchArgs),
    /// Look at what a client's cache did
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Hunt the server's races in a simulated world, and look at what was found
    #[command(after_help = SIM_HELP)]
    Sim(SimArgs),
    /// Answer zeolith bench with system calls alone: the limit a server can reach
    #[command(hide = true)]
    BenchEcho(EchoArgs),
}

const SERVE_HELP: &str = "\
Without options, ./Data.fs is served on 127.0.0.1:8100 and created if missing.

Examples:
  zeolith serve -C /etc/zeo.conf                     what runzeo -C /etc/zeo.conf serves
  zeolith serve -f /srv/db/Data.fs -a 8100           one database, on every interface
  zeolith serve -f Data.fs -a /run/zeo.sock -t 30    on a Unix socket, commits limited to 30 s

Connect from Python with
  import ZEO; db = ZEO.DB(('127.0.0.1', 8100))

Environment:
  ZEO_MSGPACK      when not empty, speak msgpack unless the configuration says otherwise
  INSTANCE_HOME    where var/ZEO.pid is written unless a pid file is named

Signals:
  TERM, INT stop    HUP stops with exit code 1    USR2 opens the log files anew

Exit codes: 0 stopped, 1 a storage or the server failed, 2 bad usage or configuration, or address in use";

const HEAL_HELP: &str = "\
Clients refuse a server that has lost transactions they know: \"Cache newer than server\". After a restore, and
before the server is started again, this gives the database one empty transaction that is later than all of them.
The clients then drop their caches by themselves.

Examples:
  zeolith heal /srv/db/Data.fs
  zeolith heal /srv/db/Data.fs --after 040d2c8182222222    when the lost server's clock ran ahead

A client's log names its transaction as bytes; b'...'.hex() in Python gives the digits.

Exit codes: 0 done, 1 the file is in use, read-only, missing or damaged, 2 bad usage or an absurd transaction";

const PACK_HELP: &str = "\
A running server packs beside its work, and this waits for the end of it; ending the command does not end the pack. The log as
it was stays as Data.fs.old, unless the server's configuration says otherwise. Of a file that nobody
serves the blobs stay, for good: it is told how many are not needed any more. Pack through the server to have them removed.

Examples:
  zeolith pack zeo://db1:8100/main --days 3    what was removed or changed within three days can still be undone
  zeolith pack /srv/db/Data.fs --no-gc         a file that nobody is serving

Exit codes: 0 packed, or nothing to pack, 1 no server answers, the file is in use, or it cannot be packed, 2 bad usage";

const CHECK_HELP: &str = "\
It reads the whole file, however large, and changes nothing. What Zeolith wrote is compared with the checksums beside
it (Data.fs.sums); of what Python's server wrote, only the structure can be checked. A server checks as much when it
starts, unless the file is larger than 1 GiB: then it checks what was added since its index was saved.

Examples:
  zeolith check /srv/db/Data.fs
  nice ionice -c3 zeolith check /srv/db/Data.fs    without standing in the way of a running server

Exit codes: 0 sound, 1 damaged, missing, or no Data.fs, 2 bad usage";

const WATCH_HELP: &str = "\
One line a transaction: its id, its time in UTC, how many objects it changed, and which. What was committed while there was
no connection comes in one line. Lost and new connections are told on standard error.

Examples:
  zeolith watch 127.0.0.1:8100 --classes
  zeolith watch zeo://db1:8100,db2:8100/main --json | jq .oids
  zeolith watch 8100 --from 040d2c8182222222

Exit codes: 0 interrupted by INT or TERM, 1 no server answers, or it cannot iterate, 2 bad usage";

const SHOW_HELP: &str = "\
The pickles of the record are read, never executed: nothing in it is imported or called. Times are in UTC.

Examples:
  zeolith show /srv/db/Data.fs 0x0                        the root object, beside the running server
  zeolith show 8100 0x2a --at 040d2c8182222222 --full     as it was after that transaction

Exit codes: 0 shown, 1 no such object, or the storage cannot be read, 2 bad usage";

const HISTORY_HELP: &str = "\
The newest revision first. The size is that of the object's state; zero where it has none of its own, as after an undo.

Examples:
  zeolith history Data.fs 0x2a
  zeolith history zeo://localhost:8100/main 42 -n 1000 --json

Exit codes: 0 listed, 1 no such object, or the storage cannot be read, 2 bad usage";

const COPY_HELP: &str = "\
The copy has the same transactions, with their ids, times, users, descriptions and extension data, as FileStorage's
copyTransactionsFrom makes it. The source may be in use; a file as the destination may not. Packed storages stay packed,
undone changes stay undone. Blobs are not copied yet: the copy ends before the first.

A copy that was interrupted goes on where it ended when the same command is run again; so does one whose source has grown.
A destination that ends with a transaction which the source does not have is refused and left as it is.

Examples:
  zeolith copy zeo://db1:8100 backup.fs       a storage in use, into a file
  zeolith copy Data.fs zeo://db2:8100/main    a file, into a server that is empty

Exit codes: 0 copied, 1 the source cannot be read or iterated, or the destination not written, 2 bad usage";

/// A help text with the forms of storages.
fn help(text: &str) -> String {
    format!("{PLACES}\n\n{text}")
}

const BENCH_HELP: &str = "\
It works against any server of ZEO 5 or 6, Python's too, in the encoding that the server announces. It adds objects of
its own, which nothing refers to, so that the next pack removes them, and changes these alone. Still, it writes to the
database and takes all the time it can get: do not point it at a shop that is open.

Rows:
  load        op/s and latency of loads, one at a time on each connection; no client cache is in between
  pipelined   loads with many outstanding, as when objects are prefetched; latency includes the wait behind others
  commit      from tpc_begin to the reply to tpc_finish
  mix         nine loads to one commit
  fan-out     from a finish's request until the last of N listening connections has the invalidation

Op/s is the median over slices of half a second; p50, p99 and max are of all operations. CPU/op is the server's user
and system time, for a server on this machine. With --compare the servers take turns slice by slice, and the ratio
(first / second) is the median of the pairs' ratios.

Examples:
  zeolith bench 127.0.0.1:8100
  zeolith bench 8100 --row load --connections 1,8,64 --size 4000
  zeolith bench 8100 --compare 8101 --seconds 10 --json -

Exit codes: 0 measured, 1 a server failed or is none, 2 bad usage";

const SIM_HELP: &str = "\
A seed decides what a world is like and what happens in it. What breaks a promise is run again, shrunk, and written to a
schedule: a text file with one event a line, which plays without the seed.

Examples:
  zeolith sim run --minutes 10                    as many seeds as there is time for
  zeolith sim run --seeds 0..8000 --coverage      and fail when they reach less than they did
  zeolith sim run --fault power-losses --fault slow-disk
  zeolith sim replay seed-42.events --step        what happens, event by event
  zeolith sim show seed-42.events --html seed-42.html";

fn main() -> ExitCode {
    match Zeolith::parse().command {
        Command::Serve(arguments) => serve(arguments),
        Command::Heal(arguments) => heal(&arguments),
        Command::Pack(arguments) => pack(&arguments),
        Command::Check(arguments) => check(&arguments),
        Command::Watch(arguments) => watch(&arguments),
        Command::Show(arguments) => show(&arguments),
        Command::History(arguments) => history(&arguments),
        Command::Copy(arguments) => copy(&arguments),
        Command::Bench(arguments) => bench(arguments),
        Command::Cache(command) => cache(&command),
        Command::Sim(arguments) => sim(arguments),
        Command::BenchEcho(arguments) => echo(arguments),
    }
}
