//! The server under test: a real process, in a folder of its own, stopped or killed by its own number.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use zeolith_core::wire::Codec;

use crate::process::{signal, wait_for};
use crate::python;

/// How long a server may take until it answers, recovery and a slow machine included.
const START: Duration = Duration::from_secs(60);

/// How long a server may take to stop.
const STOP: Duration = Duration::from_secs(30);

/// Whose server is held to the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// `zeolith serve`.
    Zeolith,
    /// Python's `runzeo`, asked for by `ZEOLITH_PEER_SERVER=python`: the tests themselves are held against it.
    Python,
    /// The same on uvloop, which it takes where it is installed.
    PythonOnUvloop,
}

const RUNZEO: &str = "import sys; sys.modules['uvloop'] = None; import ZEO.runzeo; ZEO.runzeo.main()";

impl Maker {
    /// The one this run is about.
    ///
    /// # Panics
    ///
    /// When the variable has any other value than `zeolith` or `python`.
    pub fn under_test() -> Maker {
        match std::env::var("ZEOLITH_PEER_SERVER").as_deref() {
            Err(_) | Ok("" | "zeolith") => Maker::Zeolith,
            Ok("python") => Maker::Python,
            Ok(other) => panic!("ZEOLITH_PEER_SERVER is zeolith or python, not {other}"),
        }
    }

    fn command(self) -> Command {
        match self {
            Maker::Zeolith => {
                let mut command = Command::new(zeolith());
                command.arg("serve");
                command
            }
            Maker::PythonOnUvloop => Command::new(python::program("runzeo")),
            Maker::Python => {
                let mut command = Command::new(python::program("python"));
                // Without uvloop: there the server's invalidations, which wait for the loop's next turn, are overtaken
                // by replies, and its clients see a change late or fail on a last tid that falls. Python's own event
                // loop keeps the order that the protocol demands.
                command.arg("-c").arg(RUNZEO);
                command
            }
        }
    }
}

/// The `zeolith` binary, built once a process with the profile of the tests.
///
/// # Panics
///
/// When it does not build.
pub fn zeolith() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("ZEOLITH_BIN") {
        Some(binary) => PathBuf::from(binary),
        None => build(&["--package", "zeolith-cli", "--bin", "zeolith"]).join("zeolith"),
    })
}

/// An example of the client, built as the server's binary is.
///
/// # Panics
///
/// When the examples do not build.
pub fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(&["--package", "zeolith-net", "--examples"]).join("examples")).join(name)
}

/// Builds with the profile of the tests, and returns that profile's folder.
fn build(what: &[&str]) -> PathBuf {
    let folder = crate::profile_folder();
    let name = folder.file_name().and_then(|name| name.to_str()).expect("profiles have plain names");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(crate::workspace())
        .args(["build", "--quiet"])
        .args(what)
        .arg("--profile")
        // The dev profile is the one whose folder has another name.
        .arg(if name == "debug" { "dev" } else { name })
        .arg("--target-dir")
        .arg(crate::target_folder())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo build {what:?} fails:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder
}

/// A temporary folder for a server's files; it outlives the servers that are started in it one after the other.
///
/// When a test fails the folder stays, and its path is printed: damaged files are worth a look.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// A new, empty folder.
    pub fn new() -> Home {
        Home(tempfile::Builder::new().prefix("zeolith-").tempdir().expect("a temporary folder"))
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Default for Home {
    fn default() -> Home {
        Home::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.disable_cleanup(true);
            println!("the server's files are kept in {}", self.0.path().display());
        }
    }
}

