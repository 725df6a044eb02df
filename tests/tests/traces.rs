//! Cache traces: what Python's client writes is read with the figures of Python's tools, and what ours writes too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use zeolith_core::cache::trace::{Code, Trace, Traced};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::Codec;
use zeolith_net::client::trace::TraceFile;
use zeolith_tests::python::Script;
use zeolith_tests::server::{Config, Home, Server, zeolith};

/// A copy of the trace that a Python client wrote, recorded once for all tests.
struct Recorded(Home);

impl Recorded {
    fn copy() -> Recorded {
        static TRACE: OnceLock<Vec<u8>> = OnceLock::new();
        let bytes = TRACE.get_or_init(|| {
            let home = Home::new();
            let server = Server::start(&home, &Config::new(Codec::Pickle));
            let cache = home.path("main.zec");
            Script::new("cache_trace.py").arg(server.address()).arg(&cache).run();
            server.stop();
            fs::read(home.path("main.zec.trace")).expect("the client wrote a trace")
        });
        let recorded = Recorded(Home::new());
        fs::write(recorded.trace(), bytes).expect("written");
        recorded
    }

    fn trace(&self) -> PathBuf {
        self.0.path("main.zec.trace")
    }
}

/// What our tool prints.
fn ours(tool: &str, arguments: &[&str], trace: &Path) -> String {
    let output =
        Command::new(zeolith()).args(["cache", tool]).args(arguments).arg(trace).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What Python's prints.
fn pythons(tool: &str, arguments: &[&str], trace: &Path) -> String {
    let script = Script::new("cache_figures.py").arg(tool);
    arguments.iter().fold(script, |script, argument| script.arg(argument)).arg(trace).run()
}

/// Everything but what differs by nature: how long the tool took, and the words that explain a code.
fn figures(printed: &str) -> Vec<String> {
    let mut explained = false;
    let mut lines = Vec::new();
    for line in printed.lines() {
        let line = line.split(" in ").next().filter(|_| line.starts_with("Read ")).unwrap_or(line);
        explained = (explained && !line.is_empty()) || line.trim_start().starts_with("Count Code");
        lines.push(if explained { line.chars().take(19).collect() } else { line.to_owned() });
    }
    lines
}

/// Compares line by line.
fn same(ours: &str, pythons: &str) {
    let (ours, pythons) = (figures(ours), figures(pythons));
    for (number, (our, python)) in ours.iter().zip(&pythons).enumerate() {
        assert_eq!(our, python, "line {}", number + 1);
    }
    assert_eq!(ours.len(), pythons.len());
}

#[test]
fn statistics_have_pythons_figures() {
    let recorded = Recorded::copy();
    let trace = &recorded.trace();
    for arguments in [&[][..], &["-q"], &["-i", "5"], &["-S", "-h"], &["-s", "-h", "-q"], &["-v"], &["-X"]] {
        same(&ours("stats", arguments, trace), &pythons("stats", arguments, trace));
    }
    // And they say something: a test that compares nothing with nothing passes too.
    let text = ours("stats", &[], trace);
    for code in ["10", "1c", "20", "22", "24", "26", "52", "54"] {
        assert!(text.contains(&format!("  {code}  ")), "no {code}:\n{text}");
    }
    assert_eq!(text.matches(" Restart ").count(), 2, "{text}");
}

#[test]
fn simulations_have_pythons_figures() {
    let recorded = Recorded::copy();
    let trace = &recorded.trace();
    for arguments in [
        &[][..],
        &["-s", "0.02"],
        &["-s", "0.05", "-i", "5"],
        &["-s", "0.03", "-r", "0.3"],
        &["-s", "0.1", "-r", "1"],
    ] {
        let ours = ours("simulate", arguments, trace);
        same(&ours, &pythons("simul", arguments, trace));
        assert!(ours.lines().count() > 8, "{ours}");
    }
}

#[test]
fn a_compressed_trace_is_read_as_pythons_tools_do() {
    let recorded = Recorded::copy();
    let packed = recorded.0.path("main.trace.gz");
    let code =
        "import gzip, shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), gzip.open(sys.argv[2], 'wb'))";
    let status = Command::new(zeolith_tests::python::program("python"))
        .args(["-c", code])
        .arg(recorded.trace())
        .arg(&packed)
        .status()
        .expect("it runs");
    assert!(status.success());
    same(&ours("stats", &[], &packed), &pythons("stats", &[], &packed));
    assert_eq!(ours("simulate", &[], &packed), ours("simulate", &[], &recorded.trace()));
}

#[test]
fn the_hit_rate_of_every_policy_is_higher_with_room_for_everything_than_with_next_to_none() {
    let recorded = Recorded::copy();
    let svg = recorded.0.path("hits.svg");
    let path = svg.to_str().expect("a plain path");
    let text = ours("simulate", &["--sizes", "--svg", path], &recorded.trace());
    let table: Vec<Vec<f64>> = text
        .lines()
        .skip(3)
        .map(|line| line.split('%').filter_map(|cell| cell.split(' ').next_back()?.parse().ok()).collect())
        .collect();
    assert!(table.len() > 4 && table.iter().all(|row| row.len() == 3), "{text}");
    let last = &table[table.len() - 1];
    assert!(
        last[2] > 50.0 && last.iter().all(|rate| *rate == last[2]),
        "all have room for everything:\n{text}"
    );
    assert!(table[0].iter().all(|rate| *rate < last[0]), "{text}");
    assert!(fs::read_to_string(&svg).expect("it was drawn").contains("</svg>"));
}

#[test]
fn python_reads_the_trace_that_our_client_writes() {
    let home = Home::new();
    let cache = home.path("main.zec");
    let mut trace = TraceFile::beside(&cache).expect("it opens");
    let traced =
        |code, oid, size, start| Traced { code, size, oid: Oid(oid), start: Tid(start), end: Tid::ZERO };
    for oid in [1, 2, 1, 3, 2, 1] {
        trace.record(traced(Code::LoadMiss, oid, 0, 0));
        trace.record(traced(Code::Store, oid, 100 * oid as u32, 5));
    }
    trace.record(traced(Code::InvalidateKeep, 1, 0, 6));
    drop(trace);
    let trace = home.path("main.zec.trace");
    for arguments in [&[][..], &["-v", "-h", "-s"]] {
        same(&ours("stats", arguments, &trace), &pythons("stats", arguments, &trace));
    }
    same(&ours("simulate", &["-s", "1"], &trace), &pythons("simul", &["-s", "1"], &trace));
}

#[test]
fn a_trace_that_is_cut_off_or_none_ends_with_1() {
    let folder = Recorded::copy();
    let fails = |path: &Path, tool: &str| {
        let output = Command::new(zeolith()).args(["cache", tool]).arg(path).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let cut = folder.trace();
    let file = File::options().write(true).open(&cut).expect("it opens");
    file.set_len(file.metadata().expect("a size").len() - 3).expect("it is cut");
    for tool in ["stats", "simulate"] {
        let (out, error) = fails(&cut, tool);
        assert!(error.contains(" ends inside a record at byte "), "{error}");
        assert!(out.lines().count() > 8, "what there is was summed up:\n{out}");
        let other = folder.0.path("Data.fs");
        fs::write(&other, [b"FS30".repeat(20), vec![7; 100]].concat()).expect("written");
        let (_, error) = fails(&other, tool);
        assert!(error.contains(" is no cache trace: at byte 0, "), "{error}");
        let (_, error) = fails(&folder.0.path("missing"), tool);
        assert!(error.contains(" cannot be read: No such file"), "{error}");
    }
}
