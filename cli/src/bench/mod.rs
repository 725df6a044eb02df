//! `zeolith bench`: a load generator against any ZEO 5 or 6 server.
//!
//! It speaks the protocol as Python's clients do, in the encoding that the server announces, and keeps no cache: every
//! load reaches the server. All its connections are driven by one thread (`drive`). Two servers are measured in turns
//! of half a second, so that whatever else the machine does hits both, and compared pair by pair.

mod client;
mod drive;
pub mod echo;
mod error;
mod histogram;
mod link;
mod objects;
pub mod options;
mod process;
mod report;
mod shorthand;
mod tally;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use thiserror::Error;
use zeolith_core::rng::Seed;
use zeolith_net::tls::{ClientSide, ClientTls};

use client::Client;
use drive::{Driver, Until};
use error::{BenchError, Fault, WriteError};
use link::Link;
use objects::Objects;
use options::{BenchArgs, Row};
use process::{Machine, Process};
use report::{About, Measured};
use tally::Tally;

use crate::options::Address;
use crate::serve::{EXIT_FAILURE, EXIT_USAGE};

/// How long one server is measured before it is the other's turn.
const SLICE: Duration = Duration::from_millis(500);
/// Turns when operations are counted.
const TURNS: usize = 10;
/// How long a row runs on each server before it counts.
const WARM_UP: Duration = Duration::from_millis(200);