/// One storage of a configuration.
#[derive(Clone, Copy, Debug)]
pub enum Storage {
    /// A file storage by this name, its file in the server's folder.
    File(&'static str, &'static str),
    /// The same with a folder for blobs beside it.
    Blobs(&'static str, &'static str),
    /// A mapping storage by this name, in a blob storage with this folder.
    BlobsAround(&'static str, &'static str),
    /// A file storage that is read-only, whatever the server is.
    ReadOnly(&'static str, &'static str),
    /// A mapping storage by this name.
    Mapping(&'static str),
    /// Lines as they stand, but for `HOME`, which is the server's folder.
    Lines(&'static str),
}

/// A configuration, written in the format of `zeo.conf`, so that both makers' servers read the same text.
#[derive(Clone, Debug)]
pub struct Config {
    /// The encoding; announced in the server's handshake.
    pub codec: Codec,
    /// Listen on a unix socket in the server's folder, not on a port.
    pub unix: bool,
    /// Speak TLS, in the name of the server in ZEO's own tests, with clients whose certificates are in this file or folder.
    pub tls: Option<PathBuf>,
    /// Serve for reading only.
    pub read_only: bool,
    /// Serve what is left of damaged storages; Zeolith alone knows how.
    pub serve_damaged: bool,
    /// Seconds that a transaction may hold its locks.
    pub transaction_timeout: Option<u32>,
    /// How many transactions' invalidations are kept.
    pub invalidation_queue_size: Option<u32>,
    /// Classes whose conflicts of undos clients are to merge.
    pub merged: Option<&'static str>,
    /// What is served.
    pub storages: Vec<Storage>,
}

impl Config {
    /// One file storage named 1 in `Data.fs`, everything else as by default.
    pub fn new(codec: Codec) -> Config {
        Config {
            codec,
            unix: false,
            tls: None,
            read_only: false,
            serve_damaged: false,
            transaction_timeout: None,
            invalidation_queue_size: None,
            merged: None,
            storages: vec![Storage::File("1", "Data.fs")],
        }
    }

    fn text(&self, home: &Home, address: &str) -> String {
        let merged = self.merged.map(|classes| format!("%define zeolith_merged {classes}\n"));
        let mut text = merged.unwrap_or_default() + &format!("<zeo>\n  address {address}\n");
        let mut line = |line: String| writeln!(text, "{line}").expect("text grows");
        line(format!("  msgpack {}", self.codec == Codec::Msgpack));
        if let Some(authenticate) = &self.tls {
            let certificates = python::package("ZEO/tests");
            let path = |name| certificates.join(name).display().to_string();
            line(format!(
                "  <ssl>\n    certificate {}\n    key {}",
                path("server.pem"),
                path("server_key.pem")
            ));
            line(format!("    authenticate {}\n  </ssl>", authenticate.display()));
        }
        if self.read_only {
            line("  read-only true".to_owned());
        }
        if let Some(seconds) = self.transaction_timeout {
            line(format!("  transaction-timeout {seconds}"));
        }
        if let Some(transactions) = self.invalidation_queue_size {
            line(format!("  invalidation-queue-size {transactions}"));
        }
        line("</zeo>".to_owned());
        for storage in &self.storages {
            line(match storage {
                Storage::File(name, file) => {
                    format!("<filestorage {name}>\n  path {}\n</filestorage>", home.path(file).display())
                }
                Storage::Blobs(name, file) => {
                    let path = home.path(file).display().to_string();
                    format!("<filestorage {name}>\n  path {path}\n  blob-dir {path}.blobs\n</filestorage>")
                }
                Storage::BlobsAround(name, folder) => {
                    let path = home.path(folder).display().to_string();
                    let base = "<mappingstorage>\n  </mappingstorage>";
                    format!("<blobstorage {name}>\n  blob-dir {path}\n  {base}\n</blobstorage>")
                }
                Storage::ReadOnly(name, file) => {
                    let path = home.path(file).display().to_string();
                    format!("<filestorage {name}>\n  path {path}\n  read-only true\n</filestorage>")
                }
                Storage::Mapping(name) => format!("<mappingstorage {name}>\n</mappingstorage>"),
                Storage::Lines(lines) => lines.replace("HOME", &home.0.path().display().to_string()),
            });
        }
        text
    }
}

/// A running server. Dropping it kills it; a test that passes [stops](Server::stop) it, because how it ends counts.
#[derive(Debug)]
pub struct Server {
    child: Child,
    maker: Maker,
    address: String,
    log: PathBuf,
    /// Where in the log this server's part begins.
    began: u64,
}

impl Server {
    /// Starts a server with a configuration file and waits until it answers with the configured handshake.
    ///
    /// # Panics
    ///
    /// When it ends or does not answer within its time; its log is part of the message.
    pub fn start(home: &Home, config: &Config) -> Server {
        Server::start_as(Maker::under_test(), home, config)
    }

    /// Starts a server of this maker, whichever the run is about: for what the two hand to each other.
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn start_as(maker: Maker, home: &Home, config: &Config) -> Server {
        let file = home.path("zeo.conf");
        let socket = config.unix.then(|| home.path("socket").display().to_string());
        let greeting = config.tls.is_none().then_some(config.codec);
        Server::launch(maker, home, greeting, socket, |command, address| {
            fs::write(&file, config.text(home, address)).expect("the server's folder is writable");
            command.arg("-C").arg(&file).args(config.serve_damaged.then_some("--serve-damaged"));
        })
    }

    /// Starts a server without a configuration file, by the options `-a`, `-f`, `-t` and `--pid-file` alone.
    ///
    /// # Panics
    ///
    /// As [`Server::start`].
    pub fn start_by_options(home: &Home, pid_file: &Path) -> Server {
        Server::launch(Maker::under_test(), home, Some(Codec::Pickle), None, |command, address| {
            command.args(["-a", address, "-t", "30", "-f"]).arg(home.path("Data.fs"));
            command.arg("--pid-file").arg(pid_file);
        })
    }

    fn launch(
        maker: Maker,
        home: &Home,
        greeting: Option<Codec>,
        socket: Option<String>,
        arguments: impl Fn(&mut Command, &str),
    ) -> Server {
        let log = home.path("server.log");
        loop {
            let address = socket.clone().unwrap_or_else(free_address);
            let mut command = maker.command();
            arguments(&mut command, &address);
            // Appended, so that the log tells the whole story of a folder over all its servers.
            let into = File::options().create(true).append(true).open(&log).expect("the log is writable");
            let before = into.metadata().expect("the log is there").len();
            let child = command
                .current_dir(home.0.path())
                // The choice of encoding is the configuration's.
                .env_remove("ZEO_MSGPACK")
                .env("RUST_BACKTRACE", "1")
                .stdin(Stdio::null())
                .stdout(into.try_clone().expect("a file can be shared"))
                .stderr(into)
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let mut server = Server { child, maker, address, log: log.clone(), began: before };
            if server.answers(greeting) {
                return server;
            }
            // Between finding a free port and listening on it someone else may have taken it: then, and only then,
            // another try is fair.
            let told = server.log_from(before);
            let taken = socket.is_none() && told.to_lowercase().contains("in use");
            assert!(taken, "the server ended at its start:\n{told}");
        }
    }

    /// Waits for the handshake, or where it is encrypted for somebody who listens; `false` when the server ended before.
    fn answers(&mut self, greeting: Option<Codec>) -> bool {
        let end = Instant::now() + START;
        loop {
            let answer = match greeting {
                Some(_) => handshake(&self.address).map(Some),
                None => TcpStream::connect(&self.address).map(|_| None),
            };
            if self.child.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            match answer {
                Ok(frame) => {
                    let expected =
                        greeting.map(|codec| [&[0, 0, 0, 2], codec.handshake().as_slice()].concat());
                    assert_eq!(frame.map(Vec::from), expected, "the handshake of {greeting:?}");
                    return true;
                }
                Err(error) => assert!(Instant::now() < end, "no answer: {error}\n{}", self.log()),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens: `host:port`, or a socket's path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The server's process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the servers of this folder logged so far.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    /// What this server logged so far.
    pub fn own_log(&self) -> String {
        self.log_from(self.began)
    }

    fn log_from(&self, start: u64) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes[usize::try_from(start).expect("logs fit in memory")..]).into_owned()
    }

    /// Stops the server as an operator does, with SIGTERM.
    ///
    /// # Panics
    ///
    /// When it does not end with success in time, or when it logged an error or a panic on its way. Of Python's server
    /// the log is not judged: it calls an error what a client may rightly be refused.
    pub fn stop(mut self) {
        self.terminate();
        if self.maker == Maker::Zeolith {
            // Its own part: another maker's server may have been in this folder before.
            let log = self.own_log();
            let complaint = log.lines().find(|line| is_complaint(line));
            assert!(complaint.is_none(), "the server complained: {}\n{log}", complaint.unwrap_or_default());
        }
    }

    /// Stops a server that has reason to complain.
    ///
    /// # Panics
    ///
    /// When it does not end with success in time.
    pub fn end(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        signal(&self.child, Signal::TERM);
        let Some(status) = wait_for(&mut self.child, STOP) else {
            panic!("the server does not stop\n{}", self.log());
        };
        assert!(status.success(), "the server ended with {status}\n{}", self.log());
    }

    /// Kills the server with SIGKILL, in the middle of whatever it does.
    ///
    /// # Panics
    ///
    /// When it had already ended: then something else went wrong before.
    pub fn kill(mut self) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "the server ended by itself: {ended:?}\n{}", self.log());
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a stop or a kill the number is waited for, and std neither signals nor waits a second time.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the server's log:\n{}", self.log());
        }
    }
}

