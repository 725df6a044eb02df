//! Python's side: one virtual environment with pinned packages, and scripts that run in it for a limited time.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use xxhash_rust::xxh3::xxh3_64;

use crate::process::{signal_group, wait_for};

/// Written last: an environment without it is half-made and is built again.
const COMPLETE: &str = "complete";

/// How long a script may take unless it says otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// The folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

/// A program of the virtual environment, which is made on first use.
///
/// # Panics
///
/// When the environment cannot be made: without Python's `venv`, or without the packages' index.
pub fn program(name: &str) -> PathBuf {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(make_environment).join("bin").join(name)
}

/// The folder of an installed package.
///
/// # Panics
///
/// When it is not there.
pub fn package(name: &str) -> PathBuf {
    let libraries = program("python").with_file_name("../lib");
    let versions = fs::read_dir(libraries).expect("an environment has libraries");
    let packages = versions.map(|version| version.expect("a readable folder").path().join("site-packages"));
    let mut found = packages.map(|packages| packages.join(name)).filter(|folder| folder.is_dir());
    found.next().unwrap_or_else(|| panic!("{name} is not installed")).canonicalize().expect("it is there")
}

/// Makes the environment, once for all processes: test binaries may run side by side, so a file lock guards it.
fn make_environment() -> PathBuf {
    let requirements = scripts().join("requirements.txt");
    let pinned = fs::read(&requirements).expect("the requirements are in the repository");
    let folder = crate::target_folder().join(format!("peers-venv-{:016x}", xxh3_64(&pinned)));
    let guard = File::create(folder.with_extension("lock")).expect("target is writable");
    guard.lock().expect("a file of our own can be locked");
    // The second look finds an environment whose Python was removed or upgraded away.
    if folder.join(COMPLETE).exists() && folder.join("bin/python").exists() {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a half-made environment can be removed");
    }
    step(
        Command::new("python3").args(["-m", "venv"]).arg(&folder),
        "Python's peers need Python 3 with venv and ensurepip: apt-get install python3 python3-venv",
    );
    let pip = || {
        let mut command = Command::new(folder.join("bin/python"));
        command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
        command
    };
    step(
        pip().args(["install", "--quiet", "--no-deps", "--prefer-binary", "-r"]).arg(&requirements),
        "the pinned packages cannot be installed: is Python's package index reachable?",
    );
    step(pip().arg("check"), "the pinned packages do not fit together: see tests/python/requirements.txt");
    fs::write(folder.join(COMPLETE), &pinned).expect("the environment is writable");
    folder
}

fn step(command: &mut Command, hint: &str) {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{hint}\n{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{hint}\n{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// A script, or a module of Python's, about to run.
#[derive(Debug)]
pub struct Script {
    name: String,
    command: Command,
    limit: Duration,
}

impl Script {
    /// A script of `tests/python`.
    pub fn new(name: &str) -> Script {
        let path = scripts().join(name);
        assert!(path.exists(), "{} is missing", path.display());
        Script::started(name, |command| command.arg(path))
    }

    /// A module of an installed package, as `python -m` runs it.
    pub fn module(name: &str) -> Script {
        Script::started(name, |command| command.args(["-m", name]))
    }

    fn started(name: &str, what: impl FnOnce(&mut Command) -> &mut Command) -> Script {
        let mut command = Command::new(program("python"));
        // Unbuffered, so that a killed script's last words are seen; with stacks of all threads at SIGABRT; and with
        // compiled files beside the environment, because the sources' folder is under version control.
        command.arg("-u").env("PYTHONFAULTHANDLER", "1");
        command.env("PYTHONPYCACHEPREFIX", crate::target_folder().join("peers-pycache"));
        what(&mut command);
        Script { name: name.to_owned(), command, limit: LIMIT }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Script {
        self.command.arg(argument);
        self
    }

    /// Lets the script's clients speak TLS, with the certificates of ZEO's own tests.
    pub fn over_tls(mut self) -> Script {
        self.command.env("ZEOLITH_PEER_TLS", "yes");
        self
    }

    /// Sets how long the script may take in all.
    pub fn limit(mut self, limit: Duration) -> Script {
        self.limit = limit;
        self
    }

    /// Runs the script to its end and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails or takes longer than its limit; its output is part of the message.
    pub fn run(self) -> String {
        self.spawn().finish()
    }

    /// Runs a script that must fail, because what it checks was made wrong on purpose, and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it succeeds: then it checks nothing.
    pub fn run_to_failure(self) -> String {
        let (name, status, printed) = self.spawn().end();
        assert!(!status.success(), "{name} did not see what is wrong\n{printed}");
        printed
    }

    /// Starts the script in a process group of its own. Its standard input stays open for as long as someone here
    /// looks after it; scripts end themselves when it closes, so that none outlives a killed test.
    pub fn spawn(mut self) -> Running {
        self.command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let output = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            collect(child.stdout.take().expect("stdout is piped"), &output),
            collect(child.stderr.take().expect("stderr is piped"), &output),
        ];
        Running { name: self.name, child, output, readers, end: Instant::now() + self.limit, ended: false }
    }
}

/// A script that runs. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
    readers: [JoinHandle<()>; 2],
    end: Instant,
    ended: bool,
}

impl Running {
    /// Whether the script has not ended yet.
    ///
    /// # Panics
    ///
    /// When it is over its limit.
    pub fn goes_on(&mut self) -> bool {
        assert!(Instant::now() < self.end, "{} takes too long\n{}", self.name, self.printed());
        let status = self.child.try_wait().expect("a child can be waited for");
        self.ended = status.is_some();
        !self.ended
    }

    /// Waits until the script has printed this.
    ///
    /// # Panics
    ///
    /// When it ends before, or takes too long.
    pub fn wait_for(&mut self, text: &str) {
        while !self.printed().contains(text) {
            // What it printed last may arrive after its end.
            let goes_on = self.goes_on() || self.printed().contains(text);
            assert!(goes_on, "{} ended without {text:?}\n{}", self.name, self.printed());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the script's end and returns what it printed.
    ///
    /// # Panics
    ///
    /// As [`Script::run`].
    pub fn finish(self) -> String {
        let (name, status, printed) = self.end();
        assert!(status.success(), "{name}: {status}\n{printed}");
        // Into the captured output of the test: what was done is told when the test fails later, or on --nocapture.
        println!("{name}: {}", printed.trim_end());
        printed
    }

    fn end(mut self) -> (String, ExitStatus, String) {
        let left = self.end.saturating_duration_since(Instant::now());
        let Some(status) = wait_for(&mut self.child, left) else {
            // Every process prints the stacks of its threads first: where a script hangs is what one wants to know.
            signal_group(&self.child, Signal::ABORT);
            thread::sleep(Duration::from_millis(500));
            signal_group(&self.child, Signal::KILL);
            panic!("{} takes too long and was killed\n{}", self.name, self.printed());
        };
        self.ended = true;
        self.hear_out();
        (self.name.clone(), status, self.printed())
    }

    /// What the script printed so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Waits until all of the output arrived; an orphan that holds the pipe open does not hold up the test.
    fn hear_out(&self) {
        let end = Instant::now() + Duration::from_secs(2);
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            signal_group(&self.child, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn collect(mut from: impl Read + Send + 'static, into: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let into = Arc::clone(into);
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..read]);
        }
    })
}