#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Measures, and prints the result row by row.
pub fn bench(arguments: BenchArgs) -> ExitCode {
    if let Err(error) = arguments.check() {
        eprintln!("Error: {error}\nFor help, use zeolith bench --help");
        return ExitCode::from(EXIT_USAGE);
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn run(arguments: &BenchArgs) -> Result<(), Failure> {
    let mut out = Out::open(arguments.json.as_deref())?;
    let machine = Machine::this();
    let mut servers = vec![Target::prepare(&arguments.address, arguments.tls(), arguments.pid, arguments)?];
    if let Some(second) = &arguments.compare {
        servers.push(Target::prepare(second, None, arguments.compare_pid, arguments)?);
    }
    let abouts: Vec<About> = servers.iter().map(|server| server.about.clone()).collect();
    out.text(&introduction(&servers, arguments, &machine))?;
    for (row, connections) in arguments.rows() {
        let tallies = measure(&mut servers, row, connections, arguments)?;
        let measured = Measured { row, connections, tallies };
        out.text(&format!("\n{}", measured.table(&abouts)))?;
        out.json(&measured.json(&abouts, arguments, &machine))?;
    }
    Ok(())
}

/// A server, and what it was given to keep.
#[derive(Debug)]
struct Target {
    address: Address,
    tls: Option<ClientSide>,
    about: About,
    objects: Objects,
}

impl Target {
    fn prepare(
        address: &Address,
        tls: Option<ClientTls>,
        pid: Option<u32>,
        arguments: &BenchArgs,
    ) -> Result<Target, BenchError> {
        let at = |fault| BenchError { address: address.to_string(), fault };
        let tls = tls.map(|tls| tls.load()).transpose().map_err(|error| at(error.into()))?;
        let mut link = Link::connect(address, tls.as_ref(), &arguments.storage).map_err(at)?;
        let process = pid.map_or_else(|| Process::behind(&link.socket), Process::of);
        let objects = Objects::add(&mut link, arguments.objects, arguments.size).map_err(at)?;
        let protocol = String::from_utf8_lossy(link.codec.handshake()).into_owned();
        let about = About { address: address.to_string(), protocol, process };
        Ok(Target { address: address.clone(), tls, about, objects })
    }

    fn error(&self, fault: Fault) -> BenchError {
        BenchError { address: self.about.address.clone(), fault }
    }

    /// The connections of a row.
    fn open(&self, row: Row, connections: usize, arguments: &BenchArgs) -> Result<Driver, Fault> {
        // Who listens is told of commits by one connection more.
        let (all, active) =
            if row == Row::FanOut { (connections + 1, 1) } else { (connections, connections) };
        let mut clients = Vec::with_capacity(all);
        for index in 0..all {
            let own = if arguments.contended || index >= active {
                0..self.objects.len()
            } else {
                self.objects.share(index, active)
            };
            let link = Link::connect(&self.address, self.tls.as_ref(), &arguments.storage)?;
            let seed = Seed(index as u64);
            clients.push(Client::new(
                link,
                row,
                seed,
                own,
                arguments.contended,
                arguments.objects_a_transaction,
            ));
        }
        Driver::new(clients, active, if row == Row::Pipelined { arguments.pipeline } else { 1 })
    }

    /// One turn.
    fn turn(&mut self, driver: &mut Driver, tally: &mut Tally, until: Until) -> Result<(), BenchError> {
        let cpu = |about: &About| about.process.as_ref().and_then(Process::cpu);
        let before = cpu(&self.about);
        let ended = driver.slice(&mut self.objects, tally, until);
        ended.map_err(|fault| self.error(fault))?;
        if let Some((after, before)) = cpu(&self.about).zip(before) {
            *tally.cpu.get_or_insert_default() += after.saturating_sub(before);
        }
        Ok(())
    }
}

/// Measures a row on every server, in turns.
fn measure(
    servers: &mut [Target],
    row: Row,
    connections: usize,
    arguments: &BenchArgs,
) -> Result<Vec<Tally>, BenchError> {
    let mut drivers = Vec::new();
    for server in servers.iter_mut() {
        let driver = server.open(row, connections, arguments);
        let mut driver = driver.map_err(|fault| server.error(fault))?;
        // Counted operations are all that there are.
        if arguments.operations.is_none() {
            server.turn(&mut driver, &mut Tally::default(), Until::Elapsed(WARM_UP))?;
        }
        drivers.push(driver);
    }
    let mut tallies = vec![Tally::default(); servers.len()];
    for until in turns(arguments) {
        for ((server, driver), tally) in servers.iter_mut().zip(&mut drivers).zip(&mut tallies) {
            server.turn(driver, tally, until)?;
        }
    }
    Ok(tallies)
}

/// The turns of each server in a row.
fn turns(arguments: &BenchArgs) -> Vec<Until> {
    if let Some(operations) = arguments.operations {
        let number = operations.min(TURNS);
        let part = |turn| operations * (turn + 1) / number - operations * turn / number;
        return (0..number).map(|turn| Until::Operations(part(turn))).collect();
    }
    let number = arguments.seconds.as_secs_f64() / SLICE.as_secs_f64();
    let number = (number.round() as usize).max(1);
    vec![Until::Elapsed(arguments.seconds.div_f64(number as f64)); number]
}

/// What is measured where, and what it leaves behind.
fn introduction(servers: &[Target], arguments: &BenchArgs, machine: &Machine) -> String {
    let mut text = format!("{}, {} cores, {}\n", machine.cpu, machine.cores, machine.kernel);
    for Target { about, objects, .. } in servers {
        let process = match &about.process {
            Some(process) => format!("process {} ({})", process.pid, process.name),
            None => "process not found on this machine".to_owned(),
        };
        let (first, last) = objects.span();
        text += &format!(
            "{}: {}, {process}\n  {} objects of {} bytes were added to storage {} as {first} to {last}\n",
            about.address,
            about.protocol,
            objects.len(),
            arguments.size,
            arguments.storage,
        );
    }
    text + "  Nothing refers to them: the next pack removes them. Nothing else is changed.\n"
}

/// Where the result goes.
struct Out {
    text: Box<dyn Write>,
    json: Option<(Box<dyn Write>, String)>,
}

impl Out {
    fn open(json: Option<&Path>) -> Result<Out, WriteError> {
        Ok(match json {
            None => Out { text: Box::new(io::stdout()), json: None },
            Some(path) if path == Path::new("-") => Out {
                text: Box::new(io::stderr()),
                json: Some((Box::new(io::stdout()), "standard output".to_owned())),
            },
            Some(path) => {
                let file = File::create(path).map_err(|error| WriteError { path: path.to_owned(), error })?;
                let name = path.display().to_string();
                Out { text: Box::new(io::stdout()), json: Some((Box::new(file), name)) }
            }
        })
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        let written = self.text.write_all(text.as_bytes()).and_then(|()| self.text.flush());
        written.map_err(|error| WriteError { path: "the result".into(), error })
    }

    fn json(&mut self, row: &serde_json::Value) -> Result<(), WriteError> {
        let Some((file, name)) = &mut self.json else { return Ok(()) };
        let written = writeln!(file, "{row}").and_then(|()| file.flush());
        written.map_err(|error| WriteError { path: name.as_str().into(), error })
    }
}

#[cfg(test)]
mod tests;