fn is_complaint(line: &str) -> bool {
    line.contains("panicked at") || line.split_whitespace().any(|word| word == "ERROR")
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

/// Reads the six bytes that a server of version 5 speaks first.
fn handshake(address: &str) -> io::Result<[u8; 6]> {
    let mut frame = [0; 6];
    let patience = Some(Duration::from_secs(5));
    if address.contains('/') {
        let mut stream = UnixStream::connect(address)?;
        stream.set_read_timeout(patience)?;
        stream.read_exact(&mut frame)?;
    } else {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(patience)?;
        stream.read_exact(&mut frame)?;
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_in_a_log_are_complaints() {
        assert!(is_complaint("2026-01-01T00:00:00Z ERROR zeolith.net.boot the disk is full"));
        assert!(is_complaint("thread 'main' panicked at core/src/server/mod.rs:1:1:"));
        assert!(!is_complaint("2026-01-01T00:00:00Z WARNING zeolith.net.shell refused: ReadOnlyError"));
    }

    #[test]
    fn a_configuration_is_written_as_zeo_conf() {
        let home = Home::new();
        let mut config = Config::new(Codec::Msgpack);
        config.read_only = true;
        config.transaction_timeout = Some(2);
        config.invalidation_queue_size = Some(10);
        config.storages.push(Storage::Mapping("2"));
        let text = config.text(&home, "127.0.0.1:8100");
        let expected = format!(
            "<zeo>\n  address 127.0.0.1:8100\n  msgpack true\n  read-only true\n  transaction-timeout 2\n  \
             invalidation-queue-size 10\n</zeo>\n<filestorage 1>\n  path {}\n</filestorage>\n<mappingstorage 2>\n\
             </mappingstorage>\n",
            home.path("Data.fs").display()
        );
        assert_eq!(text, expected);
    }
}
