//! One server process and its folder, seen from outside.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use zeolith_tests::process::{signal, wait_for};
use zeolith_tests::server::{Home, zeolith};

/// How long anything may take; only what hangs takes as long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds.
///
/// # Panics
///
/// When it does not within [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A `zeolith serve`, with its outputs in files. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// `None` when a signal killed it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Process {
    /// `zeolith serve` with these arguments, in the folder.
    pub fn spawn<S: AsRef<str>>(home: &Home, arguments: &[S]) -> Process {
        let mut command = Command::new(zeolith());
        command.arg("serve").args(arguments.iter().map(AsRef::as_ref));
        Process::run(home, command)
    }

    /// Any command, in the folder and with the server's environment.
    pub fn run(home: &Home, mut command: Command) -> Process {
        let number = (0..).find(|n| !home.path(&format!("out{n}")).exists()).expect("numbers do not end");
        let (out, err) = (home.path(&format!("out{number}")), home.path(&format!("err{number}")));
        let child = command
            .current_dir(home.path(""))
            .env_remove("ZEO_MSGPACK")
            .env_remove("INSTANCE_HOME")
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("the folder is writable"))
            .stderr(File::create(&err).expect("the folder is writable"))
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Process { child, out, err }
    }

    /// A server of `./Data.fs` on a port of the system's choice, with further arguments; it is ready.
    pub fn serving(home: &Home, more: &[&str]) -> (Process, String) {
        let arguments = [&["-a", "127.0.0.1:0", "-f", "Data.fs"], more].concat();
        Process::ready(Process::spawn(home, &arguments))
    }

    /// A server by a configuration file, of which this is all; it is ready.
    pub fn configured(home: &Home, text: &str) -> (Process, String) {
        fs::write(home.path("zeo.conf"), text).expect("the folder is writable");
        Process::ready(Process::spawn(home, &["-C", "zeo.conf"]))
    }

    /// Waits for the banner; returns the address it names.
    pub fn ready(mut self) -> (Process, String) {
        let mut address = None;
        until("the server says what it serves", || {
            let ended = self.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", self.err());
            let told = self.out();
            let line = told.lines().find_map(|line| line.strip_prefix("on "));
            address = line.and_then(|line| line.split_once(" (")).map(|(address, _)| address.to_owned());
            told.ends_with(")\n") && address.is_some()
        });
        let address = address.expect("just seen");
        (self, address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn out(&self) -> String {
        read(&self.out)
    }

    pub fn err(&self) -> String {
        read(&self.err)
    }

    pub fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    /// Waits until the process has ended.
    pub fn end(mut self) -> End {
        let status = wait_for(&mut self.child, PATIENCE);
        let status = status.unwrap_or_else(|| panic!("the server does not end\n{}", self.err()));
        End { code: status.code(), out: self.out(), err: self.err() }
    }

    /// Stops the server as an operator does; it must have had nothing to complain of.
    pub fn stop(self) -> End {
        self.signal(Signal::TERM);
        let end = self.end();
        assert_eq!(end.code, Some(0), "{}", end.err);
        let complaint = end.err.lines().find(|line| line.contains("ERROR") || line.contains("panicked at"));
        assert_eq!(complaint, None, "{}", end.err);
        end
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a living process");
        let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kilobytes << 10
    }

    /// Processor time used so far, in ticks of 10 ms.
    pub fn ticks(&self) -> u64 {
        let stat = read(Path::new(&format!("/proc/{}/stat", self.id())));
        let (_, after_name) = stat.rsplit_once(')').expect("a name in parentheses");
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("{}{}", self.out(), self.err());
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A port of this machine that was free a moment ago.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}

/// The names in the folder but for what the harness itself puts there, in order.
pub fn names(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path("")).expect("the folder is readable");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder is readable").file_name().into_string().expect("plain names"))
        .filter(|name| !["out", "err", "zeo.conf"].iter().any(|ours| name.starts_with(ours)))
        .collect();
    names.sort();
    names
}

/// What must not change about a file: its bytes and when they were written.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    modified: SystemTime,
    inode: u64,
    contents: Option<Vec<u8>>,
}

impl Snapshot {
    pub fn of(path: &Path) -> Snapshot {
        let metadata = fs::metadata(path).expect("the file is there");
        let contents = metadata.is_file().then(|| fs::read(path).expect("the file is readable"));
        Snapshot { modified: metadata.modified().expect("times"), inode: metadata.ino(), contents }
    }
}
