//! What `zeolith bench` can be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use zeolith_net::tls::ClientTls;

use super::objects::SMALLEST;
use crate::options::Address;

/// What one row of the result is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// Loads, one at a time on each connection
    Load,
    /// Loads, many of them outstanding on each connection
    Pipelined,
    /// Commits, one at a time on each connection
    Commit,
    /// Nine loads to one commit, one at a time on each connection
    Mix,
    /// Commits of one connection while the others only listen: the time until the last one knows
    FanOut,
}

impl Row {
    /// The numbers of connections it is measured with unless told otherwise.
    fn usual_connections(self) -> &'static [usize] {
        match self {
            Row::Load => &[1, 8],
            Row::Pipelined => &[1],
            Row::Commit => &[1, 8, 32],
            Row::Mix => &[8],
            Row::FanOut => &[100],
        }
    }

    /// Whether every connection commits.
    fn commits_everywhere(self) -> bool {
        matches!(self, Row::Commit | Row::Mix)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no row is hidden").get_name())
    }
}

/// The options of `zeolith bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// The server: HOST:PORT, PORT on this machine, or a Unix socket (a path with a '/')
    #[arg(value_name = "ADDR", value_parser = Address::of_server)]
    pub address: Address,

    /// Measure a second server in turns with the first, and print the ratios first / second
    #[arg(long, value_name = "ADDR", value_parser = Address::of_server)]
    pub compare: Option<Address>,

    /// Speak TLS with the first server, and show this certificate
    #[arg(long, value_name = "FILE", requires = "authenticate")]
    pub certificate: Option<PathBuf>,

    /// The key of the certificate, unless it is in the same file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// A file or folder of certificates: the server's, or those of its authorities
    #[arg(long, value_name = "PATH", requires = "certificate")]
    pub authenticate: Option<PathBuf>,

    /// The storage's name
    #[arg(long, value_name = "NAME", default_value = "1")]
    pub storage: String,

    /// Measure this row only; may be given several times [default: all of them]
    #[arg(long, value_enum)]
    pub row: Vec<Row>,

    /// Connections, of fan-out those that listen; several numbers measure each row with each [default: load 1,8,
    /// pipelined 1, commit 1,8,32, mix 8, fan-out 100]
    #[arg(long, value_name = "N[,N]", value_delimiter = ',', value_parser = positive)]
    pub connections: Vec<usize>,

    /// How long each row is measured on each server
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub seconds: Duration,

    /// Measure this many operations instead of for a time
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = positive)]
    pub operations: Option<usize>,

    /// Bytes of an object
    #[arg(long, value_name = "BYTES", default_value = "300", value_parser = size)]
    pub size: usize,

    /// Objects that are added for the purpose
    #[arg(long, value_name = "N", default_value = "1000", value_parser = positive)]
    pub objects: usize,

    /// Objects that a commit changes
    #[arg(long, value_name = "K", default_value = "3", value_parser = positive)]
    pub objects_a_transaction: usize,

    /// Outstanding loads of a connection in the row "pipelined"
    #[arg(long, value_name = "DEPTH", default_value = "100", value_parser = positive)]
    pub pipeline: usize,

    /// Let all connections change the same objects, so that they conflict; otherwise each has its own
    #[arg(long)]
    pub contended: bool,

    /// The process whose CPU time is told, when the server on this machine cannot be found by its socket
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// The same for the second server
    #[arg(long, value_name = "PID", requires = "compare")]
    pub compare_pid: Option<u32>,

    /// Write one JSON object a row there; with - to standard output, and the tables to standard error
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl BenchArgs {
    /// The rows to measure, each with its number of connections.
    pub fn rows(&self) -> Vec<(Row, usize)> {
        let rows = if self.row.is_empty() { Row::value_variants() } else { &self.row };
        let connections = |row: Row| {
            let numbers =
                if self.connections.is_empty() { row.usual_connections() } else { &self.connections };
            numbers.iter().map(move |&number| (row, number))
        };
        rows.iter().copied().flat_map(connections).collect()
    }

    /// How to speak TLS with the first server, if so. In whose name its certificate is does not matter here.
    pub fn tls(&self) -> Option<ClientTls> {
        let mut tls = ClientTls::new().check_hostname(false);
        tls = tls.certificate(self.certificate.as_ref()?).authenticate(self.authenticate.as_ref()?);
        Some(self.key.iter().fold(tls, |tls, key| tls.key(key)))
    }

    /// What is wrong with the options together.
    ///
    /// # Errors
    /// A sentence, when there are too few objects for the connections.
    pub fn check(&self) -> Result<(), String> {
        let sharers = self.rows().into_iter().filter(|(row, _)| row.commits_everywhere());
        let most = if self.contended { 1 } else { sharers.map(|(_, number)| number).max().unwrap_or(1) };
        let needed = most.saturating_mul(self.objects_a_transaction);
        if self.objects < needed {
            let share = if most == 1 { "" } else { " when each connection has its own (see --contended)" };
            return Err(format!("{needed} objects are needed{share}, not {}", self.objects));
        }
        Ok(())
    }
}

fn positive(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|&number| number > 0).ok_or("expected a number of at least 1")
}

/// Reads the size of an object.
///
/// # Errors
/// A sentence, when it cannot be made.
pub fn size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (SMALLEST..=LARGEST).contains(size));
    size.ok_or_else(|| format!("expected a number of bytes between {SMALLEST} and {LARGEST}"))
}

/// The largest object: pipelined replies of many times this must still fit in memory.
const LARGEST: usize = 64 << 20;

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or("expected a positive number of seconds")
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
